"""Runs one check in a process of its own, with a time limit, so that a function that hangs or exits costs nothing."""

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
from typing import Any

from elbo_compare.compare.checking.result import CheckResult, CheckVerdict

# -P: the user's folder, which may hold a compare.py or a suites/, comes onto sys.path after our own modules are loaded.
CHILD = (
    "import sys; from pathlib import Path; "
    "from elbo_compare.compare.checking.child import main; main(Path(sys.argv[1]))"
)
PRINTED = 400  # characters of what a failing function printed


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the command prints, and its exit code."""

    exit_code: int
    text: str
    json: str


def check_target(
    target: str,
    *,
    kind: str | None = None,
    mapping: Sequence[str] = (),
    framework: str | None = None,
    likelihood: str | None = None,
    timeout_s: float = 15.0,
) -> Answer:
    """`check_function` on a target, in a fresh interpreter that is killed after `timeout_s` seconds."""
    with tempfile.TemporaryDirectory(prefix="elbo-check-") as name:
        folder = Path(name)
        request = {
            "target": target,
            "kind": kind,
            "mapping": list(mapping),
            "framework": framework,
            "likelihood": likelihood,
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        code = _run(folder, timeout_s)
        if (folder / "result.json").exists():
            return Answer(**_read(folder))
        return _failed(target, folder, code, timeout_s)


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
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and whatever it started (its session's process group)."""
    with suppress(ProcessLookupError, PermissionError):  # all gone already
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def _failed(target: str, folder: Path, code: int | None, timeout_s: float) -> Answer:
    stage = (folder / "stage").read_text(encoding="utf-8") if (folder / "stage").exists() else "starting"
    printed = (folder / "printed").read_text(encoding="utf-8", errors="replace").strip()
    tail = f" It printed last: {printed.splitlines()[-1][:PRINTED]!r}." if printed else ""
    if code is None:
        message = f"No answer after {timeout_s:g} s while {stage}: it hangs or is too slow; the process was ended."
    elif code < 0:
        message = f"The process died by signal {signal.Signals(-code).name} while {stage}."
    else:
        message = f"The process ended by itself while {stage}, with exit status {code} (os._exit?)."
    loading = stage == "importing it" and code is not None
    verdict = CheckVerdict.NOT_LOADED if loading else CheckVerdict.FAILED
    result = CheckResult(target=target, verdict=verdict, message=message + tail)
    return Answer(exit_code=result.exit_code, text=result.as_text(), json=result.as_json())
