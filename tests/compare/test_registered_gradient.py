"""A library whose finding is on its gradient is held against what the finding says, and seen where it is mended."""

from dataclasses import replace

import numpy as np
import pytest
from claim_rows import row
from folders import write_folder

from elbo_compare.compare.citing.cite import cite
from elbo_compare.compare.claims import by_id
from elbo_compare.compare.claims.cells import EXAMPLE
from elbo_compare.compare.judging.answer import answer
from elbo_compare.compare.judging.headline import asked_for
from elbo_compare.compare.judging.judge import code_of, judge, judged
from elbo_compare.compare.judging.ordered import InMemory
from elbo_compare.compare.records import CellResult, Outcome, Quantity, Status
from elbo_compare.suites import problems
from elbo_compare.suites.numpy_oracle.gradients import _output_delta
from elbo_compare.suites.numpy_oracle.reference import TORCH_FLOOR
from elbo_compare.suites.roster import GUESTS, clamped
from elbo_compare.suites.semantics.findings import FINDINGS

FINDING = "FIND-PYTHAE-002"
APART = 1e-6  # between the right gradient and the finding's; rounding is 1e-14


def measured(from_right, from_registered, apart=APART):
    told = row(Quantity.GRADIENT_REGISTERED, from_registered, part="decoder.output.bias", reference=apart, scale=4.0)
    right = row(Quantity.GRADIENT_DISTANCE, from_right, part="decoder.output.bias", reference=2.0, scale=4.0)
    cell = replace(EXAMPLE, implementation="pythae", problem="vae-small", weights="trained", dtype="float64")
    return CellResult(cell=cell, status=Status.OK, measurements=(right, replace(told, note=FINDING)))


def verdict(*numbers, **fields):
    (found,) = judge([measured(*numbers, **fields)], claims=[by_id("GRAD-001")])
    return found


def test_what_the_finding_says_is_reproduced_and_is_not_called_right():
    found = verdict(from_right=APART, from_registered=1e-15)
    assert found.outcome is Outcome.REGISTERED
    assert found.reason.startswith(f"not right, but as {FINDING} has it: off the right one by 1e-06 in decoder")


def test_it_is_no_agreement_wherever_verdicts_are_counted_and_no_fault(tmp_path):
    result = measured(APART, 1e-15)
    held = InMemory([result])
    found = judged(held, claims=[by_id("GRAD-001")])
    assert answer(found, held)["counts"] == {
        "agrees": 0, "as registered": 1, "differs": 0, "inconclusive": 0, "not run": 0
    }  # fmt: skip
    assert asked_for(found, "pythae", ()) == ["-k 'pythae': 1 claim on 1 cell: 1 as registered"]
    assert code_of(found.counts, held.statuses) == 0
    told = cite("GRAD-001", write_folder(tmp_path / "run", [result]))
    head = next(line for line in told.splitlines() if line.strip().startswith("implementation"))
    mine = next(line for line in told.splitlines() if line.strip().startswith("pythae"))
    assert "agrees  as registered  differs" in head and mine.split("float64")[1].split()[:3] == ["0", "1", "0"]
    right = InMemory([measured(1e-15, 1e-15, apart=1e-15)])
    assert "as registered" not in answer(judged(right, claims=[by_id("GRAD-001")]), right)["counts"]


def test_a_finding_that_no_longer_shows_is_seen():
    found = verdict(from_right=1e-15, from_registered=APART)
    assert found.outcome is Outcome.DIFFERS and f"{FINDING} no longer shows" in found.reason


@pytest.mark.parametrize("from_registered", [2e-6, float("nan")])
def test_what_is_neither_differs(from_registered):
    assert verdict(from_right=APART, from_registered=from_registered).outcome is Outcome.DIFFERS


def test_where_the_two_are_one_the_gradient_must_be_right():
    assert verdict(from_right=1e-15, from_registered=1e-15, apart=1e-15).reason == ""
    assert verdict(from_right=APART, from_registered=APART, apart=1e-15).outcome is Outcome.DIFFERS


def test_the_oracle_s_prediction_is_torch_s_derivative():
    """Against torch's own backward pass, at logits on both sides of the floor (27.6)."""
    torch = pytest.importorskip("torch")
    logits = np.linspace(-40, 40, 161)[None]
    for pixel in (0.0, 0.3, 1.0):
        x = np.full_like(logits, pixel)
        given = torch.tensor(logits, requires_grad=True)
        loss = torch.nn.functional.binary_cross_entropy(torch.sigmoid(given), torch.tensor(x), reduction="sum")
        (theirs,) = torch.autograd.grad(-loss, given)
        problem = problems.load("vae-small", "trained")
        # 1 - p has one rounding of 1: below the floor it is divided by 1e-12, at most 1e-16 / 1e-12 of a slope of 1
        ours = _output_delta(problem, x, logits, TORCH_FLOOR)
        assert np.abs(ours - theirs.numpy()).max() < 2e-4
        inside = np.abs(logits) < 20
        assert np.abs(ours - theirs.numpy())[inside].max() < 1e-15
        if pixel == 0.0:  # a sure pixel that is wrong: the right slope is -1
            assert ours[0, -1] > -1e-4 and _output_delta(problem, x, logits, 0.0)[0, -1] == pytest.approx(-1)


def test_who_is_held_against_a_finding_has_it():
    known = {each.id: str(each.library) for each in FINDINGS}
    assert clamped("pythae") == FINDING and not clamped("torch-hand") and not clamped("somebody's")
    assert all(known[each.clamped] == each.name for each in GUESTS if each.clamped)
