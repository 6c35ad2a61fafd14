"""The sentence never says more than the verdicts, and the numbers come from the rows behind them."""

import json
from dataclasses import replace

import pytest
from claim_rows import DRAWS, HALF_LOG_TWO_PI, LATENT, altered, cell, drawn, ended, evaluated

from elbo_compare.compare.judging.answer import answer
from elbo_compare.compare.judging.judge import judged
from elbo_compare.compare.judging.ordered import InMemory
from elbo_compare.compare.records import Procedure, Quantity, Status

EVERYBODY = ("pyro", "numpyro", "torch-hand", "jax-hand", "numpy-oracle")
ESTIMATORS = ("sampled-kl", "analytic-kl")


def everything(names=EVERYBODY):
    return [
        make(cell(implementation=name, estimator=estimator, procedure=procedure))
        for make, procedure in ((evaluated, Procedure.EVALUATE), (drawn, Procedure.DRAW))
        for name in names
        for estimator in ESTIMATORS
    ]


def answered(results):
    held = InMemory(results)
    return answer(judged(held, latent=lambda _: LATENT), held)


def replaced(results, index, quantity, **fields):
    return [altered(each, quantity, **fields) if i == index else each for i, each in enumerate(results)]


def index_of(results, name, procedure):
    return next(
        i for i, each in enumerate(results) if (each.cell.implementation, each.cell.procedure) == (name, procedure)
    )


def _without_ties(results):
    """The analytic rows of these results hold a random KL, which no claim here looks at."""
    return [each for each in results if (each.cell.estimator, each.cell.procedure) != ("analytic-kl", Procedure.DRAW)]


def test_all_right_is_a_plain_yes_with_counts():
    found = answered(_without_ties(everything()))
    assert found["standing"] == "agrees"
    assert found["sentence"].startswith("Yes: ")
    assert "Pyro's and NumPyro's Trace_ELBO up to rounding (2 of 2 comparisons" in found["sentence"]
    assert "cancels in the KL, but not in log q alone" in " ".join(found["reasons"])
    assert found["counts"]["differs"] == found["counts"]["inconclusive"] == 0


@pytest.mark.parametrize(("name", "library"), [("pyro", "Pyro"), ("numpyro", "NumPyro")])
def test_a_library_that_differs_is_named_and_there_is_no_yes(name, library):
    results = _without_ties(everything())
    found = answered(replaced(results, index_of(results, name, Procedure.EVALUATE), Quantity.KL, shift=1e-3))
    assert found["sentence"].startswith("Not everywhere: ")
    assert f"differs from the KL term of {library}'s Trace_ELBO (equal in 0 of 2 comparisons only)" in found["sentence"]


def test_a_library_that_was_not_there_is_not_claimed():
    results = _without_ties(everything(("pyro", "torch-hand")))
    results.append(ended(cell(implementation="numpyro"), Status.NOT_RUN, "numpyro is not installed"))
    found = answered(results)
    assert found["sentence"].startswith("Only partly measured: ")
    assert "was not compared with NumPyro's Trace_ELBO" in found["sentence"]


def test_a_crash_leaves_it_undecided():
    results = _without_ties(everything())
    index = index_of(results, "pyro", Procedure.EVALUATE)
    results[index] = ended(results[index].cell, Status.CRASHED, "signal 11")
    found = answered(results)
    assert found["sentence"].startswith("Not decided: ")
    assert found["cells"] == {"crashed": 1, "ok": len(results) - 1}


def test_a_wrong_mean_of_the_hand_written_draws_is_said():
    results = _without_ties(everything())
    index = index_of(results, "torch-hand", Procedure.DRAW)
    found = answered(replaced(results, index, Quantity.KL_MEAN, shift=1.0))
    assert "Its own draws have a wrong mean or variance somewhere" in " ".join(found["reasons"])


def test_a_flow_is_counted_and_a_laplace_prior_is_not():
    """The question is about the line that drops 0.5 log 2 pi, under any flow; under a Laplace prior nobody drops it."""
    results = _without_ties(everything())
    for problem in ("householder-small", "laplace-small"):
        of = cell(problem=problem)
        results += [evaluated(replace(of, implementation=name)) for name in ("pyro", "numpyro", "torch-hand")]
    assert "(3 of 3 comparisons each)" in answered(results)["sentence"]


def test_nothing_measured_claims_nothing():
    found = answered([])
    assert found["standing"] == "not run"
    assert [number["value"] for number in found["numbers"]] == [None] * 4
    assert "not measured" in found["numbers"][0]["detail"]
    assert "Yes" not in found["sentence"]


def test_the_four_numbers():
    results = _without_ties(everything())
    pyro, torch = index_of(results, "pyro", Procedure.EVALUATE), index_of(results, "torch-hand", Procedure.DRAW)
    results = replaced(results, pyro, Quantity.KL, shift=3.6e-15)  # one ulp of 25
    results = replaced(results, torch, Quantity.KL_MEAN, shift=0.06)
    results = replaced(results, torch, Quantity.KL_VARIANCE, factor=1.02)
    same_noise, mean, variance, constant = answered(results)["numbers"]
    ulp, rounding = 3.5527136788005009e-15, 2 * 120.0 * 2.0**-53
    assert same_noise["value"] == pytest.approx(ulp / rounding, rel=1e-12)
    assert (same_noise["unit"], same_noise["tolerance"]) == ("roundings", 16)
    assert "largest difference in nats is 3.6e-15" in same_noise["detail"]
    assert same_noise["n"] == 4
    assert [each["counted"].split()[0] for each in (same_noise, mean, variance, constant)] == [
        *("comparisons", "draws", "draws", "cells"),
    ]
    assert mean["value"] == pytest.approx(0.01, rel=1e-9)  # 0.06 nats of a standard deviation of 6
    assert mean["interval"][0] < 0.01 < mean["interval"][1]
    assert (mean["n"], mean["tolerance"]) == (DRAWS, pytest.approx(0.05))
    assert variance["value"] == pytest.approx(1.02)
    assert variance["interval"][0] < 1.02 < variance["interval"][1]
    assert constant["value"] == pytest.approx(LATENT * HALF_LOG_TWO_PI)
    assert "40 latent dimensions × 0.9189" in constant["detail"]


def test_the_worst_mean_and_variance_say_which_cells_they_are_of():
    """A flow's draws, far off here, are another claim's."""
    flow = drawn(cell(problem="householder-small", implementation="pyro", procedure=Procedure.DRAW))
    alone = _without_ties(everything())
    numbers = [
        answered(each)["numbers"][1:3] for each in (alone, [*alone, altered(flow, Quantity.KL_MEAN, shift=100.0)])
    ]
    assert numbers[0] == numbers[1]
    for number, claim in zip(numbers[0], ("FLOW-003", "FLOW-004"), strict=True):
        assert "Gaussian q without flow, N(0, I) prior: worst case" in number["label"]
        assert number["detail"].endswith(f"{claim} judges linear flows")
        assert "worst of 5 cells" in number["detail"]


def test_the_answer_is_plain_data():
    assert json.loads(json.dumps(answered(_without_ties(everything()))))["question"]
