"""Pyro's ELBO objects at everybody's noise.

Every value comes from the ELBO object's `loss_and_grads` or `loss`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from torch import Tensor

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.bridge.torch_arrays import dtype_of, to_array, to_tensor, to_tensors
from elbo_compare.suites.contract import Array, Bound, DType, Evaluation, Params, Reduction
from elbo_compare.suites.pyro_ppl.layers import Weights
from elbo_compare.suites.pyro_ppl.vae import compiling, elbo_object, guide, is_compiled, model

Program = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every part of a session shares."""

    form: Form
    class_name: str
    device: torch.device
    dtype: DType

    def elbo_object(self, form: Form) -> Any:
        """A new object for each use: a compiled one keeps the first model that it was given."""
        return elbo_object(self.class_name, form)

    def tensor(self, array: Array) -> Tensor:
        """In the dtype, on the device."""
        return to_tensor(array, self.device, self.dtype)

    def weights(self, params: Params) -> Weights:
        """In the dtype, on the device."""
        return to_tensors(params, self.device, self.dtype)

    def particles(self, noise: Tensor) -> Tensor:
        """(particle, batch, latent), or (batch, latent) for the single particle, to which Pyro gives no plate."""
        return noise if self.form.particles > 1 else noise[0]


def evaluate(setting: Setting, params: Params, x: Array, noise: Array) -> Evaluation:
    """loss_and_grads of the ELBO object at everybody's noise, (particle, batch, latent); KL: no observed site."""
    check_shapes(setting.form, params, x, noise)
    arguments = setting.tensor(x), setting.particles(setting.tensor(noise))
    kl = float("nan")
    with parameter_store(setting.weights(params)) as leaves:
        loss = loss_and_grads(setting, setting.form, programs_of(setting.form, {}), *arguments)
        gradients = {name: -to_array(gradient_of(leaf)) / len(x) for name, leaf in leaves.items()}
        if setting.form.bound is Bound.ELBO:
            kl = returned(setting, setting.form.without_likelihood(), {}, *arguments) / len(x)
        log_q, log_prior = _log_densities(setting, {}, *arguments)
    return Evaluation(
        elbo=-loss / len(x),
        kl=kl,
        log_likelihood=kl - loss / len(x),
        log_likelihood_derived=True,
        log_q=log_q.item() / len(x),
        log_prior=log_prior.item() / len(x),
        gradients=gradients,
        raw_loss=loss,
        raw_sign=-1,
        raw_reduction=Reduction.SUM,
        dtype=dtype_of(log_q + log_prior),
    )


@contextmanager
def parameter_store(weights: Weights) -> Iterator[Weights]:
    """A parameter store of its own with these weights in it; yields the unconstrained parameters by name."""
    store = pyro.get_param_store()
    with store.scope():
        for name, tensor in weights.items():
            pyro.param(name, tensor)
        yield dict(store.named_parameters())


def block_seed(seed: int, index: int) -> int:
    """A seed of its own for every block, so that a block's draws do not depend on the blocks before it."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def gradient_of(leaf: Tensor) -> Tensor:
    """The gradient that the library left on a parameter; zero where it left none."""
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def programs_of(form: Form, weights: Weights) -> tuple[Program, Program]:
    """Model and guide with these weights, every other one from the parameter store."""
    return partial(model, form, weights), partial(guide, form, weights)


def loss_and_grads(
    setting: Setting, form: Form, programs: tuple[Program, Program], *args: Tensor, **options: int
) -> float:
    """The object's loss, after its gradients are left on the parameters."""
    with compiling(setting.class_name):
        return float(setting.elbo_object(form).loss_and_grads(*programs, *args, **options))


def returned(setting: Setting, form: Form, weights: Weights, *args: Tensor, **options: int) -> float:
    """What the object's `loss` returns; where only `loss_and_grads` is compiled, what that returns."""
    programs = programs_of(form, weights)
    if is_compiled(setting.class_name):
        return loss_and_grads(setting, form, programs, *args, **options)
    with torch.no_grad():
        return float(setting.elbo_object(form).loss(*programs, *args, **options))


def _log_densities(setting: Setting, weights: Weights, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over the batch of log q(z|x) and log p(z) in the library's traces, averaged over particles."""
    run_model, run_guide = programs_of(setting.form.without_likelihood(), weights)
    inside = partial(in_particles, particles=setting.form.particles)
    guide_trace = poutine.trace(inside(run_guide)).get_trace(x, noise)
    model_trace = poutine.trace(poutine.replay(inside(run_model), trace=guide_trace)).get_trace(x, noise)
    log_q, log_prior = (torch.as_tensor(trace.log_prob_sum()) for trace in (guide_trace, model_trace))
    return log_q / setting.form.particles, log_prior / setting.form.particles


def in_particles(program: Program, particles: int) -> Program:
    """The program inside a plate of particles, as the ELBO object's vectorised particles run it."""

    def run(*args: Any) -> None:
        with pyro.plate("particles", particles, dim=-2):
            program(*args)

    return run if particles > 1 else program
