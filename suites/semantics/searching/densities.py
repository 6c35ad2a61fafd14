"""Log densities and quadrature nodes of the grammar's families, from their formulas. NumPy and scipy.special.

Nodes of a continuous family are quantiles of Gauss-Hermite points: E f(z) = E f(F^-1(Phi(x))), x standard normal, which
is smooth where the density has a singular end. Discrete ones are summed; a Poisson to where its tail is below 1e-18.
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


def _bernoulli(z: Array, logit: Array) -> Array:
    return z * logit - np.logaddexp(0.0, logit)


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
    Family.BERNOULLI: _bernoulli,
    Family.CATEGORICAL: _categorical,
    Family.POISSON: _poisson,
    Family.FACTOR: lambda z, log_factor: log_factor + 0 * z,
}


def nodes(family: Family, arguments: Sequence[Array], order: int) -> tuple[Array, Array]:
    """Values and weights along a new last axis, of E f(z) = sum weights f(values)."""
    last = [np.asarray(argument)[..., None] for argument in arguments]
    if family is Family.DELTA:
        return last[0], np.ones_like(last[0])
    if family in _DISCRETE_VALUES:
        values = _DISCRETE_VALUES[family] + 0 * sum(last)
        return values, np.exp(log_density(family, values, last))
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
    Family.EXPONENTIAL: lambda x, rate: -special.log_ndtr(-x) / rate,
}
