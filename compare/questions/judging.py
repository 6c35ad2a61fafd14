"""Measured questions -> verdicts. Pure: rows in, verdicts out.

A mean is judged by an interval at the level of an error budget of its own: ALPHA for all the suite's statistical
verdicts together, beside the 10^-6 of the claims on implementations. A row with no standard error is judged as it is.
"""

from collections.abc import Iterable
from dataclasses import replace
from math import exp, isfinite, log, nan

from elbo_compare.compare.claims.pointwise import compared, rounding_tolerance
from elbo_compare.compare.judging.judge import ErrorBudgetExceededError
from elbo_compare.compare.questions.records import QuestionResult, QuestionVerdict
from elbo_compare.compare.records import Outcome, Status
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
DIFFERS_CODE, INCOMPLETE_CODE = 1, 3
SHOWN_LEVEL = 0.95
_FLIPPED = {Outcome.AGREES: Outcome.DIFFERS, Outcome.DIFFERS: Outcome.AGREES}


def question_verdicts(results: Iterable[QuestionResult], budget: ErrorBudget = BUDGET) -> list[QuestionVerdict]:
    """One verdict per row, in the catalogue's order of questions; a claim without a row is INCONCLUSIVE.

    Raises ErrorBudgetExceededError when more statistical verdicts are given than the budget was split for.
    """
    verdicts = [verdict for result in results if result.question in BY_ID for verdict in _judged(result, budget)]
    spent = sum(isfinite(each.bound_low - each.bound_high) and each.bound_low < each.bound_high for each in verdicts)
    if spent > budget.tests:
        raise ErrorBudgetExceededError(f"{spent} statistical verdicts on questions; the budget is for {budget.tests}.")
    return verdicts


def exit_code(verdicts: Iterable[QuestionVerdict]) -> int:
    """1 where a claim differs, else 3 where one is inconclusive, else 0."""
    outcomes = {each.outcome for each in verdicts}
    if Outcome.DIFFERS in outcomes:
        return DIFFERS_CODE
    return INCOMPLETE_CODE if Outcome.INCONCLUSIVE in outcomes else 0


def _judged(result: QuestionResult, budget: ErrorBudget) -> list[QuestionVerdict]:
    claims = {claim.id: claim for claim in BY_ID[result.question].claims}
    verdicts = [judge_row(result.question, row, claims.get(row.claim), budget) for row in result.rows]
    seen = {row.claim for row in result.rows}
    reason = "no row bears on it" if result.status is Status.OK else f"measuring it {result.status}: {result.reason}"
    outcome = Outcome.NOT_RUN if result.status is Status.NOT_RUN else Outcome.INCONCLUSIVE
    return verdicts + [
        QuestionVerdict(question=result.question, claim=claim.id, rule=str(claim.rule), outcome=outcome, reason=reason)
        for claim in claims.values()
        if claim.id not in seen
    ]


def judge_row(question: str, row: Row, claim: QuestionClaim | None, budget: ErrorBudget = BUDGET) -> QuestionVerdict:
    """The verdict on one row; without a claim the row as it is, for showing."""
    low, high = _shown_interval(row)
    shown = QuestionVerdict(
        question=question,
        claim=row.claim,
        case=row.case,
        group=row.group,
        quantity=row.quantity,
        at=row.at,
        value=row.value,
        reference=row.reference,
        difference=row.value - row.reference,
        n=row.n,
        unit=row.unit,
        low=low,
        high=high,
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


def _by_interval(shown: QuestionVerdict, row: Row, rule: Rule, budget: ErrorBudget) -> QuestionVerdict:
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
        bound_low=tested.low,
        bound_high=tested.high,
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
