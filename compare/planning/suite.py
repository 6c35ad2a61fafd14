"""What a suite is: programs that measure, and a judge of what they gave. One machine runs, stores and judges all.

`running.suites` runs and stores the programs, `judging.suites` turns the verdicts into frames, lines and an exit code.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elbo_compare.compare.records import ProgramResult, SuiteVerdict

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Program:
    """One unit of work, and one file on disk.

    `code`: FILE.py, whose `measure()` is called, or MODULE:FUNCTION; it returns named numbers or rows (dataclasses).
    Programs of one `group` may share a process: torch and JAX never do. `packages`: what its numbers depend on.
    `lacking`: why it can't run here. `environment`: the named one that it runs in, "" for this one. `aside`: run only
    where the suite itself is asked for, not as a part of a profile.
    """

    name: str
    code: str
    group: str
    packages: tuple[str, ...]
    lacking: str = ""
    environment: str = ""
    aside: bool = False
    timeout_s: float = 120.0


@dataclass(frozen=True, kw_only=True)
class SuiteJudgement:
    """What a suite's judge says: verdicts, each kind under a heading that is followed by their counts; the frames to
    write, by name; `answers`: what is said first, as (title, text)."""

    verdicts: Mapping[str, Sequence[SuiteVerdict]]
    frames: Mapping[str, "pd.DataFrame"]
    answers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Suite:
    """`noun` names its programs in the plural. `judge`: (results, whole) -> judgement; `whole` where the suite itself
    was asked for, its programs `aside` included."""

    name: str
    noun: str
    programs: Callable[[], Sequence[Program]]
    judge: Callable[[Sequence[ProgramResult], bool], SuiteJudgement]
    batch: int = 24  # programs that share one process


PROFILES = ("standard", "full")  # those that hold the suites; quick does not


def holds_suites(profile: str, expression: str | None) -> bool:
    """Whether a profile runs the suites; a choice of cells (-k) runs those cells only."""
    return profile in PROFILES and expression is None
