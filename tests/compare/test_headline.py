"""What a run's end says first: what was asked for, and each claim that differs with the command that shows it."""

from pathlib import Path

import pytest
from claim_rows import LATENT, altered, cell, evaluated

from elbo_compare.compare.commands.judge import RunEnd, in_words
from elbo_compare.compare.judging.answer import answer
from elbo_compare.compare.judging.headline import SHOWN, asked_for, differing, plug_ins
from elbo_compare.compare.judging.judge import judged
from elbo_compare.compare.judging.ordered import InMemory
from elbo_compare.compare.records import CellResult, Quantity, Status

FOLDER = Path("results/mine")
HAND, PYRO = cell(), cell(implementation="pyro")


def _verdicts(*results):
    return judged(InMemory(results), latent=lambda cell: LATENT)


def _end(verdicts, results=(), expression=None):
    """The lines of a run's end."""
    names = [each.implementation for each in verdicts]
    judged = RunEnd(
        answer=answer(verdicts, InMemory(results)),
        asked_for=asked_for(verdicts, expression, plug_ins(names)),
        differing=differing(verdicts, FOLDER),
        outcomes={},
        statuses={},
        missing=0,
        damaged=[],
        suites=[],
        exit_code=0,
    )
    return in_words(judged)


def test_each_claim_that_differs_is_named_with_cell_size_and_command():
    wrong = altered(evaluated(PYRO, dropped=False), Quantity.KL, shift=1e-6)
    verdicts = _verdicts(evaluated(HAND), wrong)
    lines = _end(verdicts)
    bad = [each for each in verdicts if each.outcome == "differs"]
    assert bad
    for each in bad:
        place = next(i for i, line in enumerate(lines) if line.startswith(f"  {each.claim}  {each.label}"))
        assert "times what is allowed" in lines[place]
        assert lines[place + 1] == f"    compare why {each.claim} {each.key} results/mine"
    assert f"Differs: {len(bad)} verdicts on {len({each.claim for each in bad})} claims" in lines


def test_the_worst_verdict_of_every_claim_comes_before_a_second_of_any():
    cells = [cell(implementation="pyro", seed=seed) for seed in range(20)]
    wrong = [altered(evaluated(each, dropped=False), Quantity.KL, shift=1e-6 * (1 + i)) for i, each in enumerate(cells)]
    verdicts = _verdicts(*wrong)
    claims = {each.claim for each in verdicts if each.outcome == "differs"}
    named = [line.split()[0] for line in differing(verdicts, FOLDER) if line.startswith("  ") and "  vae" in line]
    first = named[: min(SHOWN, len(claims))]
    assert len(set(first)) == len(first)
    assert any("more: results/mine/verdicts.csv" in line for line in differing(verdicts, FOLDER))


def test_a_choice_of_cells_is_answered_with_what_was_chosen():
    verdicts = _verdicts(evaluated(HAND))
    lines = _end(verdicts, expression="torch-hand")
    assert lines[1].startswith("-k 'torch-hand': ")
    assert " on 1 cell: " in lines[1]
    assert not any("Only partly measured" in line for line in lines)


def test_a_plug_in_is_answered_with_its_own_counts():
    mine = altered(evaluated(cell(implementation="my-vae")), Quantity.KL, shift=1e-3)
    verdicts = _verdicts(evaluated(HAND), mine)
    lines = _end(verdicts)
    assert lines[1].startswith("my-vae: ")
    assert "differs" in lines[1]
    counted = sum(each.implementation == "my-vae" for each in verdicts)
    told = sum(int(part.split()[0]) for part in lines[1].split(": ")[2].split(", "))
    assert told == counted
    assert not any("Only partly measured" in line for line in lines)


def test_a_whole_profile_of_ours_is_answered_with_the_line():
    lines = _end(_verdicts(evaluated(HAND), evaluated(PYRO)))
    assert lines[1].startswith("Only partly measured: ")


def test_a_cell_that_crashed_is_not_decided_and_says_why():
    crashed = CellResult(cell=PYRO, status=Status.CRASHED, reason="signal 11")
    lines = differing(_verdicts(evaluated(HAND), crashed), FOLDER)
    assert lines[0].startswith("Not decided: ")
    assert any("the cell crashed: signal 11" in line for line in lines)


def test_nothing_is_added_where_everything_agrees():
    assert differing(_verdicts(evaluated(HAND)), FOLDER) == []


@pytest.mark.parametrize(("names", "found"), [(["pyro", "my-vae", "my-vae"], ["my-vae"]), (["numpy-oracle"], [])])
def test_plug_ins_are_those_that_are_none_of_ours(names, found):
    assert plug_ins(names) == found
