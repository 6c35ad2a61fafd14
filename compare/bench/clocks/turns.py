"""How long a turn of the bench is, and how many calls make one."""

from collections.abc import Callable
from typing import Any

from elbo_compare.compare.procedures.turns import seconds

TURN_S = 0.25  # about as long as one turn should take
WARM_SHARE = 0.2  # of a turn, discarded before it: another process had the cores and the caches


def turn_size(call: Callable[[int, int], Any], least: int) -> int:
    """How many draws or steps, at least `least`, take about as long as a turn; `call(count, seed)`."""
    call(least, 0)
    return max(least, round(least * TURN_S / seconds(lambda: call(least, 1))))
