"""Untimed cells over many machines by an existing engine, Dask: `--executor dask --scheduler ADDRESS`.

Each task is a batch of cells of one worker key, served on its machine by worker processes of our own, so a fault still
costs its own cells only. A batch ends after a second with what it has, and the rest of it is put out again before
others. A machine that is lost costs that second: Dask gives its batches to others. Dask carries JSON for us, but its
own messages are pickled: connect to a cluster of your own only.

On a batch system or Kubernetes, Dask's own deployers start the cluster and give the address: `SLURMCluster` of
dask-jobqueue, `KubeCluster` of dask-kubernetes (`cluster.scheduler_address`). Install the same versions everywhere.
"""

import gc
import logging
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from queue import Empty, SimpleQueue
from threading import Thread, Timer
from time import monotonic, sleep
from typing import Any

from elbo_compare.compare import environment
from elbo_compare.compare.errors import IncompleteError, UsageError, printable
from elbo_compare.compare.records import Cell, Status
from elbo_compare.compare.running import remote
from elbo_compare.compare.running.codec import cell_to_json, result_from_json
from elbo_compare.compare.running.pool import Pool, ended
from elbo_compare.compare.running.rounds import timing_groups
from elbo_compare.compare.running.run import Finish, Groups
from elbo_compare.suites import datasets

CONNECT_S = 20.0
POLL_S = 2.0
FETCH_S = 10.0  # for what a batch brought, some kilobytes
AGAIN_S = 0.2  # until a batch whose results were lost is looked at again
REST_S = 3.0  # as long as we wait for an answer at the end
WORKERLESS_S = 60.0  # a batch system may replace a worker; nobody does for longer without saying so
ADDRESS = re.compile(r"(?:(?:tcp|tls|ucx|wss?)://)?(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}(?:/\S*)?")
LARGEST_BATCH = 32  # cells; those that take long are ended in several batches
PLANNED, BEGUN = 0, 1  # priorities: what was begun goes on where its imports are still there
BATCHES_PER_SLOT = 4  # of one worker key: enough to even out slow batches, few enough to share an import
_WORKERLESS = (
    "The Dask cluster has had no worker for {seconds:g} s. What has finished is kept; start one "
    "with `dask worker ADDRESS` and go on with the same command and --resume."
)
CHATTY = ("distributed", "tornado", "asyncio")
MACHINE = ("cpu", "gpu", "machine", "jobs", "threads", "device")  # what machines of one cluster may differ in


@dataclass
class DaskCluster:
    """A cluster that is connected: `client` is Dask's. `environments`: those of its workers, by fingerprint; `slots`:
    how many cells they ran side by side together when they were looked at; `jobs`: how many are asked for at most."""

    client: Any
    device: str
    local: Mapping[str, Any]
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    slots: int = 1
    jobs: int | None = None

    def look(self) -> None:
        """Ask every worker what it is. Raises UsageError where there is none, or one has other versions or code."""
        slots = self._slots()
        if not slots:
            raise UsageError("The Dask cluster has no worker: start one with `dask worker ADDRESS`.")
        self.slots = max(sum(slots.values()), 1)
        for address, count in slots.items():
            answer = self.client.run(remote.surroundings, self.device, count, workers=[address])
            self.meet(address, answer[address])

    def meet(self, address: str, there: dict[str, Any]) -> None:
        """Take a worker's environment up. Raises UsageError where its versions or code differ from this machine's."""
        mine = {name: value for name, value in environment.relevant(self.local).items() if name not in MACHINE}
        theirs = environment.relevant(there)
        differ = [f"{name} {theirs.get(name)} (here {value})" for name, value in mine.items() if theirs[name] != value]
        if differ:
            raise UsageError(f"The Dask worker {address} has {', '.join(differ)}: install the same on all machines.")
        self.environments[environment.fingerprint(there)] = there

    @property
    def side_by_side(self) -> int:
        """How many cells run at once on all machines together."""
        return min(self.slots, self.jobs or self.slots)

    def _slots(self) -> dict[str, int]:
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        return {address: int(worker["nthreads"]) for address, worker in workers.items()}

    def spread(self, groups: Groups, pool: Pool, finish: Finish) -> None:
        """Run the groups' cells on the cluster; see `run.Spread`. A KeyboardInterrupt stops the cluster's work on them.

        Raises IncompleteError where the scheduler is lost.
        """
        slots = self._slots()
        todo = self._todo(pool, finish)
        with self._stopping(todo):
            todo.run(batches(groups, min(sum(slots.values()), self.jobs or sum(slots.values()))))

    def clock(self, cells: Iterable[Cell], pool: Pool, finish: Finish) -> None:
        """Run timed cells; see `run.Clock`. One group after the other and all on one worker, while the cluster does
        nothing else of ours: alone there, and every time that is compared comes from one machine.

        A worker that is lost costs its group another try on the next one. Raises IncompleteError as `spread` does.
        """
        todo = self._todo(pool, finish)
        with self._stopping(todo):
            for group in timing_groups(cells):
                todo.time(group)

    def _todo(self, pool: Pool, finish: Finish) -> "_Todo":
        limits = {"cell_timeout_s": pool.options.cell_timeout_s, "cell_memory": pool.options.cell_memory}
        limits |= {"data_folder": os.environ.get(datasets.FOLDER, "")}
        side_by_side = max(self._slots().values(), default=1)
        return _Todo(cluster=self, pool=pool, finish=finish, limits=limits, side_by_side=side_by_side)

    @contextmanager
    def _stopping(self, todo: "_Todo") -> Iterator[None]:
        """Stop the cluster's work on what is out where this one's is interrupted."""
        try:
            yield
        except BaseException:
            with suppress(Exception):
                self.client.cancel(list(todo.waiting), force=True)
                self.client.run(remote.stop)
            raise

    def rest(self) -> None:
        """Let the processes that wait on the workers for more end; where nobody answers they do so by themselves."""

        def tell() -> None:
            with suppress(Exception):
                self.client.run(remote.rest)

        (thread := Thread(target=tell, daemon=True)).start()
        thread.join(REST_S)

    def workers(self) -> list[str]:
        """The addresses of the workers that are there now, in an order of their own; none where nobody answers."""
        try:
            return sorted(self._slots())
        except (OSError, TimeoutError, ValueError, KeyError):
            return []


