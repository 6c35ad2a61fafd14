"""The correct function of every kind, from the papers, complex-safe. Nats; (batch,) unless said otherwise.

Written apart from `numpy_oracle`: a mutant is one of these with one thing changed, and a test holds the two against
each other. Every normaliser is kept here.
"""

import numpy as np

from elbo_compare.suites.complex_step import Dual, logsumexp, softplus
from elbo_compare.suites.contract import Array

LOG_2PI = float(np.log(2.0 * np.pi))


def log_q(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log N(z; mean, diag exp(log_var)) = -1/2 sum log(2 pi) + log_var + (z - mean)^2 / sigma^2.

    Shapes: (batch, latent) each -> (batch,).
    """
    return -0.5 * (LOG_2PI + log_var + (z - mean) ** 2 / np.exp(log_var)).sum(-1)


def log_prior(z: Dual) -> Dual:
    """log N(z; 0, I) = -1/2 sum log(2 pi) + z^2. Shapes: (batch, latent) -> (batch,)."""
    return -0.5 * (LOG_2PI + z**2).sum(-1)


def analytic_kl(mean: Dual, log_var: Dual) -> Dual:
    """KL(N(mean, sigma^2) || N(0, I)) = 1/2 sum mean^2 + sigma^2 - 1 - log sigma^2.

    Shapes: (batch, latent) each -> (batch,). Kingma and Welling 2014 (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (mean**2 + np.exp(log_var) - 1.0 - log_var).sum(-1)


def sampled_kl(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log q(z|x) - log p(z) at one z ~ q: unbiased for the KL. Kingma and Welling 2014, eq. 6.

    Shapes: (batch, latent) each -> (batch,).
    """
    return log_q(z, mean, log_var) - log_prior(z)


def bernoulli_log_likelihood(x: Array, logits: Dual, scale: float = 1.0) -> Dual:
    """sum x log p + (1 - x) log(1 - p) = sum x l - softplus(l), p = sigmoid(l).

    Shapes: (batch, observed) each -> (batch,). `scale` belongs to the normal likelihood and is not used.
    """
    return (x * logits - softplus(logits)).sum(-1)


def normal_log_likelihood(x: Array, output: Dual, scale: float = 1.0) -> Dual:
    """log N(x; output, scale^2 I). Shapes: (batch, observed) each -> (batch,)."""
    return -0.5 * (LOG_2PI + 2.0 * np.log(scale) + (x - output) ** 2 / scale**2).sum(-1)


def sampler(mean: Dual, log_var: Dual, noise: Array) -> Dual:
    """z = mean + sigma * noise, sigma = exp(log_var / 2). (batch, latent) each. Kingma and Welling, sec. 2.4."""
    return mean + np.exp(0.5 * log_var) * noise


def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Independent standard normal numbers."""
    return rng.standard_normal(shape)


def bound(log_weight: Dual) -> Dual:
    """log((1/K) sum_k exp(log_weight_k)). Shapes: (particle, batch) -> (batch,).

    Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), eq. 8.
    """
    return logsumexp(log_weight, 0) - np.log(log_weight.shape[0])
