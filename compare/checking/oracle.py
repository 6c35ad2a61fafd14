"""The right values in float64: KL and log densities with their gradients, in the user's parametrisation.

Each elementwise term comes with two bounds on what rounding can do to it, in units of one roundoff: `scale` (the sum of
its absolute parts, and of |argument * d term / d argument|: an argument, or a step on the way to the term, is only
known to one roundoff) and the same for every gradient. Source: Kingma and Welling 2014 (arXiv 1312.6114), eqs. 6 and 7,
appendices B and C.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, pi

import numpy as np

from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.suites.complex_step import softplus
from elbo_compare.suites.contract import Array

HALF_LOG_2PI = 0.5 * log(2 * pi)


@dataclass(frozen=True, kw_only=True)
class Elements:
    """One quantity, element by element. value, scale: (batch, axis), nats; gradients and their scales by role."""

    value: Array
    scale: Array
    gradients: Mapping[Role, Array]
    gradient_scales: Mapping[Role, Array]


def log_var_of(spread: Array, form: WrittenAs) -> Array:
    """log sigma^2 from a spread in any form."""
    if form is WrittenAs.LOG_VAR:
        return spread
    if form is WrittenAs.LOG_SIGMA:
        return 2 * spread
    if form is WrittenAs.RAW:
        return 2 * np.log(softplus(spread))
    if form in (WrittenAs.PRECISION, WrittenAs.LOG_PRECISION):
        return -np.log(spread) if form is WrittenAs.PRECISION else -spread
    return np.log(spread) * (2 if form is WrittenAs.SIGMA else 1)


def spread_of(log_var: Array, form: WrittenAs) -> Array:
    """The spread in any form from log sigma^2."""
    if form is WrittenAs.LOG_VAR:
        return log_var
    if form is WrittenAs.LOG_SIGMA:
        return log_var / 2
    if form is WrittenAs.RAW:
        sigma = np.exp(log_var / 2)
        return sigma + np.log(-np.expm1(-sigma))
    if form in (WrittenAs.PRECISION, WrittenAs.LOG_PRECISION):
        return np.exp(-log_var) if form is WrittenAs.PRECISION else -log_var
    return np.exp(log_var / 2) if form is WrittenAs.SIGMA else np.exp(log_var)


def log_var_slope(spread: Array, form: WrittenAs) -> Array:
    """d log_var / d spread."""
    if form is WrittenAs.LOG_VAR:
        return np.ones_like(spread)
    if form is WrittenAs.LOG_SIGMA:
        return np.full_like(spread, 2.0)
    if form is WrittenAs.RAW:
        return 2 * np.exp(-np.logaddexp(0, -spread)) / np.logaddexp(0, spread)
    if form in (WrittenAs.PRECISION, WrittenAs.LOG_PRECISION):
        return -1 / spread if form is WrittenAs.PRECISION else np.full_like(spread, -1.0)
    return (2 if form is WrittenAs.SIGMA else 1) / spread


def _magnified(log_var: Array, form: WrittenAs) -> Array:
    """What one roundoff of 1 + exp(raw) comes to in log sigma: as log(1 + exp(raw)) is mostly written, 1 / sigma."""
    return np.exp(-log_var / 2) if form is WrittenAs.RAW else np.zeros_like(log_var)


def analytic_kl(mean: Array, spread: Array, form: WrittenAs) -> Elements:
    """(mean^2 + sigma^2 - 1) / 2 - log sigma. Shapes (batch, latent). Appendix B."""
    log_var = log_var_of(spread, form)
    variance, chain = np.exp(log_var), log_var_slope(spread, form)
    by_log_var = (variance - 1) / 2
    magnified = _magnified(log_var, form)
    rounding = (1 + np.abs(log_var)) * variance / 2 + 0.5 + magnified * (1 + variance)
    return Elements(
        value=(mean**2 + variance - 1 - log_var) / 2,
        scale=1.5 * mean**2 + rounding + np.abs(log_var),
        gradients={Role.MEAN: mean, Role.SPREAD: by_log_var * chain},
        gradient_scales={Role.MEAN: 2 * np.abs(mean), Role.SPREAD: rounding * np.abs(chain)},
    )


def sampled_kl(z: Array, mean: Array, spread: Array, form: WrittenAs) -> Elements:
    """log q(z) - log p(z) at the given z. Shapes (batch, latent). Eq. 6; its KL part.

    Gradients are partial: z, mean and spread count as independent.
    """
    log_var = log_var_of(spread, form)
    precision, chain, shift = np.exp(-log_var), log_var_slope(spread, form), z - mean
    square = shift**2 * precision / 2
    # z - mean is wrong by roundoff times (|z| + |mean|), which sigma^2 then divides; exp(-log_var) by |log_var|.
    cancellation = (np.abs(z) + np.abs(mean)) * np.abs(shift) * precision
    magnified = _magnified(log_var, form)
    rounding = cancellation + (1 + np.abs(log_var)) * square + magnified * (1 + 2 * square)
    pull = np.abs(shift) * precision * (1 + np.abs(log_var) + 2 * magnified) + (np.abs(z) + np.abs(mean)) * precision
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


def analytic_kl_to(
    mean: Array, spread: Array, form: WrittenAs, other: Array, other_spread: Array, other_form: WrittenAs
) -> Elements:
    """KL(N(mean, sigma^2) || N(other, s^2)) by element: log(s/sigma) + (sigma^2 + (mean - other)^2) / (2 s^2) - 1/2."""
    log_var, prior_log_var = log_var_of(spread, form), log_var_of(other_spread, other_form)
    variance, precision, shift = np.exp(log_var), np.exp(-prior_log_var), mean - other
    ratio, square = variance * precision, shift**2 * precision
    size = (np.abs(mean) + np.abs(other)) * np.abs(shift) * precision
    rounding = (1 + np.abs(log_var) + np.abs(prior_log_var)) * (ratio + square) / 2 + size + 0.5
    rounding = rounding + (_magnified(log_var, form) + _magnified(prior_log_var, other_form)) * (1 + ratio + square)
    chain, other_chain = log_var_slope(spread, form), log_var_slope(other_spread, other_form)
    pull = (np.abs(mean) + np.abs(other)) * precision * (2 + np.abs(prior_log_var))
    return Elements(
        value=(prior_log_var - log_var + ratio + square - 1) / 2,
        scale=rounding + np.abs(log_var) + np.abs(prior_log_var),
        gradients={
            Role.MEAN: shift * precision,
            Role.SPREAD: (ratio - 1) / 2 * chain,
            Role.PRIOR_MEAN: -shift * precision,
            Role.PRIOR_SPREAD: (1 - ratio - square) / 2 * other_chain,
        },
        gradient_scales={
            Role.MEAN: pull,
            Role.SPREAD: rounding * np.abs(chain),
            Role.PRIOR_MEAN: pull,
            Role.PRIOR_SPREAD: rounding * np.abs(other_chain),
        },
    )


def residual_kl(mean: Array, spread: Array, form: WrittenAs, other_spread: Array, other_form: WrittenAs) -> Elements:
    """KL(N(m + mean, (s sigma)^2) || N(m, s^2)) by element: (mean^2 / s^2 + sigma^2 - 1) / 2 - log sigma.

    The residual parametrisation of Vahdat and Kautz 2020 (arXiv 2007.03898), eq. 2: m itself does not matter.
    """
    log_var, prior_log_var = log_var_of(spread, form), log_var_of(other_spread, other_form)
    variance, precision = np.exp(log_var), np.exp(-prior_log_var)
    square = mean**2 * precision
    rounding = (1 + np.abs(log_var)) * variance / 2 + (2 + np.abs(prior_log_var)) * square + 0.5
    chain, other_chain = log_var_slope(spread, form), log_var_slope(other_spread, other_form)
    return Elements(
        value=(square + variance - 1 - log_var) / 2,
        scale=rounding + np.abs(log_var),
        gradients={
            Role.MEAN: mean * precision,
            Role.SPREAD: (variance - 1) / 2 * chain,
            Role.PRIOR_MEAN: np.zeros_like(mean),
            Role.PRIOR_SPREAD: -square / 2 * other_chain,
        },
        gradient_scales={
            Role.MEAN: (2 + np.abs(prior_log_var)) * np.abs(mean) * precision,
            Role.SPREAD: rounding * np.abs(chain),
            Role.PRIOR_MEAN: np.zeros_like(mean),
            Role.PRIOR_SPREAD: (2 + np.abs(prior_log_var)) * square * np.abs(other_chain),
        },
    )


def log_density(z: Array, mean: Array, spread: Array, form: WrittenAs) -> Elements:
    """log N(z; mean, sigma^2) + log(2 pi)/2 by element: -(z - mean)^2 / (2 sigma^2) - log sigma."""
    kl = sampled_kl(z, mean, spread, form)
    return Elements(
        value=kl.value - z**2 / 2,
        scale=kl.scale,
        gradients={**kl.gradients, Role.Z: kl.gradients[Role.Z] - z},
        gradient_scales=kl.gradient_scales,
    )


def log_prior(z: Array) -> Elements:
    """log N(z; 0, 1) + log(2 pi)/2 by element: -z^2 / 2."""
    return Elements(
        value=-(z**2) / 2,
        scale=z**2 + HALF_LOG_2PI,
        gradients={Role.Z: -z},
        gradient_scales={Role.Z: 2 * np.abs(z)},
    )


def difference(one: Elements, other: Elements) -> Elements:
    """one - other, element by element."""
    roles = {**one.gradients, **other.gradients}

    def gap(a: Mapping[Role, Array], b: Mapping[Role, Array], sign: float) -> dict[Role, Array]:
        return {role: np.asarray(a.get(role, 0.0) + sign * b.get(role, 0.0)) for role in roles}

    return Elements(
        value=one.value - other.value,
        scale=one.scale + other.scale,
        gradients=gap(one.gradients, other.gradients, -1.0),
        gradient_scales=gap(one.gradient_scales, other.gradient_scales, 1.0),
    )


def of_prior(part: Elements) -> Elements:
    """The same with its mean and spread as those of the second Gaussian."""
    names = {Role.MEAN: Role.PRIOR_MEAN, Role.SPREAD: Role.PRIOR_SPREAD}
    return Elements(
        value=part.value,
        scale=part.scale,
        gradients={names.get(role, role): g for role, g in part.gradients.items()},
        gradient_scales={names.get(role, role): g for role, g in part.gradient_scales.items()},
    )


def together(one: Elements, other: Elements) -> Elements:
    """one + other, element by element; they share no argument."""
    return Elements(
        value=one.value + other.value,
        scale=one.scale + other.scale,
        gradients={**one.gradients, **other.gradients},
        gradient_scales={**one.gradient_scales, **other.gradient_scales},
    )


def sampled_kl_to(
    z: Array, mean: Array, spread: Array, form: WrittenAs, other: Array, other_spread: Array, other_form: WrittenAs
) -> Elements:
    """log q(z) - log N(z; other, s^2) at the given z."""
    renamed = of_prior(log_density(z, other, other_spread, other_form))
    return difference(log_density(z, mean, spread, form), renamed)


def sampled_kl_to_mixture(
    z: Array, mean: Array, spread: Array, form: WrittenAs, means: Array, log_vars: Array
) -> Elements:
    """log q(z) - log (1/K) sum_k N(z; means_k, exp(log_vars_k)): log q by element, the mixture in a last column.

    Without 0.5 log 2 pi in either, as `log_density`. Shapes: z (batch, latent), means and log_vars (K, latent) ->
    (batch, latent + 1). Tomczak and Welling 2018 (arXiv 1705.07120), eq. 9, for any means and variances.
    """
    log_q = log_density(z, mean, spread, form)
    apart, precision = z[:, None] - means, np.exp(-log_vars)
    each = -0.5 * (apart**2 * precision + log_vars)  # batch K latent
    log_w = each.sum(2)
    top = log_w.max(1, keepdims=True)
    mixed = top[:, 0] + np.log(np.exp(log_w - top).mean(1))
    share = np.exp(log_w - mixed[:, None]) / len(means)  # batch K
    pull = apart * precision
    size = (np.abs(z)[:, None] + np.abs(means)) * np.abs(apart) * precision + np.abs(each) + np.abs(log_vars)
    shared = {
        Role.PRIOR_MEAN: -np.einsum("bk,bkd->kd", share, pull),
        Role.PRIOR_SPREAD: np.einsum("bk,bkd->kd", share, 0.5 - 0.5 * apart * pull),
    }
    of_z = np.einsum("bk,bkd->bd", share, pull)
    gradients = {**log_q.gradients, Role.Z: log_q.gradients[Role.Z] + of_z, **shared}
    scales = {**log_q.gradient_scales, Role.Z: log_q.gradient_scales[Role.Z] + np.abs(of_z)}
    scales |= {role: np.abs(part) + 1.0 for role, part in shared.items()}
    return Elements(
        value=np.concatenate([log_q.value, -mixed[:, None]], axis=1),
        scale=np.concatenate([log_q.scale, np.einsum("bk,bkd->b", share, size)[:, None] + 1], axis=1),
        gradients=gradients,
        gradient_scales=scales,
    )
