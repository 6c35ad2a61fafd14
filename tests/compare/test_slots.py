"""Which cells a free slot serves, and from which end: no core is to wait, no program is to be compiled twice."""

import queue
from collections import deque
from types import SimpleNamespace

from claim_rows import cell

from elbo_compare.compare.running.executors import WorkerKey
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
