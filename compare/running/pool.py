"""The workers that are alive, and what to make of one that fails: a status and a reason for the cell it had."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from elbo_compare.compare.environment import worker_environment
from elbo_compare.compare.errors import WorkerError, WorkerTimeoutError
from elbo_compare.compare.launching.interpreter import HERE, Interpreter
from elbo_compare.compare.procedures.shared import FOLDER
from elbo_compare.compare.records import Cell, CellResult, Status
from elbo_compare.compare.running.account import Span
from elbo_compare.compare.running.codec import cell_to_json, result_from_json
from elbo_compare.compare.running.executors import LocalWorker, WorkerKey
from elbo_compare.suites.contract import Kind
from elbo_compare.suites.datasets import shipped
from elbo_compare.suites.roster import BY_NAME


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run. `threads`: of each untimed worker; timed ones get all `cores`, since they run alone. `interpreters`:
    of the implementations that run in another environment than this one."""

    jobs: int
    cores: int
    cell_timeout_s: float
    fingerprint: str
    cell_memory: int | None = None  # bytes that a worker may hold
    interpreters: Mapping[str, Interpreter] = field(default_factory=dict, hash=False)

    @property
    def threads(self) -> int:
        """Threads of one untimed worker: cores // jobs, at least one."""
        return max(1, self.cores // self.jobs)


@dataclass
class Pool:
    """The workers that are alive, and the spans of those that were."""

    options: Options
    shared: str  # a folder for what all workers would compute alike
    spans: list[Span] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _alive: set[LocalWorker] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, key: WorkerKey, *, timed: bool = False) -> LocalWorker:
        """A new worker. Raises WorkerError when the run is being stopped."""
        like = self.like(key, timed=timed)
        with self._lock:
            if self.stopping.is_set():
                raise WorkerError("the run was stopped")
            worker = LocalWorker(*like)
            self._alive.add(worker)
        return worker

    def like(self, key: WorkerKey, *, timed: bool = False) -> tuple[WorkerKey, dict[str, str], int | None, Interpreter]:
        """What a worker of this key is started with: the same, and one may serve for another."""
        threads = self.options.cores if timed else self.options.threads
        environment = worker_environment(device=key.device, dtype=key.dtype, threads=threads, compile_cache=not timed)
        environment[FOLDER] = self.shared
        where = self.options.interpreters.get(key.implementation, HERE)
        if where is not HERE:
            environment[shipped.BESIDE] = shipped.shippers()
        return key, environment, self.options.cell_memory, where

    def turned(self, worker: LocalWorker, key: WorkerKey) -> bool:
        """Whether a worker that has served its group has gone on to this one; else it is to be retired."""
        like = self.like(key)
        if not may_follow(key, worker.key) or like[1:] != worker.like[1:]:
            return False
        try:
            return worker.turn_to(like) is None
        except WorkerError:
            return False

    def retire(self, worker: LocalWorker) -> None:
        """End a worker and keep its spans."""
        worker.close()
        with self._lock:
            self._alive.discard(worker)
            self.spans += worker.spans

    def stop(self) -> None:
        """Kill every worker at once; their slots then find the connection closed."""
        with self._lock:
            self.stopping.set()
            for worker in self._alive:
                worker.kill()


def may_follow(key: WorkerKey, first: WorkerKey) -> bool:
    """Whether the worker of `first` may go on to `key`: from code written by hand to a library on the same framework,
    which is then imported once. Never back: code written by hand shares no process with what a library may change."""
    other, own = BY_NAME.get(first.implementation), BY_NAME.get(key.implementation)
    if other is None or own is None or (other.kind, own.kind) != (Kind.HAND, Kind.LIBRARY):
        return False
    return other.framework is own.framework and (first.device, first.dtype) == (key.device, key.dtype)


def ended(cell: Cell, status: Status, reason: str, options: Options) -> CellResult:
    """A result without measurements."""
    return CellResult(cell=cell, status=status, reason=reason, fingerprint=options.fingerprint)


def loading_failure(worker: LocalWorker) -> tuple[Status, str] | None:
    """None once the worker is ready, or what became of it: then none of its cells can be run."""
    try:
        reason = worker.wait_ready()
    except WorkerTimeoutError:
        worker.kill()
        return Status.TIMED_OUT, "the implementation could not be imported in time"
    except WorkerError:
        return Status.CRASHED, worker.epitaph()
    return None if reason is None else (Status.FAILED, reason)


def is_suspect(result: CellResult, worker: LocalWorker) -> bool:
    """Whether the cell may have died of what an earlier cell did to the same process: it is then tried in a fresh one.

    A time limit is not tried again: it costs its whole length.
    """
    return result.status is Status.CRASHED and worker.asked > 1


def ask_for(worker: LocalWorker, cell: Cell, options: Options, do: str = "run", **more: Any) -> tuple[CellResult, bool]:
    """One request's result, and whether the worker can still be used."""
    request = {"do": do, "cell": cell_to_json(cell), "fingerprint": options.fingerprint} | more
    try:
        result = result_from_json(worker.ask(request, options.cell_timeout_s))
    except WorkerTimeoutError:
        worker.kill()
        reason = f"no result within {options.cell_timeout_s:g} s (--cell-timeout)"
        return ended(cell, Status.TIMED_OUT, reason, options), False
    except (WorkerError, ValueError) as error:
        if isinstance(error, ValueError):  # an answer that is no result: such a worker is not to be trusted
            worker.kill()
        return ended(cell, Status.CRASHED, worker.epitaph(), options), False
    if result.cell != cell:
        worker.kill()
        return ended(cell, Status.CRASHED, "the worker answered for another cell", options), False
    return result, True
