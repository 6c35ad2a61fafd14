"""Log densities as their terms, so that a term can be left out as hand-written code does, and rounding be bounded.

Every function returns shape (3, ..., latent): the term with z, the term with the scale, the constant. A log density is
the sum over terms and `latent`. Complex arguments carry derivatives (see `suites.complex_step`).
"""

from math import log, pi
from typing import Any

import numpy as np
import scipy

from elbo_compare.suites.complex_step import Dual

Number = Dual | float

HALF_LOG_TWO_PI = 0.5 * log(2.0 * pi)

KEPT = (1.0, 1.0, 1.0)
WITHOUT_CONSTANT = (1.0, 1.0, 0.0)
WITHOUT_NORMALISER = (1.0, 0.0, 0.0)


def normal(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """-(z - mean)^2 / (2 var), -log_var / 2, -log(2 pi) / 2. Kingma and Welling 2014 (arXiv 1312.6114), appendix B."""
    return _stacked(-0.5 * (z - mean) ** 2 * np.exp(-log_var), -0.5 * log_var, -HALF_LOG_TWO_PI)


def laplace(z: Dual, loc: Dual, scale: Dual) -> Dual:
    """-|z - loc| / scale, -log scale, -log 2. Johnson, Kotz and Balakrishnan 1995, chapter 24."""
    return _stacked(-absolute(z - loc) / scale, -np.log(scale), -log(2.0))


def generalised_normal(z: Dual, mu: Dual, alpha: Dual, beta: Dual) -> Dual:
    """-(|z - mu| / alpha)^beta, -log alpha, log beta - log 2 - log Gamma(1 / beta). Nadarajah 2005."""
    return _stacked(-((absolute(z - mu) / alpha) ** beta), -np.log(alpha), shape_constant(beta))


def shape_constant(beta: Number) -> Any:
    """log beta - log 2 - log Gamma(1 / beta): the part of a generalised normal's normaliser that the shape decides."""
    value = np.asarray(beta)
    return np.log(value) - log(2.0) - scipy.special.loggamma(1.0 / value)


def absolute(a: Dual) -> Dual:
    """|a| with derivative sign(Re a), which complex numbers' own modulus does not carry."""
    return np.where(np.real(a) < 0.0, -a, a)


def _stacked(*terms: Dual | float) -> Dual:
    return np.stack(np.broadcast_arrays(*terms))
