"""Worker processes on this machine: start, ask with a limit of time and memory, kill. The default executor."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import IO, Any

from elbo_compare.compare.errors import WorkerError, WorkerTimeoutError
from elbo_compare.compare.records import Cell
from elbo_compare.compare.running.channel import Channel
from elbo_compare.compare.running.memory import in_words, resident_bytes

LOG_BYTES = 64 * 2**10  # what is kept of a worker's output: its end
TAIL_CHARACTERS = 300  # what of it goes into a reason
IMPORT_TIMEOUT_S = 180.0  # a framework on a cold, slow disk
WATCH_EVERY_S = 0.1  # between two looks at a worker's memory


@dataclass(frozen=True, kw_only=True)
class WorkerKey:
    """What one process can serve: JAX's x64 switch and NumPyro's default dtype are process-wide."""

    implementation: str
    device: str
    dtype: str

    @classmethod
    def of(cls, cell: Cell) -> "WorkerKey":
        """The key of the worker that runs this cell."""
        return cls(implementation=cell.implementation, device=cell.device, dtype=cell.dtype)


class LocalWorker:
    """One worker process and the connection to it. Not shared between threads, but `kill` may come from any."""

    def __init__(self, key: WorkerKey, environment: Mapping[str, str], memory_limit: int | None = None) -> None:
        """Start the process; `wait_ready` waits for its imports. Past `memory_limit` bytes of memory it is killed."""
        self.key = key
        self.asked = 0  # requests so far
        self.memory_limit = memory_limit
        self._overstepped = ""
        self._ended = threading.Event()
        self.spans: list[tuple[str, float, float]] = []
        self._started = monotonic()
        ours, theirs = socket.socketpair()
        lifeline_read, self._lifeline = os.pipe()
        descriptors = (lifeline_read, theirs.fileno())
        arguments = [key.implementation, key.device, key.dtype, *map(str, descriptors)]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "elbo_compare.compare.running.worker", *arguments],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C reaches the harness only, which then decides
            )
        finally:
            theirs.close()
            os.close(lifeline_read)
        self._channel = Channel(ours)
        self._log: deque[bytes] = deque()
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._keep_tail, args=(self.process.stdout,), daemon=True)
        self._reader.start()
        if memory_limit is not None:
            threading.Thread(target=self._watch_memory, args=(memory_limit,), daemon=True).start()

    def wait_ready(self) -> str | None:
        """None once the implementation is loaded, or the reason why it can't be. Raises WorkerError where it died."""
        message = self._channel.receive(IMPORT_TIMEOUT_S)
        self.spans.append(("import", self._started, monotonic()))
        return message.get("failed")

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """The result to a request as JSON. Raises WorkerTimeoutError or WorkerError; the worker is then spent."""
        self.asked += 1
        self._channel.send(request)
        message = self._channel.receive(timeout_s)
        self.spans += [(str(kind), float(start), float(end)) for kind, start, end in message.get("spans", ())]
        if not isinstance(message.get("result"), dict):
            raise WorkerError("the worker's answer holds no result")
        return message["result"]

    def epitaph(self) -> str:
        """Why the process ended, and the end of what it printed; after `kill` or a WorkerError."""
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self.process.wait()
        self._ended.set()
        self._reader.join(timeout=2)
        if self._overstepped:
            return self._overstepped
        how = f"exit code {code}" if code >= 0 else f"signal {signal_name(-code)}"
        tail = " ".join(b"".join(self._log).decode("utf-8", "replace").split())[-TAIL_CHARACTERS:]
        return f"the worker process ended with {how}" + (f"; it last printed: {tail}" if tail else "")

    def is_bloated(self) -> bool:
        """Whether it holds more than half of the memory that it may use: the next cell shall not pay for that."""
        return self.memory_limit is not None and 2 * resident_bytes(self.process.pid) > self.memory_limit

    def kill(self) -> None:
        """End the process and whatever it started, at once. Harmless when it has ended already."""
        self._ended.set()
        self._kill_group()
        self.process.wait()

    def _kill_group(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self.process.kill()

    def _watch_memory(self, limit: int) -> None:
        while not self._ended.wait(WATCH_EVERY_S):
            used = resident_bytes(self.process.pid)
            if used > limit and not self._ended.is_set():
                self._overstepped = (
                    f"the worker process held {in_words(used)} of memory; {in_words(limit)} are allowed (--cell-memory)"
                )
                self._kill_group()
                return

    def close(self) -> None:
        """Let the worker end by itself, or kill it after a moment; free the descriptors."""
        self._ended.set()
        self._channel.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # processes that it started and left behind
        self._reader.join(timeout=2)
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self._lifeline)

    def _keep_tail(self, stream: IO[bytes]) -> None:
        kept = 0
        while part := os.read(stream.fileno(), 2**16):
            self._log.append(part)
            kept += len(part)
            while kept - len(self._log[0]) > LOG_BYTES:
                kept -= len(self._log.popleft())


def signal_name(number: int) -> str:
    """`SIGKILL` for 9, or the number where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


__all__ = ["LocalWorker", "WorkerError", "WorkerKey", "WorkerTimeoutError"]
