"""Draws as a user of NumPyro writes them: one `SVI.evaluate` after another, plain or under `jax.jit`. For the clock."""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np
import numpyro.infer
import numpyro.optim

from elbo_compare.suites.bridge.form import check_datum, form_of
from elbo_compare.suites.bridge.jax_arrays import open_device, random_key, to_device, to_devices
from elbo_compare.suites.contract import Array, Device, Draws, DType, Estimator, Problem
from elbo_compare.suites.numpyro_ppl.vae import guide, model

WAYS = ({"compiled": False}, {"compiled": True})  # options of `prepare_loop`, each a way to write the loop


def prepare_loop(
    problem: Problem, estimator: Estimator, device: Device, dtype: DType, x: Array, *, compiled: bool
) -> Callable[[int, int], Draws]:
    """(n, seed) -> n draws of ELBO and KL at one datum: for each `evaluate` of the model, and under the same key that
    of the model without its observed site. `evaluate` takes its key from the state, which gets a new one each time."""
    form, where = form_of(problem, estimator), open_device(device, dtype)
    check_datum(form, problem.params, x)
    data, weights = to_device(x, where, dtype), to_devices(problem.params, where, dtype)
    runs = []
    for each in (form, form.without_likelihood()):
        elbo = getattr(numpyro.infer, estimator.library_classes["numpyro"])()
        svi = numpyro.infer.SVI(partial(model, each), partial(guide, each), numpyro.optim.Adam(1e-3), elbo)
        state = jax.jit(svi.init)(random_key(0, where), data, init_params=weights)
        runs.append((jax.jit(svi.evaluate) if compiled else svi.evaluate, state))

    def draw(n: int, seed: int) -> Draws:
        values, key = np.empty((2, n)), random_key(seed, where)
        for i in range(n):
            now = jax.random.fold_in(key, i)
            for row, (run, state) in enumerate(runs):
                values[row, i] = float(run(state._replace(rng_key=now), data))
        return Draws(elbo=-values[0], kl=values[1], dtype=dtype)

    return draw


def one_by_one(
    problem: Problem, estimator: Estimator, device: Device, dtype: DType, x: Array, n: int, seed: int, chunk: int
) -> Draws:
    """The first n of `chunk` draws by `Session.draw`, each from a call of `ELBO.loss` of its own with the same key."""
    form, where = form_of(problem, estimator), open_device(device, dtype)
    check_datum(form, problem.params, x)
    data, weights = to_device(x, where, dtype), to_devices(problem.params, where, dtype)
    elbo = getattr(numpyro.infer, estimator.library_classes["numpyro"])()
    keys = jax.random.split(jax.random.fold_in(random_key(seed, where), 0), chunk)[:n]
    values = np.empty((2, n))
    for row, each in enumerate((form, form.without_likelihood())):
        for i, key in enumerate(keys):
            values[row, i] = float(elbo.loss(key, weights, partial(model, each), partial(guide, each), data))
    return Draws(elbo=-values[0], kl=values[1], dtype=dtype)