@dataclass
class _Todo:
    """The batches that are out."""

    cluster: DaskCluster
    pool: Pool
    finish: Finish
    limits: Mapping[str, Any]
    side_by_side: int
    waiting: dict[Any, list[Cell]] = field(default_factory=dict)
    arrived: SimpleQueue[Any] = field(default_factory=SimpleQueue)  # futures that have ended, whatever way
    timing: str = ""  # the worker that has had the last timing group

    def run(self, todo: Iterable[list[Cell]]) -> None:
        """Every batch, each of which runs one cell at a time; no more at once than `jobs`, where that is asked for."""
        batches, again = ((batch, PLANNED) for batch in todo), deque[tuple[list[Cell], int]]()
        for batch in islice(batches, self.cluster.jobs):
            self._submit(*batch)
        seen = monotonic()
        while self.waiting:
            future = self._ended()
            if future is not None:
                again.extend(self._collect(future, self.waiting.pop(future)))
            brought = future is not None and future not in self.waiting
            if brought or self.cluster.workers():
                seen = monotonic()
            elif monotonic() - seen > WORKERLESS_S:
                raise IncompleteError(_WORKERLESS.format(seconds=WORKERLESS_S))
            while brought and self._has_room() and (batch := again.popleft() if again else next(batches, None)):
                self._submit(*batch)

    def time(self, group: list[Cell], tries: int = 2) -> None:
        """One timing group, on the worker that had the last one while it lives."""
        place = self._place()
        arguments = ([cell_to_json(cell) for cell in group], self.limits, self.cluster.device, self.side_by_side)
        future = self._submit_to(remote.run_group, arguments, group, workers=[place], allow_other_workers=False)
        while self._ended() is not future and place in self.cluster.workers():
            pass
        del self.waiting[future]
        if (answer := _answer(future)) is not None:
            self._keep(answer, group)
            return
        reason = _lost(future)
        self.cluster.client.cancel([future], force=True)
        if tries > 1:
            self.time(group, tries - 1)
            return
        for cell in group:
            self.finish(ended(cell, Status.CRASHED, reason, self.pool.options))

    def _place(self) -> str:
        """The worker that times. Raises IncompleteError where none comes within WORKERLESS_S seconds."""
        seen = monotonic()
        while not (there := self.cluster.workers()):
            if monotonic() - seen > WORKERLESS_S:
                raise IncompleteError(_WORKERLESS.format(seconds=WORKERLESS_S))
            sleep(POLL_S)
        self.timing = self.timing if self.timing in there else there[0]
        return self.timing

    def _has_room(self) -> bool:
        return self.cluster.jobs is None or len(self.waiting) < self.cluster.jobs

    def _ended(self) -> Any:
        """The next future that has ended, or None where none does within POLL_S seconds."""
        with suppress(Empty):
            return self.arrived.get(timeout=POLL_S)

    def _submit(self, cells: list[Cell], priority: int) -> Any:
        content = [cell_to_json(cell) for cell in cells]
        arguments = (content, self.limits, self.cluster.device, self.side_by_side)
        return self._submit_to(remote.run_batch, arguments, cells, priority=priority)

    def _submit_to(self, function: Callable[..., Any], arguments: tuple[Any, ...], cells: list[Cell], **how: Any):
        future = self.cluster.client.submit(function, *arguments, pure=False, **how)
        self.waiting[future] = cells
        future.add_done_callback(self.arrived.put)
        return future

    def _collect(self, future: Any, cells: list[Cell]) -> list[tuple[list[Cell], int]]:
        """Hand the batch's results over; returns what is to be put out again, with its priority: what it did not come
        to, or where it was lost its cells one by one.

        A worker that is lost takes with it what it has ended and nobody has fetched: the scheduler has that done again.
        """
        if (answer := _answer(future)) is not None:
            rest = self._keep(answer, cells)
            return [(rest, BEGUN)] if rest else []
        if future.status in ("finished", "lost", "pending"):
            self.waiting[future] = cells
            (again := Timer(AGAIN_S, self.arrived.put, (future,))).daemon = True
            again.start()
            return []
        if future.status != "error":
            raise IncompleteError(
                "The Dask scheduler was lost. What has finished is kept; go on with the same command and --resume."
            )
        if len(cells) > 1:
            return [([cell], PLANNED) for cell in cells]
        self.finish(ended(cells[0], Status.CRASHED, _lost(future), self.pool.options))
        return []

    def _keep(self, answer: Mapping[str, Any], cells: list[Cell]) -> list[Cell]:
        """Hand over what a batch of `cells` brought; returns those that it brought nothing of."""
        self.cluster.meet("that took this batch", answer["environment"])
        now = monotonic()
        self.pool.spans += [(str(kind), now + start, now + end) for kind, start, end in answer["spans"]]
        results = [result_from_json(result) for result in answer["results"]]
        for result in results:
            self.finish(result)
        there = {result.cell for result in results}
        return [cell for cell in cells if cell not in there]


