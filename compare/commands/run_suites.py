"""`compare run SUITE`, and the suites' part of `compare all` and `compare judge`."""

from collections.abc import Sequence
from pathlib import Path

from elbo_compare.compare.errors import StoreError, UsageError, unknown
from elbo_compare.compare.judging.judge import ErrorBudgetExceededError
from elbo_compare.compare.judging.suites import JudgedSuite, judge_suite
from elbo_compare.compare.planning.suite import Suite
from elbo_compare.compare.questions.suite import QUESTIONS_SUITE
from elbo_compare.compare.running.locking import held
from elbo_compare.compare.running.suites import Say, SuiteStore, run_suites
from elbo_compare.compare.semantics.suite import SEMANTICS

# The questions go first: they are one long row of programs.
SUITES: dict[str, Suite] = {suite.name: suite for suite in (QUESTIONS_SUITE, SEMANTICS)}
OPTIONS = ("-j", "-o", "--resume")  # those of `compare run` that a suite has: its programs have one seed, no profile


def check_suite(name: str, given: Sequence[str] = ()) -> Suite:
    """Raises UsageError for a suite that does not exist, with the nearest name, and for options that it does not have.

    `given`: the options of `compare run` on the command line, as they are written.
    """
    if name not in SUITES:
        raise UsageError(unknown("suite", name, SUITES))
    others = [option for option in given if option not in OPTIONS]
    if others:
        raise UsageError(f"run {name} does not take {', '.join(others)}. It takes {', '.join(OPTIONS)}.")
    return SUITES[name]


def run_part(folder: Path, jobs: int | None, say: Say, after_s: float = 0.0) -> None:
    """Every suite, without what is set aside for its own run, after a run's cells and before what takes `after_s`."""
    with held(folder):
        run_suites(folder, list(SUITES.values()), jobs=jobs, say=say, after_s=after_s)


def run_command(suite: Suite, folder: Path | None, jobs: int | None, resume: bool, say: Say) -> JudgedSuite:
    """Run a whole suite into `folder`, judge it, and write the frames.

    Raises StoreError where the folder holds its results and `resume` is not asked for, or other files than ours.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"-j must be at least 1, not {jobs}.")
    folder = folder or Path("results") / suite.name
    with held(folder):
        if not resume and SuiteStore(folder, suite.name).holds_any():
            raise StoreError(f"{folder} already holds {suite.noun}. Add --resume to go on, or choose -o DIR.")
        ours = any((folder / name).exists() for name in ("run.json", *SUITES))
        if not ours and any(path.name != "lock" for path in folder.iterdir()):
            raise StoreError(f"{folder} is not empty and holds no results of ours. Choose -o DIR.")
        run_suites(folder, [suite], jobs=jobs, whole=True, say=say)
        return judge_in(folder, suite, whole=True)


def judge_in(folder: Path, suite: Suite, *, whole: bool = False) -> JudgedSuite:
    """`judge_suite`. Raises UsageError where the error budget does not cover it."""
    try:
        return judge_suite(folder, suite, whole=whole)
    except ErrorBudgetExceededError as error:
        raise UsageError(str(error)) from error


def judge_part(folder: Path) -> list[JudgedSuite]:
    """Every suite of which a folder holds results, judged without what is set aside."""
    return [judge_in(folder, suite) for suite in SUITES.values()]
