"""Runs the programs of the semantics suite in worker processes, a few side by side, and stores each result at once.

A missing framework is *not run* with the reason; a program that raises, hangs or dies costs its own case.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event

from elbo_compare.compare import environment
from elbo_compare.compare.records import Status
from elbo_compare.compare.semantics import files
from elbo_compare.compare.semantics.records import EXTRAS, PACKAGES, SemanticsResult
from elbo_compare.suites.semantics.case import Case, Library
from elbo_compare.suites.semantics.catalogue import CASES
from elbo_compare.suites.semantics.pairs import sweep
from elbo_compare.suites.semantics.runner import ProgramRun, run_cases

PAIRS = "PAIRS"
BATCH = 24  # programs that share one import of a framework
Say = Callable[[str], None]
Beside = Callable[[Event], None]  # further work; it ends early, storing nothing more, once the event is set


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many programs there are, and how many of them were run now."""

    programs: int
    ran: int


def fingerprint() -> str:
    """Of everything that may change a program's numbers; one thread, CPU."""
    return environment.fingerprint(environment.describe(device="cpu", jobs=1, threads=1))


def run_semantics(
    folder: Path,
    *,
    jobs: int | None = None,
    pairs: bool = False,
    cases: Sequence[Case] = CASES,
    beside: Sequence[Beside] = (),
    say: Say,
) -> Progress:
    """Run what `folder` lacks or holds stale, crashed or unrun; `pairs` adds the sweep over the registered pairs.

    `beside`: further work that takes places among the `jobs`, from the start, so that no core waits at the end.

    Raises KeyboardInterrupt through: what has finished is stored, what is running is dropped.
    """
    now = fingerprint()
    tasks, total, waiting = [], 0, 0
    for library in sorted(Library):  # NumPyro first: it takes longest
        here = [case for case in cases if case.behaviour(library) is not None]
        pending = [case for case in here if not _fresh(files.read(folder, f"{case.id}-{library}"), now)]
        total, waiting = total + len(here), waiting + len(pending)
        tasks += [(library, pending[start : start + BATCH]) for start in range(0, len(pending), BATCH)]
    if waiting < total:
        say(f"{total - waiting} of {total} semantics programs are there; {waiting} are to be run")
    sweeps = [each for each in Library if pairs and not _fresh(files.read(folder, f"{PAIRS}-{each}"), now)]
    stop = Event()
    with ThreadPoolExecutor(max_workers=jobs or min(environment.cores(), 4)) as pool:
        futures = [pool.submit(work, stop) for work in beside]
        futures += [pool.submit(_run_batch, folder, library, batch, now, stop) for library, batch in tasks]
        futures += [pool.submit(_run_sweep, folder, library, now, stop) for library in sweeps]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        finally:
            stop.set()
            for future in futures:
                future.cancel()
    return Progress(programs=total, ran=waiting)


def _fresh(result: SemanticsResult | None, now: str) -> bool:
    """Not run is tried again: a module may have been installed that the fingerprint does not know."""
    done = (Status.OK, Status.FAILED)
    return result is not None and result.fingerprint == now and result.status in done


def _run_batch(folder: Path, library: Library, batch: Sequence[Case], now: str, stop: Event) -> None:
    if stop.is_set():
        return
    reason = missing(library)
    if reason:
        for case in batch:
            files.write(folder, _not_run(case.id, library, reason, now))
        return
    for case, run in run_cases(batch, library, batch=BATCH):
        if stop.is_set():  # its process may have been interrupted: the row would say that it crashed
            return
        files.write(folder, _result(case.id, library, run, now))


def _run_sweep(folder: Path, library: Library, now: str, stop: Event) -> None:
    if stop.is_set():
        return
    reason = missing(library)
    result = _not_run(PAIRS, library, reason, now) if reason else _result(PAIRS, library, sweep.measure(library), now)
    if not stop.is_set():
        files.write(folder, result)


def missing(library: Library) -> str:
    """Why no program of a library can run here; empty where it can."""
    absent = [name for name in _modules(library) if find_spec(name) is None]
    return f"{', '.join(absent)} not installed: pip install 'elbo-compare[{EXTRAS[library]}]'" if absent else ""


def _modules(library: Library) -> Iterable[str]:
    return {Library.PYRO: ("torch", "pyro"), Library.NUMPYRO: ("jax", "numpyro")}[library]


def versions(library: Library) -> dict[str, str]:
    """The installed versions that a library's numbers depend on."""
    return {name: version for name in PACKAGES[library] if (version := environment.installed_version(name))}


def _not_run(case: str, library: Library, reason: str, now: str) -> SemanticsResult:
    return SemanticsResult(
        case=case, library=library, status=Status.NOT_RUN, reason=reason, versions=versions(library), fingerprint=now
    )


def _result(case: str, library: Library, run: ProgramRun, now: str) -> SemanticsResult:
    if run.missing:
        return _not_run(case, library, f"needs {', '.join(run.missing)}, not installed", now)
    crashed = run.error.startswith("the process ended")
    status = Status.OK if not run.error else Status.CRASHED if crashed else Status.FAILED
    return SemanticsResult(
        case=case,
        library=library,
        status=status,
        reason=_last_line(run.error),
        measured=run.measured,
        warnings=run.warnings,
        elapsed_s=run.elapsed_s,
        versions=versions(library),
        fingerprint=now,
    )


def _last_line(error: str) -> str:
    """A traceback's last line, which says what was raised; the rest names files of this machine."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-1][:400] if lines else ""
