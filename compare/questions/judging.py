"""Measured questions -> verdicts. Pure: rows in, verdicts out.

A mean is judged by an interval at the level of an error budget of its own: ALPHA for all the suite's statistical
verdicts together, beside the 10^-6 of the claims on implementations. A row with no standard error is judged as it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import exp, isfinite, log, nan
from typing import Any

from elbo_compare.compare.claims.pointwise import compared, rounding_tolerance
from elbo_compare.compare.judging.judge import ErrorBudgetExceededError
from elbo_compare.compare.records import Outcome, ProgramResult, Status, SuiteVerdict
from elbo_compare.compare.statistics import (
    TAIL_RESERVE,
    Equivalence,
    ErrorBudget,
    Interval,
    equivalence,
    interval,
    not_above,
    tail_factor,
)
from elbo_compare.suites.questions.catalogue import BY_ID
from elbo_compare.suites.questions.question import RATIO, QuestionClaim, Row, Rule

BUDGET = ErrorBudget(alpha=1e-7, tests=64)
SHOWN_LEVEL = 0.95
NUMBERS = ("value", "reference", "standard_error", "scale", "margin", "at", "skewness")
_FLIPPED = {Outcome.AGREES: Outcome.DIFFERS, Outcome.DIFFERS: Outcome.AGREES}


def question_verdicts(results: Iterable[ProgramResult], budget: ErrorBudget = BUDGET) -> list[SuiteVerdict]:
    """One verdict per row, in the catalogue's order of questions; a claim without a row is INCONCLUSIVE.

    Raises ErrorBudgetExceededError when more statistical verdicts are given than the budget was split for.
    """
    by_id = {result.program: result for result in results}
    verdicts = [verdict for question in BY_ID if question in by_id for verdict in _judged(by_id[question], budget)]
    spent = sum(isfinite(each.low - each.high) and each.low < each.high for each in verdicts)
    if spent > budget.tests:
        raise ErrorBudgetExceededError(f"{spent} statistical verdicts on questions; the budget is for {budget.tests}.")
    return verdicts


def row_of(content: Mapping[str, Any]) -> Row:
    """A stored row, in which what is not finite stands as text."""
    return Row(**{**content, **{name: float(content[name]) for name in NUMBERS if name in content}})


def _judged(result: ProgramResult, budget: ErrorBudget) -> list[SuiteVerdict]:
    question = result.program
    claims = {claim.id: claim for claim in BY_ID[question].claims}
    rows = [row_of(each) for each in result.rows]
    verdicts = [judge_row(question, row, claims.get(row.claim), budget) for row in rows]
    seen = {row.claim for row in rows}
    reason = "no row bears on it" if result.status is Status.OK else f"measuring it {result.status}: {result.reason}"
    outcome = Outcome.NOT_RUN if result.status is Status.NOT_RUN else Outcome.INCONCLUSIVE
    return verdicts + [
        SuiteVerdict(id=claim.id, subject=question, rule=str(claim.rule), outcome=outcome, reason=reason)
        for claim in claims.values()
        if claim.id not in seen
    ]


def judge_row(question: str, row: Row, claim: QuestionClaim | None, budget: ErrorBudget = BUDGET) -> SuiteVerdict:
    """The verdict on one row; without a claim the row as it is, for showing."""
    low, high = _shown_interval(row)
    shown = SuiteVerdict(
        id=row.claim,
        subject=question,
        outcome=None,
        case=row.case,
        group=row.group,
        quantity=row.quantity,
        at=row.at,
        value=row.value,
        reference=row.reference,
        difference=row.value - row.reference,
        n=row.n,
        unit=row.unit,
        shown_low=low,
        shown_high=high,
    )
    if claim is None:
        return replace(shown, reason=f"no claim {row.claim}" if row.claim else "",
                       outcome=Outcome.INCONCLUSIVE if row.claim else None)  # fmt: skip
    shown = replace(shown, rule=str(claim.rule))
    if claim.rule is Rule.ROUNDING:
        judgement = compared(row.value, row.reference, rounding_tolerance(row.scale, "float64"))
        return replace(shown, outcome=judgement.outcome, tolerance=judgement.tolerance, reason=judgement.reason)
    return _by_interval(shown, row, claim.rule, budget)


def _shown_interval(row: Row) -> Interval:
    """95%, of the logarithm for a ratio."""
    if not row.standard_error > 0:
        return Interval(nan, nan)
    if row.unit == RATIO:
        return Interval(*(row.value * exp(end) for end in interval(0.0, row.standard_error, SHOWN_LEVEL)))
    return interval(row.value, row.standard_error, SHOWN_LEVEL)


def _by_interval(shown: SuiteVerdict, row: Row, rule: Rule, budget: ErrorBudget) -> SuiteVerdict:
    difference, margin = shown.difference, row.margin
    if rule is Rule.RATIO_ABOVE:
        difference, margin = (log(row.value / row.reference) if row.value > 0 else nan), 0.0
    if not all(map(isfinite, (difference, row.standard_error, margin))):
        reason = f"value {row.value}, standard error {row.standard_error}, margin {margin}"
        return replace(shown, outcome=Outcome.DIFFERS, difference=difference, tolerance=margin, reason=reason)
    tested = _tested(rule, difference, row.standard_error, margin, budget)
    outcome, reason = tested.outcome, ""
    skewness = _towards(outcome, rule, difference, row.skewness) if row.standard_error else 0.0
    factor = tail_factor(skewness, row.n, budget.z)
    if outcome in _FLIPPED and factor > TAIL_RESERVE:
        outcome = Outcome.INCONCLUSIVE
        reason = f"skewness {row.skewness:.3g} of {row.n} draws: the tail is {factor:.3g} times a normal one's"
    return replace(
        shown,
        outcome=outcome,
        difference=difference,
        tolerance=margin,
        low=tested.low,
        high=tested.high,
        reason=reason,
    )


def _tested(rule: Rule, difference: float, standard_error: float, margin: float, budget: ErrorBudget) -> Equivalence:
    test = equivalence if rule in (Rule.EQUAL, Rule.BEYOND) else not_above
    tested = test(difference, standard_error, margin, budget.per_test)
    return tested if rule is Rule.EQUAL else replace(tested, outcome=_FLIPPED.get(tested.outcome, tested.outcome))


def _towards(outcome: Outcome, rule: Rule, difference: float, skewness: float) -> float:
    """The skewness that makes this outcome likelier where it is wrong: of the tail beyond the estimate's side.

    "Inside the margins" could be wrong on either side: |skewness|. "Above" errs upwards, "below" downwards.
    """
    inside = Outcome.AGREES if rule is Rule.EQUAL else Outcome.DIFFERS
    if rule in (Rule.EQUAL, Rule.BEYOND):
        if outcome is inside:
            return abs(skewness)
        return max(skewness if difference > 0 else -skewness, 0.0)
    return max(skewness if outcome is Outcome.AGREES else -skewness, 0.0)
