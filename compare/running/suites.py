"""Runs what a folder lacks of some suites, a few processes side by side, and stores each result at once.

DIR/<suite>/<program>.json, each sealed with its digest and written atomically. What can't run here is *not run* with
the reason; a program that raises, hangs or dies costs its own result.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import groupby
from math import isfinite
from pathlib import Path
from threading import Event
from typing import Any

from elbo_compare.compare import environment, files
from elbo_compare.compare.launching import environments, lifeline
from elbo_compare.compare.planning.suite import Program, Suite
from elbo_compare.compare.records import ProgramResult, Status
from elbo_compare.compare.running.codec import dumps
from elbo_compare.compare.running.expected import PROGRAMS
from elbo_compare.compare.running.programs import ProgramRun, run_programs
from elbo_compare.compare.running.progress import Counted
from elbo_compare.compare.running.store import sealed, unsealed, write_result

Say = Callable[[str], None]


class SuiteStore:
    """The results of one suite in a folder."""

    def __init__(self, folder: Path, suite: str) -> None:
        self.folder = folder / suite

    def holds_any(self) -> bool:
        """Whether any result is there."""
        return any(self.folder.glob("*.json"))

    def write(self, result: ProgramResult) -> None:
        """Store one result. Raises IncompleteError where the disk is full."""
        write_result(self._path(result.program), sealed(dumps(_to_json(result))), self.folder.parent)

    def read(self, program: str) -> ProgramResult | None:
        """The stored result of a program, or None; a damaged file is set aside and never read again."""
        path = self._path(program)
        try:
            result = _from_json(files.parse_json(unsealed(files.read_bytes(path))))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            files.set_aside(path, self.folder.parent)
            return None
        return result if result.program == program else None

    def results(self) -> Iterator[ProgramResult]:
        """Every readable result, in the order of names."""
        for path in sorted(self.folder.glob("*.json")):
            result = self.read(path.stem)
            if result is not None:
                yield result

    def _path(self, program: str) -> Path:
        return self.folder / f"{program}.json"


def fingerprint() -> str:
    """Of everything that may change a program's numbers; one thread, CPU."""
    return environment.fingerprint(environment.describe(device="cpu", jobs=1, threads=1))


def run_suites(
    folder: Path,
    suites: Sequence[Suite],
    *,
    jobs: int | None = None,
    whole: bool = False,
    say: Say,
    after_s: float = 0.0,
) -> int:
    """Run what `folder` lacks or holds stale, crashed or unrun; returns how many programs that were.

    `whole`: the programs that are set aside too. Suites share the `jobs`, so that no core waits at the end; the first
    one's programs begin first. `after_s`: what follows, in the time left that is told. Raises KeyboardInterrupt
    through: what has finished is stored, what is running is dropped.
    """
    now, stop = fingerprint(), Event()
    batches = [each for suite in suites for each in _batches(folder, suite, whole, now, say)]
    programs, jobs = [each for _, part in batches for each in part], jobs or min(environment.cores(), 4)
    count = Counted(len(programs), say, sum(map(_seconds, programs)), jobs, after_s)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(_run_batch, store, part, now, stop, count.done) for store, part in batches]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            lifeline.end_all()  # what a thread waits for comes to an end; its result is dropped
            raise
    return count.total


def _batches(
    folder: Path, suite: Suite, whole: bool, now: str, say: Say
) -> Iterator[tuple[SuiteStore, Sequence[Program]]]:
    """The programs to run, those of one group in parts of the suite's size."""
    store = SuiteStore(folder, suite.name)
    programs = [each for each in suite.programs() if whole or not each.aside]
    pending = [each for each in programs if not _fresh(store.read(each.name), _of(each, now))]
    if len(pending) < len(programs):
        there = len(programs) - len(pending)
        say(f"{there} of {len(programs)} {suite.noun} are there; {len(pending)} are to be run")
    for _, group in groupby(pending, key=lambda each: (each.group, each.timeout_s)):
        waiting = list(group)
        for start in range(0, len(waiting), suite.batch):
            yield store, waiting[start : start + suite.batch]


def _fresh(result: ProgramResult | None, now: str) -> bool:
    """Not run is tried again: a module may have been installed that the fingerprint does not know."""
    done = (Status.OK, Status.FAILED)
    return result is not None and result.fingerprint == now and result.status in done


def _of(program: Program, now: str) -> str:
    """The fingerprint of a program: of what its environment holds too."""
    return " ".join([now, *environments.of(program.environment).pins]) if program.environment else now


def _seconds(program: Program) -> float:
    """What it took in the recorded run; nothing where it can't run here."""
    return 0.0 if program.lacking else PROGRAMS.get(program.group, 1.0)


def _run_batch(
    store: SuiteStore, programs: Sequence[Program], now: str, stop: Event, done: Callable[[float], None]
) -> None:
    runnable = []
    for program in programs:
        if program.lacking:
            store.write(_result(program, now, status=Status.NOT_RUN, reason=program.lacking))
            done(_seconds(program))
        else:
            runnable.append(program)
    if stop.is_set() or not runnable:
        return
    where = environments.interpreter(runnable[0].environment)  # one for a group
    runs = run_programs([each.code for each in runnable], max(each.timeout_s for each in runnable), where)
    for program, run in zip(runnable, runs, strict=True):
        if stop.is_set():  # its process may have been interrupted: the row would say that it crashed
            runs.close()
            return
        store.write(_measured(program, run, now))
        done(_seconds(program))


def _measured(program: Program, run: ProgramRun, now: str) -> ProgramResult:
    status = Status.OK if not run.error else Status.CRASHED if run.crashed else Status.FAILED
    return _result(
        program,
        now,
        status=status,
        reason=run.reason,
        measured=run.measured,
        rows=run.rows,
        warnings=run.warnings,
        elapsed_s=run.elapsed_s,
    )


def _result(program: Program, now: str, **fields: Any) -> ProgramResult:
    if program.environment:
        installed = environments.of(program.environment).versions()
    else:
        installed = {name: environment.installed_version(name) for name in program.packages}
    versions = {name: version for name in program.packages if (version := installed.get(name))}
    return ProgramResult(program=program.name, versions=versions, fingerprint=_of(program, now), **fields)


def _to_json(result: ProgramResult) -> dict[str, Any]:
    """Strict JSON: what is not finite is written as text."""
    return {name: _plain(value) for name, value in vars(result).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return repr(float(value)) if isinstance(value, float) and not isfinite(value) else value


def _from_json(content: Mapping[str, Any]) -> ProgramResult:
    """The inverse of `_to_json`. Raises ValueError for anything that is not a result."""
    try:
        return ProgramResult(
            program=_program(content),
            status=Status(content["status"]),
            reason=str(content["reason"]),
            measured={str(name): float(value) for name, value in content.get("measured", {}).items()},
            rows=tuple(dict(row) for row in content.get("rows", ())),
            warnings=tuple(map(str, content.get("warnings", ()))),
            elapsed_s=float(content["elapsed_s"]),
            versions={str(name): str(version) for name, version in content["versions"].items()},
            fingerprint=str(content["fingerprint"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a program's result: {type(error).__name__} {error}") from error


def _program(content: Mapping[str, Any]) -> str:
    """Its name; files of before 2026-11-29 say `question`, or `case` and `library`."""
    if "case" in content:
        return f"{content['case']}-{content['library']}"
    return str(content.get("program") or content["question"])
