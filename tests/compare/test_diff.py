"""`compare diff`: changed verdicts, numbers beyond their error, cells in one folder only, environments, exit codes."""

import json
import sys
from dataclasses import replace

import pandas as pd
import pytest
from claim_rows import altered, cell, drawn, evaluated, path, result
from folders import write_folder

from elbo_compare.compare.citing.diff import diff, to_json
from elbo_compare.compare.cli import main
from elbo_compare.compare.commands.diff import as_text
from elbo_compare.compare.records import Procedure, Quantity
from elbo_compare.compare.statistics import ErrorBudget

HAND, PYRO = cell(), cell(implementation="pyro")
DRAWN = cell(implementation="pyro", problem="gaussian-kl", weights="2-typical", procedure=Procedure.DRAW, size=50_000)
SD, N = 6.0, 50_000  # of the KL draws in `claim_rows`


@pytest.fixture
def compared(tmp_path):
    """diff() of two lists of results."""

    def compare(old, new, **packages):
        write_folder(tmp_path / "old", old)
        write_folder(tmp_path / "new", new, **packages)
        return diff(tmp_path / "old", tmp_path / "new")

    return compare


def both() -> list:
    return [evaluated(HAND), evaluated(PYRO, dropped=False), drawn(DRAWN)]


def test_equal_folders_differ_in_nothing(compared):
    found = compared(both(), both())
    assert found.verdicts.empty
    assert found.numbers.empty
    assert (found.only_old, found.only_new, found.environment, found.exit_code) == ((), (), {}, 0)
    assert found.compared_verdicts > 20
    assert found.compared_numbers > 15


def test_a_verdict_that_turns_is_named_with_its_claim_and_exits_with_1(compared):
    worse = [evaluated(HAND), altered(evaluated(PYRO, dropped=False), Quantity.KL, shift=1e-6), drawn(DRAWN)]
    found = compared(both(), worse)
    assert {"KL-002", "MATCH-001", "CONST-002"} <= set(found.verdicts["claim"])
    assert set(zip(found.verdicts["old"], found.verdicts["new"], strict=True)) == {("agrees", "differs")}
    assert found.exit_code == 1
    assert list(found.numbers["quantity"]) == ["kl"]


def test_a_constant_that_is_now_dropped_is_a_change_of_number_and_not_of_verdict(compared):
    found = compared([evaluated(PYRO, dropped=False)], [evaluated(PYRO, dropped=True)])
    assert found.verdicts.empty
    assert set(found.numbers["quantity"]) == {"log_q", "log_prior"}
    assert found.exit_code == 0


@pytest.mark.parametrize(("factor", "changes"), [(0.9, 0), (1.1, 1)])
def test_rounding_may_move_a_number_by_the_sum_of_both_tolerances(compared, factor, changes):
    allowed = 2 * 16 * 2.0**-53 * 120.0
    old = [altered(evaluated(PYRO), Quantity.KL, shift=-allowed / 2)]
    new = [altered(evaluated(PYRO), Quantity.KL, shift=allowed * (factor - 0.5))]
    assert len(compared(old, new).numbers) == changes


@pytest.mark.parametrize(("factor", "changes"), [(0.95, 0), (1.05, 1)])
def test_sampling_may_move_a_mean_by_the_interval_of_two_at_the_budgets_level(compared, factor, changes):
    allowed = ErrorBudget().z * SD * (2 / N) ** 0.5
    new = [altered(drawn(DRAWN), Quantity.KL_MEAN, shift=factor * allowed)]
    found = compared([drawn(DRAWN)], new)
    assert list(found.numbers["quantity"]) == ["kl_mean"] * changes
    if changes:
        assert found.numbers["allowed"].iloc[0] == pytest.approx(allowed)
        assert found.numbers["error"].iloc[0] == "sampling"


def test_another_number_of_draws_is_the_same_cell(compared):
    fewer = replace(DRAWN, size=40_000)
    found = compared([drawn(DRAWN)], [drawn(fewer, 40_000)])
    assert (found.only_old, found.only_new) == ((), ())
    assert found.compared_numbers > 0


def test_a_batch_of_another_size_is_another_cell(compared):
    found = compared([evaluated(PYRO)], [evaluated(replace(PYRO, size=8))])
    assert len(found.only_old) == len(found.only_new) == 1
    assert found.compared_numbers == 0


def test_two_devices_are_matched_where_neither_is_in_both_folders(compared):
    found = compared(
        both(), [evaluated(replace(HAND, device="cuda")), evaluated(replace(PYRO, device="cuda"), dropped=False)]
    )
    assert found.only_new == ()
    assert found.only_old == (DRAWN.label,)
    assert found.compared_verdicts > 20
    assert found.verdicts.empty


@pytest.mark.parametrize(("ulps", "changes"), [(190, 0), (210, 1)])
def test_a_training_path_may_move_by_a_hundred_ulps_on_either_side(compared, ulps, changes):
    fit = cell(implementation="pyro", procedure=Procedure.FIT_PATH, size=3)
    moved = altered(path(fit), Quantity.PATH_ELBO, shift=ulps * 1e-13)
    found = compared([path(fit)], [moved])
    assert list(found.numbers["quantity"]) == ["path_elbo"] * 3 * changes


