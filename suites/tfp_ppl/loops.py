"""Draws as a user writes them: one call of the library's losses after another, plain or compiled. For the clock."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from elbo_compare.suites.bridge.form import check_datum, form_of
from elbo_compare.suites.bridge.jax_arrays import open_device, random_key, to_device, to_devices
from elbo_compare.suites.contract import Array, Device, Draws, DType, Estimator, Problem
from elbo_compare.suites.tfp_ppl.library import public
from elbo_compare.suites.tfp_ppl.vae import losses

WAYS = ({"compiled": False}, {"compiled": True})  # options of `prepare_loop`, each a way to write the loop


def prepare_loop(
    problem: Problem, estimator: Estimator, device: Device, dtype: DType, x: Array, *, compiled: bool
) -> Callable[[int, int], Draws]:
    """(n, seed) -> n draws of ELBO and KL at one datum: for each the loss, and under the same key that without x."""
    form, where = form_of(problem, estimator), open_device(device, dtype)
    check_datum(form, problem.params, x)
    data, weights = to_device(x, where, dtype), to_devices(problem.params, where, dtype)
    plain: list[Any] = [partial(losses, public(), each) for each in (form, form.without_likelihood())]
    runs = [jax.jit(each) if compiled else each for each in plain]

    def draw(n: int, seed: int) -> Draws:
        values, key = np.empty((2, n)), random_key(seed, where)
        for i in range(n):
            now = jax.random.fold_in(key, i)
            for row, run in enumerate(runs):
                values[row, i] = float(run(weights, data, now)[0])
        return Draws(elbo=-values[0], kl=values[1], dtype=dtype)

    return draw


def one_by_one(
    problem: Problem, estimator: Estimator, device: Device, dtype: DType, x: Array, n: int, seed: int, chunk: int
) -> Draws:
    """The first n of `chunk` draws by `Session.draw`, each from a call of the loss of its own with the same key."""
    form, where = form_of(problem, estimator), open_device(device, dtype)
    check_datum(form, problem.params, x)
    data, weights = to_device(x, where, dtype), to_devices(problem.params, where, dtype)
    keys = jax.random.split(jax.random.fold_in(random_key(seed, where), 0), chunk)[:n]
    values = np.empty((2, n))
    for row, each in enumerate((form, form.without_likelihood())):
        for i, key in enumerate(keys):
            values[row, i] = float(losses(public(), each, weights, data, key)[0])
    return Draws(elbo=-values[0], kl=values[1], dtype=dtype)
