"""Worker processes on this machine: start, ask with a limit of time and memory, kill. The default executor."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from elbo_compare.compare.errors import WorkerError, WorkerTimeoutError
from elbo_compare.compare.launching.child import Child
from elbo_compare.compare.launching.connected import Connected
from elbo_compare.compare.launching.interpreter import HERE, Interpreter
from elbo_compare.compare.records import Cell
from elbo_compare.compare.running.memory import in_words, resident_bytes

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

    def __init__(
        self, key: WorkerKey, environment: Mapping[str, str], memory_limit: int | None = None, where: Interpreter = HERE
    ) -> None:
        """Start the process; `wait_ready` waits for its imports. Past `memory_limit` bytes of memory it is killed."""
        self.like = (key, environment, memory_limit, where)
        self.key = key
        self.asked = 0  # requests so far
        self._ready = False  # loaded, and owes no answer
        self.memory_limit = memory_limit
        self._overstepped = ""
        self._ended = threading.Event()
        self.spans: list[tuple[str, float, float]] = []
        self._started = monotonic()
        self._connected = Connected(
            ["-m", "elbo_compare.compare.running.worker", key.implementation, key.device, key.dtype], environment, where
        )
        if memory_limit is not None:
            threading.Thread(target=self._watch_memory, args=(memory_limit,), daemon=True).start()

    @property
    def process(self) -> Child:
        """The process itself."""
        return self._connected.process

    def wait_ready(self) -> str | None:
        """None once the implementation is loaded, or the reason why it can't be. Raises WorkerError where it died."""
        if self._ready:
            return None
        message = self._connected.channel.receive(IMPORT_TIMEOUT_S)
        self.spans.append(("import", self._started, monotonic()))
        self._ready = "failed" not in message
        return message.get("failed")

    def turn_to(self, like: tuple[WorkerKey, Mapping[str, str], int | None, Interpreter]) -> str | None:
        """Let it load another implementation in the place of its own; what `wait_ready` says, and raises."""
        self.like, self.key = like, like[0]
        self._started, self._ready = monotonic(), False
        self._connected.channel.send({"do": "load", "implementation": self.key.implementation})
        return self.wait_ready()

    def is_ready(self) -> bool:
        """Whether it is alive, has loaded its implementation and owes no answer: another batch may have it."""
        return self._ready and not self._ended.is_set() and self.process.poll() is None

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """The result to a request as JSON. Raises WorkerTimeoutError or WorkerError; the worker is then spent."""
        self.asked += 1
        self._ready = False
        self._connected.channel.send(request)
        message = self._connected.channel.receive(timeout_s)
        self.spans += [(str(kind), float(start), float(end)) for kind, start, end in message.get("spans", ())]
        if not isinstance(message.get("result"), dict):
            raise WorkerError("the worker's answer holds no result")
        self._ready = True
        return message["result"]

    def epitaph(self) -> str:
        """Why the process ended, and the end of what it printed; after `kill` or a WorkerError."""
        told = self._connected.epitaph()
        self._ended.set()
        return self._overstepped or told

    def is_bloated(self) -> bool:
        """Whether it holds more than half of the memory that it may use: the next cell shall not pay for that."""
        return self.memory_limit is not None and 2 * resident_bytes(self.process.pid) > self.memory_limit

    def kill(self) -> None:
        """End the process and whatever it started, at once. Harmless when it has ended already."""
        self._ended.set()
        self._connected.kill()

    def _watch_memory(self, limit: int) -> None:
        while not self._ended.wait(WATCH_EVERY_S):
            used = resident_bytes(self.process.pid)
            if used > limit and not self._ended.is_set():
                self._overstepped = (
                    f"the worker process held {in_words(used)} of memory; {in_words(limit)} are allowed (--cell-memory)"
                )
                self.process.kill()
                return

    def close(self) -> None:
        """Let the worker end by itself, or kill it after a moment; free the descriptors."""
        self._ended.set()
        self._connected.close(patience_s=2.0)


__all__ = ["LocalWorker", "WorkerError", "WorkerKey", "WorkerTimeoutError"]
