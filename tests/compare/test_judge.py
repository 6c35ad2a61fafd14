"""The judge: what becomes of cells that did not end well, of pairs, of the budget and of the order."""

import random
import sys

import pytest
from claim_rows import LATENT, altered, cell, drawn, ended, evaluated

from elbo_compare.compare.claims import CLAIMS, by_id
from elbo_compare.compare.judging.judge import ErrorBudgetExceededError, exit_code, judge
from elbo_compare.compare.records import Outcome, Procedure, Quantity, Status
from elbo_compare.compare.statistics import ErrorBudget

BROKEN = [Status.FAILED, Status.CRASHED, Status.TIMED_OUT]


def judged(*results, **options):
    return judge(results, latent=lambda _: LATENT, **options)


def test_a_cell_not_run_gives_its_reason_to_every_claim_about_it():
    verdicts = judged(ended(cell(), Status.NOT_RUN, "torch is not installed"))
    assert {verdict.outcome for verdict in verdicts} == {Outcome.NOT_RUN}
    about = {claim.id for claim in CLAIMS if claim.applies(cell()) and claim.pairing is None}
    assert about <= {verdict.claim for verdict in verdicts}
    assert all(verdict.reason for verdict in verdicts)
    assert exit_code(verdicts, [ended(cell(), Status.NOT_RUN, "torch is not installed")]) == 0


@pytest.mark.parametrize("status", BROKEN)
def test_a_cell_that_broke_is_inconclusive_with_the_reason(status):
    result = ended(cell(), status, "segmentation fault")
    verdicts = [verdict for verdict in judged(result) if verdict.claim == "KL-002"]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.INCONCLUSIVE]
    assert "segmentation fault" in verdicts[0].reason
    assert str(status) in verdicts[0].reason
    assert exit_code(verdicts, [result]) == 3


@pytest.mark.parametrize(
    ("status", "outcome"), [(Status.NOT_RUN, Outcome.NOT_RUN), (Status.CRASHED, Outcome.INCONCLUSIVE)]
)
def test_a_pair_takes_over_what_happened_to_its_partner(status, outcome):
    library = evaluated(cell(implementation="pyro"))
    verdicts = judged(library, ended(cell(), status, "no torch"), claims=[by_id("MATCH-001")])
    assert [verdict.outcome for verdict in verdicts] == [outcome]
    assert "no torch" in verdicts[0].reason
    assert "torch-hand" in verdicts[0].reason


def test_a_library_is_compared_with_every_hand_written_implementation():
    results = [evaluated(cell(implementation=name)) for name in ("pyro", "numpyro", "torch-hand", "jax-hand")]
    verdicts = judged(*results, claims=[by_id("MATCH-001")])
    assert [(each.implementation, each.other.split("/")[1]) for each in verdicts] == [
        ("pyro", "jax-hand"),
        ("pyro", "torch-hand"),
    ]


@pytest.mark.parametrize(
    "difference", [{"seed": 1}, {"datum": 1}, {"dtype": "float32"}, {"size": 9}, {"device": "cuda"}]
)
def test_nothing_is_compared_at_another_noise_or_precision(difference):
    library, hand = evaluated(cell(implementation="pyro")), evaluated(cell(**difference))
    verdicts = judged(library, hand, claims=[by_id("MATCH-001")])
    assert [verdict.outcome for verdict in verdicts] == [Outcome.NOT_RUN]
    assert "hand-written" in verdicts[0].reason


def test_a_claim_without_a_subject_says_so_once_per_implementation():
    results = [evaluated(cell(size=size, implementation=name)) for size in (5, 7) for name in ("torch-hand", "pyro")]
    verdicts = judged(*results, claims=[by_id("DEV-001")])
    assert [(each.implementation, each.outcome) for each in verdicts] == [
        ("pyro", Outcome.NOT_RUN),
        ("torch-hand", Outcome.NOT_RUN),
    ]
    assert "CUDA" in verdicts[0].reason


def test_a_broken_library_turns_its_own_rows_red_and_nobody_elses():
    names = ("pyro", "numpyro", "torch-hand", "jax-hand", "numpy-oracle")
    results = [
        evaluated(cell(implementation=name, estimator=e)) for name in names for e in ("sampled-kl", "analytic-kl")
    ]
    results[0] = altered(results[0], Quantity.KL, shift=1e-6)
    red = {verdict.implementation for verdict in judged(*results) if verdict.outcome is Outcome.DIFFERS}
    assert red == {"pyro"}


def test_verdicts_do_not_depend_on_the_order_of_results():
    results = [
        make(cell(implementation=name, seed=seed, procedure=procedure))
        for name in ("pyro", "numpyro", "torch-hand", "numpy-oracle")
        for seed in (0, 1)
        for make, procedure in ((evaluated, Procedure.EVALUATE), (drawn, Procedure.DRAW))
    ]
    shuffled = random.Random(4).sample(results, len(results))
    assert repr(judged(*results)) == repr(judged(*shuffled))  # repr: nan is not equal to itself


def test_more_statistical_verdicts_than_the_budget_allows_are_refused():
    results = [drawn(cell(procedure=Procedure.DRAW, datum=datum)) for datum in range(3)]
    with pytest.raises(ErrorBudgetExceededError, match=r"6 statistical verdicts.*split over 5"):
        judged(*results, claims=[by_id("KL-004"), by_id("KL-005")], budget=ErrorBudget(tests=5))
    assert judged(*results, claims=[by_id("KL-004"), by_id("KL-005")], budget=ErrorBudget(tests=6))


def test_cells_that_did_not_run_spend_nothing():
    results = [ended(cell(procedure=Procedure.DRAW, datum=datum), Status.NOT_RUN, "-") for datum in range(9)]
    assert judged(*results, claims=[by_id("KL-004")], budget=ErrorBudget(tests=1))


def test_exit_codes():
    right, wrong = evaluated(cell()), altered(evaluated(cell(seed=1)), Quantity.KL, shift=1.0)
    crashed = ended(cell(seed=2), Status.CRASHED, "signal 11")
    claims = [by_id("KL-002")]
    for results, code in (
        ([right], 0),
        ([right, wrong], 1),
        ([right, crashed], 3),
        ([right, wrong, crashed], 1),
        ([], 0),
    ):
        assert exit_code(judged(*results, claims=claims), results) == code


def test_a_crashed_cell_that_no_claim_is_about_is_still_incomplete():
    timed = ended(cell(procedure=Procedure.TIME), Status.CRASHED, "signal 9")
    assert judged(timed) == []
    assert exit_code([], [timed]) == 3


def test_the_cost_is_linear():
    """Ten times the cells take ten times the function calls (and the sort a little more): no pair is tried in vain."""

    def calls(count: int) -> int:
        results = [
            evaluated(cell(implementation=name, seed=seed))
            for seed in range(count)
            for name in ("pyro", "numpyro", "torch-hand", "jax-hand")
        ]
        counted = 0

        def count_call(frame, event, argument):
            nonlocal counted
            counted += 1

        sys.setprofile(count_call)
        try:
            judged(*results)
        finally:
            sys.setprofile(None)
        return counted

    assert calls(60) < 12 * calls(6)