def test_a_value_that_became_nan_has_changed(compared):
    found = compared([evaluated(PYRO)], [altered(evaluated(PYRO), Quantity.ELBO, factor=float("nan"))])
    assert "elbo" in set(found.numbers["quantity"])


def test_environments_are_told_apart_item_by_item(compared):
    found = compared(both(), both(), pyro_ppl="1.9.3")
    assert found.environment == {"packages · pyro-ppl": ("1.9.2", "1.9.3")}


def test_text_and_json_say_the_same(compared):
    worse = [evaluated(HAND), altered(evaluated(PYRO, dropped=False), Quantity.KL, shift=1e-6)]
    found = compared(both(), worse)
    text, content = as_text(found), json.loads(to_json(found))
    assert f"Verdicts changed: {len(content['verdicts'])} of {content['compared_verdicts']}" in text
    assert content["exit_code"] == 1
    assert content["only_old"] == [DRAWN.label]
    assert DRAWN.label in text
    for row in content["verdicts"]:
        assert row["claim"] in text


@pytest.mark.parametrize(("new", "code"), [("same", 0), ("worse", 1), ("nothing", 2)])
def test_exit_codes(new, code, tmp_path, monkeypatch, capsys):
    write_folder(tmp_path / "old", both())
    write_folder(tmp_path / "same", both())
    write_folder(
        tmp_path / "worse", [altered(each, Quantity.KL, shift=1.0) if each.cell == PYRO else each for each in both()]
    )
    monkeypatch.setattr(sys, "argv", ["compare", "diff", str(tmp_path / "old"), str(tmp_path / new)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code or 0) == code
    assert capsys.readouterr().err.count("\n") == (code == 2)


def test_a_folder_that_was_not_judged_is_refused_in_one_line(tmp_path):
    from elbo_compare.compare.errors import StoreError

    write_folder(tmp_path / "old", [result(PYRO, [])])
    (tmp_path / "old" / "verdicts.parquet").unlink()
    with pytest.raises(StoreError, match="compare judge"):
        diff(tmp_path / "old", tmp_path / "old")


# --- the suites


SUITE_ROWS = {
    "findings": [{"id": "FIND-PYRO-001", "library": "pyro", "outcome": "agrees", "reason": "", "versions": "1"}],
    "semantics": [
        {"case": "SEM-SCALE-001", "library": "pyro", "quantity": name, "outcome": "agrees", "reason": ""}
        for name in ("trace", "mean_field")
    ],
    "questions": [
        {"question": "UNI", "claim": "UNI-001", "case": "c", "quantity": "q", "at": float("nan"), "outcome": "agrees",
         "reason": ""},
        {"question": "UNI", "claim": "", "case": "c", "quantity": "shown", "at": 1.0, "outcome": "", "reason": ""},
    ],
    "sensitivity": [{"variant": "MUT-071", "claim": "GRAD-001", "outcome": "differs", "detail": "off by 2"}],
}  # fmt: skip


def _suite_folder(folder, **changed):
    """A folder of the suites alone; `changed`: frame -> the outcome of its first row."""
    folder.mkdir()
    for name, rows in SUITE_ROWS.items():
        first = rows[0] | ({"outcome": changed[name], "reason": "it is right now"} if name in changed else {})
        pd.DataFrame([first, *rows[1:]]).to_parquet(folder / f"{name}.parquet")
    return folder


def test_suites_that_say_the_same_differ_in_nothing(tmp_path):
    found = diff(_suite_folder(tmp_path / "old"), _suite_folder(tmp_path / "new"))
    assert {str(each.sort): each.compared for each in found.suites} == {
        "findings": 1, "semantics": 2, "questions": 1, "mutants": 1,
    }  # fmt: skip
    assert all(each.changed.empty for each in found.suites)
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("frame", "outcome", "words"),
    [
        ("findings", "differs", ("FIND-PYRO-001", "reproduced", "no longer seen", "it is right now")),
        ("semantics", "differs", ("SEM-SCALE-001", "pyro trace", "as registered", "changed")),
        ("questions", "inconclusive", ("UNI-001", "UNI c q", "agrees", "inconclusive")),
        ("sensitivity", "agrees", ("MUT-071", "GRAD-001", "caught", "passes")),
    ],
)
def test_a_change_in_a_suite_is_named_and_exits_with_1(tmp_path, frame, outcome, words):
    found = diff(_suite_folder(tmp_path / "old"), _suite_folder(tmp_path / "new", **{frame: outcome}))
    assert found.exit_code == 1
    line = next(line for line in as_text(found).splitlines() if line.strip().startswith(words[0]))
    assert all(word in line for word in words), line
    content = json.loads(to_json(found))
    assert sum(len(each["changed"]) for each in content["suites"].values()) == 1


def test_a_finding_that_only_one_folder_knows_is_named_and_is_no_change(tmp_path):
    old, new = _suite_folder(tmp_path / "old"), _suite_folder(tmp_path / "new")
    rows = [*SUITE_ROWS["findings"], SUITE_ROWS["findings"][0] | {"id": "FIND-PYRO-099"}]
    pd.DataFrame(rows).to_parquet(new / "findings.parquet")
    found = diff(old, new)
    assert found.exit_code == 0
    assert "only in NEW: FIND-PYRO-099" in as_text(found)
