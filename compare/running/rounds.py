"""The clock: timed cells run alone and take turns (A B C A B C ...), so that ratios survive a noisy machine.

Within a round the cells of one worker follow each other: only another process has to wait for its threads to stop.

A timing group (one problem, data, dtype, device, size, seed) is one unit: it is measured and stored together.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace

from elbo_compare.compare.procedures.turns import interleave
from elbo_compare.compare.records import Cell, CellResult, Status
from elbo_compare.compare.running.executors import LocalWorker, WorkerKey
from elbo_compare.compare.running.pool import Pool, ask_for, ended, loading_failure

ROUNDS = 12  # an order-statistics interval of the median at 95% needs at least 6


def timing_group(cell: Cell) -> Hashable:
    """What cells of one timing group share."""
    return (cell.problem, cell.weights, cell.dataset, cell.dtype, cell.device, cell.size, cell.seed)


def timing_groups(cells: Iterable[Cell]) -> list[list[Cell]]:
    """The cells by their timing group, in the order in which each was met."""
    groups: dict[Hashable, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(timing_group(cell), []).append(cell)
    return list(groups.values())


def run_timed(cells: Iterable[Cell], pool: Pool, finish: Callable[[CellResult], None]) -> None:
    """Every group in turn. On KeyboardInterrupt all workers are killed and it is raised again."""
    for group in timing_groups(cells):
        results = _Group(pool=pool, cells=list(group)).run()
        for cell in group:
            finish(results[cell.key])


@dataclass
class _Group:
    """One timing group while it runs."""

    pool: Pool
    cells: list[Cell]
    workers: dict[WorkerKey, LocalWorker] = field(default_factory=dict)
    results: dict[str, CellResult] = field(default_factory=dict)
    elapsed_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys = list(dict.fromkeys(map(WorkerKey.of, self.cells)))
        self.cells.sort(key=lambda cell: keys.index(WorkerKey.of(cell)))

    def run(self) -> dict[str, CellResult]:
        """Start every worker, then every clock, give the turns, collect the rows."""
        try:
            self._start_workers()
            for cell in self.cells:
                self._ask(cell, "start")
            interleave(ROUNDS, self._living, WorkerKey.of, lambda cell, index: self._ask(cell, "turn", round=index))
            for cell in self._living():
                self._ask(cell, "finish")
        except BaseException:
            self.pool.stop()
            raise
        finally:
            for worker in self.workers.values():
                self.pool.retire(worker)
        return self.results

    def _start_workers(self) -> None:
        """All of them at once: they import side by side, and no clock runs before the last one is there."""
        for key in dict.fromkeys(map(WorkerKey.of, self.cells)):
            self.workers[key] = self.pool.start(key, timed=True)
        for worker in list(self.workers.values()):
            self._loaded(worker)

    def _living(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.key not in self.results]

    def _ask(self, cell: Cell, do: str, **more: int) -> None:
        """One request of one cell, unless it has ended. A worker that dies costs this cell; siblings start again."""
        worker = self._worker(cell) if cell.key not in self.results else None
        if worker is None:
            return
        result, usable = ask_for(worker, cell, self.pool.options, do=do, **more)
        elapsed = self.elapsed_s.get(cell.key, 0.0) + result.elapsed_s
        self.elapsed_s[cell.key] = elapsed
        if result.status is not Status.OK or do == "finish":
            self.results[cell.key] = replace(result, elapsed_s=elapsed)
        if not usable:
            self._bury(worker)
            started = self.cells if do != "start" else self.cells[: self.cells.index(cell)]
            for sibling in started:
                if WorkerKey.of(sibling) == worker.key and sibling.key not in self.results:
                    self._ask(sibling, "start")

    def _worker(self, cell: Cell) -> LocalWorker | None:
        """The cell's worker, started when there is none; None once its cells have ended because it can't be loaded."""
        key = WorkerKey.of(cell)
        if key not in self.workers:
            self.workers[key] = self.pool.start(key, timed=True)
            if not self._loaded(self.workers[key]):
                return None
        return self.workers[key]

    def _loaded(self, worker: LocalWorker) -> bool:
        """Whether it is ready; its cells have ended where it can't be."""
        failure = loading_failure(worker)
        if failure is None:
            return True
        self._bury(worker)
        for cell in self._living():
            if WorkerKey.of(cell) == worker.key:
                self.results[cell.key] = ended(cell, *failure, self.pool.options)
        return False

    def _bury(self, worker: LocalWorker) -> None:
        self.pool.retire(worker)
        del self.workers[worker.key]
