"""Draws as a user of Pyro writes them: one `SVI.evaluate_loss` after another. For the clock, and to compare with."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pyro.infer
import pyro.optim
import torch

from elbo_compare.suites.bridge.form import check_datum, form_of
from elbo_compare.suites.bridge.torch_arrays import open_device, to_tensor, to_tensors
from elbo_compare.suites.contract import Array, Device, Draws, DType, Estimator, Problem
from elbo_compare.suites.pyro_ppl.evaluation import block_seed, parameter_store
from elbo_compare.suites.pyro_ppl.vae import guide, model

WAYS = ({},)  # options of `prepare_loop`, each a way to write the loop


def prepare_loop(
    problem: Problem, estimator: Estimator, device: Device, dtype: DType, x: Array
) -> Callable[[int, int], Draws]:
    """(n, seed) -> n draws of ELBO and KL at one datum: for each the loss of the model, and under the same seed that of
    the model without its observed site."""
    loop = _Loop(problem, estimator, device, dtype, x)

    def draw(n: int, seed: int) -> Draws:
        values = np.empty((2, n))
        with loop.store.scope(loop.kept):
            for i in range(n):
                for row, svi in enumerate(loop.runs):
                    pyro.set_rng_seed(seed + i)
                    values[row, i] = svi.evaluate_loss(loop.data)
        return Draws(elbo=-values[0], kl=values[1], dtype=dtype)

    return draw


def one_by_one(
    problem: Problem, estimator: Estimator, device: Device, dtype: DType, x: Array, n: int, seed: int, chunk: int
) -> Draws:
    """The first n of `chunk` draws by `Session.draw`, each from a call of `evaluate_loss` of its own.

    A generator fills one large array in another order than many small ones, so the block's random numbers are drawn
    as the block draws them, and every call gets its row.
    """
    loop = _Loop(problem, estimator, device, dtype, x)
    pyro.set_rng_seed(block_seed(seed, 0))
    nothing = loop.data.new_zeros(chunk, problem.latent)
    noise = dist.Normal(nothing, torch.ones_like(nothing)).rsample()
    values = np.empty((2, n))
    with loop.store.scope(loop.kept):
        for i in range(n):
            for row, svi in enumerate(loop.runs):
                values[row, i] = svi.evaluate_loss(loop.data, noise[i : i + 1])
    return Draws(elbo=-values[0], kl=values[1], dtype=dtype)


class _Loop:
    """SVI on the model and on the model without its observed site, with the weights in a parameter store of its own."""

    def __init__(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType, x: Array):
        form, where = form_of(problem, estimator), open_device(device)
        check_datum(form, problem.params, x)
        self.data = to_tensor(x, where, dtype)
        elbo = getattr(pyro.infer, estimator.library_classes["pyro"])()
        adam = pyro.optim.Adam({})  # pyright: ignore[reportAttributeAccessIssue]
        self.runs: list[Any] = [  # SVI declares a tuple of losses too, which a single ELBO object never returns
            pyro.infer.SVI(partial(model, each, {}), partial(guide, each, {}), adam, elbo)
            for each in (form, form.without_likelihood())
        ]
        self.store = pyro.get_param_store()
        with parameter_store(to_tensors(problem.params, where, dtype)):
            self.kept = self.store.get_state()
