"""Named training forms of the Pyro VAE, for the clock: `SVI.step` with and without validation, eager and Jit."""

import warnings
from functools import partial
from typing import Any

import pyro
import pyro.infer
import pyro.optim
from pyro import poutine
from torch import Tensor

from elbo_compare.suites.bridge.form import form_of
from elbo_compare.suites.bridge.torch_arrays import initial_weights, open_device, synchronise, to_arrays, to_tensor
from elbo_compare.suites.bridge.torch_counts import count_step
from elbo_compare.suites.contract import Params
from elbo_compare.suites.forms import Trainer, Workload
from elbo_compare.suites.pyro_ppl.evaluation import parameter_store
from elbo_compare.suites.pyro_ppl.vae import guide, model

NAMES = {  # (Jit, validation)
    "SVI.step": (False, True),
    "without validation": (False, False),
    "Jit": (True, True),
    "Jit without validation": (True, False),
}


def prepare(name: str, case: Workload) -> Trainer:
    """The form of that name. Raises RuntimeError where the device is missing, KeyError for an unknown name."""
    jit, validated = NAMES[name]
    trainer = PyroTrainer(case, jit=jit, validated=validated)
    return Trainer(
        step=trainer.step,
        weights=trainer.weights,
        compile=trainer.compile_ahead if jit else None,
        count=trainer.count,
    )


class PyroTrainer:
    """SVI on the batch mean (model and guide under poutine.scale(1 / batch)), in a parameter store of its own."""

    def __init__(self, case: Workload, *, jit: bool, validated: bool):
        self.case, self.validated, self.untraced = case, validated, jit
        self.device = open_device(case.device)
        self.batches = to_tensor(case.batches, self.device, case.dtype)
        name = case.estimator.library_classes["pyro"]
        if jit:
            self.elbo = getattr(pyro.infer, f"Jit{name}")(max_plate_nesting=1, ignore_jit_warnings=True)
        else:
            self.elbo = getattr(pyro.infer, name)(max_plate_nesting=1)
        self.store = pyro.get_param_store()
        form, scale = form_of(case.problem, case.estimator), 1.0 / case.batches.shape[1]
        # Traced, a Python number becomes a float32 constant, whatever the dtype of the rest: 0.1 is then off by 1.5e-8.
        factor = self.batches.new_tensor(scale) if jit else scale
        by_batch = partial(poutine.scale, scale=factor)
        # Made once: a Jit ELBO compiles anew for another model or guide object.
        self.model, self.guide = by_batch(lambda x: model(form, {}, x)), by_batch(lambda x: guide(form, {}, x))
        self.start()

    def start(self) -> None:
        """The given weights, a new optimiser, the seed."""
        rates = {"lr": self.case.learning_rate, "betas": (0.9, 0.999), "eps": 1e-8}
        optimiser = pyro.optim.Adam(rates)  # pyright: ignore[reportAttributeAccessIssue]
        self.svi: Any = pyro.infer.SVI(self.model, self.guide, optimiser, self.elbo)
        with parameter_store(initial_weights(self.case, self.device)):
            self.state = self.store.get_state()
        pyro.set_rng_seed(self.case.seed)
        self.done = 0

    def compile_ahead(self) -> None:
        """Trace by one step that is then undone: tracing draws random numbers of its own."""
        self.untraced = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is deprecated, and its tracer warns of Python numbers
            self.step(1)
        self.start()

    def step(self, k: int) -> float:
        """k steps of `SVI.step`, the next batch each; returns the last loss."""
        if self.untraced:
            self.compile_ahead()
        loss = 0.0
        with self.store.scope(self.state), pyro.validation_enabled(self.validated):
            for _ in range(k):
                loss = self.svi.step(self.batches[self.done % len(self.batches)])
                self.done += 1
        synchronise(self.device)
        return float(loss)

    def leaves(self) -> dict[str, Tensor]:
        """The unconstrained parameters by name."""
        with self.store.scope(self.state):
            return dict(self.store.named_parameters())

    def weights(self) -> Params:
        """The weights by their canonical names."""
        return to_arrays(self.leaves())

    def count(self) -> dict[str, float]:
        """Operations and bytes of one step."""
        return count_step(lambda: self.step(1), self.leaves().values())
