"""Runs a pair through Pyro's public ELBO objects."""

import logging
import warnings
from collections.abc import Callable
from typing import Any

import pyro
import pyro.infer
import torch

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import Pair
from elbo_compare.suites.semantics.searching.rendering import DEEPEST, program
from elbo_compare.suites.semantics.searching.ways import BLOCKS, ONE_PARTICLE, Measured, Particles, Way

# What an object that is reused has seen before.
DECOY = """
def model():
    pyro.sample('a', dist.Normal(0.0, 1.0))


def guide():
    t = pyro.param('t', torch.tensor({theta}))
    pyro.sample('a', dist.Normal(t[0], 0.5))
"""
logging.getLogger("pyro").setLevel(logging.ERROR)


def measure(pair: Pair, way: Way, seed: int, per_block: int) -> Measured:
    """Block means of loss and gradient by `loss_and_grads`; what was raised, where the library refuses."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if way.double else torch.float32)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _measured(pair, way, seed, per_block)
    except Exception as error:  # the library's own refusal is a result
        return Measured(raised=" ".join(f"{type(error).__name__}: {error}".split())[:200])
    finally:
        torch.set_default_dtype(before)
        pyro.clear_param_store()


def _measured(pair: Pair, way: Way, seed: int, per_block: int) -> Measured:
    code = program(pair, Library.PYRO)
    model, guide = _functions(code)
    if way.enumerated:
        guide = pyro.infer.config_enumerate(guide, "parallel")
    one = way.elbo in ONE_PARTICLE
    elbo = _object(way, 1 if one else per_block)
    if way.reused and pair.theta:
        pyro.clear_param_store()
        elbo.loss_and_grads(*_functions(code.partition("\n\n\n")[0] + DECOY.format(theta=[2.5] * len(pair.theta))))
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    values, gradients = [], []
    for _ in range(BLOCKS):
        calls = [_call(elbo, model, guide, len(pair.theta)) for _ in range(per_block if one else 1)]
        values.append(sum(value for value, _ in calls) / len(calls))
        gradients.append(torch.stack([slope for _, slope in calls]).mean(0).tolist())
    return Measured(values=values, gradients=gradients, per_block=per_block)


def _object(way: Way, particles: int) -> Any:
    options: dict[str, Any] = {"num_particles": particles, "max_plate_nesting": DEEPEST}
    options["vectorize_particles"] = way.particles is Particles.VECTORISED
    if way.elbo.startswith("Jit"):
        options["ignore_jit_warnings"] = True
    if way.elbo == "RenyiELBO":
        options["alpha"] = 0.5
    return getattr(pyro.infer, way.elbo)(**options)


def _call(elbo: Any, model: Callable, guide: Callable, size: int) -> tuple[float, torch.Tensor]:
    value = float(elbo.loss_and_grads(model, guide))
    if not size:
        return value, torch.zeros(0)
    parameter: Any = pyro.param("t")  # with an attribute that Tensor lacks
    t = parameter.unconstrained()
    slope = torch.zeros(size) if t.grad is None else t.grad.detach().clone()
    t.grad = None
    return value, slope


def _functions(code: str) -> tuple[Callable, Callable]:
    space: dict[str, Any] = {}
    exec(compile(code, "<pair>", "exec"), space)
    return space["model"], space["guide"]
