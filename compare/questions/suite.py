"""The questions suite: one program per question, all in one process, one after another."""

from collections.abc import Sequence

from elbo_compare.compare.planning.suite import Program, Suite, SuiteJudgement
from elbo_compare.compare.questions.answering import answer
from elbo_compare.compare.questions.judging import question_verdicts
from elbo_compare.compare.questions.tables import claim_frame, question_frame, row_frame
from elbo_compare.compare.records import ProgramResult
from elbo_compare.suites.questions.catalogue import BY_ID, QUESTIONS

PACKAGES = ("numpy", "scipy", "scikit-learn", "mpmath")
ROWS_FRAME, QUESTIONS_FRAME, CLAIMS_FRAME = "questions", "questions_answers", "questions_claims"
TIMEOUT_S = 300.0  # of one question; the longest takes about twenty seconds


def programs() -> list[Program]:
    """Every question, in the catalogue's order."""
    return [
        Program(
            name=question.id,
            code=f"{question.measure.__module__}:{question.measure.__qualname__}",
            group="questions",
            packages=PACKAGES,
            timeout_s=TIMEOUT_S,
        )
        for question in QUESTIONS
    ]


def judged(results: Sequence[ProgramResult], whole: bool) -> SuiteJudgement:
    """Verdicts on rows, and an answer to each question that was measured.

    Raises ErrorBudgetExceededError when more statistical verdicts are given than the budget was split for.
    """
    verdicts = question_verdicts(results)
    measured = {each.program for each in results}
    return SuiteJudgement(
        verdicts={"Questions": verdicts},
        frames={
            ROWS_FRAME: row_frame(verdicts),
            QUESTIONS_FRAME: question_frame(results, verdicts),
            CLAIMS_FRAME: claim_frame(verdicts),
        },
        answers=[(BY_ID[each].title, answer(BY_ID[each], verdicts)) for each in BY_ID if each in measured],
    )


QUESTIONS_SUITE = Suite(name="questions", noun="questions", programs=programs, judge=judged)
