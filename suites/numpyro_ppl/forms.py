"""Named training forms of the NumPyro VAE, for the clock: `SVI.update` in a loop and under one scan per epoch."""

from functools import partial
from typing import Any

import jax
import numpy as np
import numpyro.infer
import numpyro.optim
from numpyro import handlers

from elbo_compare.suites.bridge.form import form_of
from elbo_compare.suites.bridge.jax_arrays import initial_weights, open_device, random_key, to_arrays, to_device
from elbo_compare.suites.bridge.jax_counts import count_program
from elbo_compare.suites.contract import Params
from elbo_compare.suites.forms import Trainer, Workload
from elbo_compare.suites.numpyro_ppl.vae import guide, model

NAMES = ("update loop", "update scan")


def prepare(name: str, case: Workload) -> Trainer:
    """The form of that name. Raises RuntimeError where the device is missing, KeyError for an unknown name."""
    if name not in NAMES:
        raise KeyError(name)
    return NumPyroTrainer(name == "update scan", case).trainer()


class NumPyroTrainer:
    """SVI on the batch mean (model and guide under handlers.scale(1 / batch)); only its public methods are called."""

    def __init__(self, scanned: bool, case: Workload):
        form, self.device = form_of(case.problem, case.estimator), open_device(case.device, case.dtype)
        self.scanned = scanned
        by_batch = partial(handlers.scale, scale=1.0 / case.batches.shape[1])
        elbo = getattr(numpyro.infer, case.estimator.library_classes["numpyro"])()
        optimiser = numpyro.optim.Adam(case.learning_rate, b1=0.9, b2=0.999, eps=1e-8)
        self.svi = numpyro.infer.SVI(by_batch(partial(model, form)), by_batch(partial(guide, form)), optimiser, elbo)
        self.data = to_device(case.batches, self.device, case.dtype)
        self.batches = list(self.data)
        weights = initial_weights(case, self.device)
        key = random_key(case.seed, self.device)
        # Compiled, `init` computes only what leaves it: neither the model's forward pass nor its draws.
        self.state = jax.jit(self.svi.init)(key, self.batches[0], init_params=weights)
        self.program = jax.jit(partial(jax.lax.scan, self.svi.update) if scanned else self.svi.update)
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
        return to_arrays(self.svi.get_params(self.state))

    def count(self) -> dict[str, float]:
        """Of the compiled program."""
        if not isinstance(self.run, jax.stages.Compiled):
            self.compile_ahead()
        return count_program(self.run, self.svi.get_params(self.state))
