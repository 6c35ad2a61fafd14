"""Runs a pair through NumPyro's public ELBO objects, vectorised over keys."""

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.infer
import numpyro.infer.autoguide

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import Pair
from elbo_compare.suites.semantics.searching.rendering import DEEPEST, program
from elbo_compare.suites.semantics.searching.ways import BLOCKS, ONE_PARTICLE, Measured, Particles, Way

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_disable_most_optimizations", True)  # a program runs once or twice: compiling it is the cost
LOOPED_PARTICLES = 2  # of one object; the draws of a block are vectorised over keys in any case
FIRST = 0.4  # added to t for the first call of an object that is used again after an update


def measure(pair: Pair, way: Way, seed: int, per_block: int) -> Measured:
    """Block means of loss and gradient by `loss`; what was raised, where the library refuses."""
    try:
        with warnings.catch_warnings(), jax.enable_x64(way.double):
            warnings.simplefilter("ignore")
            return _measured(pair, way, seed, per_block)
    except Exception as error:  # the library's own refusal is a result
        return Measured(raised=" ".join(f"{type(error).__name__}: {error}".split())[:200])


def _measured(pair: Pair, way: Way, seed: int, per_block: int) -> Measured:
    particles = 1 if way.particles is Particles.VECTORISED else LOOPED_PARTICLES
    theta = jnp.array(pair.theta)
    calls = per_block if way.particles is Particles.TWO else per_block // particles
    keys = jax.random.split(jax.random.PRNGKey(seed), BLOCKS * calls)
    if way.through:
        drawn = _through(way, _object(way, particles), *_program(pair, way), keys)
        return Measured(values=_means(drawn, calls).tolist(), per_block=calls * particles)
    # what reads a Python global is traced anew
    run, model = (_run.__wrapped__ if pair.state or way.updated else _run)(pair, way, particles)
    if way.updated:
        model.__globals__.get("state", {})["c"] = 0.0
        run(theta + FIRST, keys)
        model.__globals__.get("state", {})["c"] = pair.state
    drawn, slopes = run(theta, keys)
    draws = calls if way.particles is Particles.TWO else calls * particles  # two particles make one draw of their bound
    return Measured(values=_means(drawn, calls).tolist(), gradients=_means(slopes, calls).tolist(),
                    per_block=draws)  # fmt: skip


def _program(pair: Pair, way: Way) -> tuple[Callable, Any]:
    """Model and guide, the guide's finite sites enumerated where the way says so."""
    model, guide = _functions(program(pair, Library.NUMPYRO))
    if way.enumerated:
        from numpyro.contrib.funsor import config_enumerate

        guide = config_enumerate(guide, default="parallel")
    return model, guide


@lru_cache(maxsize=4)
def _run(pair: Pair, way: Way, particles: int) -> tuple[Callable, Callable]:
    """From t and keys to losses and slopes, compiled once for all seeds; and the model."""
    model, guide = _program(pair, way)
    elbo = _object(way, particles)
    named = _named(pair, model, guide, elbo)

    def loss(t: jax.Array, key: jax.Array) -> jax.Array:
        return elbo.loss(key, named(t), model, guide)

    # without jit: XLA keeps each primitive, and compiling a whole pair takes longer than running it
    run = jax.vmap(jax.value_and_grad(loss), (None, 0))
    return (jax.jit(run) if way.compiled else run), model


def _means(drawn: jax.Array, calls: int) -> np.ndarray:
    whole = np.asarray(drawn, float)
    return whole.reshape(BLOCKS, calls, *whole.shape[1:]).mean(1)


def _named(pair: Pair, model: Callable, guide: Any, elbo: Any) -> Callable[[jax.Array], dict[str, jax.Array]]:
    """From t to the parameters by name: one vector, or an autoguide's locations among what it starts with."""
    if not pair.automatic:
        return lambda t: {"t": t}
    svi = numpyro.infer.SVI(model, guide, numpyro.optim.SGD(0.0), elbo)
    start = svi.get_params(svi.init(jax.random.PRNGKey(0)))
    if pair.automatic != "AutoNormal":
        return lambda t: {**start, "auto_loc": t}

    def named(t: jax.Array) -> dict[str, jax.Array]:
        found, first = dict(start), 0
        for site in pair.guide:
            count = pair.count(site)
            found[f"{site.name}_auto_loc"] = t[first : first + count].reshape(pair.shape(site))
            first += count
        return found

    return named


def _through(way: Way, elbo: Any, model: Callable, guide: Any, keys: jax.Array) -> jax.Array:
    """The losses that a method of SVI returns for one state under many keys."""
    svi = numpyro.infer.SVI(model, guide, numpyro.optim.SGD(0.0), elbo)
    state = svi.init(jax.random.PRNGKey(0))
    if way.through == "SVI.evaluate":
        return jax.vmap(lambda key: svi.evaluate(state._replace(rng_key=key)))(keys)
    return jax.vmap(lambda key: svi.update(state._replace(rng_key=key))[1])(keys)


def _object(way: Way, particles: int) -> Any:
    options: dict[str, Any] = {}
    if way.elbo == "TraceEnum_ELBO":
        options["max_plate_nesting"] = DEEPEST
    else:
        options["num_particles"] = particles
        options["vectorize_particles"] = way.particles is Particles.VECTORISED
    if way.elbo in ONE_PARTICLE:
        options = {"num_particles": particles, "alpha": 0.0 if way.particles is Particles.TWO else 0.5}
    return getattr(numpyro.infer, way.elbo)(**options)


def _functions(code: str) -> tuple[Callable, Any]:
    space: dict[str, Any] = {}
    exec(compile(code, "<pair>", "exec"), space)
    return space["model"], space["guide"]
