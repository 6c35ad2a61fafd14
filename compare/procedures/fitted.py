"""What fitted weights are worth: held-out ELBO, variances and images, all by the float64 oracle at those weights."""

from math import sqrt

import numpy as np

from compare.moments import covariance_trace, moments_of
from compare.procedures.task import Task
from compare.records import Measurement, Quantity
from suites.contract import Array, Device, DType, KLTerm, Likelihood, Params
from suites.estimators import CORE_ESTIMATORS, ESTIMATORS
from suites.exact import gaussian_kl
from suites.numpy_oracle import vae as oracle

HELDOUT_NOISES = 2  # draws of shared noise per held-out datum
VARIANCE_DATA, VARIANCE_DRAWS = 8, 100  # held-out data, draws at each, for the fitted variances
GRID_COLUMNS = 10


def describe(task: Task, weights: Params, step: int) -> list[Measurement]:
    """Held-out ELBO, exact sampled-KL variance and both estimators' variances after `step` steps."""
    mean, log_var = oracle.encode(task.problem, weights, task.dataset.test)
    elbo = moments_of(_heldout(task, weights, mean, log_var))
    variances = moments_of(gaussian_kl.sampled_kl_cumulant(2, mean, log_var))
    rows = [
        Measurement(
            quantity=Quantity.HELDOUT_ELBO,
            value=elbo.mean,
            index=step,
            n=elbo.n,
            standard_error=elbo.mean_standard_error,
        ),
        Measurement(
            quantity=Quantity.SAMPLED_KL_VARIANCE,
            value=variances.mean,
            index=step,
            unit="nats^2",
            n=variances.n,
            standard_error=variances.mean_standard_error,
        ),
    ]
    return rows + [row for name in CORE_ESTIMATORS for row in _variances(task, weights, name, step)]


def _heldout(task: Task, weights: Params, mean: Array, log_var: Array) -> Array:
    """The estimator's value of each held-out datum at shared noise, averaged over the noise draws; shape (rows,)."""
    generator, x = task.generator("heldout"), task.dataset.test
    total = np.zeros(len(x))
    for _ in range(HELDOUT_NOISES):
        z = mean + np.exp(log_var / 2) * generator.standard_normal(mean.shape)
        if task.estimator.kl_term is KLTerm.SAMPLED:
            kl = oracle.log_normal_diag(z, mean, log_var) - oracle.log_normal_standard(z)
        else:
            kl = oracle.analytic_kl(mean, log_var)
        output = oracle.decode(task.problem, weights, z) if task.problem.likelihood is not Likelihood.NONE else z
        total += oracle.log_likelihood(task.problem, x, output) - kl
    return total / HELDOUT_NOISES


def _variances(task: Task, weights: Params, estimator: str, step: int) -> list[Measurement]:
    """Variance of one datum's ELBO, and trace of its gradient's covariance for both heads, mean over held-out data."""
    session = oracle.NumpyOracle().prepare(task.problem, ESTIMATORS[estimator], Device.CPU, DType.FLOAT64)
    elbos, gradients = [], []
    for row in range(min(VARIANCE_DATA, len(task.dataset.test))):
        x, seed = task.dataset.test[row : row + 1], task.cell.shared_seed(f"variance {row}")
        draws = session.draw(weights, x, VARIANCE_DRAWS, seed, VARIANCE_DRAWS)
        heads = session.draw_gradients(weights, x, VARIANCE_DRAWS, seed, VARIANCE_DRAWS)
        found = moments_of(draws.elbo)
        elbos.append((found.variance, found.variance_standard_error))
        gradients.append(covariance_trace(np.concatenate([heads.mean, heads.log_var], axis=1)))
    return [
        _mean_of(Quantity.FITTED_ELBO_VARIANCE, elbos, estimator, step),
        _mean_of(Quantity.FITTED_GRADIENT_VARIANCE, gradients, estimator, step),
    ]


def _mean_of(quantity: Quantity, estimates: list[tuple[float, float]], part: str, step: int) -> Measurement:
    """The mean of independent estimates; the interval is about these data, not about others."""
    values, errors = np.array(estimates).T
    return Measurement(
        quantity=quantity,
        value=float(values.mean()),
        part=part,
        index=step,
        unit="nats^2",
        n=len(values) * VARIANCE_DRAWS,
        standard_error=float(sqrt(np.sum(errors**2)) / len(values)),
        note=f"{len(values)} held-out data, {VARIANCE_DRAWS} draws at each",
    )


def images(task: Task, weights: Params) -> dict[str, list[list[int]]]:
    """Grids of 0..255: test digits above their reconstructions (decoded at the mean), and samples from the prior.

    Empty where the data are no square images.
    """
    side = round(sqrt(task.problem.observed))
    if task.problem.likelihood is not Likelihood.BERNOULLI or side * side != task.problem.observed:
        return {}
    x = task.dataset.test[:GRID_COLUMNS]
    mean, _ = oracle.encode(task.problem, weights, x)
    z = task.generator("prior").standard_normal((GRID_COLUMNS, task.problem.latent))
    decoded = [oracle.sigmoid(oracle.decode(task.problem, weights, latent)) for latent in (mean, z)]
    return {"reconstructions": _grid([x, decoded[0]], side), "samples": _grid([decoded[1]], side)}


def _grid(rows: list[Array], side: int) -> list[list[int]]:
    """Rows of pictures, each (count, side * side) in 0..1, side by side as one picture."""
    picture = np.concatenate([np.concatenate(row.reshape(-1, side, side), axis=1) for row in rows], axis=0)
    return np.rint(picture * 255).astype(int).tolist()
