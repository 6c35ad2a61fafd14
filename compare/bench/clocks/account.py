"""A training step taken apart: the whole and each of its parts by itself, and both where there is next to no work."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from time import perf_counter
from typing import Any

from elbo_compare.compare.bench.clocks.forms import MOST_STEPS, case_of
from elbo_compare.compare.bench.clocks.turns import TURN_S
from elbo_compare.compare.bench.records import EMPTY, SIZED, WHOLE, Setting
from elbo_compare.compare.procedures.turns import repeats, seconds
from elbo_compare.suites.forms import Parts, Workload
from elbo_compare.suites.sized import binary_rows, sized_vae


def empty(case: Workload) -> Workload:
    """The same networks one wide, on batches of one row with one pixel."""
    rows = binary_rows(len(case.batches), 1).reshape(len(case.batches), 1, 1)
    return replace(case, problem=sized_vae(observed=1, hidden=1, latent=1), batches=rows, seeded=None)


class AccountClock:
    """Turns of about TURN_S for each part, one after another in one process."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        start = perf_counter()
        self.module: Any = import_module(request["module"])
        self.import_s = perf_counter() - start
        self.name, self.case = request["form"], case_of(Setting(**request["setting"]))
        self.calls: dict[tuple[str, str], tuple[Callable[[int], object], int]] = {}

    def start(self) -> dict[str, Any]:
        """Compile, warm up and choose how many steps a turn of each part holds."""
        for size, case in ((SIZED, self.case), (EMPTY, empty(self.case))):
            parts: Parts = self.module.prepare(self.name, case)
            for name, call in {WHOLE: parts.whole, **parts.alone}.items():
                call(parts.quantum)
                once = min(seconds(lambda call=call, parts=parts: call(parts.quantum)) for _ in range(2))
                count = repeats(once, TURN_S, MOST_STEPS // parts.quantum) * parts.quantum
                self.calls[size, str(name)] = (call, count)
        return {"import_s": self.import_s}

    def turn(self) -> dict[str, Any]:
        """Seconds per step of every part."""
        found: dict[str, dict[str, float]] = {SIZED: {}, EMPTY: {}}
        for (size, name), (call, count) in self.calls.items():
            found[size][name] = seconds(lambda call=call, count=count: call(count)) / count
        return {"parts": found}

    def finish(self) -> dict[str, Any]:
        """Nothing is left to report."""
        return {}
