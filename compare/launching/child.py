"""The launcher: every process that `compare` starts to compute something is a `Child`."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from elbo_compare.compare.launching import guardian
from elbo_compare.compare.launching.lifeline import current, marked


class Child(subprocess.Popen[bytes]):
    """A process in a session of its own: what a terminal sends reaches this process alone, which then decides.

    `kill` ends whatever it has started with it. Where this process is killed, its guardian does so.
    """

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, **options: Any) -> None:
        """Start `command`; `options` are those of `subprocess.Popen`."""
        self._mark = secrets.token_hex(8)
        self._collected = False
        surroundings = marked(os.environ if environment is None else environment, self._mark)
        super().__init__(list(command), env=surroundings, start_new_session=True, **options)
        current().hold("group", str(self.pid))

    def kill(self) -> None:
        """End the process, its group, and on Linux what has left its group. Harmless when all of it has ended."""
        guardian.kill_group(self.pid)
        super().kill()
        guardian.kill_bearers(self._mark)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, negative for a signal; what it has left behind goes with it."""
        code = super().wait(timeout)
        if not self._collected:
            self._collected = True
            self.kill()
            current().release("group", str(self.pid))
        return code

    def end(self) -> int:
        """Kill what is left of it and collect its exit status."""
        self.kill()
        return self.wait()


def printed_by(
    program: str, *arguments: str, timeout_s: float, environment: Mapping[str, str] | None = None
) -> str | None:
    """What `python -P -c PROGRAM ARGUMENTS...` prints; None where it fails or has not ended after `timeout_s`."""
    child = Child(
        [sys.executable, "-P", "-c", program, *arguments],
        environment=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with child:  # closes its pipe
        try:
            output, _ = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            child.end()
    return output.decode("utf-8", "replace") if child.returncode == 0 else None


def ending(code: int) -> str:
    """`exit code 7`, `signal SIGKILL`, or `signal 40` for one that has no name."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
