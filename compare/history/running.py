"""Run the semantics programs of a library under each release, one after another; each result is stored at once.

DIR/<library>/<version>/semantics/<program>.json as a suite's, and DIR/<library>/<version>/release/… which says how the
release was had. A release that can't be installed is a row with its reason; the others go on.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from elbo_compare.compare import environment
from elbo_compare.compare.history.laying import NotInstallableError, lay
from elbo_compare.compare.history.releases import Release
from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.planning.suite import Program
from elbo_compare.compare.records import ProgramResult, Status
from elbo_compare.compare.running.programs import ProgramRun, run_programs
from elbo_compare.compare.running.suites import SuiteStore
from elbo_compare.compare.semantics.suite import programs
from elbo_compare.suites.semantics.case import Case

BATCH = 24  # programs that share one process
Say = Callable[[str], None]


def run_release(folder: Path, release: Release, cases: Sequence[Case], say: Say) -> int:
    """Run what `folder` lacks of a release, and free its disk again; how many programs that were."""
    results, had = stores(folder, release)
    mine = [each for each in programs(cases) if each.group == release.library and not each.lacking]
    now = fingerprint()
    pending = [each for each in mine if not _fresh(results.read(each.name), now)]
    if not pending:
        say(f"{release.requirement}: there already")
        return 0
    say(f"{release.requirement}: {len(pending)} programs")
    began = monotonic()
    with temporary_folder("elbo-release-") as scratch:
        laid: dict[str, Any] = {"program": release.requirement, "fingerprint": now}
        try:
            patched = lay(release, scratch)
        except NotInstallableError as error:
            had.write(ProgramResult(status=Status.NOT_RUN, reason=str(error), **laid))
            say(f"{release.requirement}: not installable: {error}")
            return 0
        for program, run in _runs(pending, scratch):
            results.write(_result(program, run, release, now))
        had.write(ProgramResult(status=Status.OK, reason=patched, elapsed_s=monotonic() - began, **laid))
    return len(pending)


def stores(folder: Path, release: Release) -> tuple[SuiteStore, SuiteStore]:
    """The results of a release's programs, and how it was had."""
    place = folder / release.library / release.version
    return SuiteStore(place, "semantics"), SuiteStore(place, "release")


def fingerprint() -> str:
    """Of our code and of what a release is laid over."""
    return (
        f"{environment.code_digest()} {environment.installed_version('torch')} {environment.installed_version('jax')}"
    )


def _fresh(result: ProgramResult | None, now: str) -> bool:
    return result is not None and result.fingerprint == now and result.status in (Status.OK, Status.FAILED)


def _runs(pending: Sequence[Program], scratch: Path) -> Iterable[tuple[Program, ProgramRun]]:
    surroundings = {"PYTHONPATH": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    for start in range(0, len(pending), BATCH):
        part = pending[start : start + BATCH]
        seconds = max(each.timeout_s for each in part)
        yield from zip(part, run_programs([each.code for each in part], seconds, surroundings), strict=True)


def _result(program: Program, run: ProgramRun, release: Release, now: str) -> ProgramResult:
    status = Status.OK if not run.error else Status.CRASHED if run.crashed else Status.FAILED
    others = {name: environment.installed_version(name) for name in program.packages if name != release.distribution}
    return ProgramResult(
        program=program.name,
        status=status,
        reason=run.reason,
        measured=run.measured,
        warnings=run.warnings,
        elapsed_s=run.elapsed_s,
        versions={release.distribution: release.version} | {name: found for name, found in others.items() if found},
        fingerprint=now,
    )
