"""Executes the programs of cases in fresh processes, several programs of one library per process."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from suites.semantics.case import Case, Library, Numbers


@dataclass(frozen=True, kw_only=True)
class ProgramRun:
    """What one program gave. `error` is a traceback or the way its process ended; empty when it ran."""

    program: str
    measured: Numbers = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str = ""
    elapsed_s: float = math.nan


def run_case(case: Case, library: Library, timeout_s: float = 120.0) -> ProgramRun:
    """Run a case's program in a process of its own. Raises KeyError when the case does not exist in the library."""
    behaviour = case.behaviour(library)
    if behaviour is None:
        raise KeyError(f"{case.id} does not exist in {library}")
    return next(run_programs([behaviour.path], timeout_s=timeout_s))


def run_cases(
    cases: Sequence[Case], library: Library, batch: int = 24, timeout_s: float = 120.0
) -> Iterator[tuple[Case, ProgramRun]]:
    """Run the programs of one library, `batch` of them per process; the cases that do not exist in it are left out.

    `timeout_s` bounds each process, imports included.
    """
    pairs = [(case, each.path) for case in cases if (each := case.behaviour(library)) is not None]
    for start in range(0, len(pairs), batch):
        part = pairs[start : start + batch]
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
    command = [sys.executable, "-m", "suites.semantics.worker", *map(str, paths)]
    # One thread: the cases are tiny, and threads of two frameworks would fight for the cores. No preallocation on GPUs.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as expired:
        printed = expired.stdout.decode() if isinstance(expired.stdout, bytes) else expired.stdout or ""
        return _complete(printed), f"timed out after {timeout_s:g} s"
    return _complete(done.stdout), f"the process ended with code {done.returncode}: {done.stderr[-2000:]}"


def _complete(printed: str) -> list[str]:
    """The lines that were written to their end."""
    return [line for line in printed.splitlines(keepends=True) if line.endswith("}\n")]
