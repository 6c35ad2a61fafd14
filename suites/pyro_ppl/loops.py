"""Draws as a user of Pyro writes them: one `SVI.evaluate_loss` after another. For the clock."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.infer
import pyro.optim

from suites.bridge.form import check_datum, form_of
from suites.bridge.torch_arrays import open_device, to_tensor, to_tensors
from suites.contract import Array, Device, Draws, DType, Estimator, Problem
from suites.pyro_ppl.session import parameter_store
from suites.pyro_ppl.vae import guide, model


def prepare_loop(
    problem: Problem, estimator: Estimator, device: Device, dtype: DType, x: Array
) -> Callable[[int, int], Draws]:
    """(n, seed) -> n draws of ELBO and KL at one datum: for each the loss of the model, and under the same seed that of
    the model without its observed site."""
    form, where = form_of(problem, estimator), open_device(device)
    check_datum(form, problem.params, x)
    data = to_tensor(x, where, dtype)
    elbo = getattr(pyro.infer, estimator.library_classes["pyro"])()
    adam = pyro.optim.Adam({})  # pyright: ignore[reportAttributeAccessIssue]
    whole: Any  # SVI declares a tuple of losses too, which a single ELBO object never returns
    latent: Any
    whole, latent = (
        pyro.infer.SVI(partial(model, each, {}), partial(guide, each, {}), adam, elbo)
        for each in (form, form.without_likelihood())
    )
    store = pyro.get_param_store()
    with parameter_store(to_tensors(problem.params, where, dtype)):
        kept = store.get_state()

    def draw(n: int, seed: int) -> Draws:
        values = np.empty((2, n))
        with store.scope(kept):
            for i in range(n):
                pyro.set_rng_seed(seed + i)
                values[0, i] = -whole.evaluate_loss(data)
                pyro.set_rng_seed(seed + i)
                values[1, i] = latent.evaluate_loss(data)
        return Draws(elbo=values[0], kl=values[1], dtype=dtype)

    return draw