def _answer(future: Any) -> dict[str, Any] | None:
    """What a batch brought; None where it brought nothing, or the worker that holds it can't be asked."""
    if future.status != "finished":
        return None
    try:
        return future.result(timeout=FETCH_S)
    except TimeoutError:
        return None
    except Exception:
        if future.status == "finished":
            raise
        return None


def _lost(future: Any) -> str:
    """What became of a batch that brought nothing."""
    error = future.exception() if future.status == "error" else "it has gone"
    told = error if isinstance(error, str) else " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return f"its Dask worker was lost or failed: {told}"


def batches(groups: Groups, slots: int) -> Iterator[list[Cell]]:
    """The groups cut into batches of one worker key, each of at most `LARGEST_BATCH` cells; the groups are emptied."""
    for cells in groups.values():
        size = min(max(1, ceil(len(cells) / (BATCHES_PER_SLOT * max(slots, 1)))), LARGEST_BATCH)
        while cells:
            yield [cells.popleft() for _ in range(min(size, len(cells)))]


def _client(kind: Callable[..., Any], address: str) -> Any:
    """A connected client. Dask bounds the time of a connection, not that of the greeting: whoever accepts it and stays
    silent would keep us for ever, so that a thread waits in our place."""
    arrived: SimpleQueue[Any] = SimpleQueue()

    def connect() -> None:
        try:
            arrived.put(kind(address, timeout=CONNECT_S, set_as_default=False))
        except Exception as error:
            arrived.put(error)

    Thread(target=connect, daemon=True).start()
    try:
        client = arrived.get(timeout=2 * CONNECT_S)
    except Empty:
        why = f"it accepts a connection and has said nothing for {2 * CONNECT_S:g} s"
        raise UsageError(f"No Dask scheduler answers at {address!r} ({why}).") from None
    if isinstance(client, Exception):
        why = " ".join(str(client).split())[:200]
        raise UsageError(f"No Dask scheduler answers at {address!r} ({why}).") from client
    return client


@contextmanager
def connected(address: str, device: str, local: Mapping[str, Any], jobs: int | None = None) -> Iterator[DaskCluster]:
    """A connection to the scheduler at `address`, for `jobs` cells side by side at most.

    Raises UsageError where Dask is missing or nothing answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError("--executor dask needs Dask: pip install 'elbo-compare[dask]'") from error
    if not ADDRESS.fullmatch(address):
        raise UsageError(f"--scheduler {printable(address)!r} is no address; give one such as tcp://host:8786.")
    with _without_its_log():
        client = _client(Client, address)
        try:
            cluster = DaskCluster(client=client, device=device, local=local, jobs=jobs)
            cluster.look()
            yield cluster
            cluster.rest()
        finally:
            client.close(timeout=3)
            gc.collect()  # what Dask gave up waiting for (a result that died with its worker) complains where it ends


@contextmanager
def _without_its_log() -> Iterator[None]:
    """Keep what Dask and its network library log off the screen: a connection that is lost is there a traceback or
    two, and here one line that says what is kept and how to go on."""
    known = [logging.getLogger(name) for name in logging.Logger.manager.loggerDict if name.startswith(CHATTY)]
    before = [(logger, logger.disabled) for logger in known]
    for logger in known:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in before:
            logger.disabled = disabled
