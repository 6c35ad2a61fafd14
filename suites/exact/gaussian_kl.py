"""Closed forms for q = N(mean, diag sigma^2) against p = N(0, I), log_var = 2 log sigma.

Per dimension the sampled KL is a quadratic in the noise, log q(z) - log p(z) = c + a e + b e^2, with a = mean sigma,
b = (sigma^2 - 1) / 2, c = mean^2 / 2 - log sigma and e ~ N(0, 1). Everything below follows from that line.
All in nats. Sums are over the last axis, `latent`; leading axes broadcast.
"""

from math import factorial

import numpy as np

from elbo_compare.suites.shapes import Array, Float, Value


def kl(mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]) -> Float[Value, "*rest"]:
    """KL(q || p) = sum (mean^2 + sigma^2 - 1) / 2 - log sigma. Shapes: (..., latent) -> (...).

    Kingma and Welling 2014 (arXiv 1312.6114), appendix B. expm1 keeps the digits where q is near p.

    >>> print(kl(np.array([1.0, 0.0]), np.log([4.0, 1.0])).round(4))
    1.3069
    """
    return 0.5 * (mean**2 + np.expm1(log_var) - log_var).sum(-1)


def reverse_kl(mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]) -> Float[Value, "*rest"]:
    """KL(p || q) = sum ((1 + mean^2) / sigma^2 - 1) / 2 + log sigma. Shapes: (..., latent) -> (...).

    >>> print(reverse_kl(np.array([1.0, 0.0]), np.log([4.0, 1.0])).round(4))
    0.4431
    """
    return 0.5 * (np.expm1(-log_var) + mean**2 * np.exp(-log_var) + log_var).sum(-1)


def sampled_kl(
    mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"], noise: Float[Array, "*#rest latent"]
) -> Float[Value, "*rest"]:
    """log q(z) - log p(z) at z = mean + sigma noise, from the noise: c + a e + b e^2 (no z - mean, no cancellation).

    Shapes: (..., latent) each -> (...).

    >>> print(sampled_kl(np.array([1.0, 0.0]), np.log([4.0, 1.0]), np.array([[1.0, 0.5], [-1.0, 0.5]])).round(4))
    [ 3.3069 -0.6931]
    """
    a, b = mean * np.exp(0.5 * log_var), 0.5 * np.expm1(log_var)
    return (0.5 * (mean**2 - log_var) + a * noise + b * noise**2).sum(-1)


def sampled_kl_cumulant(
    order: int, mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]
) -> Float[Value, "*rest"]:
    """The cumulant of any order >= 1 of the sampled KL. Shapes: (..., latent) -> (...). Unit: nats^order.

    kappa_1 = KL; kappa_n = sum 2^(n-1) (n-1)! [b^n + n a^2 b^(n-2) / 4], from the cumulant generating function of a
    non-central chi-squared. The variance is kappa_2 = sum mean^2 sigma^2 + (sigma^2 - 1)^2 / 2.

    >>> print([float(sampled_kl_cumulant(n, np.array([1.0]), np.log([4.0])).round(4)) for n in (1, 2, 3)])
    [1.3069, 8.5, 63.0]
    """
    if order < 1:
        raise ValueError(f"Cumulants have an order >= 1; {order} arrived.")
    if order == 1:
        return kl(mean, log_var)
    a_squared, b = mean**2 * np.exp(log_var), 0.5 * np.expm1(log_var)
    return 2 ** (order - 1) * factorial(order - 1) * (b**order + order / 4 * a_squared * b ** (order - 2)).sum(-1)


def antithetic_variance(log_var: Float[Array, "*#rest latent"]) -> Float[Value, "*rest"]:
    """Variance of the mean of the sampled KL at e and -e: 2 sum b^2. Shapes: (..., latent) -> (...). nats^2.

    >>> print(antithetic_variance(np.log([4.0, 1.0])).round(4))
    4.5
    """
    return 2.0 * (0.25 * np.expm1(log_var) ** 2).sum(-1)


def half_square_moments(
    mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]
) -> tuple[Float[Value, "*rest"], Float[Value, "*rest"]]:
    """Mean and variance of k1^2 / 2, k1 the sampled KL of all dimensions (a biased estimator of the KL).

    (KL^2 + kappa_2) / 2 and (kappa_4 + 4 KL kappa_3 + 4 KL^2 kappa_2 + 2 kappa_2^2) / 4.
    Shapes: (..., latent) -> (...). Schulman 2020, "Approximating KL divergence", estimator k2.

    >>> print([float(each.round(4)) for each in half_square_moments(np.array([1.0]), np.log([4.0]))])
    [5.1039, 301.7236]
    """
    k1, k2, k3, k4 = (sampled_kl_cumulant(order, mean, log_var) for order in (1, 2, 3, 4))
    return 0.5 * (k1**2 + k2), 0.25 * (k4 + 4.0 * k1 * k3 + 4.0 * k1**2 * k2 + 2.0 * k2**2)


def ratio_variance(
    mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]
) -> Float[Value, "*rest"]:
    """Variance of r - 1 - log r, r = p(z) / q(z), which is unbiased for the KL: R - 1 + kappa_2 - 2 J.

    R = E r^2 = prod sigma^2 (2 sigma^2 - 1)^(-1/2) exp(mean^2 / (2 sigma^2 - 1)), J = KL(q||p) + KL(p||q); infinite
    where any sigma^2 <= 1/2. Shapes: (..., latent) -> (...).
    Schulman 2020, "Approximating KL divergence", estimator k3.

    >>> print(ratio_variance(np.array([1.0]), np.log([4.0])).round(4), ratio_variance(np.array([1.0]), np.log([0.25])))
    5.744 inf
    """
    excess = 2.0 * np.exp(log_var) - 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        log_second_moment = (log_var - 0.5 * np.log(excess) + mean**2 / excess).sum(-1)
        finite = (
            np.expm1(log_second_moment)
            + sampled_kl_cumulant(2, mean, log_var)
            - 2.0 * (kl(mean, log_var) + reverse_kl(mean, log_var))
        )
    return np.where((excess > 0.0).all(-1), finite, np.inf)


def kl_gradient(
    mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]
) -> tuple[Float[Array, "*rest latent"], Float[Array, "*rest latent"]]:
    """d KL / d mean = mean and d KL / d log_var = (sigma^2 - 1) / 2. Shapes: as `mean`, `log_var`.

    >>> print([each.round(4).tolist() for each in kl_gradient(np.array([1.0]), np.log([4.0]))])
    [[1.0], [1.5]]
    """
    return mean + 0.0 * log_var, 0.5 * np.expm1(log_var) + 0.0 * mean


def sampled_kl_gradient_variance(
    mean: Float[Array, "*#rest latent"], log_var: Float[Array, "*#rest latent"]
) -> tuple[Float[Array, "*rest latent"], Float[Array, "*rest latent"]]:
    """Variance, per dimension, of the reparameterised gradient of the sampled KL: for mean, then for log_var.

    d / d mean = mean + sigma e has variance sigma^2; d / d log_var = ((mean + sigma e) sigma e - 1) / 2 has variance
    (sigma^2 mean^2 + 2 sigma^4) / 4. Shapes: as `mean`, `log_var`. Roeder, Wu and Duvenaud 2017 (arXiv 1703.09194).

    >>> print([each.round(4).tolist() for each in sampled_kl_gradient_variance(np.array([1.0]), np.log([4.0]))])
    [[4.0], [9.0]]
    """
    variance = np.exp(log_var)
    return variance + 0.0 * mean, 0.25 * (variance * mean**2 + 2.0 * variance**2)
