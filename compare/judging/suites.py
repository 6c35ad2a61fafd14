"""What a suite's judge says, as frames on disk, as counts and lines for a person, and as an exit code."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from elbo_compare.compare.claims.pointwise import relative_size
from elbo_compare.compare.judging.frames import write_frame
from elbo_compare.compare.planning.suite import Suite
from elbo_compare.compare.records import Outcome, SuiteVerdict
from elbo_compare.compare.running.suites import SuiteStore

DIFFERS_CODE, INCOMPLETE_CODE = 1, 3
SHOWN = 40  # changes with a line each; the frames have all


@dataclass(frozen=True, kw_only=True)
class JudgedSuite:
    """The end of a suite: counts by heading and outcome, answers, a line for each change, the exit code."""

    counts: dict[str, dict[str, int]]
    answers: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    exit_code: int = 0


def judge_suite(folder: Path, suite: Suite, *, whole: bool = False) -> JudgedSuite:
    """Judge what a folder holds of a suite and write its frames; nothing where it holds none.

    `whole`: also what is set aside for the suite's own run.
    """
    results = list(SuiteStore(folder, suite.name).results())
    if not results:
        return JudgedSuite(counts={})
    judged = suite.judge(results, whole)
    for name, frame in judged.frames.items():
        write_frame(folder, name, frame)
    every = [verdict for verdicts in judged.verdicts.values() for verdict in verdicts]
    return JudgedSuite(
        counts={heading: counted(verdicts) for heading, verdicts in judged.verdicts.items()},
        answers=tuple(judged.answers),
        lines=tuple(changes(every, folder)),
        exit_code=exit_code(every),
    )


def changes(verdicts: Sequence[SuiteVerdict], folder: Path) -> Iterator[str]:
    """Each number that differs, then each that stayed open, and after the last one about an ID the command that shows
    that ID's numbers."""
    open_or_changed = [
        each for outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE) for each in verdicts if each.outcome is outcome
    ]
    for identifier in dict.fromkeys(each.id for each in open_or_changed[:SHOWN]):
        yield from (told(each) for each in open_or_changed[:SHOWN] if each.id == identifier)
        if identifier:
            yield f"    compare cite {identifier} --results {folder}"
    if len(open_or_changed) > SHOWN:
        yield f"and {len(open_or_changed) - SHOWN} more, in the frames of {folder}"


def exit_code(verdicts: Iterable[SuiteVerdict]) -> int:
    """1 where something differs from what is expected, else 3 where something stayed open, else 0."""
    outcomes = {each.outcome for each in verdicts}
    if Outcome.DIFFERS in outcomes:
        return DIFFERS_CODE
    return INCOMPLETE_CODE if Outcome.INCONCLUSIVE in outcomes else 0


def counted(verdicts: Iterable[SuiteVerdict]) -> dict[str, int]:
    """How many judged numbers have each outcome."""
    counts = Counter(each.outcome for each in verdicts if each.outcome is not None)
    return {str(outcome): counts[outcome] for outcome in Outcome if counts[outcome]}


def told(verdict: SuiteVerdict) -> str:
    """`UNI-001 differs at near closed form: 1 against 0, allowed 1e-15`."""
    detail = verdict.reason or f"{verdict.value:.6g} against {verdict.reference:.6g}, allowed {verdict.tolerance:.3g}"
    size = relative_size(verdict.difference, verdict.tolerance)
    if verdict.outcome is Outcome.DIFFERS and isfinite(size):
        detail += f"; off by {size:.3g} times what is allowed"
    where = f" at {verdict.where}" if verdict.where else ""
    versions = f" ({verdict.versions})" if verdict.versions else ""
    return f"{verdict.id} {verdict.outcome}{where}: {detail}{versions}"


def counts_lines(judged: JudgedSuite) -> list[str]:
    """How it came out, and each number that differs or stayed open; nothing where nothing was judged."""
    if not judged.counts:
        return []
    lines = [
        f"{heading}: {', '.join(f'{count} {name}' for name, count in counts.items()) or 'none'}"
        for heading, counts in judged.counts.items()
    ]
    return [*lines, *judged.lines]


def summary(judged: JudgedSuite) -> Sequence[str]:
    """What a person reads at the end of `compare run SUITE`."""
    return [line for title, text in judged.answers for line in (title, f"  {text}")] + counts_lines(judged)
