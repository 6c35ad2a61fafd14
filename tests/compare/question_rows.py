"""Rows, results and outcomes of the questions suite for its tests, and the suite at a size that takes a second."""

import functools
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from elbo_compare.compare.questions.judging import question_verdicts
from elbo_compare.compare.records import Outcome, ProgramResult, Status
from elbo_compare.suites.questions import density_ratio, generalised_normal, normaliser, questioned_code, univariate
from elbo_compare.suites.questions.question import QuestionClaim, Row

AGREES, DIFFERS, INCONCLUSIVE = Outcome.AGREES, Outcome.DIFFERS, Outcome.INCONCLUSIVE


def a_claim(rule):
    return QuestionClaim(id="X-001", rule=rule, statement="", derivation="", source="", tolerance="", reason="")


def a_row(**changes):
    fields = {"claim": "X-001", "case": "c", "quantity": "q", "value": 0.0, "reference": 0.0, "n": 10_000}
    return Row(**fields | changes)


def a_result(question, rows, **changes):
    stored = tuple(asdict(row) for row in rows)
    fields = {"program": question, "status": Status.OK, "rows": stored, "versions": {"numpy": "2.0"}}
    return ProgramResult(**fields | changes)


def outcomes_of(question, rows):
    """claim -> the set of its outcomes."""
    found = {}
    for verdict in question_verdicts([a_result(question, rows)]):
        if verdict.outcome is not None:
            found.setdefault(verdict.id, set()).add(verdict.outcome)
    return found


@contextmanager
def small_suite():
    """Fewer cases and a smaller largest sample; the integrals do not depend on what is planted: each is taken once."""
    patch = pytest.MonkeyPatch()
    patch.setattr(univariate, "by_integration", functools.cache(univariate.by_integration))
    patch.setattr(generalised_normal, "_by_integration", functools.cache(generalised_normal._by_integration))
    patch.setattr(generalised_normal, "SHAPES", (1.5,))
    patch.setattr(univariate, "CASES", univariate.CASES[:4])
    patch.setattr(univariate, "SAMPLED", ("same scale",))
    patch.setattr(generalised_normal, "PAIRS", generalised_normal.PAIRS[1:3])
    patch.setattr(density_ratio, "LARGEST", 1000)
    patch.setattr(questioned_code, "ROWS", 100)
    try:
        yield
    finally:
        patch.undo()


def measured_results():
    """Results of all questions: the real rows of four, and of the classifier's what few repetitions give."""
    return [
        a_result("NORM", normaliser.measure()),
        a_result("UNI", univariate.measure()),
        a_result("GGD", generalised_normal.measure()),
        a_result("CODE", questioned_code.measure()),
        a_result("RATIO", density_ratio.measure(repetitions={100: 30, 1000: 10}, misspecified={1000: 10})),
    ]
