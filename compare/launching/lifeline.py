"""What this process holds and must not leave behind: its children's process groups and its temporary folders.

One guardian process (see `guardian`) learns of each of them through a pipe; when this process is gone, by whatever
signal, the pipe's end closes and the guardian ends and removes what is left.
"""

import atexit
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from elbo_compare.compare.launching import guardian

GUARDIAN_ENDS_S = 2.0  # it has nothing left to do, or has processes to kill; large folders it goes on removing alone


class Lifeline:
    """The pipe to this process's guardian, and what it holds. `mark` is in the environment of every child."""

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self.mark = secrets.token_hex(8)
        self._held: set[tuple[str, str]] = set()
        self._lock = threading.RLock()
        self._guardian: subprocess.Popen[bytes] | None = None

    def hold(self, kind: str, name: str) -> None:
        """From now on the guardian ends or removes it when this process is gone."""
        with self._lock:
            self._held.add((kind, name))
            if not self._tell(True, kind, name):  # there is none yet, or somebody has killed it
                self._start()

    def release(self, kind: str, name: str) -> None:
        """It has ended, or has been removed."""
        with self._lock:
            self._held.discard((kind, name))
            self._tell(False, kind, name)

    def held(self, kind: str) -> list[str]:
        """What of a kind has not been released."""
        with self._lock:
            return [name for each, name in self._held if each == kind]

    def end_all(self) -> None:
        """Kill every child that is left, and what they started."""
        for group in self.held("group"):
            guardian.kill_group(int(group))
        if self._guardian is not None:
            guardian.kill_bearers(self.mark)

    def stop(self) -> None:
        """Let the guardian end, and with it whatever is still held; harmless in a process that was forked from ours."""
        with self._lock:
            process, self._guardian = self._guardian, None
        if process is None or os.getpid() != self.process_id:
            return
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GUARDIAN_ENDS_S)

    def _start(self) -> None:
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what is sent to this process's group does not reach it
            cwd="/",
        )
        for kind, name in self._held:
            self._tell(True, kind, name)

    def _tell(self, holds: bool, kind: str, name: str) -> bool:
        if self._guardian is None or self._guardian.stdin is None:
            return False
        try:
            self._guardian.stdin.write(json.dumps([holds, kind, name]).encode() + b"\n")
            self._guardian.stdin.flush()
        except OSError:
            return False
        return True


_current: Lifeline | None = None
_creating = threading.Lock()


def current() -> Lifeline:
    """This process's lifeline; a fork has one of its own."""
    global _current
    with _creating:
        if _current is None or _current.process_id != os.getpid():
            _current = Lifeline()
            atexit.register(_current.stop)
        return _current


def marked(environment: Mapping[str, str], *marks: str) -> dict[str, str]:
    """The environment with this process's mark, and others, added to those that it bears."""
    borne = environment.get(guardian.MARK, "").split()
    return dict(environment) | {guardian.MARK: " ".join([*borne, current().mark, *marks])}


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder that is removed at the end of the block, and by the guardian where this process is killed first or is
    interrupted: the thousands of files of an environment shall not keep it from ending."""
    folder = tempfile.mkdtemp(prefix=prefix)
    current().hold("folder", folder)
    try:
        yield Path(folder)
    except KeyboardInterrupt:
        raise
    except BaseException:
        _remove(folder)
        raise
    else:
        _remove(folder)


def _remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    current().release("folder", folder)


def end_all() -> None:
    """Kill every child that this process has left, and what those started."""
    if _current is not None and _current.process_id == os.getpid():
        _current.end_all()
