"""Cells -> results: untimed cells side by side in worker processes, then the clock alone. No statistics here.

Every cell ends with exactly one result, whatever happens to its worker.
"""

import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from math import inf
from time import monotonic

from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.records import Cell, CellResult, Procedure, Status
from elbo_compare.compare.running.account import Span
from elbo_compare.compare.running.executors import LocalWorker, WorkerKey
from elbo_compare.compare.running.expected import expected_seconds
from elbo_compare.compare.running.pool import Options, Pool, ask_for, ended, is_suspect, loading_failure, may_follow
from elbo_compare.compare.running.rounds import run_timed

Groups = Mapping[WorkerKey, deque[Cell]]
Finish = Callable[[CellResult], None]
Spread = Callable[[Groups, Pool, Finish], None]
Clock = Callable[[Iterable[Cell], Pool, Finish], None]
SHARED = (Procedure.EVALUATE, Procedure.FIT_PATH)  # what the oracle works out once for everybody: `procedures.shared`
STEAL_FROM = 4  # a free slot joins a worker's group only where this many cells wait: an import costs seconds


def run(
    cells: Iterable[Cell],
    options: Options,
    finish: Finish,
    reason_not_to_run: Callable[[Cell], str | None] = lambda cell: None,
    spread: Spread | None = None,
    clock: Clock = run_timed,
) -> list[Span]:
    """Run the cells and hand each result to `finish`, in this thread. Returns where the workers' time went.

    `spread` runs the untimed cells: side by side on this machine, or what another executor does with them. `clock` runs
    the timed ones afterwards, alone.

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
    with temporary_folder("elbo-compare-") as shared:
        pool = Pool(options=options, shared=str(shared))
        (spread or side_by_side)(untimed, pool, finish)
        if timed:
            clock(timed, pool, finish)
    return pool.spans


def side_by_side(groups: Groups, pool: Pool, finish: Finish) -> None:
    """Untimed cells: `jobs` slots, each serving one group of cells at a time with a worker of its own."""
    expected, results = sum(map(len, groups.values())), queue.SimpleQueue()
    slots = Slots(groups=groups, pool=pool, results=results)
    threads = [threading.Thread(target=slots.work, daemon=True) for _ in range(min(pool.options.jobs, expected))]
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
    """What the slots' threads share: the groups of waiting cells and who serves which. `for_s`: once so many seconds
    have gone by since the first cell was begun, those that still wait are left in their groups."""

    groups: Groups
    pool: Pool
    results: queue.SimpleQueue
    for_s: float = inf
    served: dict[WorkerKey, int] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    programs: dict[Cell, int] = field(default_factory=dict)  # first of the siblings -> the thread that has them
    under_way: Counter[Cell | None] = field(default_factory=Counter)  # what workers have, by what the oracle shares
    begun: float | None = None  # when the first cell was, by the monotonic clock

    def __post_init__(self) -> None:
        self.expected_s = expected_seconds(cell for cells in self.groups.values() for cell in cells)

    def work(self) -> None:
        """Serve groups until none waits; the body of one slot's thread."""
        kept: LocalWorker | None = None
        try:
            while (claimed := self._claim(kept)) is not None:
                (key, joining), worker, kept = claimed, kept, None
                try:
                    kept = self._serve(key, joining, worker)
                finally:
                    with self.lock:
                        self.served[key] -= 1
                        mine = threading.get_ident()
                        self.programs = {first: owner for first, owner in self.programs.items() if owner != mine}
        except BaseException as error:
            if not self.pool.stopping.is_set():
                self.results.put(error)
        finally:
            if kept is not None:
                self.pool.retire(kept)

    def _claim(self, kept: LocalWorker | None = None) -> tuple[WorkerKey, bool] | None:
        """A group that the worker `kept` can go on to, else the longest that nobody serves, else the longest that is
        worth joining; and whether it is joined.

        The longest first: no core then waits for the last one. A library is left to the worker of the code by hand on
        its framework, and its time counted with that code's, while there is another group to begin.
        """
        with self.lock:
            waiting = {
                key: sum(self.expected_s[cell.key] for cell in cells)
                for key, cells in self.groups.items()
                if cells and not self._is_over()
            }
            fresh = [key for key in waiting if not self.served.get(key)]
            before = {key: [each for each in (*waiting, *self._busy()) if may_follow(key, each)] for key in fresh}
            kin = [key for key in fresh if kept is not None and may_follow(key, kept.key)]
            begun = kin or [key for key in fresh if not before[key]] or fresh
            joinable = [key for key in waiting if len(self._free(key)) >= STEAL_FROM]
            long = {key: waiting[key] + sum(waiting[each] for each in fresh if key in before[each]) for key in waiting}
            choice = max(begun or joinable, key=lambda key: long[key] if begun else waiting[key], default=None)
            if choice is not None and not self.pool.stopping.is_set():
                self.served[choice] = self.served.get(choice, 0) + 1
                return choice, not begun
            return None

    def _busy(self) -> list[WorkerKey]:
        return [key for key, slots in self.served.items() if slots]

    def _serve(self, key: WorkerKey, joining: bool, kept: LocalWorker | None) -> LocalWorker | None:
        """Workers for one group, one after the other, until no cell of it waits; the last one where it is still good.
        `kept`: that of the group before.

        Who joins takes from the end: neighbours share a compiled program, which both would else compile at once.
        """
        if kept is not None and not self.pool.turned(kept, key):
            self.pool.retire(kept)
            kept = None
        while kept is not None or (self._free(key) and not self.pool.stopping.is_set()):
            worker, kept = kept or self.pool.start(key), None
            good = False
            try:
                good = self._ask(worker, key, joining)
            finally:
                if not good:
                    self.pool.retire(worker)
            if good:
                return worker
        return None

    def _ask(self, worker: LocalWorker, key: WorkerKey, joining: bool) -> bool:
        """The cells of a group that this worker may have, one after the other; whether none waits and it is good."""
        failure = loading_failure(worker)
        while failure is not None and (cell := self._take(key, joining)) is not None:
            self.results.put(ended(cell, *failure, self.pool.options))
        while failure is None and (cell := self._take(key, joining)) is not None:
            result, usable = ask_for(worker, cell, self.pool.options)
            if self.pool.stopping.is_set():
                return False
            if is_suspect(result, worker):
                self._give_back(key, cell, joining)
                return False
            self._done(cell)
            self.results.put(result)
            if result.status in (Status.CRASHED, Status.TIMED_OUT):
                self._end_siblings(key, result)
            if not usable or worker.is_bloated():
                return False
        return failure is None

    def _give_back(self, key: WorkerKey, cell: Cell, at_end: bool) -> None:
        """Where this thread takes its next one: a fresh worker tries it first, however long the others have taken."""
        with self.lock:
            self.begun = None
            self._done(cell)
            (self.groups[key].append if at_end else self.groups[key].appendleft)(cell)

    def _done(self, cell: Cell) -> None:
        with self.lock:
            self.under_way[_shared(cell)] -= 1

    def _take(self, key: WorkerKey, from_end: bool) -> Cell | None:
        """The next cell, or one behind it where another worker is just working out what both would need."""
        with self.lock:
            cells, free = self.groups[key], self._free(key, from_end=from_end)
            if not free:
                return None
            place = next((each for each in free if not self._elsewhere(cells[each])), free[0])
            cell = cells[place]
            del cells[place]  # by its place: to look for it costs as much as there are cells
            self.under_way[_shared(cell)] += 1
            if cell.replicas:
                self.programs[cell.siblings[0]] = threading.get_ident()
            self.begun = monotonic() if self.begun is None else self.begun
            return cell

    def _free(self, key: WorkerKey, most: int = STEAL_FROM, from_end: bool = False) -> list[int]:
        """The places of up to `most` waiting cells that this thread may take: siblings stay with the worker that trains
        them, and go with it where the time is over, since they are trained already."""
        mine = threading.get_ident()
        with self.lock:
            whose = None if self._is_over() else mine  # a cell's that nobody has
            cells = self.groups[key]
            last = len(cells) - 1
            places = ((last - i, cell) for i, cell in enumerate(reversed(cells))) if from_end else enumerate(cells)
            free = (
                place
                for place, cell in places
                if (self.programs.get(cell.siblings[0], whose) if cell.replicas else whose) == mine
            )
            return list(islice(free, most))

    def _elsewhere(self, cell: Cell) -> bool:
        return (shared := _shared(cell)) is not None and self.under_way[shared] > 0

    def _is_over(self) -> bool:
        return self.begun is not None and monotonic() - self.begun >= self.for_s

    def _end_siblings(self, key: WorkerKey, result: CellResult) -> None:
        """What ended one of the siblings ends those that wait: the same program would do it again, once for each."""
        if not result.cell.replicas:
            return
        siblings = set(result.cell.siblings)
        reason = f"trained in one program with seed {result.cell.seed}: {result.reason}"
        with self.lock:
            waiting = [cell for cell in self.groups[key] if cell in siblings]
            for cell in waiting:
                self.groups[key].remove(cell)
        for cell in waiting:
            self.results.put(ended(cell, result.status, reason, self.pool.options))


def _shared(cell: Cell) -> Cell | None:
    """The cell without who computes it, where the oracle shares what it works out for it."""
    return replace(cell, implementation="", library="") if cell.procedure in SHARED else None
