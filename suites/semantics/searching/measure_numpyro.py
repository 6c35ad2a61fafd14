"""Runs a pair through NumPyro's public ELBO objects, vectorised over keys."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.infer

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import Pair
from elbo_compare.suites.semantics.searching.rendering import DEEPEST, program
from elbo_compare.suites.semantics.searching.ways import BLOCKS, ONE_PARTICLE, Measured, Particles, Way

jax.config.update("jax_enable_x64", True)
LOOPED_PARTICLES = 2  # of one object; the draws of a block are vectorised over keys in any case


def measure(pair: Pair, way: Way, seed: int, per_block: int) -> Measured:
    """Block means of loss and gradient by `loss`; what was raised, where the library refuses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _measured(pair, way, seed, per_block)
    except Exception as error:  # the library's own refusal is a result
        return Measured(raised=" ".join(f"{type(error).__name__}: {error}".split())[:200])


def _measured(pair: Pair, way: Way, seed: int, per_block: int) -> Measured:
    model, guide = _functions(program(pair, Library.NUMPYRO))
    if way.enumerated:
        from numpyro.contrib.funsor import config_enumerate

        guide = config_enumerate(guide, default="parallel")
    particles = LOOPED_PARTICLES if way.particles is Particles.LOOPED else 1
    elbo, theta = _object(way, particles), jnp.array(pair.theta)
    calls = per_block // particles

    def loss(t: jax.Array, key: jax.Array) -> jax.Array:
        return elbo.loss(key, {"t": t}, model, guide)

    keys = jax.random.split(jax.random.PRNGKey(seed), BLOCKS * calls)
    # without jit: XLA keeps each primitive, and compiling a whole pair takes longer than running it
    drawn, slopes = jax.vmap(jax.value_and_grad(loss), (None, 0))(theta, keys)
    values = np.asarray(drawn).reshape(BLOCKS, calls).mean(1)
    gradients = np.asarray(slopes).reshape(BLOCKS, calls, len(theta)).mean(1)
    return Measured(values=values.tolist(), gradients=gradients.tolist(), per_block=calls * particles)


def _object(way: Way, particles: int) -> Any:
    options: dict[str, Any] = {}
    if way.elbo == "TraceEnum_ELBO":
        options["max_plate_nesting"] = DEEPEST
    else:
        options["num_particles"] = particles
        options["vectorize_particles"] = way.particles is Particles.VECTORISED
    if way.elbo in ONE_PARTICLE:
        options = {"num_particles": particles, "alpha": 0.5}
    return getattr(numpyro.infer, way.elbo)(**options)


def _functions(code: str) -> tuple[Callable, Callable]:
    space: dict[str, Any] = {}
    exec(compile(code, "<pair>", "exec"), space)
    return space["model"], space["guide"]
