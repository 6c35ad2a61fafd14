"""What runs on another machine: a batch of cells of one implementation, in worker processes there. JSON in and out."""

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from time import monotonic
from typing import Any

from elbo_compare.compare import environment
from elbo_compare.compare.launching.lifeline import temporary_folder
from elbo_compare.compare.planning.availability import interpreters, reason_not_to_run
from elbo_compare.compare.records import Cell, CellResult, Status
from elbo_compare.compare.running.account import Span
from elbo_compare.compare.running.codec import cell_from_json, result_to_json
from elbo_compare.compare.running.executors import WorkerKey
from elbo_compare.compare.running.kept import Lasting, Shelf
from elbo_compare.compare.running.memory import default_limit
from elbo_compare.compare.running.pool import Options, Pool, ended
from elbo_compare.compare.running.rounds import run_timed
from elbo_compare.compare.running.run import Slots
from elbo_compare.suites import datasets

Worked = tuple[list[CellResult], list[Span]]
BATCH_S = 1.0  # after so long a batch begins no further cell: what a lost machine costs, beside the cells it was at
_shelf = Shelf()
_pools: dict[int, Pool] = {}
_lock = threading.Lock()


@cache
def surroundings(device: str, side_by_side: int) -> dict[str, Any]:
    """The environment record of this machine, where `side_by_side` cells run at once."""
    threads = max(1, environment.cores() // side_by_side)
    return environment.describe(device=device, jobs=side_by_side, threads=threads)


def run_batch(
    cells: Sequence[Mapping[str, Any]], limits: Mapping[str, Any], device: str, side_by_side: int
) -> dict[str, Any]:
    """Results of the cells, all of one worker key, with this machine's environment and where the time went; of the
    first ones alone where they take long.

    `limits`: `cell_timeout_s`; `cell_memory` in bytes, or None for this machine's default; `data_folder`, where data
    files are unless this machine's environment says otherwise. `spans` count from the return of this call: the clocks
    of different machines have nothing in common.
    """
    here = surroundings(device, side_by_side)

    def work(able: list[Cell], options: Options) -> Worked:
        pool = Lasting(options=options, shared=_shelf.enter(), shelf=_shelf, most=side_by_side)
        try:
            return _work({WorkerKey.of(able[0]): deque(able)}, pool), pool.spans
        finally:
            _shelf.leave()

    return _answered(cells, limits, here, int(here["threads"]), work)


def run_group(
    cells: Sequence[Mapping[str, Any]], limits: Mapping[str, Any], device: str, side_by_side: int
) -> dict[str, Any]:
    """The same for a timing group: it takes turns over all cores of this machine, on which nothing else may run."""

    def work(able: list[Cell], options: Options) -> Worked:
        rest()
        results: list[CellResult] = []
        with temporary_folder("elbo-compare-") as shared, _stoppable(pool := Pool(options=options, shared=str(shared))):
            run_timed(able, pool, results.append)
        return results, pool.spans

    return _answered(cells, limits, surroundings(device, side_by_side), environment.cores(), work)


def _answered(
    cells: Sequence[Mapping[str, Any]],
    limits: Mapping[str, Any],
    here: dict[str, Any],
    cores: int,
    work: Callable[[list[Cell], Options], Worked],
) -> dict[str, Any]:
    """The answer of `run_batch` and `run_group`: `work` measures the cells that can run here."""
    if limits.get("data_folder"):
        os.environ.setdefault(datasets.FOLDER, limits["data_folder"])  # the worker processes inherit it
    batch = [cell_from_json(cell) for cell in cells]
    options = Options(
        jobs=1,
        cores=cores,
        cell_timeout_s=float(limits["cell_timeout_s"]),
        cell_memory=limits["cell_memory"] or default_limit(),
        fingerprint=environment.fingerprint(here),
        interpreters=interpreters(),
    )
    able = [cell for cell in batch if reason_not_to_run(cell) is None]
    results = [
        ended(cell, Status.NOT_RUN, reason, options)
        for cell in batch
        if (reason := reason_not_to_run(cell)) is not None
    ]
    measured, spans = work(able, options) if able else ([], [])
    now = monotonic()
    return {
        "environment": here,
        "results": [result_to_json(result) for result in (*results, *measured)],
        "spans": [(kind, start - now, end - now) for kind, start, end in spans],
    }


def _work(groups: Mapping[WorkerKey, deque], pool: Pool) -> list[CellResult]:
    """One slot's work in this thread, of which no cell begins after BATCH_S. Raises whatever went wrong in it."""
    arrived: queue.SimpleQueue = queue.SimpleQueue()
    with _stoppable(pool):
        Slots(groups=groups, pool=pool, results=arrived, for_s=BATCH_S).work()
    results = []
    while not arrived.empty():
        item = arrived.get()
        if isinstance(item, BaseException):
            raise item
        results.append(item)
    return results


@contextmanager
def _stoppable(pool: Pool) -> Iterator[None]:
    """`stop` reaches the pool meanwhile."""
    with _lock:
        _pools[id(pool)] = pool
    try:
        yield
    finally:
        with _lock:
            del _pools[id(pool)]


def stop() -> None:
    """Kill every worker process on this machine that a batch has started."""
    with _lock:
        for pool in _pools.values():
            pool.stop()
    rest()


def rest() -> None:
    """End the worker processes on this machine that wait for another batch."""
    _shelf.rest()
