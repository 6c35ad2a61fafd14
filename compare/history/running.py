"""Run the semantics programs of a library under each release, one after another; each result is stored at once.

DIR/<library>/<version>/semantics/<program>.json as a suite's, and DIR/<library>/<version>/release/… which says how the
release was had. A release that can't be installed is a row with its reason; the others go on.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from elbo_compare.compare import environment
from elbo_compare.compare.history.laying import Laid, lay
from elbo_compare.compare.history.matching import matched
from elbo_compare.compare.history.releases import Release
from elbo_compare.compare.launching.interpreter import Interpreter, NotInstallableError
from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.planning.suite import Program
from elbo_compare.compare.records import ProgramResult, Status
from elbo_compare.compare.running.programs import ProgramRun, run_programs
from elbo_compare.compare.running.suites import SuiteStore
from elbo_compare.compare.semantics.suite import programs_of
from elbo_compare.suites.semantics.case import Case

BATCH = 24  # programs that share one process
PATIENCE = 6  # times a program's limit: what is imported is compiled then, and a busy machine shall accuse no release
BESIDE = ("jax", "jaxlib", "pytensor", "numpy", "scipy", "funsor")
RELEASE_S = 2_700.0  # of a release's programs: one to nine minutes were seen, and one that hangs takes twelve
NO_TIME = f"not reached within the {RELEASE_S / 60:.0f} minutes of this release; run by the same command"
Say = Callable[[str], None]


def run_release(folder: Path, release: Release, cases: Sequence[Case], say: Say, *, claims: bool = True) -> int:
    """Run what `folder` lacks of a release, and free its disk again; how many programs that were. `claims`: the
    matching claims too."""
    results, had = stores(folder, release)
    compared = matching_store(folder, release)
    mine = [each for each in programs_of(cases, release.library) if release.is_apart or not each.lacking]
    now = fingerprint(release)
    pending = [each for each in mine if not _fresh(results.read(each.name), now)]
    unmatched = claims and not any(_fresh(each, now) for each in compared.results())
    if not pending and not unmatched:
        say(f"{release.requirement}: there already")
        return 0
    say(f"{release.requirement}: {len(pending)} programs" + (", and the matching claims" if unmatched else ""))
    began = monotonic()
    how: dict[str, Any] = {"program": release.requirement, "fingerprint": now}
    try:
        with temporary_folder("elbo-release-") as scratch:
            laid = lay(release, scratch)
            taken = {"install_s": monotonic() - began}
            for program, run in _runs(pending, laid.where):
                results.write(_result(program, run, release, laid, now))
            taken["semantics_s"] = monotonic() - began - sum(taken.values())
            if unmatched:
                for result in matched(release, laid):
                    compared.write(replace(result, fingerprint=now))
                taken["matching_s"] = monotonic() - began - sum(taken.values())
    except (NotInstallableError, OSError) as error:  # of the disk; a worker's end is a result
        reason = str(error) if isinstance(error, NotInstallableError) else f"{error.strerror or error}"
        had.write(ProgramResult(status=Status.NOT_RUN, reason=reason, **how))
        say(f"{release.requirement}: not installable: {reason}")
        return 0
    had.write(ProgramResult(status=Status.OK, reason=laid.remark, measured=taken, elapsed_s=monotonic() - began, **how))
    return len(pending)


def stores(folder: Path, release: Release) -> tuple[SuiteStore, SuiteStore]:
    """The results of a release's programs, and how it was had."""
    place = folder / release.library / release.version
    return SuiteStore(place, "semantics"), SuiteStore(place, "release")


def matching_store(folder: Path, release: Release) -> SuiteStore:
    """What came of each matching claim."""
    return SuiteStore(folder / release.library / release.version, "matching")


def fingerprint(release: Release) -> str:
    """Of our code and of what a release is laid over, or of what is installed with it."""
    under = [f"{environment.installed_version(name)}" for name in ("torch", "jax")]
    return " ".join([environment.code_digest(), *(release.requirements if release.is_apart else under)])


def _fresh(result: ProgramResult | None, now: str) -> bool:
    return result is not None and result.fingerprint == now and result.status in (Status.OK, Status.FAILED)


def _runs(pending: Sequence[Program], where: Interpreter) -> Iterable[tuple[Program, ProgramRun | None]]:
    """None for what was not begun in time."""
    left, ends = list(pending), monotonic() + RELEASE_S
    while left and monotonic() < ends:
        part = left[:BATCH]
        seconds = PATIENCE * max(each.timeout_s for each in part)
        with closing(run_programs([each.code for each in part], seconds, where)) as runs:
            for run in runs:
                yield left.pop(0), run
                if monotonic() > ends:
                    break
    yield from ((each, None) for each in left)


def _result(program: Program, run: ProgramRun | None, release: Release, laid: Laid, now: str) -> ProgramResult:
    if run is None:
        return ProgramResult(program=program.name, status=Status.NOT_RUN, reason=NO_TIME, fingerprint=now)
    status = Status.OK if not run.error else Status.CRASHED if run.crashed else Status.FAILED
    return ProgramResult(
        program=program.name,
        status=status,
        reason=run.reason,
        measured=run.measured,
        warnings=run.warnings,
        elapsed_s=run.elapsed_s,
        versions=_versions(program, release, laid),
        fingerprint=now,
    )


def _versions(program: Program, release: Release, laid: Laid) -> dict[str, str]:
    """The release's, and those of what it ran with."""
    if release.is_apart:
        beside = {name: laid.versions[name] for name in BESIDE if name in laid.versions}
    else:
        found = {name: environment.installed_version(name) for name in program.packages if name != release.distribution}
        beside = {name: version for name, version in found.items() if version}
    return {release.distribution: release.version} | beside
