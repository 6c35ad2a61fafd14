"""Draws as a user of NumPyro writes them: one `SVI.evaluate` after another, plain or under `jax.jit`. For the clock."""

from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np
import numpyro.infer
import numpyro.optim

from suites.bridge.form import Form, check_datum, form_of
from suites.bridge.jax_arrays import open_device, random_key, to_device, to_devices
from suites.contract import Array, Device, Draws, DType, Estimator, Params, Problem
from suites.numpyro_ppl.vae import guide, model


@lru_cache
def svi_of(form: Form, class_name: str) -> tuple[numpyro.infer.SVI, Any]:
    """SVI of the form, and its `evaluate` compiled."""
    elbo = getattr(numpyro.infer, class_name)()
    svi = numpyro.infer.SVI(partial(model, form), partial(guide, form), numpyro.optim.Adam(1e-3), elbo)
    return svi, jax.jit(svi.evaluate)


def looped_draws(
    problem: Problem,
    estimator: Estimator,
    device: Device,
    dtype: DType,
    params: Params,
    x: Array,
    n: int,
    seed: int,
    *,
    compiled: bool,
) -> Draws:
    """n draws of ELBO and KL at one datum: for each `evaluate` of the model, and under the same key that of the model
    without its observed site. `evaluate` takes its key from the state, which is given a new one each time."""
    form, where = form_of(problem, estimator), open_device(device, dtype)
    check_datum(form, params, x)
    data, weights, key = to_device(x, where, dtype), to_devices(params, where, dtype), random_key(seed, where)
    runs = []
    for each in (form, form.without_likelihood()):
        svi, evaluate = svi_of(each, estimator.library_classes["numpyro"])
        runs.append((evaluate if compiled else svi.evaluate, jax.jit(svi.init)(key, data, init_params=weights)))
    values = np.empty((2, n))
    for i in range(n):
        now = jax.random.fold_in(key, i)
        for row, (run, state) in enumerate(runs):
            values[row, i] = float(run(state._replace(rng_key=now), data))
    return Draws(elbo=-values[0], kl=values[1], dtype=dtype)
