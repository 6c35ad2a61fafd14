"""GRADIENT: the gradient with respect to the encoder's outputs at one datum, with own random numbers."""

from math import isnan, nan, sqrt

import numpy as np

from elbo_compare.compare.procedures.draw import exactly
from elbo_compare.compare.procedures.moments import covariance_trace, moments_of
from elbo_compare.compare.procedures.task import Task, require_array, require_dtype
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites.contract import Array
from elbo_compare.suites.exact.expected import Expected

HEADS = ("mean", "log_var")


def gradient(task: Task) -> list[Measurement]:
    """d elbo / d mean, d elbo / d log_var: trace of the covariance, the mean along (1, .., 1) / sqrt(latent), and the
    signal-to-noise ratio."""
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
        rows += [_variance(head, gradients, exact), _projection(head, gradients, exact), _signal(head, gradients)]
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


def _signal(head: str, gradients: Array) -> Measurement:
    value, standard_error = signal_to_noise(gradients)
    return Measurement(
        quantity=Quantity.GRADIENT_SNR,
        part=head,
        value=value,
        unit="1",
        n=len(gradients),
        standard_error=standard_error,
        note=f"an estimate from n draws is not resolved below 1/sqrt(n) = {len(gradients) ** -0.5:.2g}",
    )


def signal_to_noise(draws: Array) -> tuple[float, float]:
    """Mean over components of |mean| / sd of vector draws, shape (n, dimension), and its standard error.

    Rainforth et al. 2018 (arXiv 1802.04537), section 3, per component. Delta method: with d = (g - mean) / sd a draw
    moves the ratio r of its component by sign(mean) d - r (d^2 - 1) / 2; the standard error is that of the mean over
    draws of the mean over components of those, so that components may be correlated. nan where a component is constant.
    """
    mean, sd = draws.mean(axis=0), draws.std(axis=0, ddof=1)
    if not (sd > 0).all():
        return nan, nan
    ratio, deviation = np.abs(mean) / sd, (draws - mean) / sd
    influence = (np.sign(mean) * deviation - 0.5 * ratio * (deviation**2 - 1.0)).mean(axis=1)
    return float(ratio.mean()), float(influence.std(ddof=1) / sqrt(len(draws)))
