"""A training step taken apart: the whole, the whole without one part, and each part by itself.

What a part costs is what the step saves when that part is left out of it: its own time and what it does to the others
(caches that it empties, copies that it makes necessary, threads that wait for it). That is asked of the large parts
that can be left out of a step which still is one: the optimiser and the element-wise passes. Noise and data take a
hundredth of a step, less than the difference of two steps is known to; they count with their time alone. The products
count with the time of the step from which everything else was left out, in which each still waits for the one before.

Nothing makes these add up: each is a measurement of its own, from the whole downwards and from the products upwards.
(Leaving out one part after the other, down to nothing, adds up whatever is measured.) Where two run side by side,
leaving out one saves little, and the sum is too small; where two disturb each other, leaving out either saves all of
that, and it is too large. That remainder is shown and judged. Every part's time alone stands beside it as a second
opinion: a part that costs more in the step than alone disturbs its neighbours.

A turn is several short slices of everything, one after another, and the shortest of each counts. Another process can
only add to a time, and adds unevenly: where threads wait for each other, one that lost its processor for a moment
makes all of them late, and a step then takes twice as long while an optimiser on one thread loses nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from time import perf_counter
from typing import Any

from elbo_compare.compare.bench.clocks.forms import MOST_STEPS, case_of
from elbo_compare.compare.bench.records import ALONE, EMPTY, SIZED, WHOLE, WITHOUT, Setting
from elbo_compare.compare.procedures.turns import repeats, seconds
from elbo_compare.suites.forms import Parts, Workload
from elbo_compare.suites.sized import binary_rows, sized_vae

SLICES = 5  # of everything in a turn; the shortest counts
SLICE_S = 0.06  # about as long as one slice should take: the shorter, the likelier undisturbed
EMPTY_S = 0.01  # and one of a step on single numbers, of which a thousand fit


def empty(case: Workload) -> Workload:
    """The same networks one wide, on batches of one row with one pixel."""
    rows = binary_rows(len(case.batches), 1).reshape(len(case.batches), 1, 1)
    return replace(case, problem=sized_vae(observed=1, hidden=1, latent=1), batches=rows, seeded=None)


class AccountClock:
    """Turns of SLICES slices of the whole step, of the step without a part, and of parts alone, in one process."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        start = perf_counter()
        self.module: Any = import_module(request["module"])
        self.import_s = perf_counter() - start
        self.name, self.case = request["form"], case_of(Setting(**request["setting"]))
        self.calls: dict[tuple[str, str, str], tuple[Callable[[int], object], int]] = {}

    def start(self) -> dict[str, Any]:
        """Compile, warm up and choose how many steps a slice of each holds."""
        for size, case, slice_s in ((SIZED, self.case, SLICE_S), (EMPTY, empty(self.case), EMPTY_S)):
            parts: Parts = self.module.prepare(self.name, case)
            for way, part, call in _ways(parts):
                call(parts.quantum)
                once = min(seconds(lambda call=call, parts=parts: call(parts.quantum)) for _ in range(2))
                count = repeats(once, slice_s, MOST_STEPS // parts.quantum) * parts.quantum
                self.calls[size, way, part] = (call, count)
        return {"import_s": self.import_s}

    def turn(self) -> dict[str, Any]:
        """Seconds per step of everything: the shortest slice of each."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for _ in range(SLICES):
            for (size, way, part), (call, count) in self.calls.items():
                parts = found.setdefault(size, {}).setdefault(way, {})
                now = seconds(lambda call=call, count=count: call(count)) / count
                parts[part] = min(now, parts.get(part, now))
        return {"parts": found}

    def finish(self) -> dict[str, Any]:
        """Nothing is left to report."""
        return {}


def _ways(parts: Parts) -> Iterator[tuple[str, str, Callable[[int], object]]]:
    """All that has slices, in turn: its way, its part, its call."""
    yield WHOLE, WHOLE, parts.whole
    for way, some in ((WITHOUT, parts.without), (ALONE, parts.alone)):
        yield from ((way, str(part), call) for part, call in some.items())
