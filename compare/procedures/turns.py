"""The clock's one way of measuring: how long a call takes, how many calls make a turn, and who has which turn.

Whoever is timed takes turns (A B C A B C ...), so that ratios survive a noisy machine. Timed cells and the bench are
its users: what a turn does, and what becomes of one that fails, is theirs.
"""

from collections.abc import Callable, Hashable, Iterable
from time import perf_counter, sleep
from typing import Any, TypeVar

SETTLE_S = 0.02  # before another process's turn: thread pools that spin while they wait for more have stopped by then
Timed = TypeVar("Timed")


def seconds(call: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = perf_counter()
    call()
    return perf_counter() - start


def repeats(once_s: float, turn_s: float, most: int) -> int:
    """How many calls of `once_s` seconds make a turn of about `turn_s`: at least 1, at most `most`."""
    return max(1, min(most, round(turn_s / once_s)))


def interleave(
    rounds: int,
    living: Callable[[], Iterable[Timed]],
    process_of: Callable[[Timed], Hashable],
    turn: Callable[[Timed, int], None],
    goes_on: Callable[[int], bool] = lambda index: True,
) -> int:
    """Up to `rounds` rounds in which each that lives has one turn; the number of rounds that were begun.

    `living` is asked before every round, so that one that has failed has no more turns; those of one process should
    follow each other, since only another process's turn waits for threads to stop. `goes_on(index)` is asked before
    a round and ends the rounds where it is False. Raises ValueError for fewer than one round.
    """
    if rounds < 1:
        raise ValueError(f"The clock needs at least one round, not {rounds}.")
    latest: Hashable = None
    for index in range(rounds):
        if not goes_on(index):
            return index
        for each in living():
            if (process := process_of(each)) != latest:
                sleep(SETTLE_S)
            turn(each, index)
            latest = process
    return rounds
