"""SPREAD: how far one draw of the value and of its gradient varies, datum by datum, with own random numbers."""

import numpy as np

from elbo_compare.compare.procedures.moments import covariance_trace, moments_of
from elbo_compare.compare.procedures.task import Task, require_array, require_dtype
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites.contract import Params


def spread(task: Task) -> list[Measurement]:
    """ELBO_SPREAD and GRADIENT_SPREAD of the first `cell.data` test rows, `cell.size` draws at each."""
    return [
        row for datum in range(task.cell.data) for row in spread_at(task, task.problem.params, datum, task.cell.size)
    ]


def spread_at(task: Task, weights: Params, datum: int, draws: int) -> list[Measurement]:
    """Both variances at these weights and this test row, nats^2: of one datum's value, and the trace of the covariance
    of the gradient for both heads together."""
    x, seed = task.rows(datum, 1), task.cell.random_seed(f"spread {datum}")
    block, latent = task.cell.chunk or draws, task.problem.latent
    values = task.session.draw(weights, x, draws, seed, block)
    gradients = task.session.draw_gradients(weights, x, draws, seed, block)
    require_dtype("the draws", values.dtype, task)
    require_dtype("the gradient draws", gradients.dtype, task)
    value = moments_of(require_array("the ELBO draws", values.elbo, (draws,)))
    heads = [
        require_array(f"the gradient draws of {name}", getattr(gradients, name), (draws, latent))
        for name in ("mean", "log_var")
    ]
    return [
        _row(Quantity.ELBO_SPREAD, value.variance, datum, draws),
        _row(Quantity.GRADIENT_SPREAD, covariance_trace(np.concatenate(heads, axis=1))[0], datum, draws),
    ]


def _row(quantity: Quantity, value: float, datum: int, draws: int) -> Measurement:
    return Measurement(quantity=quantity, value=value, index=datum, unit="nats^2", n=draws)
