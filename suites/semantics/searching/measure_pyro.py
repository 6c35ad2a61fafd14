"""Runs a pair through Pyro's public ELBO objects."""

import logging
import warnings
from collections.abc import Callable
from typing import Any

import pyro
import pyro.contrib.gp.kernels
import pyro.infer
import torch

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import Pair
from elbo_compare.suites.semantics.searching.rendering import DEEPEST, program
from elbo_compare.suites.semantics.searching.ways import (
    BLOCKS,
    DECOY_SCALE,
    DECOY_T,
    ONE_PARTICLE,
    PRIOR_SCALE,
    Measured,
    Particles,
    Way,
)

FIRST = 0.4  # added to t for the first call of an object that is used again after an update
# What an object that is reused has seen before.
DECOY = """
def model():
    pyro.sample('a', dist.Normal(0.0, 1.0))


def guide():
    t = pyro.param('t', torch.tensor({theta}))
    pyro.sample('a', dist.Normal(t[0], {scale}))
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
    one = way.elbo in ONE_PARTICLE or way.particles is Particles.TWO
    elbo = _object(way, 2 if way.particles is Particles.TWO else 1 if one else per_block)
    if way.reused and pair.theta:
        pyro.clear_param_store()
        elbo.loss_and_grads(
            *_functions(
                code.partition("\n\n\n")[0] + DECOY.format(theta=[DECOY_T] * len(pair.theta), scale=DECOY_SCALE)
            )
        )
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    if pair.automatic:  # a guide of modules starts anew with its store
        model, guide = _functions(code)
    parameters = _Parameters(guide, pair)
    if way.updated:
        model.__globals__.get("state", {})["c"] = 0.0
        parameters.move(FIRST)
        elbo.loss_and_grads(model, guide)
        model.__globals__.get("state", {})["c"] = pair.state
        parameters.move(-FIRST)
        parameters.slopes()
    values, gradients = [], []
    for _ in range(BLOCKS):
        calls = [_call(elbo, model, guide, parameters) for _ in range(per_block if one else 1)]
        values.append(sum(value for value, _ in calls) / len(calls))
        gradients.append(torch.stack([slope for _, slope in calls]).mean(0).tolist())
    return Measured(values=values, gradients=gradients, per_block=per_block)


def _object(way: Way, particles: int) -> Any:
    options: dict[str, Any] = {"num_particles": particles, "max_plate_nesting": DEEPEST}
    options["vectorize_particles"] = way.particles is Particles.VECTORISED
    if way.elbo.startswith("Jit"):
        options["ignore_jit_warnings"] = True
    if way.elbo == "RenyiELBO":
        options["alpha"] = 0.0 if way.particles is Particles.TWO else 0.5
    if way.elbo == "TraceTailAdaptive_ELBO":  # refuses to loop
        options["vectorize_particles"] = True
    if way.elbo == "EnergyDistance":
        del options["vectorize_particles"]
        options["prior_scale"] = PRIOR_SCALE if way.option else 0.0
    if way.elbo == "Trace_MMD":
        options["kernel"] = pyro.contrib.gp.kernels.RBF(1)  # of length and variance 1
    return getattr(pyro.infer, way.elbo)(**options)


class _Parameters:
    """The entries of t as the program holds them: one vector, or an autoguide's locations."""

    def __init__(self, guide: Any, pair: Pair) -> None:
        self.guide, self.pair, self.size = guide, pair, len(pair.theta)
        if pair.automatic:
            with pyro.poutine.block():
                guide()  # makes its parameters

    def tensors(self) -> list[torch.Tensor]:
        """The leaves that gradients are left on, in the order of t."""
        if self.pair.automatic == "AutoNormal":
            return [dict(self.guide.named_parameters())[f"locs.{site.name}"] for site in self.pair.guide]
        if self.pair.automatic:
            return [self.guide.loc]
        if not self.size:
            return []
        parameter: Any = pyro.param("t", torch.tensor(self.pair.theta))  # with an attribute that Tensor lacks
        return [parameter.unconstrained()]

    def move(self, by: float) -> None:
        """As an optimiser's step does."""
        with torch.no_grad():
            for each in self.tensors():
                each += by

    def slopes(self) -> torch.Tensor:
        """The gradient that the last call left, which is taken away."""
        found = []
        for each in self.tensors():
            found.append(torch.zeros(each.numel()) if each.grad is None else each.grad.detach().clone().reshape(-1))
            each.grad = None
        return torch.cat(found) if found else torch.zeros(0)


def _call(elbo: Any, model: Callable, guide: Callable, parameters: _Parameters) -> tuple[float, torch.Tensor]:
    if isinstance(elbo, pyro.infer.EnergyDistance):  # a loss to be differentiated, and no more
        value = elbo(model, guide)
        if value.requires_grad:
            value.backward()
        return float(value), parameters.slopes()
    found = elbo.loss_and_grads(model, guide)
    value = float(found[0] if isinstance(found, tuple) else found)  # wake-sleep: the model's loss, then the guide's
    return value, parameters.slopes()


def _functions(code: str) -> tuple[Callable, Callable]:
    space: dict[str, Any] = {}
    exec(compile(code, "<pair>", "exec"), space)
    return space["model"], space["guide"]
