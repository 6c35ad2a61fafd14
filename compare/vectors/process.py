"""Holds a target against the vectors in a process of its own, with a time limit."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from elbo_compare.compare.vectors.report import Report

# -P: the user's folder, which may hold a compare.py or a suites/, comes onto sys.path after our own modules are loaded.
CHILD = (
    "import sys; from pathlib import Path; from elbo_compare.compare.vectors.child import main; main(Path(sys.argv[1]))"
)
TIMEOUT_S = 120.0  # JAX compiles one program for each shape and dtype


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the command prints, and its exit code."""

    exit_code: int
    text: str
    json: str


def run_target(
    target: str,
    *,
    kind: str | None = None,
    mapping: Sequence[str] = (),
    framework: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """`held` on a target, in a fresh interpreter that is killed after `timeout_s` seconds."""
    with tempfile.TemporaryDirectory(prefix="elbo-vectors-") as name:
        folder = Path(name)
        request = {"target": target, "kind": kind, "mapping": list(mapping), "framework": framework}
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        code = _run(folder, timeout_s)
        if (folder / "result.json").exists():
            return Answer(**json.loads((folder / "result.json").read_text(encoding="utf-8")))
        printed = (folder / "printed").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        report = Report(target=target, message=_ended(code, timeout_s, printed[-1] if printed else ""))
        return Answer(exit_code=report.exit_code, text=report.as_text(), json=report.as_json())


def _run(folder: Path, timeout_s: float) -> int | None:
    """The child's exit status, or None where it was killed for taking too long."""
    environment = {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"} | dict(os.environ)
    with (folder / "printed").open("wb") as printed:
        child = subprocess.Popen(
            [sys.executable, "-u", "-P", "-c", CHILD, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            return child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError, PermissionError):  # it and what it started are gone already
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _ended(code: int | None, timeout_s: float, printed: str) -> str:
    tail = f" It printed last: {printed[:400]!r}." if printed else ""
    if code is None:
        return f"No answer after {timeout_s:g} s: it hangs or is too slow; the process was ended.{tail}"
    if code < 0:
        return f"The process died by signal {signal.Signals(-code).name}.{tail}"
    return f"The process ended by itself, with exit status {code}.{tail}"
