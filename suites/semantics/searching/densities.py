"""Log densities and quadrature nodes of the grammar's families, from their formulas. NumPy and scipy.special.

Nodes of a continuous family are quantiles of Gauss-Hermite points: E f(z) = E f(F^-1(Phi(x))), x standard normal, which
is smooth where the density has a singular end; of a folded normal Gauss-Legendre points over its density. Discrete ones
are summed; a Poisson to where its tail is below 1e-18. A joint family has one axis of nodes for each scalar behind it.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import log, pi

import numpy as np
import scipy.special as special

from elbo_compare.suites.semantics.searching.description import Family

Array = np.ndarray
COUNTS = 64  # the grammar keeps a rate below 8 at the points that weigh anything: P(N >= 64) is below 1e-30 there
TINY = 1e-300


def log_density(family: Family, value: Array, arguments: Sequence[Array]) -> Array:
    """log p(value), in nats; the arguments in the order of `PARAMETERS`, links applied, a Bernoulli by its logit."""
    return _LOG_DENSITIES[family](value, *arguments)


def _normal(z: Array, loc: Array, scale: Array) -> Array:
    return -0.5 * ((z - loc) / scale) ** 2 - np.log(scale) - 0.5 * log(2 * pi)


def _log_normal(z: Array, loc: Array, scale: Array) -> Array:
    return _normal(np.log(z), loc, scale) - np.log(z)


def _gamma(z: Array, concentration: Array, rate: Array) -> Array:
    return concentration * np.log(rate) + (concentration - 1) * np.log(z) - rate * z - special.gammaln(concentration)


def _beta(z: Array, a: Array, b: Array) -> Array:
    normaliser = special.gammaln(a + b) - special.gammaln(a) - special.gammaln(b)
    return normaliser + (a - 1) * np.log(z) + (b - 1) * np.log1p(-z)


def _logit_normal(z: Array, loc: Array, scale: Array) -> Array:
    return _normal(special.logit(z), loc, scale) - np.log(z) - np.log1p(-z)


def _folded(z: Array, loc: Array, scale: Array) -> Array:
    return np.logaddexp(_normal(z, loc, scale), _normal(-z, loc, scale))


def _kumaraswamy(z: Array, a: Array, b: Array) -> Array:
    return np.log(a * b) + (a - 1) * np.log(z) + (b - 1) * np.log1p(-(z**a))


def _bernoulli(z: Array, logit: Array) -> Array:
    return -np.logaddexp(0.0, np.where(z == 1, -logit, logit))  # also where the logit is infinite


def _categorical(z: Array, first: Array, second: Array) -> Array:
    chosen = np.where(z == 1, first, np.where(z == 2, second, 0.0))
    return chosen - np.logaddexp(np.logaddexp(0.0, first), second)


def _poisson(z: Array, rate: Array) -> Array:
    return special.xlogy(z, rate) - rate - special.gammaln(z + 1)


_LOG_DENSITIES: dict[Family, Callable[..., Array]] = {
    Family.NORMAL: _normal,
    Family.LOG_NORMAL: _log_normal,
    Family.GAMMA: _gamma,
    Family.BETA: _beta,
    Family.EXPONENTIAL: lambda z, rate: np.log(rate) - rate * z,
    Family.LOGIT_NORMAL: _logit_normal,
    Family.AFFINE: lambda z, loc, scale: _normal(z, 0.5 + 2 * loc, 2 * scale),
    Family.FOLDED: _folded,
    Family.KUMARASWAMY: _kumaraswamy,
    Family.BERNOULLI: _bernoulli,
    Family.CATEGORICAL: _categorical,
    Family.POISSON: _poisson,
    Family.FACTOR: lambda z, log_factor: log_factor + 0 * z,
}


def joint_log_density(family: Family, values: Sequence[Array], arguments: Sequence[Sequence[Array]]) -> Array:
    """log p of a whole event, in nats; `arguments`: by parameter, then by entry of the event."""
    if family is Family.DIRICHLET:
        (concentrations,) = arguments
        entries = zip(concentrations, values, strict=True)
        total = special.gammaln(sum(concentrations)) + sum((a - 1) * np.log(z) - special.gammaln(a) for a, z in entries)
        return np.asarray(total)
    (first_loc, second_loc), (first_scale, second_scale), (lower, _) = arguments
    noise = (values[0] - first_loc) / first_scale
    return _normal(values[0], first_loc, first_scale) + _normal(values[1], second_loc + lower * noise, second_scale)


def joint_nodes(
    family: Family, arguments: Sequence[Sequence[Array]], order: int
) -> tuple[list[Array], Array]:  # fmt: skip
    """Values by entry of the event, and weights, along two new last axes."""
    deep = [[np.asarray(each)[..., None, None] for each in entries] for entries in arguments]
    x, weights = hermite(order)
    one, other = x[:, None], x[None, :]
    if family is Family.DIRICHLET:  # broken sticks
        (a, b, c) = deep[0]
        first, second = _beta_quantile(one, a, b + c), _beta_quantile(other, b, c)
        values = [first + 0 * second, (1 - first) * second, (1 - first) * (1 - second)]
    else:
        (first_loc, second_loc), (first_scale, second_scale), (lower, _) = deep
        values = [first_loc + first_scale * one + 0 * other, second_loc + lower * one + second_scale * other]
    return values, weights[:, None] * weights[None, :] + 0 * values[0]


def nodes(family: Family, arguments: Sequence[Array], order: int) -> tuple[Array, Array]:
    """Values and weights along a new last axis, of E f(z) = sum weights f(values)."""
    last = [np.asarray(argument)[..., None] for argument in arguments]
    if family is Family.DELTA:
        return last[0], np.ones_like(last[0])
    if family in _DISCRETE_VALUES:
        values = _DISCRETE_VALUES[family] + 0 * sum(last)
        return values, np.exp(log_density(family, values, last))
    if family is Family.FOLDED:
        return _folded_nodes(last[0], last[1], order)
    x, weights = hermite(order)
    values = _QUANTILES[family](x, *last)
    return values, weights + 0 * values


_DISCRETE_VALUES = {
    Family.BERNOULLI: np.arange(2.0),
    Family.CATEGORICAL: np.arange(3.0),
    Family.POISSON: np.arange(float(COUNTS)),
}


@lru_cache
def hermite(order: int) -> tuple[Array, Array]:
    """Points and weights of a standard normal's expectation."""
    x, weights = np.polynomial.hermite_e.hermegauss(order)
    return x, weights / weights.sum()


