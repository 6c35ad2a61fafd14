"""LIKELIHOOD: log p(x) of test data by importance sampling from q(z|x), with the implementation's own random numbers.

The ELBO draws of `sampled-kl` are the log weights log p(x|z) + log p(z) - log q(z|x); the log of their mean weight
estimates log p(x) from below, with the bias -Var(w) / (2 n (E w)^2) to first order.
"""

from math import isfinite, log, nan, sqrt

import numpy as np

from elbo_compare.compare.procedures.draw import exactly, settled
from elbo_compare.compare.procedures.evaluate import ask_oracle
from elbo_compare.compare.procedures.log_weights import LogMeanExp
from elbo_compare.compare.procedures.moments import moments_of
from elbo_compare.compare.procedures.task import InvalidResultError, Task, require_array, require_dtype
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites.contract import Bound, KLTerm, Params

BLOCK = 500  # draws at once where the cell names no chunk; of the questioned code
DIRECTIONS = 4  # random sign vectors tried for the scale of log weights that should all be log p(x)


def likelihood(task: Task) -> list[Measurement]:
    """LOG_PX and LOG_WEIGHT_MEAN of `cell.data` test rows, the first's mean, and the deviation where every log weight
    should be log p(x)."""
    cell = task.cell
    estimates, exact, deviations = [], [], []
    for datum in range(cell.data):
        x = task.rows(datum, 1)
        known = exactly(task, x)
        evidence = float(known.log_evidence)
        estimate, farthest = _weigh(task, task.problem.params, datum, cell.size, evidence)
        estimates.append(estimate)
        exact.append(evidence)
        if settled(task, x, "elbo", float(known.elbo_variance)):
            deviations.append(_deviation(task, datum, farthest, evidence))
    rows = [_row(datum, *pair) for datum, pair in enumerate(zip(estimates, exact, strict=True))]
    rows += [_elbo(datum, estimate) for datum, estimate in enumerate(estimates)]
    return [*rows, _mean(estimates, exact, index=0), *deviations]


def after_training(task: Task, weights: Params, step: int, data: int, draws: int) -> Measurement:
    """LOG_PX_MEAN of the first `data` test rows at the weights that a training run has kept."""
    count = min(data, len(task.dataset.test))
    estimates = [_weigh(task, weights, datum, draws, nan)[0] for datum in range(count)]
    return _mean(estimates, [nan] * count, index=step)


def _weigh(task: Task, weights: Params, datum: int, draws: int, evidence: float) -> tuple[LogMeanExp, float]:
    """The running estimate of one row, and the largest |log weight - evidence|."""
    if task.estimator.kl_term is not KLTerm.SAMPLED or task.estimator.bound is not Bound.ELBO:
        raise InvalidResultError(f"{task.estimator.name} draws no log weights; take sampled-kl")
    estimate, farthest = LogMeanExp(), 0.0
    x, block = task.rows(datum, 1), task.cell.chunk or BLOCK
    for index, start in enumerate(range(0, draws, block)):
        count = min(block, draws - start)
        seed = task.cell.random_seed(f"likelihood {datum} {index}")
        found = task.session.draw(weights, x, count, seed, count)
        require_dtype("the draws", found.dtype, task)
        log_weights = require_array("the log weights", found.elbo, (count,))
        estimate.add(log_weights)
        if isfinite(evidence):
            farthest = max(farthest, float(np.max(np.abs(log_weights - evidence))))
    return estimate, farthest


def _row(datum: int, estimate: LogMeanExp, evidence: float) -> Measurement:
    return Measurement(
        quantity=Quantity.LOG_PX,
        value=estimate.value,
        index=datum,
        n=estimate.n,
        standard_error=estimate.standard_error,
        reference=evidence,
        scale=estimate.relative_deviation,
    )


def _elbo(datum: int, estimate: LogMeanExp) -> Measurement:
    return Measurement(quantity=Quantity.LOG_WEIGHT_MEAN, value=estimate.mean_log, index=datum, n=estimate.n)


def _mean(estimates: list[LogMeanExp], exact: list[float], *, index: int) -> Measurement:
    """The mean over data, with its standard error over data and, in `scale`, its Monte Carlo error at these data."""
    values = moments_of(np.array([each.value for each in estimates]))
    return Measurement(
        quantity=Quantity.LOG_PX_MEAN,
        value=values.mean,
        index=index,
        n=values.n,
        standard_error=values.mean_standard_error if values.n > 1 else nan,
        reference=float(np.mean(exact)),
        scale=sqrt(sum(each.standard_error**2 for each in estimates)) / values.n,
        note=f"{estimates[0].n} draws at each",
    )


def _deviation(task: Task, datum: int, farthest: float, evidence: float) -> Measurement:
    """The scale is that of the oracle's absolute terms where every |noise| is the largest of all draws; see `draw`."""
    cell, latent, x = task.cell, task.problem.latent, task.rows(datum, 1)
    largest = sqrt(2 * log(cell.size * latent))
    signs = task.generator("signs").choice([-1.0, 1.0], size=(DIRECTIONS, 1, 1, latent))
    return Measurement(
        quantity=Quantity.LOG_WEIGHT_DEVIATION,
        value=farthest,
        index=datum,
        n=cell.size,
        reference=evidence,
        scale=max(float(ask_oracle(task, x, largest * sign).scales["elbo"]) for sign in signs),
    )
