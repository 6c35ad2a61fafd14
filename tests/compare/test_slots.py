"""Which cells a free slot serves, and from which end: no core is to wait, no program is to be compiled twice."""

import queue
from collections import deque
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from claim_rows import cell

from elbo_compare.compare.records import Cell, Status
from elbo_compare.compare.running import run
from elbo_compare.compare.running.executors import WorkerKey
from elbo_compare.compare.running.pool import ended, may_follow
from elbo_compare.compare.running.run import STEAL_FROM, Slots


def slots(**groups):
    """Slots over groups of (seconds, ...), by implementation."""
    waiting, expected_s = {}, {}
    for name, seconds in groups.items():
        cells = [cell(implementation=name, seed=number) for number in range(len(seconds))]
        waiting[WorkerKey.of(cells[0])] = deque(cells)
        expected_s |= {each.key: long for each, long in zip(cells, seconds, strict=True)}
    stopping = SimpleNamespace(is_set=lambda: False)
    pool = SimpleNamespace(stopping=stopping)
    made = Slots(groups=waiting, pool=pool, results=queue.SimpleQueue())  # type: ignore[arg-type]
    made.expected_s = expected_s
    return made


def names(claims):
    """Who is served, and whether that joins another."""
    return [(claim[0].implementation, claim[1]) for claim in claims]


def test_the_group_that_takes_longest_is_begun_first_however_few_cells_it_has():
    waiting = slots(pyro=[1.0] * 9, numpyro=[20.0] * 5, torch=[0.1] * 30)
    assert names(waiting._claim() for _ in range(3)) == [("numpyro", False), ("pyro", False), ("torch", False)]


def test_a_free_slot_joins_the_group_with_most_seconds_left_if_enough_cells_wait():
    waiting = slots(pyro=[1.0] * 9, numpyro=[20.0] * 3, torch=[0.1] * 30)
    assert STEAL_FROM > 3
    assert names(waiting._claim() for _ in range(4))[3] == ("pyro", True)


def test_who_joins_takes_from_the_end_and_gives_back_to_where_it_takes_next():
    waiting = slots(pyro=[1.0] * 9)
    (key,) = waiting.groups
    first, last = waiting._take(key, from_end=False), waiting._take(key, from_end=True)
    assert first is not None and last is not None
    assert (first.seed, last.seed) == (0, 8)
    waiting._give_back(key, last, at_end=True)
    assert waiting._take(key, from_end=True) == last
    second = waiting._take(key, from_end=False)
    assert second is not None and second.seed == 1


def test_a_library_is_left_to_the_worker_of_the_hand_written_code_on_its_framework():
    waiting = slots(**{"jax-hand": [1.0] * 5, "numpyro": [9.0] * 5, "torch-hand": [2.0] * 5, "pyro": [2.0] * 5})
    first, second = waiting._claim(), waiting._claim()
    assert names([first, second]) == [("jax-hand", False), ("torch-hand", False)]  # 50 s with its library, and 20 s
    serving: dict[str, Any] = {key.implementation: SimpleNamespace(key=key) for key in waiting.groups}
    for name, then in (("torch-hand", "pyro"), ("jax-hand", "numpyro")):
        (key,) = [each for each in waiting.groups if each.implementation == name]
        waiting.groups[key].clear()
        waiting.served[key] -= 1
        assert names([waiting._claim(serving[name])]) == [(then, False)]
    assert waiting._claim(serving["pyro"]) == (serving["numpyro"].key, True)  # there is nothing else: it is joined


def test_a_library_is_begun_by_whoever_is_free_where_nothing_else_is_to_be_begun():
    waiting = slots(**{"jax-hand": [9.0] * 5, "numpyro": [1.0] * 5, "numpy-oracle": [0.1] * 5})
    assert names(waiting._claim() for _ in range(3)) == [
        ("jax-hand", False),
        ("numpy-oracle", False),
        ("numpyro", False),
    ]


