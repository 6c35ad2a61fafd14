"""A library's draws, in vectorised blocks and by the loop that a user writes."""

from collections.abc import Mapping
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from elbo_compare.compare.bench.clocks.turns import turn_size
from elbo_compare.suites import datasets, problems, registry
from elbo_compare.suites.contract import Device, Draws, DType
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.roster import BY_NAME

CHUNKS = {"vae": 1000, "gaussian-kl": 10_000}  # draws in memory at once: 784 pixels a draw, or none
SAME, SAME_SEED = 50, 1  # draws that are compared one by one, at the same random numbers


class DrawClock:
    """n draws of ELBO and KL at one datum: a library's vectorised blocks against the loop over its `evaluate_loss`."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.problem = problems.load(request["problem"], request["weights"])
        self.x = datasets.load(problems.DATASET[self.problem.name]).test[:1]
        self.device, self.dtype = Device(request["device"]), DType(request["dtype"])
        implementation = registry.load(request["implementation"])
        self.session = implementation.prepare(self.problem, SAMPLED_KL, self.device, self.dtype)
        self.module: Any = import_module(BY_NAME[request["implementation"]].module("loops"))
        self.loops: dict[str, Any] = {
            "jitted loop" if options.get("compiled") else "loop": self.module.prepare_loop(
                self.problem, SAMPLED_KL, self.device, self.dtype, self.x, **options
            )
            for options in self.module.WAYS
        }
        self.chunk = CHUNKS[self.problem.name]
        self.seed = 0

    def _blocks(self, n: int, seed: int) -> Draws:
        return self.session.draw(self.problem.params, self.x, n, seed, self.chunk)

    def start(self) -> dict[str, Any]:
        """Compile, compare draw by draw, choose the sizes of a turn."""
        block = self._blocks(self.chunk, SAME_SEED)
        single = self.module.one_by_one(
            self.problem, SAMPLED_KL, self.device, self.dtype, self.x, SAME, SAME_SEED, self.chunk
        )
        self.counts = {name: turn_size(each, 5) for name, each in self.loops.items()}
        self.counts["blocks"] = self.chunk * turn_size(lambda n, seed: self._blocks(n * self.chunk, seed), 1)
        return {"chunk": self.chunk, "compared": SAME} | {
            f"{part}_distance": distance(getattr(block, part)[:SAME], getattr(single, part), self.dtype)
            for part in ("elbo", "kl")
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


def distance(found: np.ndarray, exact: np.ndarray, dtype: DType) -> float:
    """The largest |difference| in unit roundoffs of the largest value; nan where any value is."""
    unit = float(np.finfo(str(dtype)).eps) / 2 * float(np.max(np.abs(exact)))
    return float(np.max(np.abs(found - exact))) / unit
