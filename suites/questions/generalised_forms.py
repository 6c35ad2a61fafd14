"""Closed forms of the generalised normal of location 0, beta / (2 alpha Gamma(1/beta)) exp(-(|z| / alpha)^beta).

Arguments broadcast and may be complex, so that they can carry a derivative (see `suites.complex_step`).
"""

from typing import Any

import numpy as np
import scipy

from elbo_compare.suites.contract import Array
from elbo_compare.suites.questions.densities import Number, shape_constant


def power_mean(exponent: Number, alpha: Number, beta: Number) -> Any:
    """E |z - mu|^b = alpha^b Gamma((b + 1) / beta) / Gamma(1 / beta) under the generalised normal."""
    return np.exp(
        exponent * np.log(alpha) + scipy.special.loggamma((exponent + 1.0) / beta) - scipy.special.loggamma(1.0 / beta)
    )


def kl(alpha1: Number, beta1: Number, alpha2: Number, beta2: Number) -> Any:
    """KL(q || p) of two generalised normals of one location. Nats. Do and Vetterli 2002."""
    return dropped_kl(alpha1, beta1, alpha2, beta2) - dropping_adds(alpha1, beta1, alpha2, beta2)


def dropped_kl(alpha1: Number, beta1: Number, alpha2: Number, beta2: Number) -> Any:
    """E_q (|z|/alpha2)^beta2 - E_q (|z|/alpha1)^beta1: the KL with both normalisers left out. Nats."""
    return power_mean(beta2, alpha1, beta1) * np.exp(-beta2 * np.log(alpha2)) - 1.0 / beta1


def dropping_adds(alpha1: Number, beta1: Number, alpha2: Number, beta2: Number) -> Any:
    """What leaving out both normalisers adds: log(alpha1/c1) - log(alpha2/c2), c = beta / (2 Gamma(1/beta)). Nats."""
    return np.log(alpha1) - shape_constant(beta1) - np.log(alpha2) + shape_constant(beta2)


def draw(rng: np.random.Generator, n: int, alpha: float, beta: float) -> Array:
    """n draws of location 0: a random sign times alpha G^(1/beta), G ~ Gamma(1/beta, 1). Nardon and Pianca 2009."""
    return rng.choice([-1.0, 1.0], n) * alpha * rng.gamma(1.0 / beta, size=n) ** (1.0 / beta)
