"""Executes the programs of cases in fresh processes, several programs of one library per process."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from elbo_compare.suites.semantics.case import Case, Library, Numbers


@dataclass(frozen=True, kw_only=True)
class ProgramRun:
    """What one program gave. `error` is a traceback or the way its process ended; empty when it ran.

    `missing` names modules that the program needs and that are not installed: then it was not run.
    """

    program: str
    measured: Numbers = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str = ""
    missing: tuple[str, ...] = ()
    elapsed_s: float = math.nan


def run_case(case: Case, library: Library, timeout_s: float = 120.0) -> ProgramRun:
    """Run a case's program in a process of its own. Raises KeyError when the case does not exist in the library."""
    if case.behaviour(library) is None:
        raise KeyError(f"{case.id} does not exist in {library}")
    return next(run_cases([case], library, timeout_s=timeout_s))[1]


def run_cases(
    cases: Sequence[Case], library: Library, batch: int = 24, timeout_s: float = 120.0
) -> Iterator[tuple[Case, ProgramRun]]:
    """Run the programs of one library, `batch` of them per process; the cases that do not exist in it are left out.

    `timeout_s` bounds each program, the import of the framework included.
    """
    runnable = []
    for case in cases:
        behaviour = case.behaviour(library)
        if behaviour is None:
            continue
        missing = tuple(name for name in behaviour.requires if find_spec(name) is None)
        if missing:
            yield case, ProgramRun(program=str(behaviour.path), missing=missing)
        else:
            runnable.append((case, behaviour.path))
    for start in range(0, len(runnable), batch):
        part = runnable[start : start + batch]
        yield from zip((case for case, _ in part), run_programs([path for _, path in part], timeout_s), strict=True)


def run_programs(paths: Sequence[Path], timeout_s: float = 120.0) -> Iterator[ProgramRun]:
    """One ProgramRun per path, in order. A program that kills or hangs its process is reported, the rest goes on.

    The paths must belong to one library: torch and JAX never share a process.
    """
    pending = list(paths)
    while pending:
        lines, ending = _worker(pending, timeout_s)
        for line in lines:
            row = json.loads(line)
            yield ProgramRun(**{**row, "warnings": tuple(row["warnings"])})
        pending = pending[len(lines) :]
        if pending:
            yield ProgramRun(program=str(pending.pop(0)), error=ending)


def _worker(paths: Sequence[Path], timeout_s: float) -> tuple[list[str], str]:
    """The lines that a worker printed for `paths`, and how it ended."""
    command = [sys.executable, "-P", "-m", "elbo_compare.suites.semantics.worker", str(timeout_s), *map(str, paths)]
    # One thread: the cases are tiny, and threads of two frameworks would fight for the cores. No preallocation on GPUs.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return _complete(done.stdout), f"the process ended with code {done.returncode}: {done.stderr[-2000:]}"


def _complete(printed: str) -> list[str]:
    """The lines that were written to their end."""
    return [line for line in printed.splitlines(keepends=True) if line.endswith("}\n")]