def test_hand_written_code_shares_no_process_with_a_library_that_came_first():
    def key(name, dtype="float64"):
        return WorkerKey(implementation=name, device="cpu", dtype=dtype)

    assert may_follow(key("pyro"), key("torch-hand"))
    assert may_follow(key("numpyro"), key("jax-hand"))
    never = [("torch-hand", "pyro"), ("pyro", "jax-hand"), ("numpyro", "pyro"), ("torch-hand", "torch-hand")]
    never += [("pythae", "torch-hand"), ("theirs", "torch-hand"), ("torch-hand", "numpy-oracle")]
    assert not any(may_follow(key(then), key(first)) for then, first in never)
    assert not may_follow(key("pyro", "float32"), key("torch-hand"))


def test_what_another_worker_is_working_out_is_left_for_a_moment_but_not_for_good():
    waiting = slots(**{"jax-hand": [1.0] * 2, "torch-hand": [1.0] * 2})
    jax, torch = waiting.groups

    def take(key):
        cell = waiting._take(key, from_end=False)
        assert cell is not None
        return cell

    first = take(jax)
    other = take(torch)
    assert (first.seed, other.seed) == (0, 1)  # the oracle's part of seed 0 is under way
    waiting._done(first)
    assert take(torch).seed == 0  # it is there now
    assert take(jax).seed == 1  # under way still, and nothing else is left
    assert waiting._take(jax, from_end=False) is None


@pytest.mark.parametrize("turned", [True, False])
def test_a_worker_goes_on_to_the_library_or_a_new_one_is_started(monkeypatch, turned):
    waiting = slots(**{"torch-hand": [1.0] * 2, "pyro": [1.0] * 2})
    happened = []

    class Pool:
        stopping = SimpleNamespace(is_set=lambda: False)
        options = None

        def start(self, key):
            happened.append(("start", key.implementation))
            return SimpleNamespace(key=key, is_bloated=lambda: False)

        def turned(self, worker, key):
            happened.append(("turn", worker.key.implementation, key.implementation))
            worker.key = key if turned else worker.key
            return turned

        def retire(self, worker):
            happened.append(("retire", worker.key.implementation))

    def ask_for(worker, cell, options):
        assert worker.key == WorkerKey.of(cell)
        return ended(cell, Status.OK, "", SimpleNamespace(fingerprint="f")), True  # type: ignore[arg-type]

    monkeypatch.setattr(run, "ask_for", ask_for)
    monkeypatch.setattr(run, "loading_failure", lambda worker: None)
    monkeypatch.setattr(waiting, "pool", Pool())
    waiting.work()
    assert waiting.results.qsize() == 4
    instead = [] if turned else [("retire", "torch-hand"), ("start", "pyro")]
    assert happened == [("start", "torch-hand"), ("turn", "torch-hand", "pyro"), *instead, ("retire", "pyro")]


@pytest.mark.parametrize("from_end", [False, True])
def test_a_cell_is_taken_without_a_look_at_the_others(monkeypatch, from_end):
    waiting = slots(pyro=[1.0] * 9)
    (key,) = waiting.groups
    compared = []
    monkeypatch.setattr(Cell, "__eq__", lambda one, other: compared.append(one) or one is other)
    for left in range(8, -1, -1):
        assert waiting._take(key, from_end) is not None
        assert len(waiting.groups[key]) == left
    assert compared == []  # else a run of n cells makes n²/2 comparisons


def test_when_the_time_is_over_nothing_is_begun_but_what_a_fresh_worker_is_to_try_again():
    waiting = slots(pyro=[1.0] * 9)
    waiting.for_s = 0.0
    (key,) = waiting.groups
    assert waiting._claim() == (key, False)
    first = waiting._take(key, from_end=False)  # one in any case: an import alone may take longer
    assert first is not None
    assert waiting._take(key, from_end=False) is None
    assert waiting._claim() is None
    assert [each.seed for each in waiting.groups[key]] == list(range(1, 9))
    waiting._give_back(key, first, at_end=False)
    assert waiting._take(key, from_end=False) == first
    assert waiting._take(key, from_end=False) is None


def test_cells_that_were_trained_along_with_one_are_taken_though_the_time_is_over():
    waiting = slots(pyro=[1.0] * 9)
    (key,) = waiting.groups
    waiting.groups[key].extend([replace(waiting.groups[key].popleft(), replicas=3) for _ in range(9)])
    waiting.for_s = 0.0
    taken = [waiting._take(key, from_end=False) for _ in range(4)]
    assert [each and each.seed for each in taken] == [0, 1, 2, None]
