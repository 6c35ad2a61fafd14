"""The clock's turns: their order, who has none any more, how long one is, and the pause before another process's."""

import pytest

from elbo_compare.compare.procedures import turns
from elbo_compare.compare.procedures.turns import SETTLE_S, interleave, repeats


@pytest.fixture
def pauses(monkeypatch):
    found = []
    monkeypatch.setattr(turns, "sleep", found.append)
    return found


def test_each_has_one_turn_in_every_round_in_the_same_order(pauses):
    had = []
    begun = interleave(3, lambda: "ABC", str, lambda each, index: had.append((each, index)))
    assert begun == 3
    assert had == [(each, index) for index in range(3) for each in "ABC"]


def test_only_another_process_s_turn_waits_for_threads_to_stop(pauses):
    interleave(2, lambda: ["a1", "a2", "b1"], lambda each: each[0], lambda each, index: None)
    assert pauses == [SETTLE_S] * 4  # a1, b1 in each round: never between a1 and a2


def test_one_process_alone_waits_once(pauses):
    interleave(5, lambda: ["a"], str, lambda each, index: None)
    assert pauses == [SETTLE_S]


def test_who_has_failed_has_no_more_turns(pauses):
    living, had = ["A", "B"], []

    def turn(each, index):
        had.append((each, index))
        if (each, index) == ("A", 1):
            living.remove("A")

    interleave(3, lambda: list(living), str, turn)
    assert had == [("A", 0), ("B", 0), ("A", 1), ("B", 1), ("B", 2)]


def test_rounds_end_where_they_are_told_to(pauses):
    had = []
    assert interleave(9, lambda: "A", str, lambda each, index: had.append(index), lambda index: index < 2) == 2
    assert had == [0, 1]


def test_no_rounds_is_an_error():
    with pytest.raises(ValueError, match="at least one round, not 0"):
        interleave(0, lambda: "A", str, lambda each, index: None)


@pytest.mark.parametrize(("once", "found"), [(0.1, 3), (10.0, 1), (1e-9, 50)])
def test_a_turn_holds_about_as_many_calls_as_fit(once, found):
    assert repeats(once, 0.3, 50) == found
