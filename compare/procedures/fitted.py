"""What fitted weights are worth: held-out ELBO, variances and images, all by the float64 oracle at those weights."""

from math import sqrt

import numpy as np

from elbo_compare.compare.procedures.moments import covariance_trace, moments_of
from elbo_compare.compare.procedures.task import Task
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites.contract import Array, Device, DType, Flow, Likelihood, Params, Prior, Problem
from elbo_compare.suites.estimators import CORE_ESTIMATORS, ESTIMATORS
from elbo_compare.suites.exact import gaussian_kl
from elbo_compare.suites.numpy_oracle import vae as oracle
from elbo_compare.suites.numpy_oracle.gradients import derived_by_hand
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle
from elbo_compare.suites.numpy_oracle.noise import particles_of
from elbo_compare.suites.numpy_oracle.vae import encode, estimate, terms_at

HELDOUT_NOISES = 2  # draws of shared noise per held-out datum
VARIANCE_DATA, VARIANCE_DRAWS = 8, 100  # held-out data, draws at each, for the fitted variances
VARIANCE_RUNS = 5
GRID_COLUMNS = 10
ROWS = 1_000  # of the data at once


def describe(task: Task, weights: Params, step: int) -> list[Measurement]:
    """Held-out ELBO, and where they are known, exact sampled-KL variance and both estimators' variances.

    Of the runs of one program only the first few are asked for the estimators' variances, which cost more than the
    training: the others are there for the held-out ELBO's spread over seeds.
    """
    elbo = moments_of(oracle_elbo(task, weights, task.dataset.test, "heldout", HELDOUT_NOISES))
    rows = [
        Measurement(
            quantity=Quantity.HELDOUT_ELBO,
            value=elbo.mean,
            index=step,
            n=elbo.n,
            standard_error=elbo.mean_standard_error,
        )
    ]
    if keeps_the_sampled_kl(task.problem):
        rows.append(_kl_variance(task, weights, step))
    if task.cell.replicas and task.cell.seed % task.cell.replicas >= VARIANCE_RUNS:
        return rows
    core = [name for name in CORE_ESTIMATORS if derived_by_hand(task.problem, ESTIMATORS[name])]
    return rows + [row for name in core for row in _variances(task, weights, name, step)]


def keeps_the_sampled_kl(problem: Problem) -> bool:
    """Whether log q - log p is what it is without flow: |z_T| = |z_0| under reflections and a N(0, I) prior."""
    return problem.flow in (Flow.NONE, Flow.HOUSEHOLDER) and problem.prior is Prior.STANDARD_NORMAL


def _kl_variance(task: Task, weights: Params, step: int) -> Measurement:
    mean, log_var, _ = oracle.encode(weights, task.problem, task.dataset.test)
    variances = moments_of(gaussian_kl.sampled_kl_cumulant(2, mean, log_var))
    return Measurement(
        quantity=Quantity.SAMPLED_KL_VARIANCE,
        value=variances.mean,
        index=step,
        unit="nats^2",
        n=variances.n,
        standard_error=variances.mean_standard_error,
    )


def oracle_elbo(task: Task, weights: Params, x: Array, purpose: str, noises: int) -> Array:
    """The estimator's value of each row by the oracle, averaged over draws of noise that everybody shares; (rows,)."""
    generator, total = task.generator(purpose), np.zeros(len(x))
    shape = (task.estimator.noise_rows, len(x), task.problem.latent)
    for _ in range(noises):
        noise = generator.standard_normal(shape)
        for start in range(0, len(x), ROWS):
            part = slice(start, start + ROWS)
            heads = encode(weights, task.problem, x[part])
            particles = particles_of(task.estimator, noise[:, part])
            drawn = terms_at(weights, task.problem, x[part], heads, particles)
            total[part] += estimate(weights, task.problem, task.estimator, heads, drawn)
    return total / noises


def _variances(task: Task, weights: Params, estimator: str, step: int) -> list[Measurement]:
    """Variance of one datum's ELBO, and trace of its gradient's covariance for both heads, mean over held-out data."""
    session = NumpyOracle().prepare(task.problem, ESTIMATORS[estimator], Device.CPU, DType.FLOAT64)
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
    """Grids of 0..255: test digits above their reconstructions (decoded at the flow of the mean), and prior samples.

    Empty where the data are no square images.
    """
    side = round(sqrt(task.problem.observed))
    if task.problem.likelihood is not Likelihood.BERNOULLI or side * side != task.problem.observed:
        return {}
    x = task.dataset.test[:GRID_COLUMNS]
    heads = encode(weights, task.problem, x)
    at_mean = terms_at(weights, task.problem, x, heads, np.zeros((1, len(x), task.problem.latent)))
    grids = {"reconstructions": _grid([x, oracle.sigmoid(at_mean.output[0])], side)}
    if task.problem.prior is Prior.STANDARD_NORMAL:
        z = task.generator("prior").standard_normal((GRID_COLUMNS, task.problem.latent))
        grids["samples"] = _grid([oracle.sigmoid(oracle.decode(weights, task.problem, z))], side)
    return grids


def _grid(rows: list[Array], side: int) -> list[list[int]]:
    """Rows of pictures, each (count, side * side) in 0..1, side by side as one picture."""
    picture = np.concatenate([np.concatenate(row.reshape(-1, side, side), axis=1) for row in rows], axis=0)
    return np.rint(picture * 255).astype(int).tolist()
