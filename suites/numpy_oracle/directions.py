"""Derivatives along one fixed random direction for each parameter tensor, by complex step, and their rounding.

D_v of the surrogate is Im surrogate(w + i h v) / h: the estimator's gradient contracted with v, from one evaluation for
each tensor, with no derivation by hand. A wrong gradient agrees along v with probability zero.

The scale. v has independent N(0, 1) entries, so that <error, v> is of the size of |error|_F, what the gradients known
by hand are held against. It adds (1) the absolute values of the derivatives that are summed: those of log p(x|z),
log p(z), log q at each particle, the score's two halves that cancel in log q, each times its weight in the estimator;
(2) the error of those weights, where k1, or the log weights and their normaliser, enter them; (3) what rounding does
before: the derivative's own computation in float32 against float64, over u32 (`scales.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from elbo_compare.suites.complex_step import STEP, STEP_32, Dual, logsumexp
from elbo_compare.suites.contract import Array, Bound, GradientForm, KLTerm, Params
from elbo_compare.suites.numpy_oracle.scales import Point, TermScales, probes, root_mean_square, term_scales
from elbo_compare.suites.numpy_oracle.vae import (
    Heads,
    Terms,
    analytic_kl_pieces,
    best_coefficient,
    doubly_reparameterised_parts,
    log_q_along_path,
    normalised_weights,
    surrogate,
)


@dataclass(frozen=True, kw_only=True)
class Direction:
    """`vector`, shaped as the parameter; `derivative` = <gradient, vector>, nats per datum; u * `scale`
    is the size of a correct program's rounding of <gradient, vector>."""

    vector: Array
    derivative: float
    scale: float


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A point with one parameter at w + i h v: its parameters, heads and terms, and the surrogate (batch,)."""

    params: Params
    heads: Heads
    drawn: Terms
    surrogate: Dual


def directions(point: Point) -> Mapping[str, Direction]:
    """By parameter, at a float64 point."""
    terms, pairs = term_scales(point, *point.forward()), list(probes(point))
    return {name: _direction(point, terms, pairs, name) for name in point.problem.params}


def vector_of(name: str, shape: tuple[int, ...]) -> Array:
    """The direction of a parameter: standard normals, seeded by its name, the same for every problem and estimator."""
    return np.random.default_rng(crc32(name.encode())).standard_normal(shape)


def move(point: Point, name: str, vector: Array) -> Moved:
    """One evaluation with the parameter at w + i h vector, in the dtype of the point's arrays."""
    value = point.params[name]
    step = STEP if value.dtype == np.float64 else STEP_32
    at = replace(point, params={**point.params, name: value + 1j * step * vector.astype(value.dtype)})
    heads, drawn = at.forward()
    moved = surrogate(at.params, at.problem, at.estimator, at.x, heads, drawn)
    return Moved(params=at.params, heads=heads, drawn=drawn, surrogate=moved)


def derivative(values: Dual) -> Array:
    """Im / h, 0 where nothing moved; the step is that of the dtype."""
    return np.imag(values) / (STEP if np.real(values).dtype == np.float64 else STEP_32)


def _direction(point: Point, terms: TermScales, pairs: list[tuple[Point, Point]], name: str) -> Direction:
    vector = vector_of(name, point.params[name].shape)
    moved = move(point, name, vector)
    differences = [np.subtract(*(derivative(move(each, name, vector).surrogate) for each in pair)) for pair in pairs]
    return Direction(
        vector=vector,
        derivative=float(derivative(moved.surrogate).mean()),
        scale=float(_parts(point, terms, moved).mean()) + root_mean_square(differences),
    )


def _parts(point: Point, terms: TermScales, moved: Moved) -> Array:
    """The absolute derivatives that make up the surrogate's, and the errors of their weights, (batch,)."""
    estimator, drawn = point.estimator, moved.drawn
    likelihood, prior = np.abs(derivative(drawn.log_likelihood)), np.abs(derivative(drawn.log_prior))
    k1 = prior + _log_q_parts(moved)
    if estimator.bound is Bound.RENYI:
        weights = normalised_weights((1.0 - estimator.alpha) * drawn.log_weight)
        by_weights = terms.log_weight * np.abs(_weight_slopes(point, moved, weights))
        return (weights * (likelihood + k1) + by_weights).sum(0) + _by_normaliser(point, moved)
    if estimator.kl_term is KLTerm.ANALYTIC:
        pieces = analytic_kl_pieces(moved.params, point.problem, moved.heads)
        return likelihood.mean(0) + np.abs(derivative(pieces)).sum(-1)
    slope, curvature = _kl_slopes(point, moved)
    return (likelihood + slope * k1 + curvature * terms.k1 * np.abs(derivative(drawn.k1))).mean(0)


