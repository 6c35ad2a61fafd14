"""Executes the programs of suites in fresh processes, several per process; each result comes as soon as it is there."""

import json
import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

from elbo_compare.compare import environment
from elbo_compare.compare.errors import WorkerError, WorkerTimeoutError
from elbo_compare.compare.launching.connected import Connected
from elbo_compare.compare.launching.interpreter import HERE, Interpreter

WORKER = "elbo_compare.compare.running.program_worker"
JAX_SAYS = ("---", "For simplicity, JAX has removed")  # below an exception, of its traceback
ENDS_S = 5.0  # for a process that has closed its connection
STARTS_S = 60.0  # for an interpreter, and for our own imports in it
# One thread: the work is tiny, and threads of two frameworks would fight for the cores. No preallocation on GPUs.
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True, kw_only=True)
class ProgramRun:
    """What one program gave. `error`: a traceback, or how its process ended (`crashed`); empty when it ran."""

    code: str
    measured: Mapping[str, float] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    error: str = ""
    crashed: bool = False
    elapsed_s: float = nan

    @property
    def reason(self) -> str:
        """One line: what was raised (a traceback's last line), or how the process ended (the first; the rest names
        files of this machine)."""
        lines = [line.strip() for line in self.error.splitlines() if line.strip() and not line.startswith(JAX_SAYS)]
        return (lines[0] if self.crashed else lines[-1])[:400] if lines else ""


def run_programs(
    codes: Sequence[str], timeout_s: float = 120.0, where: Interpreter = HERE
) -> Generator[ProgramRun, None, None]:
    """One ProgramRun per code, in order. A program that kills or hangs its process is reported, the rest goes on.

    The codes must belong to one group: torch and JAX never share a process. `timeout_s` bounds each program, the
    import of a framework included. `where`: the environment that they run in. Closing the iterator ends all.
    """
    pending = list(codes)
    kept = environment.kept_programs() if where is HERE else {}  # the cache is of this environment's versions
    while pending:
        child = Connected(["-m", WORKER, str(timeout_s), *pending], os.environ | ENVIRONMENT | kept, where)
        try:
            while pending:
                yield _run(json.loads(child.channel.receive(timeout_s + STARTS_S)["line"]))
                del pending[0]
        except WorkerTimeoutError:  # its own limit did not end it: stopped, or not begun
            error = f"the process gave no answer within {timeout_s + STARTS_S:g} s"
            yield ProgramRun(code=pending.pop(0), error=error, crashed=True)
        except WorkerError:
            error = _end(child.wait(ENDS_S), child.printed(), timeout_s)
            yield ProgramRun(code=pending.pop(0), error=error, crashed=True)
        finally:
            child.close()


def _end(code: int, printed: str, timeout_s: float) -> str:
    """How a process ended. Its own limit of time shows in what it printed: faulthandler's words, then its threads."""
    if code == 1 and any(line.startswith("Timeout (") for line in printed.splitlines()):
        return f"it took longer than {timeout_s:g} s"
    return f"the process ended with code {code}: {printed[-2000:]}"


def _run(line: Mapping[str, Any]) -> ProgramRun:
    return ProgramRun(**{**line, "rows": tuple(line["rows"]), "warnings": tuple(line["warnings"])})
