"""Cells -> results: untimed cells side by side in worker processes, then the clock alone. No statistics here.

Every cell ends with exactly one result, whatever happens to its worker.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

from compare.records import Cell, CellResult, Procedure, Status
from compare.running.account import Span
from compare.running.executors import WorkerKey
from compare.running.pool import Options, Pool, ask_for, ended, is_suspect, loading_failure
from compare.running.rounds import run_timed

Groups = Mapping[WorkerKey, deque[Cell]]
Finish = Callable[[CellResult], None]
Spread = Callable[[Groups, Pool, Finish], None]
STEAL_FROM = 4  # a free slot joins a worker's group only where this many cells wait: an import costs seconds


def run(
    cells: Iterable[Cell],
    options: Options,
    finish: Finish,
    reason_not_to_run: Callable[[Cell], str | None] = lambda cell: None,
    spread: Spread | None = None,
) -> list[Span]:
    """Run the cells and hand each result to `finish`, in this thread. Returns where the workers' time went.

    `spread` runs the untimed cells: side by side on this machine, or what another executor does with them. Timed cells
    always run here, alone, afterwards.

    On KeyboardInterrupt all workers are killed, results that are there are handed over, and it is raised again.
    """
    untimed: dict[WorkerKey, deque[Cell]] = {}
    timed: list[Cell] = []
    for cell in cells:
        reason = reason_not_to_run(cell)
        if reason is not None:
            finish(ended(cell, Status.NOT_RUN, reason, options))
        elif cell.procedure is Procedure.TIME:
            timed.append(cell)
        else:
            untimed.setdefault(WorkerKey.of(cell), deque()).append(cell)
    with TemporaryDirectory(prefix="elbo-compare-", ignore_cleanup_errors=True) as shared:
        pool = Pool(options=options, shared=shared)
        (spread or side_by_side)(untimed, pool, finish)
        run_timed(timed, pool, finish)
    return pool.spans


def side_by_side(groups: Groups, pool: Pool, finish: Finish) -> None:
    """Untimed cells: `jobs` slots, each serving one group of cells at a time with a worker of its own."""
    expected, results = sum(map(len, groups.values())), queue.SimpleQueue()
    slots = Slots(groups=groups, pool=pool, results=results)
    threads = [threading.Thread(target=slots.work, daemon=True) for _ in range(pool.options.jobs)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(expected):
            finish(_next(results))
    except BaseException:
        pool.stop()
        for thread in threads:
            thread.join(timeout=3)
        with suppress(queue.Empty):
            while True:
                item = results.get_nowait()
                if isinstance(item, CellResult):
                    finish(item)
        raise
    for thread in threads:
        thread.join()


def _next(results: queue.SimpleQueue) -> CellResult:
    """The next result; an error in a slot is raised here rather than lost in its thread."""
    item = results.get()
    if isinstance(item, BaseException):
        raise item
    return item


@dataclass
class Slots:
    """What the slots' threads share: the groups of waiting cells and who serves which."""

    groups: Groups
    pool: Pool
    results: queue.SimpleQueue
    served: dict[WorkerKey, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def work(self) -> None:
        """Serve groups until none waits; the body of one slot's thread."""
        try:
            while (key := self._claim()) is not None:
                try:
                    self._serve(key)
                finally:
                    with self.lock:
                        self.served[key] -= 1
        except BaseException as error:
            if not self.pool.stopping.is_set():
                self.results.put(error)

    def _claim(self) -> WorkerKey | None:
        """The largest group that nobody serves, else the largest that is worth joining."""
        with self.lock:
            waiting = {key: len(cells) for key, cells in self.groups.items() if cells}
            fresh = [key for key in waiting if not self.served.get(key)]
            joinable = [key for key, count in waiting.items() if count >= STEAL_FROM]
            choice = max(fresh or joinable, key=lambda key: waiting[key], default=None)
            if choice is not None and not self.pool.stopping.is_set():
                self.served[choice] = self.served.get(choice, 0) + 1
                return choice
            return None

    def _serve(self, key: WorkerKey) -> None:
        """Workers for one group, one after the other, until no cell of it waits."""
        while self.groups[key] and not self.pool.stopping.is_set():
            worker = self.pool.start(key)
            try:
                failure = loading_failure(worker)
                while failure is not None and (cell := self._take(key)) is not None:
                    self.results.put(ended(cell, *failure, self.pool.options))
                while failure is None and (cell := self._take(key)) is not None:
                    result, usable = ask_for(worker, cell, self.pool.options)
                    if self.pool.stopping.is_set():
                        return
                    if is_suspect(result, worker):
                        self._give_back(key, cell)
                        break
                    self.results.put(result)
                    if not usable or worker.is_bloated():
                        break
            finally:
                self.pool.retire(worker)

    def _give_back(self, key: WorkerKey, cell: Cell) -> None:
        with self.lock:
            self.groups[key].appendleft(cell)

    def _take(self, key: WorkerKey) -> Cell | None:
        with self.lock:
            return self.groups[key].popleft() if self.groups[key] else None
