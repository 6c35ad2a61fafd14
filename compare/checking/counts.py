"""Likelihoods of counts that several arrays make: the negative binomial of a mean and a dispersion, its zero-inflated
form, as single-cell models write them (Lopez et al. 2018, doi 10.1038/s41592-018-0229-2).

With r = theta and t = r (log r - log(r + mu)), a datum of counts x and L = log(r + mu):

    log NB(x) = t + x (log mu - L) + log G(x + r) - log G(r) - log G(x + 1)
    log ZINB(0) = softplus(t - pi) - softplus(-pi),  log ZINB(x) = log NB(x) - pi - softplus(-pi) for x > 0

where sigmoid(pi) is the probability of a dropout and G the gamma function. The arrays stand side by side in `output`:
mu, theta and, where there is one, pi, (batch, observed) each.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit, gammaln, psi

from elbo_compare.compare.checking.likelihoods import DataTerm, Domain
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.oracle import Elements
from elbo_compare.suites.contract import Array

NEGATIVE_BINOMIAL, ZERO_INFLATED = "negative_binomial", "zero_inflated_negative_binomial"
SOURCE = "Lopez et al. 2018, doi 10.1038/s41592-018-0229-2"
GUARDS = (0.0, 1e-8)  # inside the logarithms: none, or what scvi-tools' own density has


def _negative_binomial(x: Array, mu: Array, theta: Array, guard: float) -> tuple[Array, Array, Array, Array]:
    """(log NB, the absolute parts that it adds up, its slope by mu, by theta)."""
    total = theta + mu + guard
    dispersed, counted = theta * (np.log(theta + guard) - np.log(total)), x * (np.log(mu + guard) - np.log(total))
    gammas = gammaln(x + theta), gammaln(theta), gammaln(x + 1)
    size = np.abs(theta) * (np.abs(np.log(theta + guard)) + np.abs(np.log(total)))
    size = size + np.abs(x) * (np.abs(np.log(mu + guard)) + np.abs(np.log(total))) + sum(map(np.abs, gammas))
    by_mu = x / (mu + guard) - (theta + x) / total
    by_theta = np.log(theta + guard) + theta / (theta + guard) - np.log(total) - (theta + x) / total
    by_theta = by_theta + psi(x + theta) - psi(theta)
    return dispersed + counted + gammas[0] - gammas[1] - gammas[2], size, by_mu, by_theta


def _softplus(value: Array) -> Array:
    return np.logaddexp(0.0, value)


def _of(value: Array, size: Array, *slopes: Array) -> Elements:
    """Minus a log density, its slopes side by side."""
    gradient = -np.concatenate(slopes, axis=1)
    return Elements(
        value=-value,
        scale=size + 1.0,
        gradients={Role.OUTPUT: gradient},
        gradient_scales={Role.OUTPUT: np.abs(gradient) + 1.0},
    )


def _plain(guard: float) -> Callable[[Array, Array], Elements]:
    def elements(x: Array, output: Array) -> Elements:
        mu, theta = np.split(output, 2, axis=1)
        return _of(*_negative_binomial(x, mu, theta, guard))

    return elements


def _inflated(guard: float) -> Callable[[Array, Array], Elements]:
    def elements(x: Array, output: Array) -> Elements:
        mu, theta, logits = np.split(output, 3, axis=1)
        log_nb, size, by_mu, by_theta = _negative_binomial(x, mu, theta, guard)
        total = theta + mu + guard
        empty = theta * (np.log(theta + guard) - np.log(total))  # log NB(0)
        share, zero = expit(empty - logits), x == 0
        slope = np.log(theta + guard) + theta / (theta + guard) - np.log(total) - theta / total
        value = np.where(zero, _softplus(empty - logits), log_nb - logits) - _softplus(-logits)
        return _of(
            value,
            size + 2 * np.abs(logits) + 2,
            np.where(zero, -share * theta / total, by_mu),
            np.where(zero, share * slope, by_theta),
            expit(-logits) - np.where(zero, share, 1.0),
        )

    return elements


def _terms(name: str, likelihood: str, law: str, arrays: int, made: Callable[[float], Callable]) -> list[DataTerm]:
    return [
        DataTerm(
            name=name + (f", {guard:.0e} inside its logarithms" if guard else ""),
            likelihood=likelihood,
            form=WrittenAs.PLAIN,
            domain=Domain.COUNTS,
            elements=made(guard),
            law=f"{law[:-1]}; {guard:.0e} inside its logarithms)" if guard else law,
            arrays=arrays,
            source=SOURCE,
        )
        for guard in GUARDS
    ]


COUNT_TERMS = (
    *_terms("negative binomial loss of a mean and a dispersion", NEGATIVE_BINOMIAL, "NB(x | mu, theta)", 2, _plain),
    *_terms(
        "zero-inflated negative binomial loss of a mean, a dispersion and dropout logits",
        ZERO_INFLATED,
        "ZINB(x | mu, theta, pi)",
        3,
        _inflated,
    ),
)
