"""An implementation's cost as work grows: every size of one axis, one after another in each turn."""

from collections.abc import Callable, Mapping
from typing import Any

from elbo_compare.compare.bench.clocks.turns import turn_size
from elbo_compare.compare.procedures.turns import seconds
from elbo_compare.suites import registry
from elbo_compare.suites.contract import Device, DType, Estimator, Problem
from elbo_compare.suites.estimators import ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.sized import binary_rows, sized_vae

CHUNK = 500  # draws in memory at once
AXES: dict[str, tuple[int, ...]] = {
    "draws": (100, 400, 1600, 6400),
    "batch": (50, 100, 200, 400, 800),
    "latent": (10, 40, 160, 640),
    "hidden": (75, 150, 300, 600, 1200),
    "particles": (1, 5, 20, 80),
}


class CurveClock:
    """One implementation at growing work: seconds per training step, or per call for `draws`, at every size."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.axis = request["axis"]
        self.implementation = registry.load(request["implementation"])
        self.device, self.dtype = Device(request["device"]), DType(request["dtype"])
        self.calls: dict[int, tuple[Callable[[int], Any], int]] = {}

    def start(self) -> dict[str, Any]:
        """Prepare every size that there is."""
        for size in AXES[self.axis]:
            call = self._call(size)
            if call is not None:
                call(1)
                self.calls[size] = call, turn_size(lambda k, _, call=call: call(k), 1)
        if not self.calls:
            raise ValueError(f"{self.implementation.name} has no size of {self.axis}")
        return {}

    def turn(self) -> dict[str, Any]:
        """Seconds per call at every size."""
        found = {
            str(size): seconds(lambda call=call, n=repeats: call(n)) / repeats
            for size, (call, repeats) in self.calls.items()
        }
        return {"curve": found}

    def finish(self) -> dict[str, Any]:
        """Nothing is left to report."""
        return {}

    def _call(self, size: int) -> Callable[[int], Any] | None:
        problem, estimator, batch = curve_point(self.axis, size)
        if self.implementation.supports(problem, estimator) is not None:
            return None
        session = self.implementation.prepare(problem, estimator, self.device, self.dtype)
        x = binary_rows(batch, problem.observed)
        if self.axis == "draws":
            return lambda k: [session.draw(problem.params, x[:1], size, seed, CHUNK) for seed in range(k)]
        stepper = session.stepper(problem.params, x, 0)
        if stepper.compile is not None:
            stepper.compile()
        return stepper.step


def curve_point(axis: str, size: int) -> tuple[Problem, Estimator, int]:
    """Problem, estimator and batch at one size of one axis; everything else as in `vae` at batch 100."""
    sizes = {axis: size} if axis in ("latent", "hidden") else {}
    estimator = ESTIMATORS[f"iwae-{size}"] if axis == "particles" else SAMPLED_KL
    return sized_vae(**sizes), estimator, size if axis == "batch" else 100