def _folded_nodes(loc: Array, scale: Array, order: int) -> tuple[Array, Array]:
    x, weights = np.polynomial.legendre.leggauss(2 * order)
    width = np.abs(loc) + 8.5 * scale  # beyond lies 2e-17
    values = width * (x + 1) / 2
    weights = weights * width / 2 * np.exp(_folded(values, loc, scale))
    return values, weights / weights.sum(-1, keepdims=True)


def _kumaraswamy_quantile(x: Array, a: Array, b: Array) -> Array:
    return np.clip((-np.expm1(special.log_ndtr(-x) / b)) ** (1 / a), TINY, 1 - 2.0**-53)


def _gamma_quantile(x: Array, concentration: Array, rate: Array) -> Array:
    lower = special.gammaincinv(concentration, special.ndtr(np.minimum(x, 0)))
    upper = special.gammainccinv(concentration, special.ndtr(-np.maximum(x, 0)))
    return np.maximum(np.where(x < 0, lower, upper), TINY) / rate


def _beta_quantile(x: Array, a: Array, b: Array) -> Array:
    lower = special.betaincinv(a, b, special.ndtr(np.minimum(x, 0)))
    upper = 1 - special.betaincinv(b, a, special.ndtr(-np.maximum(x, 0)))
    return np.clip(np.where(x < 0, lower, upper), TINY, 1 - 2.0**-53)


_QUANTILES: dict[Family, Callable[..., Array]] = {
    Family.NORMAL: lambda x, loc, scale: loc + scale * x,
    Family.LOG_NORMAL: lambda x, loc, scale: np.exp(loc + scale * x),
    Family.GAMMA: _gamma_quantile,
    Family.BETA: _beta_quantile,
    Family.LOGIT_NORMAL: lambda x, loc, scale: np.clip(special.expit(loc + scale * x), TINY, 1 - 2.0**-53),
    Family.AFFINE: lambda x, loc, scale: 0.5 + 2 * (loc + scale * x),
    Family.KUMARASWAMY: _kumaraswamy_quantile,
    Family.EXPONENTIAL: lambda x, rate: -special.log_ndtr(-x) / rate,
}
