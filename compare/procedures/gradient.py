"""GRADIENT: the gradient with respect to the encoder's outputs at one datum, with own random numbers."""

from math import isnan, nan, sqrt

from compare.moments import covariance_trace, moments_of
from compare.procedures.draw import exactly
from compare.procedures.task import Task, require_array, require_dtype
from compare.records import Measurement, Quantity
from suites.contract import Array
from suites.exact.expected import Expected

HEADS = ("mean", "log_var")


def gradient(task: Task) -> list[Measurement]:
    """d elbo / d mean, d elbo / d log_var: trace of the covariance, and the mean along (1, .., 1) / sqrt(latent)."""
    cell = task.cell
    x = task.rows(cell.datum, 1)
    seed, chunk = cell.random_seed("gradient"), cell.chunk or cell.size
    draws = task.session.draw_gradients(task.problem.params, x, cell.size, seed, chunk)
    require_dtype("the gradient draws", draws.dtype, task)
    exact = exactly(task, x)
    shape = (cell.size, task.problem.latent)
    rows = []
    for head in HEADS:
        gradients = require_array(f"the gradient draws of {head}", getattr(draws, head), shape)
        rows += [_variance(head, gradients, exact), _projection(head, gradients, exact)]
    return rows


def _variance(head: str, gradients: Array, exact: Expected) -> Measurement:
    trace, standard_error = covariance_trace(gradients)
    return Measurement(
        quantity=Quantity.GRADIENT_VARIANCE,
        part=head,
        value=trace,
        unit="nats^2",
        n=len(gradients),
        standard_error=standard_error,
        reference=float(exact.gradient_variance.get(head, nan)),
    )


def _projection(head: str, gradients: Array, exact: Expected) -> Measurement:
    latent = gradients.shape[1]
    found = moments_of(gradients.sum(axis=1) / sqrt(latent))
    variance = float(exact.gradient_projection_variance.get(head, nan))
    return Measurement(
        quantity=Quantity.GRADIENT_PROJECTION,
        part=head,
        value=found.mean,
        n=found.n,
        standard_error=found.mean_standard_error,
        reference=float(exact.gradient_projection_mean.get(head, nan)),
        scale=found.standard_deviation if isnan(variance) else sqrt(variance),
    )
