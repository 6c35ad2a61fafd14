"""A run that asks only which estimator to take leads with that answer, and says no more than its verdicts do."""

import json

import pytest
from claim_rows import LATENT, altered, cell, evaluated, spread

from elbo_compare.compare.judging import choice
from elbo_compare.compare.judging.answer import QUESTION, answer
from elbo_compare.compare.judging.judge import judged
from elbo_compare.compare.judging.ordered import InMemory
from elbo_compare.compare.records import Procedure, Quantity

EVERY = [
    (procedure, weights, estimator)
    for procedure, weights in (
        (Procedure.SPREAD, "initial"),
        (Procedure.SPREAD, "trained"),
        (Procedure.FIT_PAIRS, "initial"),
    )
    for estimator in ("sampled-kl", "analytic-kl")
]


def chosen(*, pairs=64):
    """Right cells of everything that CHOOSE-001 to -006 look at."""
    return [spread(cell(procedure=p, weights=w, estimator=e), pairs=pairs) for p, w, e in EVERY]


def answered(results):
    held = InMemory(results)
    return answer(judged(held, latent=lambda _: LATENT), held)


def planted(results, procedure, weights, quantity, **fields):
    """The same, one analytic cell altered."""
    at = EVERY.index((procedure, weights, "analytic-kl"))
    return [altered(each, quantity, **fields) if i == at else each for i, each in enumerate(results)]


def test_what_was_asked_is_answered_first():
    found = answered(chosen())
    assert found["about"] == choice.ABOUT
    assert found["question"] == choice.QUESTION
    assert found["standing"] == "agrees"
    assert "the analytic KL has the quieter gradient (3 of 3 comparisons)" in found["sentence"]
    assert "Once trained the sampled KL has the quieter value (2 of 2 comparisons)." in found["reasons"]
    assert [number["value"] is not None for number in found["numbers"]] == [True] * 6
    assert found["counts"]["agrees"] == 7
    assert [line for line, _ in found["lines"]][1:] == found["reasons"]
    assert {claim for _, claims in found["lines"] for claim in claims} == set(choice.CLAIMS)
    json.dumps(found, allow_nan=False)


def test_an_order_that_turns_is_said_where_the_answer_stands_and_its_number_lies_on_the_other_side():
    found = answered(planted(chosen(), Procedure.SPREAD, "trained", Quantity.GRADIENT_SPREAD, factor=1.6))
    assert "that the analytic KL has the quieter gradient does not hold everywhere (2 of 3 " in found["sentence"]
    assert found["standing"] == "differs"
    assert found["numbers"][0]["value"] > 1.0
    assert "differs" in found["numbers"][0]["detail"]


def test_what_was_not_measured_or_not_decided_is_no_advice():
    few = answered([*chosen()[:4], *chosen(pairs=3)[4:]])
    (trained,) = [line for line in few["reasons"] if "ahead" in line]
    assert "as far as it was decided (0 of 1 comparisons; none differs)" in trained
    assert few["standing"] == "inconclusive"
    only = answered(chosen()[:2])
    assert "Whether training with the analytic KL is ahead after the same steps was not measured." in only["reasons"]
    assert [number["value"] is None for number in only["numbers"]] == [False, False, True, True, True, True]


def test_the_number_shown_is_the_one_nearest_to_the_other_side():
    near = planted(chosen(), Procedure.SPREAD, "trained", Quantity.GRADIENT_SPREAD, factor=1.2)
    assert answered(near)["numbers"][0]["value"] == pytest.approx(5 / 7 * 1.2)


def test_where_the_line_was_measured_too_it_is_what_the_answer_is_about():
    found = answered([*chosen(), evaluated(cell(implementation="torch-hand"))])
    assert "about" not in found
    assert found["question"] == QUESTION