def _by_normaliser(point: Point, moved: Moved) -> Array:
    """|log sum_k w_k^(1 - alpha)| |derivative|, (batch,): the rounding of the logarithm that normalises the weights.

    A program that has v_k = exp((1 - alpha) log w_k - log sum exp) subtracts a rounded number from all of them alike:
    one relative error u |log sum exp| of the whole sum (twice that of squared weights), which does not cancel as the
    errors of single log weights do in `_weight_slopes`. Pyro's RenyiELBO is such a program; softmax is not.
    """
    powers = (1.0 - point.estimator.alpha) * np.real(moved.drawn.log_weight)
    order = 2.0 if point.estimator.gradient is GradientForm.DOUBLY_REPARAMETERISED else 1.0
    return order * np.abs(logsumexp(powers, 0)) * np.abs(derivative(moved.surrogate))


def _weight_slopes(point: Point, moved: Moved, weights: Array) -> Array:
    """d (derivative of the surrogate) / d log w_k, (particle, batch): how an error of a log weight enters.

    sum_k v_k D_k, v_k the normalised weights: (1 - alpha) v_k (D_k - sum_j v_j D_j). Doubly reparameterised:
    sum_k v_k^2 P_k + v_k M_k: 2 v_k (v_k P_k - sum_j v_j^2 P_j) + v_k (M_k - sum_j v_j M_j).
    """
    if point.estimator.gradient is not GradientForm.DOUBLY_REPARAMETERISED:
        slopes = derivative(moved.drawn.log_weight)
        return (1.0 - point.estimator.alpha) * weights * (slopes - (weights * slopes).sum(0))
    log_q = log_q_along_path(moved.params, point.problem, moved.heads, moved.drawn)
    parts = doubly_reparameterised_parts(moved.params, point.problem, point.x, moved.drawn, log_q)
    path, model = (derivative(part) for part in parts)
    by_path = 2.0 * weights * (weights * path - (weights**2 * path).sum(0))
    return by_path + weights * (model - (weights * model).sum(0))


def _log_q_parts(moved: Moved) -> Array:
    """Of d log q: |e| / sigma for z_0 and again for the mean, whose halves cancel, and those of log_var."""
    heads, drawn = moved.heads, moved.drawn
    mean, start, sigma = np.real(heads.mean), np.real(drawn.z_0), np.exp(0.5 * np.real(heads.log_var))
    e = np.abs(start - mean) / sigma
    by_place = e / sigma * (np.abs(derivative(drawn.z_0)) + np.abs(derivative(heads.mean)))
    by_spread = 0.5 + e**2 + e * (np.abs(mean) + np.abs(start)) / sigma
    parts = by_place + by_spread * np.abs(derivative(heads.log_var))
    return parts.sum(-1) + np.abs(derivative(drawn.log_det))


def _kl_slopes(point: Point, moved: Moved) -> tuple[Array, Array]:
    """|d KL term / d k1|, its parts apart, and |d^2 / d k1^2|: how k1's error enters the slope."""
    estimator, k1 = point.estimator, np.real(moved.drawn.k1)
    if estimator.kl_term is KLTerm.HALF_SQUARE:
        return np.abs(k1), np.ones_like(k1)
    if estimator.kl_term is KLTerm.RATIO:
        return 1.0 + np.exp(-k1), np.exp(-k1)
    if estimator.kl_term is KLTerm.CONTROL_VARIATE:
        heads = moved.heads
        weighted = np.abs(best_coefficient(np.real(heads.mean), np.real(heads.log_var))) * np.exp(-k1)
        return 1.0 + 2.0 * weighted, weighted
    return np.ones_like(k1), np.zeros_like(k1)
