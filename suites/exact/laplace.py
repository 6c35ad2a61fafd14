"""Closed forms for q = N(mean, diag sigma^2) against p, a product of Laplace(0, 1) densities exp(-|z|) / 2.

|z| is folded normal. Shapes: mean, log_var (..., latent) -> (...). Nats.
"""

from math import erf, pi, sqrt

import numpy as np

from elbo_compare.suites.shapes import Array, Float, Value

_ERF = np.vectorize(erf, otypes=[np.float64])


def absolute_mean(
    mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]
) -> Float[Array, "*rest latent"]:
    """E|z| = sigma sqrt(2 / pi) exp(-mean^2 / (2 sigma^2)) + mean erf(mean / (sigma sqrt 2)), per dimension.

    Leone, Nelson and Nottingham 1961, "The folded normal distribution".

    >>> print(absolute_mean(np.array([1.0, 0.0]), np.log([4.0, 1.0])).round(4))
    [1.7912 0.7979]
    """
    sigma = np.exp(0.5 * log_var)
    scaled = mean / sigma
    return sigma * sqrt(2.0 / pi) * np.exp(-0.5 * scaled**2) + mean * _ERF(scaled / sqrt(2.0))


def kl(mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]) -> Float[Value, "*rest"]:
    """KL(q || p) = sum E|z| + log 2 - (log(2 pi) + log sigma^2 + 1) / 2.

    >>> print(kl(np.array([1.0, 0.0]), np.log([4.0, 1.0])).round(4))
    0.4443
    """
    return (absolute_mean(mean, log_var) + np.log(2.0) - 0.5 * (np.log(2.0 * pi) + log_var + 1.0)).sum(-1)


def sampled_kl_variance(
    mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]
) -> Float[Value, "*rest"]:
    """Variance of log q(z) - log p(z) = constant - e^2 / 2 + |z|, z = mean + sigma e. nats^2.

    Per dimension 1/2 + Var|z| - Cov(e^2, |z|): Var|z| = mean^2 + sigma^2 - (E|z|)^2, and by Stein's lemma twice
    Cov(e^2, |z|) = E d^2|z| / de^2 = 2 sigma phi(mean / sigma), phi the standard normal density.

    >>> print(sampled_kl_variance(np.array([1.0, 0.0]), np.log([4.0, 1.0])).round(4))
    0.9489
    """
    sigma = np.exp(0.5 * log_var)
    covariance = 2.0 * sigma * np.exp(-0.5 * (mean / sigma) ** 2) / sqrt(2.0 * pi)
    spread = mean**2 + sigma**2 - absolute_mean(mean, log_var) ** 2
    return (0.5 + spread - covariance).sum(-1)
