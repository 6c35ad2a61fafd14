"""The right values in float64: KL, reconstruction and ELBO with their gradients, in the user's parametrisation.

Each elementwise term comes with two bounds on what rounding can do to it, in units of one roundoff: `scale` (the sum of
its absolute parts, and of |argument * d term / d argument|: an argument, or a step on the way to the term, is only
known to one roundoff) and the same for every gradient. Source: Kingma and Welling 2014 (arXiv 1312.6114), eqs. 6 and 7,
appendices B and C.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, pi

import numpy as np

from elbo_compare.compare.checking.signature import Form, Role
from elbo_compare.suites.contract import Array

HALF_LOG_2PI = 0.5 * log(2 * pi)


@dataclass(frozen=True, kw_only=True)
class Elements:
    """One quantity, element by element. value, scale: (batch, axis), nats; gradients and their scales by role."""

    value: Array
    scale: Array
    gradients: Mapping[Role, Array]
    gradient_scales: Mapping[Role, Array]


def log_var_of(spread: Array, form: Form) -> Array:
    """log sigma^2 from a spread in any form."""
    if form is Form.LOG_VAR:
        return spread
    if form is Form.LOG_SIGMA:
        return 2 * spread
    return np.log(spread) * (2 if form is Form.SIGMA else 1)


def spread_of(log_var: Array, form: Form) -> Array:
    """The spread in any form from log sigma^2."""
    if form is Form.LOG_VAR:
        return log_var
    if form is Form.LOG_SIGMA:
        return log_var / 2
    return np.exp(log_var / 2) if form is Form.SIGMA else np.exp(log_var)


def log_var_slope(spread: Array, form: Form) -> Array:
    """d log_var / d spread."""
    if form is Form.LOG_VAR:
        return np.ones_like(spread)
    if form is Form.LOG_SIGMA:
        return np.full_like(spread, 2.0)
    return (2 if form is Form.SIGMA else 1) / spread


def analytic_kl(mean: Array, spread: Array, form: Form) -> Elements:
    """(mean^2 + sigma^2 - 1) / 2 - log sigma. Shapes (batch, latent). Appendix B."""
    log_var = log_var_of(spread, form)
    variance, chain = np.exp(log_var), log_var_slope(spread, form)
    by_log_var = (variance - 1) / 2
    rounding = (1 + np.abs(log_var)) * variance / 2 + 0.5
    return Elements(
        value=(mean**2 + variance - 1 - log_var) / 2,
        scale=1.5 * mean**2 + rounding + np.abs(log_var),
        gradients={Role.MEAN: mean, Role.SPREAD: by_log_var * chain},
        gradient_scales={Role.MEAN: 2 * np.abs(mean), Role.SPREAD: rounding * np.abs(chain)},
    )


def sampled_kl(z: Array, mean: Array, spread: Array, form: Form) -> Elements:
    """log q(z) - log p(z) at the given z. Shapes (batch, latent). Eq. 6; its KL part.

    Gradients are partial: z, mean and spread count as independent.
    """
    log_var = log_var_of(spread, form)
    precision, chain, shift = np.exp(-log_var), log_var_slope(spread, form), z - mean
    square = shift**2 * precision / 2
    # z - mean is wrong by roundoff times (|z| + |mean|), which sigma^2 then divides; exp(-log_var) by |log_var|.
    cancellation = (np.abs(z) + np.abs(mean)) * np.abs(shift) * precision
    rounding = cancellation + (1 + np.abs(log_var)) * square
    pull = np.abs(shift) * precision * (1 + np.abs(log_var)) + (np.abs(z) + np.abs(mean)) * precision
    return Elements(
        value=z**2 / 2 - square - log_var / 2,
        # The 0.5 log(2 pi) of both densities may be kept: then it is part of what is added up.
        scale=1.5 * z**2 + rounding + np.abs(log_var) + 2 * HALF_LOG_2PI,
        gradients={
            Role.Z: z - shift * precision,
            Role.MEAN: shift * precision,
            Role.SPREAD: (square - 0.5) * chain,
        },
        gradient_scales={Role.Z: 2 * np.abs(z) + pull, Role.MEAN: pull, Role.SPREAD: (rounding + 0.5) * np.abs(chain)},
    )


def reconstruction(x: Array, output: Array, form: Form) -> Elements:
    """-log p(x|z), shapes (batch, observed). LOGITS, PROBS: Bernoulli (appendix C.1). LOCATION: N(output, I)."""
    if form is Form.LOGITS:
        return _bernoulli_logits(x, output)
    if form is Form.LOCATION:
        return _normal(x, output)
    return _bernoulli_probs(x, output)


def _bernoulli_logits(x: Array, logits: Array) -> Elements:
    softplus = np.logaddexp(0, logits)
    probs = np.exp(-np.logaddexp(0, -logits))
    gradient = probs - x
    return Elements(
        value=softplus - x * logits,
        scale=softplus + 2 * np.abs(x * logits) + np.abs(logits * gradient) + 1,
        gradients={Role.OUTPUT: gradient},
        gradient_scales={Role.OUTPUT: probs * (1 + np.abs(logits) * (1 - probs)) + np.abs(x)},
    )


def _bernoulli_probs(x: Array, probs: Array) -> Elements:
    rest = 1 - probs
    ones, zeros = -x * np.log(probs), -(1 - x) * np.log1p(-probs)
    gradient = (1 - x) / rest - x / probs
    # 1 - p is only known to a roundoff of p, which 1/(1 - p) and 1/p magnify.
    magnified = np.abs(1 - x) / rest + np.abs(x) / probs
    return Elements(
        value=ones + zeros,
        scale=np.abs(ones) + np.abs(zeros) + magnified,
        gradients={Role.OUTPUT: gradient},
        gradient_scales={Role.OUTPUT: magnified * (1 + 1 / rest + 1 / probs)},
    )


def _normal(x: Array, location: Array) -> Elements:
    residual = location - x
    size = np.abs(location) + np.abs(x)
    return Elements(
        value=residual**2 / 2 + HALF_LOG_2PI,
        scale=residual**2 + np.abs(residual) * size + HALF_LOG_2PI,
        gradients={Role.OUTPUT: residual},
        gradient_scales={Role.OUTPUT: 2 * size},
    )
