"""Measures the questions that a folder lacks, one after another in a worker process, and stores each at once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from elbo_compare.compare import environment
from elbo_compare.compare.questions import files
from elbo_compare.compare.questions.records import PACKAGES, QuestionResult
from elbo_compare.compare.records import Status
from elbo_compare.suites.questions.catalogue import BY_ID
from elbo_compare.suites.questions.runner import QuestionRun, run_questions

TIMEOUT_S = 300.0  # of one question; the longest takes about twenty seconds
Say = Callable[[str], None]


def fingerprint() -> str:
    """Of everything that may change a question's numbers; one thread, CPU."""
    return environment.fingerprint(environment.describe(device="cpu", jobs=1, threads=1))


def run_missing(
    folder: Path,
    *,
    say: Say,
    questions: Sequence[str] = tuple(BY_ID),
    timeout_s: float = TIMEOUT_S,
    stop: Event | None = None,
) -> int:
    """Measure what `folder` lacks or holds stale or crashed; returns how many questions that were.

    Raises KeyboardInterrupt through: what has finished is stored, the one that is running is dropped; so too once
    `stop` is set, for a thread, which no interruption reaches.
    """
    now = fingerprint()
    waiting = [each for each in questions if not _fresh(files.read(folder, each), now)]
    if len(waiting) < len(questions):
        say(f"{len(questions) - len(waiting)} of {len(questions)} questions are there; {len(waiting)} are to be run")
    for run in run_questions(waiting, timeout_s):
        if stop is not None and stop.is_set():  # its process may have been interrupted: the row would say it crashed
            break
        files.write(folder, _result(run, now))
    return len(waiting)


def _fresh(result: QuestionResult | None, now: str) -> bool:
    return result is not None and result.fingerprint == now and result.status in (Status.OK, Status.FAILED)


def _result(run: QuestionRun, now: str) -> QuestionResult:
    lines = [line.strip() for line in run.error.splitlines() if line.strip()]
    status = Status.OK if not run.error else Status.CRASHED if run.crashed else Status.FAILED
    return QuestionResult(
        question=run.question,
        status=status,
        # A traceback's last line says what was raised, how a process ended stands in the first; the rest names files.
        reason=(lines[0] if run.crashed else lines[-1])[:400] if lines else "",
        rows=run.rows,
        elapsed_s=run.elapsed_s,
        versions={name: version for name in PACKAGES if (version := environment.installed_version(name))},
        fingerprint=now,
    )
