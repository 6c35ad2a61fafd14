"""Worker processes of one machine of a cluster that stay between batches: an import costs more than many a batch."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic

from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.running.executors import LocalWorker, WorkerKey
from elbo_compare.compare.running.pool import Pool

IDLE_S = 30.0  # until what nobody asks for ends by itself: whoever sent batches may be gone without a word


class Shelf:
    """Workers that wait for the next batch, at most as many as batches are served at once, and the folder they share.

    Both last until nobody is served and `rest` is called, or nothing has come for `idle_s` seconds.
    """

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self.idle_s = idle_s
        self._idle: list[LocalWorker] = []
        self._served = 0
        self._used = monotonic()
        self._timer: threading.Timer | None = None
        self._folder = ExitStack()
        self._shared = ""
        self._lock = threading.RLock()

    def enter(self) -> str:
        """A batch is served from now on; returns the folder for what all workers would compute alike."""
        with self._lock:
            if not self._shared:
                self._shared = str(self._folder.enter_context(temporary_folder("elbo-compare-")))
            self._served += 1
            return self._shared

    def leave(self) -> None:
        """It is no longer."""
        with self._lock:
            self._served -= 1
            self._used = monotonic()
            if self._timer is None:
                self._wait(self.idle_s)

    def take(self, like: tuple) -> LocalWorker | None:
        """A worker that waits and was started alike (`LocalWorker.like`), if there is one."""
        with self._lock:
            found = next((worker for worker in self._idle if worker.like == like and worker.is_ready()), None)
            if found is not None:
                self._idle.remove(found)
            return found

    def put(self, worker: LocalWorker, most: int) -> None:
        """Keep a worker that is ready, and of all no more than `most`: the one that has waited longest ends."""
        with self._lock:
            self._idle.append(worker)
            surplus = [self._idle.pop(0) for _ in range(len(self._idle) - most)]
        for each in surplus:
            each.close()

    def rest(self) -> None:
        """End what waits; the folder goes too where nobody is served."""
        with self._lock:
            waiting, self._idle = self._idle, []
            if not self._served:
                self._folder.close()
                self._shared = ""
        for worker in waiting:
            worker.close()

    def _wait(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        with self._lock:
            self._timer = None
            left = self._used + self.idle_s - monotonic()
            if self._served:
                return  # whoever leaves looks again
            if left > 0:
                self._wait(left)
                return
        self.rest()


@dataclass
class Lasting(Pool):
    """A pool of one batch, whose workers go back to the shelf."""

    shelf: Shelf = field(kw_only=True)
    most: int = 1  # that wait there

    def start(self, key: WorkerKey, *, timed: bool = False) -> LocalWorker:
        """One that waits, else a new one."""
        with self._lock:
            kept = None if self.stopping.is_set() else self.shelf.take(self.like(key, timed=timed))
            if kept is not None:
                self._alive.add(kept)
                return kept
        return super().start(key, timed=timed)

    def retire(self, worker: LocalWorker) -> None:
        """Keep it where it may serve another batch; end it otherwise."""
        if self.stopping.is_set() or not worker.is_ready() or worker.is_bloated():
            super().retire(worker)
            return
        with self._lock:
            self._alive.discard(worker)
            self.spans += worker.spans
            worker.spans = []
        self.shelf.put(worker, self.most)
