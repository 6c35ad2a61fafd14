"""Many seeds in one program against one seed at a time, for the hand-written implementations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from elbo_compare.compare.procedures.turns import seconds
from elbo_compare.suites import datasets, problems, registry
from elbo_compare.suites.contract import Device, DType, Training
from elbo_compare.suites.estimators import SAMPLED_KL

SIZES = (1, 2, 4, 8, 16, 32)  # seeds in one program
STEPS = 50  # of each training, an epoch of the 5,000 digits; data and weights travel to the device and back once in it
BATCH, RATE = 100, 5e-4


class ReplicaClock:
    """Each turn: one training by `fit`, then for every S one `fit_replicas` of S seeds, on the same rows."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.problem = problems.load(request["problem"], "initial")
        self.x = datasets.load(problems.DATASET[request["problem"]]).train
        implementation = registry.load(request["implementation"])
        self.session: Any = implementation.prepare(
            self.problem, SAMPLED_KL, Device(request["device"]), DType(request["dtype"])
        )
        self.batches = np.random.default_rng(1).integers(0, len(self.x), (max(SIZES), STEPS, BATCH))

    def _asked(self, replica: int) -> Training:
        return Training(x=self.x, batches=self.batches[replica], learning_rate=RATE, seed=replica)

    def _single(self) -> None:
        self.session.fit(self.problem.params, self._asked(0))

    def _together(self, replicas: int) -> None:
        self.session.fit_replicas(self.problem.params, tuple(self._asked(replica) for replica in range(replicas)))

    def start(self) -> dict[str, Any]:
        """Compile every size."""
        self._single()
        for size in SIZES:
            self._together(size)
        return {"steps": STEPS}

    def turn(self) -> dict[str, Any]:
        """Seconds of the single training and of S in one program, by S."""
        single = seconds(self._single)
        return {"single": single, "together": {str(s): seconds(lambda s=s: self._together(s)) for s in SIZES}}

    def finish(self) -> dict[str, Any]:
        """Nothing is left to report."""
        return {}
