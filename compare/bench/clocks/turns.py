"""How long a call takes, and how many calls make a turn."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

TURN_S = 0.25  # about as long as one turn should take
WARM_SHARE = 0.2  # of a turn, discarded before it: another process had the cores and the caches


def seconds(call: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = perf_counter()
    call()
    return perf_counter() - start


def turn_size(call: Callable[[int, int], Any], least: int) -> int:
    """How many draws or steps, at least `least`, take about as long as a turn; `call(count, seed)`."""
    call(least, 0)
    return max(least, round(least * TURN_S / seconds(lambda: call(least, 1))))
