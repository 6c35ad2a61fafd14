"""`compare run questions`, and the questions part of `compare all` and `compare judge`."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from elbo_compare.compare.errors import StoreError, UsageError
from elbo_compare.compare.judging.frames import write_frame
from elbo_compare.compare.judging.judge import ErrorBudgetExceededError
from elbo_compare.compare.questions import files
from elbo_compare.compare.questions.answering import answer
from elbo_compare.compare.questions.judging import exit_code, question_verdicts
from elbo_compare.compare.questions.records import QuestionVerdict
from elbo_compare.compare.questions.running import run_missing
from elbo_compare.compare.questions.tables import claim_frame, question_frame, row_frame
from elbo_compare.compare.records import Outcome
from elbo_compare.compare.running.locking import held
from elbo_compare.suites.questions.catalogue import BY_ID

ROWS_FRAME, QUESTIONS_FRAME, CLAIMS_FRAME = "questions", "questions_answers", "questions_claims"
FRAMES = (ROWS_FRAME, QUESTIONS_FRAME, CLAIMS_FRAME)
DEFAULT = Path("results") / "questions"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class JudgedQuestions:
    """The end of a run of the questions: counts by outcome, the answers, a line for each failure, the exit code."""

    counts: dict[str, int]
    answers: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    exit_code: int = 0


def run_command(folder: Path | None, jobs: int | None, resume: bool, say: Say) -> JudgedQuestions:
    """Measure all questions into `folder`, judge them, and write the frames.

    Raises StoreError where the folder holds questions and `resume` is not asked for, or other files than ours.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"-j must be at least 1, not {jobs}.")
    folder = folder or DEFAULT
    with held(folder):
        if not resume and any((folder / files.FOLDER).glob("*.json")):
            raise StoreError(f"{folder} already holds questions. Add --resume to go on, or choose -o DIR.")
        ours = any((folder / name).exists() for name in ("run.json", files.FOLDER, "semantics"))
        if not ours and any(path.name != "lock" for path in folder.iterdir()):
            raise StoreError(f"{folder} is not empty and holds no results of ours. Choose -o DIR.")
        run_missing(folder, say=say)
        return judge_questions(folder)


def judge_questions(folder: Path) -> JudgedQuestions:
    """Judge what a folder holds and write its rows, answers and claims as frames; nothing where it holds none."""
    results = list(files.read_all(folder))
    if not results:
        return JudgedQuestions(counts={})
    try:
        verdicts = question_verdicts(results)
    except ErrorBudgetExceededError as error:
        raise UsageError(str(error)) from error
    write_frame(folder, ROWS_FRAME, row_frame(verdicts))
    write_frame(folder, QUESTIONS_FRAME, question_frame(results, verdicts))
    write_frame(folder, CLAIMS_FRAME, claim_frame(verdicts))
    counts = Counter(each.outcome for each in verdicts if each.outcome is not None)
    return JudgedQuestions(
        counts={str(outcome): counts[outcome] for outcome in Outcome if counts[outcome]},
        answers=tuple((BY_ID[each.question].title, answer(BY_ID[each.question], verdicts)) for each in results),
        lines=tuple(_told(each) for each in verdicts if each.outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE)),
        exit_code=exit_code(verdicts),
    )


def _told(verdict: QuestionVerdict) -> str:
    detail = verdict.reason or f"{verdict.value:.6g} against {verdict.reference:.6g}, allowed {verdict.tolerance:.3g}"
    where = " ".join(part for part in (verdict.case, verdict.quantity) if part)
    return f"{verdict.claim} {verdict.outcome}{f' at {where}' if where else ''}: {detail}"


def counts_line(judged: JudgedQuestions) -> list[str]:
    """How the questions' claims came out, and each that differs or is inconclusive; nothing without questions."""
    if not judged.counts:
        return []
    counted = ", ".join(f"{count} {outcome}" for outcome, count in judged.counts.items())
    return [f"Questions: {counted}", *judged.lines]


def summary(judged: JudgedQuestions) -> list[str]:
    """What a person reads at the end of `compare run questions`."""
    return [line for title, text in judged.answers for line in (title, f"  {text}")] + counts_line(judged)
