"""DRAW: the implementation's own random numbers at one datum, beside the exact mean and variance where they exist."""

from dataclasses import replace
from math import inf, isfinite, isinf, isnan, log, sqrt

import numpy as np

from elbo_compare.compare.procedures.meter import ORACLE, span
from elbo_compare.compare.procedures.moments import Moments, moments_of, variance_standard_error
from elbo_compare.compare.procedures.oracle import ask_oracle
from elbo_compare.compare.procedures.task import Task, require_array, require_dtype
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites.contract import Array, Bound, KLTerm
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.exact.expected import Expected, expected
from elbo_compare.suites.numpy_oracle.scales import Point, scales
from elbo_compare.suites.numpy_oracle.vae import encode

BINS, BIN_RANGE_SD = 64, 6.0  # fixed from the exact mean and variance, so that all implementations share the bins
DIRECTIONS = 4  # random sign vectors tried for the scale of a zero-variance ELBO or KL


def draw(task: Task) -> list[Measurement]:
    """Mean and variance of ELBO and KL (or the deviation where the exact variance is zero), ties and a histogram.

    A Renyi bound has no KL term. Where a variance is infinite the rows say so and no claim judges them.
    """
    cell = task.cell
    x = task.rows(cell.datum, 1)
    seed, chunk = cell.random_seed("draw"), cell.chunk or cell.size
    draws = task.session.draw(task.problem.params, x, cell.size, seed, chunk)
    require_dtype("the draws", draws.dtype, task)
    elbo = require_array("the ELBO draws", draws.elbo, (cell.size,))
    exact = exactly(task, x)
    rows = _term(task, x, "elbo", elbo, exact)
    if task.estimator.bound is Bound.ELBO:
        rows += _kl_rows(task, x, require_array("the KL draws", draws.kl, (cell.size,)), exact)
    if isfinite(exact.log_evidence):
        evidence = float(exact.log_evidence)
        rows.append(Measurement(quantity=Quantity.LOG_EVIDENCE, value=evidence, reference=evidence, n=1))
    ties = require_array("the ties", draws.ties, (len(draws.ties), 2))
    return rows + _ties(task, x, elbo, ties)


def _kl_rows(task: Task, x: Array, kl: Array, exact: Expected) -> list[Measurement]:
    """The KL term's moments, the histogram of the questioned line, and the KL that a biased estimator misses."""
    rows = _term(task, x, "kl", kl, exact)
    if task.estimator.name == SAMPLED_KL.name and exact.kl_variance > 0:
        rows += _histogram(kl, float(exact.kl_mean), sqrt(float(exact.kl_variance)))
    if task.estimator.kl_term is KLTerm.HALF_SQUARE:
        divergence = float(exactly(replace(task, estimator=SAMPLED_KL), x).kl_mean)
        rows.append(Measurement(quantity=Quantity.KL_EXACT, value=divergence, reference=divergence, n=1))
    return rows


def exactly(task: Task, x: Array) -> Expected:
    """What is known in closed form at one datum, inputs rounded to the cell's dtype."""
    with span(ORACLE):
        problem, seen = task.rounded(x)
        mean, log_var, _ = encode(problem.params, problem, seen)
        return expected(problem, task.estimator, seen, mean, log_var)


def _term(task: Task, x: Array, name: str, draws: Array, exact: Expected) -> list[Measurement]:
    mean, variance = float(getattr(exact, f"{name}_mean")), float(getattr(exact, f"{name}_variance"))
    if settled(task, x, name, variance):
        return [_deviation(task, x, name, draws, mean)]
    kurtosis = float(getattr(exact, f"{name}_kurtosis"))
    return _mean_and_variance(name, moments_of(draws), mean, variance, kurtosis)


def _mean_and_variance(name: str, found: Moments, mean: float, variance: float, kurtosis: float) -> list[Measurement]:
    second, fourth = found.s2 / found.n, found.s4 / found.n
    return [
        Measurement(
            quantity=Quantity(f"{name}_mean"),
            value=found.mean,
            n=found.n,
            standard_error=found.mean_standard_error,
            reference=mean,
            scale=found.standard_deviation if isnan(variance) else sqrt(variance),
        ),
        Measurement(
            quantity=Quantity(f"{name}_variance"),
            value=found.variance,
            unit="nats^2",
            n=found.n,
            standard_error=variance_standard_error(found.n, second, fourth, variance=variance, kurtosis=kurtosis),
            reference=variance,
        ),
    ]


