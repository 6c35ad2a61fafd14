"""A machine of a cluster keeps a worker process for the next batch of its key, while it is whole and not for long."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from claim_rows import cell

from elbo_compare.compare.running import kept, pool, remote
from elbo_compare.compare.running.codec import cell_to_json

LIMITS = {"cell_timeout_s": 300.0, "cell_memory": None, "data_folder": ""}
ONE = cell(implementation="numpy-oracle", problem="gaussian-kl", weights="2-typical", dataset="none", size=2)


class Counted(pool.LocalWorker):
    """A worker that is counted; the newest last."""

    started: ClassVar[list["Counted"]] = []

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Counted.started.append(self)


@pytest.fixture(autouse=True)
def started(monkeypatch):
    """The workers that a test starts; none of them outlives it."""
    monkeypatch.setattr(pool, "LocalWorker", Counted)
    monkeypatch.setattr(Counted, "started", [])
    yield Counted.started
    remote.rest()


def batch():
    """One batch of one cell, which ends well."""
    answer = remote.run_batch([cell_to_json(ONE)], LIMITS, "cpu", 1)
    assert [result["status"] for result in answer["results"]] == ["ok"], answer["results"]
    return answer


def test_the_next_batch_of_a_key_has_the_same_process_and_one_that_was_killed_meanwhile_is_replaced(started):
    first, second = batch(), batch()
    assert len(started) == 1
    assert first["results"][0]["measurements"] == second["results"][0]["measurements"]
    assert any(kind == "import" for kind, _, _ in first["spans"])
    assert not any(kind == "import" for kind, _, _ in second["spans"])  # what it cost is told once
    os.kill(started[0].process.pid, signal.SIGKILL)
    while started[0].is_ready():
        time.sleep(0.01)
    batch()
    assert len(started) == 2


def test_a_batch_that_takes_long_comes_back_with_what_it_has_and_at_least_one_cell(started, monkeypatch):
    monkeypatch.setattr(remote, "BATCH_S", 0.0)
    cells = [cell_to_json(replace(ONE, seed=seed)) for seed in range(3)]
    answer = remote.run_batch(cells, LIMITS, "cpu", 1)
    assert [(each["cell"]["seed"], each["status"]) for each in answer["results"]] == [(0, "ok")]
    monkeypatch.setattr(remote, "BATCH_S", 300.0)
    rest = remote.run_batch(cells[1:], LIMITS, "cpu", 1)
    assert [each["cell"]["seed"] for each in rest["results"]] == [1, 2]
    assert len(started) == 1


def test_what_waits_ends_when_the_run_does_and_takes_the_shared_folder_with_it(started):
    batch()
    shared = started[0].like[1][pool.FOLDER]
    assert Path(shared).is_dir()
    assert started[0].process.poll() is None
    remote.rest()
    assert started[0].process.poll() is not None
    assert not Path(shared).is_dir()


def test_what_waits_ends_by_itself_where_nobody_says_that_the_run_is_over(monkeypatch, started):
    monkeypatch.setattr(remote, "_shelf", kept.Shelf(idle_s=0.2))
    batch()
    end = time.monotonic() + 60
    while started[0].process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.05)


class Waiting:
    """A worker that is whole, of a kind; `closed` tells whether it was ended."""

    spans = ()

    def __init__(self, like, whole=True, bloated=False):
        self.like, self.whole, self.bloated, self.closed = like, whole, bloated, False

    def is_ready(self):
        return self.whole

    def is_bloated(self):
        return self.bloated

    def close(self):
        self.closed = True


def test_no_more_wait_than_are_served_at_once_and_nobody_gets_another_kind():
    shelf = kept.Shelf()
    workers = [Waiting(("a",)), Waiting(("b",)), Waiting(("c",))]
    for worker in workers:
        shelf.put(worker, 2)  # type: ignore[arg-type]
    assert [worker.closed for worker in workers] == [True, False, False]
    assert shelf.take(("a",)) is None
    assert shelf.take(("c",)) is workers[2]
    assert shelf.take(("c",)) is None
    workers[1].whole = False
    assert shelf.take(("b",)) is None
    shelf.rest()
    assert workers[1].closed


@pytest.mark.parametrize("wrong", [{"whole": False}, {"bloated": True}, {}])
def test_a_worker_that_owes_an_answer_or_holds_too_much_is_not_kept(wrong):
    shelf, worker = kept.Shelf(), Waiting(("a",), **wrong)
    options = pool.Options(jobs=1, cores=1, cell_timeout_s=1.0, fingerprint="f")
    lasting = kept.Lasting(options=options, shared="", shelf=shelf)
    lasting.retire(worker)  # type: ignore[arg-type]
    assert worker.closed is bool(wrong)
    assert shelf.take(("a",)) is (None if wrong else worker)
