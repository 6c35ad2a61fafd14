"""Many machines by Dask: a real scheduler and workers in processes of their own, one of them killed during the run."""

import json
import logging
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from real_runs import GENEROUS_S, cell_files, wait_for

pytest.importorskip("distributed")
DASK = [sys.executable, "-m", "dask"]


def address_in(contact):
    """The scheduler's address; empty while its file is not there or half written."""
    try:
        return json.loads(contact.read_text())["address"]
    except (OSError, ValueError):
        return ""


@pytest.fixture
def cluster(bench, tmp_path):
    """A scheduler and two workers: its address, the workers' processes."""
    started = []
    contact = tmp_path / "scheduler.json"

    def start(*words):
        with (tmp_path / f"dask-{len(started)}.log").open("w") as log:
            process = subprocess.Popen(
                [*DASK, *words, "--no-dashboard"],
                env=bench.environment | {"TRIVIAL_WAIT_S": "0.3"},  # the run is to last until a test has struck
                stdout=log,
                stderr=log,
                cwd=tmp_path,
            )
        started.append(process)
        return process

    start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(contact))
    wait_for(lambda: address_in(contact))
    address = address_in(contact)
    workers = [
        start("worker", address, "--nthreads", "1", "--no-nanny", "--death-timeout", str(GENEROUS_S)) for _ in range(2)
    ]
    wait_for(lambda: sum("Registered to" in path.read_text() for path in tmp_path.glob("dask-*.log")) == 2)
    yield address, workers
    for process in started:
        process.kill()
        process.wait()


def test_a_cluster_gives_the_same_numbers_and_a_killed_worker_costs_only_a_retry(bench, whole, cluster, tmp_path):
    address, workers = cluster
    folder = tmp_path / "out"
    arguments = ("--profile", bench.profile, "-j", 2, "-o", folder, "--executor", "dask", "--scheduler", address)
    process = bench.start("run", *arguments)
    wait_for(lambda: len(cell_files(folder)) >= 3, process)
    workers[0].send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 0, err + out
    assert workers[1].poll() is None
    _, measurements, verdicts = whole
    over_dask = bench.frames(folder)
    pd.testing.assert_frame_equal(over_dask[0], measurements)
    pd.testing.assert_frame_equal(over_dask[1], verdicts)
    assert set(over_dask[0]["status"]) == {"ok"}


def test_ctrl_c_stops_the_cluster_s_work_too(bench, cluster, tmp_path):
    address, _ = cluster
    folder = tmp_path / "out"
    arguments = ("--profile", bench.profile, "-o", folder, "--executor", "dask", "--scheduler", address)
    process = bench.start("run", *arguments)
    wait_for(lambda: len(cell_files(folder)) >= 3, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 130, err
    assert "--resume" in err
    assert "Traceback" not in err
    code, _, err = bench.finish("run", *arguments, "--resume")
    assert code == 0
    assert "cells are there" in err


def test_an_address_where_nobody_answers_is_one_line(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("elbo_compare.compare.running.dask_cluster.CONNECT_S", 1.0)
    from elbo_compare.compare.errors import UsageError
    from elbo_compare.compare.running.dask_cluster import connected

    nobody = connected("tcp://127.0.0.1:9", "cpu", {})
    with pytest.raises(UsageError, match=r"No Dask scheduler answers at 'tcp://127.0.0.1:9'") as caught, nobody:
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "foo://x:1", "tcp://x", "http://x:1", "\x1b[2J:1"])
def test_what_is_no_address_is_told_at_once(address):
    from elbo_compare.compare.errors import UsageError
    from elbo_compare.compare.running.dask_cluster import connected

    with pytest.raises(UsageError, match="is no address; give one such as") as caught, connected(address, "cpu", {}):
        pass
    assert str(caught.value).isprintable()