def _deviation(task: Task, x: Array, name: str, draws: Array, exact: float) -> Measurement:
    """max |draw - exact| where every draw should be the exact value.

    scale: the oracle's absolute terms where every |noise| is as large as the largest of n latent normals,
    about sqrt(2 log(n latent)): the terms grow with |noise|, so that this bounds what rounding can do to any draw.
    """
    largest = sqrt(2 * log(len(draws) * task.problem.latent))
    shape = (DIRECTIONS, task.estimator.noise_rows, 1, task.problem.latent)
    signs = task.generator("signs").choice([-1.0, 1.0], size=shape)
    return Measurement(
        quantity=Quantity(f"{name}_deviation"),
        value=float(np.max(np.abs(draws - exact))),
        n=len(draws),
        least=float(np.min(draws)),
        largest=float(np.max(draws)),
        reference=exact,
        scale=max(float(ask_oracle(task, x, largest * sign).scales[name]) for sign in signs),
    )


def _histogram(draws: Array, mean: float, sd: float) -> list[Measurement]:
    edges = mean + sd * np.linspace(-BIN_RANGE_SD, BIN_RANGE_SD, BINS + 1)
    counts = np.bincount(np.searchsorted(edges, draws, side="right"), minlength=BINS + 2)
    bounds = [-inf, *edges.tolist(), inf]
    return [
        Measurement(
            quantity=Quantity.KL_HISTOGRAM,
            value=float(count),
            index=index,
            unit="draws",
            n=len(draws),
            least=bounds[index],
            largest=bounds[index + 1],
        )
        for index, count in enumerate(counts)
    ]


def _ties(task: Task, x: Array, elbo: Array, ties: Array) -> list[Measurement]:
    """One row per vectorised block: the mean of its draws against what the public ELBO object returned.

    A block usually holds as many draws as have `chunk` particles together. scale: the mean |draw|, or the oracle's
    absolute terms at |noise| = 1 where they are more, since log q and log p(z) cancel in a draw near q = p.
    """
    if not len(ties):
        return []
    size = max(1, (task.cell.chunk or task.cell.size) // task.estimator.particles)
    if -(-len(elbo) // size) != len(ties):  # an implementation may choose smaller blocks
        size = -(-len(elbo) // len(ties))
    absolute = _absolute_terms(task, x)
    rows = []
    for index, (ours, returned) in enumerate(ties):
        block = elbo[index * size : (index + 1) * size]
        rows.append(
            Measurement(
                quantity=Quantity.TIE,
                value=float(ours),
                index=index,
                n=len(block),
                reference=float(returned),
                scale=max(float(np.mean(np.abs(block))), absolute),
            )
        )
    return rows


def settled(task: Task, x: Array, name: str, variance: float) -> bool:
    """Whether every draw should be one number, to the cell's rounding: the exact variance is zero, or its root no more
    than one unit roundoff of a draw's absolute terms.

    The second is what is left of a zero variance when the problem's own numbers are rounded: in float32 q(z|x) is the
    posterior to 1e-7, not exactly. A mean within 0.05 of such a standard deviation would be asked of digits that no
    draw has; each draw is held to the exact value instead, within its rounding.
    """
    if variance == 0 or isnan(variance) or isinf(variance):
        return variance == 0
    return sqrt(variance) <= float(np.finfo(str(task.dtype)).eps) / 2 * _absolute_terms(task, x, name)


def _absolute_terms(task: Task, x: Array, name: str = "elbo") -> float:
    """The oracle's absolute terms of one value at noise of size one in every coordinate."""
    problem, seen = task.rounded(x)
    noise = np.ones((task.estimator.noise_rows, 1, problem.latent))
    with span(ORACLE):
        point = Point(problem=problem, estimator=task.estimator, params=problem.params, x=seen, noise=noise)
        return float(scales(point, task.dtype)[name])
