"""In a bench worker: a library's draws, in blocks and one at a time, and an implementation's cost as work grows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from suites import datasets, problems, registry
from suites.contract import Device, DType, Estimator, Problem
from suites.estimators import ESTIMATORS, SAMPLED_KL
from suites.sized import binary_rows, sized_vae

CHUNK = 500  # draws in memory at once, on a curve
CHUNKS = {"vae": 1000, "gaussian-kl": 10_000}  # and against the loop: 784 pixels a draw, or none
DRAWS, LOOPED = 10_000, 500  # whose means are compared
LOOPS = {
    "pyro": ("suites.pyro_ppl.loops", ({},)),
    "numpyro": ("suites.numpyro_ppl.loops", ({"compiled": False}, {"compiled": True})),
}
TURN_S = 0.25


class DrawClock:
    """n draws of ELBO and KL at one datum: a library's vectorised blocks against the loop over its `evaluate_loss`."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.problem = problems.load(request["problem"], request["weights"])
        self.x = datasets.load(problems.DATASET[self.problem.name]).test[:1]
        self.device, self.dtype = Device(request["device"]), DType(request["dtype"])
        implementation = registry.load(request["implementation"])
        self.session = implementation.prepare(self.problem, SAMPLED_KL, self.device, self.dtype)
        module, variants = LOOPS[request["implementation"]]
        make: Any = import_module(module).prepare_loop
        self.loops: dict[str, Any] = {
            "jitted loop" if options.get("compiled") else "loop": make(
                self.problem, SAMPLED_KL, self.device, self.dtype, self.x, **options
            )
            for options in variants
        }
        self.chunk = CHUNKS[self.problem.name]
        self.seed = 0

    def _blocks(self, n: int, seed: int) -> Any:
        return self.session.draw(self.problem.params, self.x, n, seed, self.chunk)

    def start(self) -> dict[str, Any]:
        """Compile, compare the means, choose the sizes of a turn."""
        block, loop = (
            self._blocks(8 * CHUNK, 1),
            self.loops["loop" if len(self.loops) == 1 else "jitted loop"](CHUNK, 2),
        )
        self.counts = {name: turn_size(each, 5) for name, each in self.loops.items()}
        self.counts["blocks"] = self.chunk * turn_size(lambda n, seed: self._blocks(n * self.chunk, seed), 1)
        return {
            f"{name}_{part}": value
            for name, found in (("blocks", block), ("loop", loop))
            for part, value in moments(found)
        }

    def turn(self) -> dict[str, Any]:
        """Draws per second of each."""
        self.seed += 10_000
        calls = self.loops | {"blocks": self._blocks}
        rates = {}
        for name, call in calls.items():
            start = perf_counter()
            call(self.counts[name], self.seed)
            rates[name] = self.counts[name] / (perf_counter() - start)
        return {"rates": rates}

    def finish(self) -> dict[str, Any]:
        """Nothing is left to report."""
        return {}


def moments(draws: Any) -> list[tuple[str, float]]:
    """Mean, standard error and number of the ELBO draws and of the KL draws, in nats."""
    found = []
    for part, values in (("elbo", draws.elbo), ("kl", draws.kl)):
        error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
        found += [(part, float(np.mean(values))), (f"{part}_error", error)]
    return found


def turn_size(call: Callable[[int, int], Any], least: int) -> int:
    """How many draws take about as long as a turn."""
    call(least, 0)
    start = perf_counter()
    call(least, 1)
    return max(least, round(least * TURN_S / (perf_counter() - start)))


AXES: dict[str, tuple[int, ...]] = {
    "draws": (100, 400, 1600, 6400),
    "batch": (50, 100, 200, 400, 800),
    "latent": (10, 40, 160, 640),
    "hidden": (75, 150, 300, 600, 1200),
    "particles": (1, 2, 5, 10, 50),
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
                call(1)
                self.calls[size] = call, turn_size(lambda k, _, call=call: call(k), 1)
        if not self.calls:
            raise ValueError(f"{self.implementation.name} has no size of {self.axis}")
        return {}

    def turn(self) -> dict[str, Any]:
        """Seconds per call at every size."""
        found = {}
        for size, (call, repeats) in self.calls.items():
            start = perf_counter()
            call(repeats)
            found[str(size)] = (perf_counter() - start) / repeats
        return {"curve": found}

    def finish(self) -> dict[str, Any]:
        """Nothing is left to report."""
        return {}

    def _call(self, size: int) -> Callable[[int], Any] | None:
        problem, estimator, batch = curve_point(self.axis, size)
        if estimator is None or self.implementation.supports(problem, estimator) is not None:
            return None
        session = self.implementation.prepare(problem, estimator, self.device, self.dtype)
        x = binary_rows(batch, problem.observed)
        if self.axis == "draws":
            return lambda k: [session.draw(problem.params, x[:1], size, seed, CHUNK) for seed in range(k)]
        stepper = session.stepper(problem.params, x, 0)
        if stepper.compile is not None:
            stepper.compile()
        return stepper.step


def curve_point(axis: str, size: int) -> tuple[Problem, Estimator | None, int]:
    """Problem, estimator and batch at one size of one axis; everything else as in `vae` at batch 100."""
    sizes = {axis: size} if axis in ("latent", "hidden") else {}
    estimator: Estimator | None = SAMPLED_KL
    if axis == "particles" and size > 1:
        known = [each for each in ESTIMATORS.values() if each.particles == size and is_plain(each)]
        estimator = known[0] if known else None
    return sized_vae(**sizes), estimator, size if axis == "batch" else 100


def is_plain(estimator: Estimator) -> bool:
    """Whether an estimator differs from the sampled KL by its particles or by an importance-weighted bound only."""
    return (
        replace(
            estimator,
            name=SAMPLED_KL.name,
            formula=SAMPLED_KL.formula,
            source=SAMPLED_KL.source,
            library_classes=SAMPLED_KL.library_classes,
            bound=SAMPLED_KL.bound,
            alpha=SAMPLED_KL.alpha,
            particles=1,
        )
        == SAMPLED_KL
    )


def clock_of(request: Mapping[str, Any]) -> Any:
    """The clock that a request asks for."""
    return {"draws": DrawClock, "curve": CurveClock}[request["what"]](request)
