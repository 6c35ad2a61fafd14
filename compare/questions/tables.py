"""Verdicts on questions as frames: every row, every question with its answer, every claim with its worst row."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf, isnan
from typing import TYPE_CHECKING, Any

from elbo_compare.compare.questions.answering import answer
from elbo_compare.compare.records import Outcome, ProgramResult, Strength, SuiteVerdict
from elbo_compare.suites.questions.catalogue import QUESTIONS
from elbo_compare.suites.questions.question import QuestionClaim, Rule

if TYPE_CHECKING:
    import pandas as pd

STRENGTHS = {
    Rule.ROUNDING: Strength.EXACT,
    Rule.EQUAL: Strength.EXPECTATION,
    Rule.BEYOND: Strength.ORDERING,
    Rule.ABOVE: Strength.ORDERING,
    Rule.RATIO_ABOVE: Strength.ORDERING,
}
SEVERITY = {Outcome.DIFFERS: 3, Outcome.INCONCLUSIVE: 2, Outcome.AGREES: 1, Outcome.NOT_RUN: 0}


def row_frame(verdicts: Iterable[SuiteVerdict]) -> "pd.DataFrame":
    """One row per measured number, judged or shown."""
    import pandas as pd

    return pd.DataFrame([_row(each) for each in verdicts])


def _row(verdict: SuiteVerdict) -> dict[str, Any]:
    return {
        "question": verdict.subject,
        "claim": verdict.id,
        "case": verdict.case,
        "group": verdict.group,
        "quantity": verdict.quantity,
        "outcome": str(verdict.outcome or ""),
        "at": verdict.at,
        "value": verdict.value,
        "low": verdict.shown_low,
        "high": verdict.shown_high,
        "reference": verdict.reference,
        "difference": verdict.difference,
        "tolerance": verdict.tolerance,
        "bound_low": verdict.low,
        "bound_high": verdict.high,
        "n": verdict.n,
        "unit": verdict.unit,
        "rule": verdict.rule,
        "reason": verdict.reason,
    }


def question_frame(results: Sequence[ProgramResult], verdicts: Sequence[SuiteVerdict]) -> "pd.DataFrame":
    """One row per question that was measured: words, formula, source, answer, outcomes, versions."""
    import pandas as pd

    by_id = {result.program: result for result in results}
    rows = []
    for question in (each for each in QUESTIONS if each.id in by_id):
        result = by_id[question.id]
        rows.append(
            {
                "id": question.id,
                "title": question.title,
                "words": question.words,
                "formula": question.formula,
                "source": question.source,
                "see": question.see,
                "answer": answer(question, verdicts),
                "outcomes": outcomes(each for each in verdicts if each.subject == question.id),
                "elapsed_s": result.elapsed_s,
                "versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
            }
        )
    return pd.DataFrame(rows)


def claim_frame(verdicts: Sequence[SuiteVerdict]) -> "pd.DataFrame":
    """One row per claim on a measured question: what it states, its outcomes, and the row nearest to differing."""
    import pandas as pd

    measured = {each.subject for each in verdicts}
    rows = []
    for question in (each for each in QUESTIONS if each.id in measured):
        for claim in question.claims:
            judged = [each for each in verdicts if each.id == claim.id]
            rows.append({**stated(claim), "question": question.id, "outcomes": outcomes(judged), **_worst(judged)})
    return pd.DataFrame(rows)


def stated(claim: QuestionClaim) -> dict[str, Any]:
    """What a claim states and why its tolerance is what it is."""
    return {
        "id": claim.id,
        "strength": str(STRENGTHS[claim.rule]),
        "statement": claim.statement,
        "derivation": claim.derivation,
        "source": claim.source,
        "tolerance_words": claim.tolerance,
        "why": claim.reason,
    }


def outcomes(verdicts: Iterable[SuiteVerdict]) -> str:
    """`agrees 12 · differs 1`, of the judged rows."""
    counts = Counter(each.outcome for each in verdicts if each.outcome is not None)
    return " · ".join(f"{outcome} {counts[outcome]}" for outcome in Outcome if counts[outcome])


def _worst(judged: Sequence[SuiteVerdict]) -> dict[str, Any]:
    if not judged:
        return {}
    worst = max(judged, key=lambda each: (SEVERITY.get(each.outcome or Outcome.NOT_RUN, 0), nearness(each)))
    return _row(worst) | {"worst_reason": worst.reason}


def nearness(verdict: SuiteVerdict) -> float:
    """How near a row is to the other outcome: |difference| / tolerance, or for a claim of "beyond" its inverse."""
    if verdict.rule in (Rule.ROUNDING, Rule.EQUAL):
        reach, allowed = abs(verdict.difference), verdict.tolerance
        if verdict.rule == Rule.EQUAL:
            reach = max(abs(verdict.low), abs(verdict.high))
    else:
        reach, allowed = verdict.tolerance, min(abs(verdict.low), abs(verdict.high))
    if isnan(reach) or isnan(allowed):
        return inf
    return reach / allowed if allowed else (inf if reach else 0.0)