def test_whoever_accepts_and_stays_silent_is_no_scheduler(monkeypatch):
    from elbo_compare.compare.errors import UsageError
    from elbo_compare.compare.running.dask_cluster import connected

    monkeypatch.setattr("elbo_compare.compare.running.dask_cluster.CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(UsageError, match="No Dask scheduler answers"), connected(address, "cpu", {}):
            pass


def test_what_dask_logs_of_a_lost_connection_is_no_traceback_on_the_screen(monkeypatch):
    import distributed

    from elbo_compare.compare.running import dask_cluster as it

    shown, client = [], logging.getLogger("distributed.client")
    monkeypatch.setattr(client, "handlers", [Shown(shown)])
    losing = SimpleNamespace(close=lambda timeout: client.error("Failed to reconnect"))
    monkeypatch.setattr(distributed, "Client", lambda *address, **options: losing)
    monkeypatch.setattr(it.DaskCluster, "look", lambda self: client.error("Connection lost"))
    with it.connected("tcp://127.0.0.1:9", "cpu", {}):
        logging.getLogger("tornado.application").error("Exception in callback")
    assert shown == []
    client.error("somebody else's")
    assert shown == ["somebody else's"]


class Shown(logging.Handler):
    """A handler that keeps the messages."""

    def __init__(self, shown):
        super().__init__()
        self.shown = shown

    def emit(self, record):
        self.shown.append(record.getMessage())


def test_a_cluster_that_loses_its_last_worker_ends_the_run_and_keeps_what_is_there(bench, cluster, tmp_path):
    address, workers = cluster
    folder = tmp_path / "out"
    program = (
        "import elbo_compare.compare.running.dask_cluster as it\n"
        "from elbo_compare.compare.cli import main\nit.WORKERLESS_S = 3.0\nmain()"
    )
    arguments = ("--profile", bench.profile, "-o", folder, "--executor", "dask", "--scheduler", address)
    process = subprocess.Popen(
        [sys.executable, "-c", program, "run", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=bench.environment | {"TRIVIAL_WAIT_S": "0.1"},
    )
    wait_for(lambda: len(cell_files(folder)) >= 3, process)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 3, err
    assert "has had no worker for 3 s" in err
    assert "--resume" in err
    assert "Traceback" not in err
    assert len(cell_files(folder)) >= 3


class Told(str):
    """A result of a cell, both by its name."""

    __slots__ = ()
    cell = property(str)


class Future:
    """What a batch becomes; it ends when `Client` is asked for the next that has."""

    def __init__(self, cells, status):
        self.cells, self.status = cells, status

    def result(self, timeout):
        return {"environment": {}, "spans": (), "results": self.cells}

    def exception(self):
        return OSError("lost")

    def add_done_callback(self, done):
        pass


class Client:
    """A cluster in this process: what is out, the most that was at once, how the first batch ends, and how many cells
    a batch comes to."""

    def __init__(self, first, comes_to=None):
        self.out, self.most, self.sizes, self.first, self.comes_to = [], 0, [], first, comes_to

    def submit(self, function, cells, limits, device, side_by_side, *, pure, priority):
        self.out.append(Future(cells[: self.comes_to], "finished" if self.sizes else self.first))
        self.out[-1].order = -priority
        self.most = max(self.most, len(self.out))
        self.sizes.append(len(cells))
        return self.out[-1]

    def ended(self):
        """The next: of the highest priority the one that was handed over first."""
        self.out.sort(key=lambda future: future.order)
        return self.out.pop(0)


@pytest.mark.parametrize(("jobs", "most"), [(1, 1), (3, 3), (None, 8)])
@pytest.mark.parametrize("first", ["finished", "error"])
def test_j_is_how_many_batches_of_one_cell_at_a_time_are_out(monkeypatch, jobs, most, first):
    from elbo_compare.compare.running import dask_cluster as it

    client, finished = Client(first), []
    monkeypatch.setattr(it, "cell_to_json", str)
    monkeypatch.setattr(it, "result_from_json", Told)
    monkeypatch.setattr(it.DaskCluster, "meet", lambda self, address, there: None)
    monkeypatch.setattr(it.DaskCluster, "workers", lambda self: ["here"])
    cluster = it.DaskCluster(client=client, device="cpu", local={}, jobs=jobs)
    pool = SimpleNamespace(spans=[], options=None)
    todo = it._Todo(cluster=cluster, pool=pool, finish=finished.append, limits={}, side_by_side=1)

    monkeypatch.setattr(it._Todo, "_ended", lambda self: client.ended())
    todo.run([[f"cell {2 * i}", f"cell {2 * i + 1}"] for i in range(8)])
    assert len(finished) == 16
    assert client.most == most + (jobs is None and first == "error")
    assert client.sizes.count(1) == (2 if first == "error" else 0)  # a batch that was lost is tried cell by cell


@pytest.mark.parametrize("jobs", [1, None])
def test_what_a_batch_did_not_come_to_is_put_out_again_before_others(monkeypatch, jobs):
    from elbo_compare.compare.running import dask_cluster as it

    client, finished = Client("finished", comes_to=1), []
    monkeypatch.setattr(it, "cell_to_json", str)
    monkeypatch.setattr(it, "result_from_json", Told)
    monkeypatch.setattr(it.DaskCluster, "meet", lambda self, address, there: None)
    monkeypatch.setattr(it._Todo, "_ended", lambda self: client.ended())
    cluster = it.DaskCluster(client=client, device="cpu", local={}, jobs=jobs)
    pool = SimpleNamespace(spans=[], options=None)
    todo = it._Todo(cluster=cluster, pool=pool, finish=finished.append, limits={}, side_by_side=1)
    todo.run([["a", "b", "c"], ["d", "e"]])
    assert finished == ["a", "b", "c", "d", "e"]


class Losing(Future):
    """What a batch becomes whose worker dies after it has ended: found so when its state is asked, or its results."""

    def __init__(self, cells, states, fails):
        self.cells, self.states, self.fails = cells, list(states), fails

    @property
    def status(self):
        return self.states[0]

    def result(self, timeout):
        if self.fails and len(self.states) > 1:
            self.states.pop(0)
            raise self.fails
        return super().result(timeout)


@pytest.mark.parametrize(
    ("states", "fails"),
    [
        (("lost", "pending", "finished"), None),
        (("finished", "lost", "finished"), OSError("gone")),
        (("finished", "finished"), TimeoutError()),
    ],
)
def test_results_that_were_lost_with_their_worker_are_waited_for_again(monkeypatch, states, fails):
    from elbo_compare.compare.running import dask_cluster as it

    future, finished = Losing(["cell"], states, fails), []
    monkeypatch.setattr(it, "cell_to_json", str)
    monkeypatch.setattr(it, "result_from_json", Told)
    monkeypatch.setattr(it.DaskCluster, "meet", lambda self, address, there: None)
    monkeypatch.setattr(it, "AGAIN_S", 0.0)
    monkeypatch.setattr(it.DaskCluster, "workers", lambda self: ["here"])
    client = SimpleNamespace(submit=lambda *arguments, **how: future)
    cluster = it.DaskCluster(client=client, device="cpu", local={})
    todo = it._Todo(cluster=cluster, pool=SimpleNamespace(spans=[]), finish=finished.append, limits={}, side_by_side=1)
    future.add_done_callback = lambda done: done(future)
    ended, looks = todo._ended, []

    def look():
        """The scheduler has gone on meanwhile."""
        looks.append(1)
        assert len(looks) < 10, "waited for over and over"
        if len(looks) > 1 and future.status in ("lost", "pending"):
            future.states.pop(0)
        return ended()

    monkeypatch.setattr(todo, "_ended", look)
    todo.run([["cell"]])
    assert finished == ["cell"]


def test_results_that_nobody_can_bring_back_do_not_keep_a_run_from_ending(monkeypatch):
    from elbo_compare.compare.errors import IncompleteError
    from elbo_compare.compare.running import dask_cluster as it

    future = Losing(["cell"], ["lost"], None)
    future.add_done_callback = lambda done: done(future)
    monkeypatch.setattr(it, "cell_to_json", str)
    monkeypatch.setattr(it, "AGAIN_S", 0.01)
    monkeypatch.setattr(it, "WORKERLESS_S", 0.3)
    monkeypatch.setattr(it.DaskCluster, "workers", lambda self: [])
    cluster = it.DaskCluster(client=SimpleNamespace(submit=lambda *_, **how: future), device="cpu", local={})
    todo = it._Todo(cluster=cluster, pool=SimpleNamespace(spans=[]), finish=print, limits={}, side_by_side=1)
    with pytest.raises(IncompleteError, match="has had no worker"):
        todo.run([["cell"]])


class Clocks:
    """A cluster in this process that times: the workers that live, where each group went; `dies` is lost with its
    first group."""

    def __init__(self, dies):
        self.there, self.went, self.dies, self.arrived = ["one", "two"], [], dies, []

    def submit(self, function, cells, limits, device, side_by_side, *, pure, workers, allow_other_workers):
        assert function.__name__ == "run_group"
        assert not allow_other_workers
        (place,) = workers
        lost = place in self.dies and place in self.there
        future = Future(cells, "pending" if lost else "finished")
        self.went.append((place, tuple(cells)))
        if lost:
            self.there.remove(place)
        self.arrived.append(None if lost else future)
        return future

    def cancel(self, futures, force):
        self.there = self.there or ["three"]


@pytest.mark.parametrize(
    ("dies", "went", "timed"),
    [
        ((), ["one a", "one b"], 4),
        (("one",), ["one a", "two a", "two b"], 4),
        (("one", "two"), ["one a", "two a", "three b"], 4),
    ],
)
def test_timing_groups_go_one_by_one_to_one_worker_while_it_lives(monkeypatch, dies, went, timed):
    from elbo_compare.compare.records import Status
    from elbo_compare.compare.running import dask_cluster as it

    client, finished = Clocks(dies), []
    monkeypatch.setattr(it, "cell_to_json", str)
    monkeypatch.setattr(it, "result_from_json", Told)
    monkeypatch.setattr(it, "timing_groups", lambda cells: [[c for c in cells if c[0] == g] for g in "ab"])
    monkeypatch.setattr(it, "ended", lambda cell, status, reason, options: (cell, status, reason))
    monkeypatch.setattr(it.DaskCluster, "meet", lambda self, address, there: None)
    monkeypatch.setattr(it.DaskCluster, "_slots", lambda self: dict.fromkeys(client.there, 1))
    monkeypatch.setattr(it._Todo, "_ended", lambda self: client.arrived.pop() if client.arrived else None)
    cluster = it.DaskCluster(client=client, device="cpu", local={})
    options = SimpleNamespace(cell_timeout_s=1.0, cell_memory=None)
    cluster.clock(["a1", "a2", "b1", "b2"], SimpleNamespace(spans=[], options=options), finished.append)
    assert [f"{place} {cells[0][0]}" for place, cells in client.went] == went
    assert len(finished) == timed
    crashed = [each for each in finished if not isinstance(each, str)]
    assert len(crashed) == (2 if len(dies) == 2 else 0)
    assert all(status is Status.CRASHED and "worker was lost" in reason for _, status, reason in crashed)
