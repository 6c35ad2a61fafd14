"""Training forms of the VAE in TensorFlow Probability, for the clock: a loop of compiled steps, one scan per epoch."""

from typing import Any

import jax
import numpy as np

from elbo_compare.suites.bridge.form import form_of
from elbo_compare.suites.bridge.jax_arrays import initial_weights, open_device, random_key, to_arrays, to_device
from elbo_compare.suites.bridge.jax_counts import count_program
from elbo_compare.suites.contract import Params
from elbo_compare.suites.forms import Trainer, Workload
from elbo_compare.suites.tfp_ppl.library import public
from elbo_compare.suites.tfp_ppl.training import optimiser

NAMES = ("loop", "scan")


def prepare(name: str, case: Workload) -> Trainer:
    """The form of that name. Raises RuntimeError where the device is missing, KeyError for an unknown name."""
    if name not in NAMES:
        raise KeyError(name)
    return TFPTrainer(name == "scan", case).trainer()


class TFPTrainer:
    """Adam on the batch mean of the library's losses."""

    def __init__(self, scanned: bool, case: Workload):
        form, device = form_of(case.problem, case.estimator), open_device(case.device, case.dtype)
        self.scanned = scanned
        self.optimiser = optimiser(public(), form, case.learning_rate)
        self.data = to_device(case.batches, device, case.dtype)
        self.batches = list(self.data)
        self.state = self.optimiser.init(initial_weights(case, device), random_key(case.seed, device))

        def one_step(state: Any, x: jax.Array) -> tuple[Any, jax.Array]:
            return self.optimiser.update(state, x, None, None)

        def epoch(state: Any, data: jax.Array) -> tuple[Any, jax.Array]:
            return jax.lax.scan(one_step, state, data)

        self.program = jax.jit(epoch if scanned else one_step)
        self.run: Any = self.program
        self.done = 0

    def trainer(self) -> Trainer:
        """The form as the harness takes it."""
        quantum = len(self.batches) if self.scanned else 1
        return Trainer(
            step=self.step, weights=self.weights, compile=self.compile_ahead, quantum=quantum, count=self.count
        )

    def compile_ahead(self) -> None:
        """Lower and compile for the shapes at hand."""
        self.run = self.program.lower(self.state, self.data if self.scanned else self.batches[0]).compile()

    def step(self, k: int) -> float:
        """k steps; returns the last loss after the device has finished."""
        loss: Any = np.zeros(())  # the host's own: one made by JAX would travel
        for _ in range(k // len(self.batches) if self.scanned else k):
            data = self.data if self.scanned else self.batches[self.done % len(self.batches)]
            self.state, loss = self.run(self.state, data)
            self.done += 1
        jax.block_until_ready(self.state)
        return float(np.ravel(loss)[-1])  # chosen on the host: a number that chooses on the device would travel

    def weights(self) -> Params:
        """The weights by their canonical names."""
        return to_arrays(self.optimiser.weights(self.state))

    def count(self) -> dict[str, float]:
        """Of the compiled program."""
        if not isinstance(self.run, jax.stages.Compiled):
            self.compile_ahead()
        return count_program(self.run, self.optimiser.weights(self.state))
