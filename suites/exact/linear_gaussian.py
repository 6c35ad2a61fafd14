"""Closed forms for p(x|z) = N(W z + b, tau^2 I), p(z) = N(0, I), q(z|x) = N(mean, diag sigma^2), at one datum.

At z = mean + S e, S = diag sigma, both the log-likelihood and the sampled KL are quadratics in the noise e, so every
moment of every estimator is exact. Lucas et al. 2019 (arXiv 1911.02469), section 4; Tipping and Bishop 1999 (marginal
and posterior). Shapes: x (observed,), mean and log_var (latent,), W (observed, latent). Nats.

    A = S W'W S / tau^2, g = S W'(x - b - W mean) / tau^2, a = S mean, M = S^2 - I
    log p(x|z) = constant + g.e - e'A e / 2,  sampled KL = constant + a.e + e'M e / 2
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from elbo_compare.suites.exact.gaussian_kl import kl, kl_gradient
from elbo_compare.suites.exact.quadratic import Quadratic, clean_difference
from elbo_compare.suites.shapes import Array, Float


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """p(x|z) = N(W z + b, tau^2 I). W = 0 with an empty x is the KL term alone.

    >>> decoder = Decoder(weight=np.array([[1.0], [2.0]]), bias=np.zeros(2), tau=1.0)
    >>> print(decoder.weight.shape)
    (2, 1)
    """

    weight: Float[Array, "observed latent"]
    bias: Float[Array, " observed"]
    tau: float


def log_evidence(decoder: Decoder, x: Float[Array, " observed"]) -> float:
    """log p(x), x ~ N(b, W W' + tau^2 I). Shapes: (observed,) -> scalar. Tipping and Bishop 1999, eq. 4.

    >>> decoder = Decoder(weight=np.array([[1.0], [2.0]]), bias=np.zeros(2), tau=1.0)
    >>> print(round(log_evidence(decoder, np.array([1.0, 1.0])), 4))
    -2.9838
    """
    covariance = decoder.weight @ decoder.weight.T + decoder.tau**2 * np.eye(len(x))
    residual = x - decoder.bias
    _, log_det = np.linalg.slogdet(2.0 * np.pi * covariance)
    return float(0.0 - 0.5 * (log_det + residual @ np.linalg.solve(covariance, residual)))


def posterior(
    decoder: Decoder, x: Float[Array, " observed"]
) -> tuple[Float[Array, " latent"], Float[Array, "latent latent"]]:
    """Mean (latent,) and covariance (latent, latent) of p(z|x): P^-1 W'(x - b) / tau^2 and P^-1, P = I + W'W / tau^2.

    Tipping and Bishop 1999, section 3.1.

    >>> decoder = Decoder(weight=np.array([[1.0], [2.0]]), bias=np.zeros(2), tau=1.0)
    >>> print([each.round(4).tolist() for each in posterior(decoder, np.array([1.0, 1.0]))])
    [[0.5], [[0.1667]]]
    """
    w, tau = decoder.weight, decoder.tau
    covariance = np.linalg.inv(np.eye(w.shape[1]) + w.T @ w / tau**2)
    return covariance @ w.T @ (x - decoder.bias) / tau**2, covariance


def kl_to_posterior(
    decoder: Decoder, x: Float[Array, " observed"], mean: Float[Array, " latent"], log_var: Float[Array, " latent"]
) -> float:
    """KL(q || p(z|x)) in nats: the gap log p(x) - ELBO.

    >>> decoder = Decoder(weight=np.array([[1.0], [2.0]]), bias=np.zeros(2), tau=1.0)
    >>> print(round(kl_to_posterior(decoder, np.array([1.0, 1.0]), np.array([0.5]), np.log([0.25])), 4))
    0.0473
    """
    centre, covariance = posterior(decoder, x)
    precision = np.linalg.inv(covariance)
    gap, variance = mean - centre, np.exp(log_var)
    _, log_det = np.linalg.slogdet(precision)
    return float(0.5 * (np.diag(precision) @ variance + gap @ precision @ gap - len(mean) - log_det - log_var.sum()))


def log_likelihood(
    decoder: Decoder, x: Float[Array, " observed"], mean: Float[Array, " latent"], log_var: Float[Array, " latent"]
) -> Quadratic:
    """log p(x | mean + S e) as a quadratic in e.

    >>> decoder = Decoder(weight=np.array([[1.0], [2.0]]), bias=np.zeros(2), tau=1.0)
    >>> print(round(log_likelihood(decoder, np.array([1.0, 1.0]), np.array([0.5]), np.log([0.25])).mean, 4))
    -2.5879
    """
    w, tau, sigma = decoder.weight, decoder.tau, np.exp(0.5 * log_var)
    residual = x - decoder.bias - w @ mean
    constant = -0.5 * float(residual @ residual) / tau**2 - 0.5 * len(x) * float(np.log(2.0 * np.pi * tau**2))
    curvature = sigma[:, None] * (w.T @ w) * sigma / tau**2
    return Quadratic(constant=constant, linear=sigma * (w.T @ residual) / tau**2, matrix=-curvature)


def sampled_kl(mean: Float[Array, " latent"], log_var: Float[Array, " latent"]) -> Quadratic:
    """log q(z) - log p(z) at z = mean + S e as a quadratic in e.

    >>> print(round(sampled_kl(np.array([1.0]), np.log([4.0])).variance, 4))
    8.5
    """
    constant = 0.5 * float((mean**2 - log_var).sum())
    return Quadratic(constant=constant, linear=mean * np.exp(0.5 * log_var), matrix=np.diag(np.expm1(log_var)))


def analytic_kl(mean: Float[Array, " latent"], log_var: Float[Array, " latent"]) -> Quadratic:
    """The KL in closed form: a constant in e.

    >>> closed = analytic_kl(np.array([1.0]), np.log([4.0]))
    >>> print(round(closed.mean, 4), closed.variance)
    1.3069 0.0
    """
    latent = len(mean)
    return Quadratic(constant=float(kl(mean, log_var)), linear=np.zeros(latent), matrix=np.zeros((latent, latent)))


def elbo_gradient(
    decoder: Decoder, x: Float[Array, " observed"], mean: Float[Array, " latent"], log_var: Float[Array, " latent"]
) -> tuple[Float[Array, " latent"], Float[Array, " latent"]]:
    """d ELBO / d mean and d ELBO / d log_var, exact, (latent,) each: the expectation of every estimator's gradient.

    W'(x - b - W mean) / tau^2 - mean, and -(sigma^2 diag(W'W) / tau^2 + sigma^2 - 1) / 2.

    >>> decoder = Decoder(weight=np.array([[1.0], [2.0]]), bias=np.zeros(2), tau=1.0)
    >>> gradient = elbo_gradient(decoder, np.array([1.0, 1.0]), np.array([0.25]), np.log([0.25]))
    >>> print([each.round(4).tolist() for each in gradient])
    [[1.5], [-0.25]]
    """
    w, tau = decoder.weight, decoder.tau
    mean_kl, log_var_kl = kl_gradient(mean, log_var)
    residual = x - decoder.bias - w @ mean
    return w.T @ residual / tau**2 - mean_kl, -0.5 * np.exp(log_var) * (w**2).sum(0) / tau**2 - log_var_kl


class Gradient(StrEnum):
    """Which one-sample gradient of the ELBO.

    >>> Gradient('sticking-the-landing').name
    'STICKING'
    """

    SAMPLED = "sampled"
    ANALYTIC = "analytic"
    STICKING = "sticking-the-landing"  # the parameters of log q are not differentiated


def mean_gradient_covariance(
    decoder: Decoder, log_var: Float[Array, " latent"], kind: Gradient
) -> Float[Array, "latent latent"]:
    """Covariance (latent, latent) of d ELBO / d mean = constant - P S e; P: see `_score_matrix`.

    >>> decoder = Decoder(weight=np.array([[1.0], [2.0]]), bias=np.zeros(2), tau=1.0)
    >>> for kind in Gradient:
    ...     print(kind, mean_gradient_covariance(decoder, np.log([0.25]), kind).round(4).tolist())
    sampled [[9.0]]
    analytic [[6.25]]
    sticking-the-landing [[1.0]]
    """
    matrix = _score_matrix(decoder, log_var, kind)
    return matrix @ np.diag(np.exp(log_var)) @ matrix.T


def log_var_gradient(
    decoder: Decoder,
    x: Float[Array, " observed"],
    mean: Float[Array, " latent"],
    log_var: Float[Array, " latent"],
    direction: Float[Array, " latent"],
    kind: Gradient,
) -> Quadratic:
    """direction . d ELBO / d log_var as a quadratic in e; direction (latent,).

    Component j is sigma_j e_j (h_j - (P S e)_j) / 2 + k_j: h = W'(x - b - W mean) / tau^2 (- mean unless the KL is
    analytic), k_j = 1/2 for the sampled KL, (1 - sigma_j^2) / 2 for the analytic one, 0 when sticking the landing.

    >>> decoder = Decoder(weight=np.array([[1.0], [2.0]]), bias=np.zeros(2), tau=1.0)
    >>> one = log_var_gradient(decoder, np.ones(2), np.array([0.25]), np.log([0.25]), np.ones(1), Gradient.SAMPLED)
    >>> print(round(one.mean, 4), round(one.variance, 4))
    -0.25 1.2656
    """
    w, sigma, latent = decoder.weight, np.exp(0.5 * log_var), len(mean)
    prior = np.zeros(latent) if kind is Gradient.ANALYTIC else mean
    slope = clean_difference(w.T @ (x - decoder.bias - w @ mean) / decoder.tau**2, prior)
    offsets = {Gradient.SAMPLED: np.full(latent, 0.5), Gradient.ANALYTIC: -0.5 * np.expm1(log_var)}
    offset = offsets.get(kind, np.zeros(latent))
    curvature = direction[:, None] * (sigma[:, None] * _score_matrix(decoder, log_var, kind) * sigma)
    return Quadratic(
        constant=float(direction @ offset),
        linear=0.5 * direction * sigma * slope,
        matrix=-0.5 * (curvature + curvature.T),
    )


def deterministic_noise(latent: int) -> Float[Array, "points latent"]:
    """The 2 latent points +-sqrt(latent) e_i, shape (2 latent, latent): their mean of any quadratic is its expectation.

    A spherical cubature rule of degree 3 (Arasaratnam and Haykin 2009, eq. 22), exact for values and for gradients.

    >>> print(deterministic_noise(2).round(4).tolist())
    [[1.4142, 0.0], [0.0, 1.4142], [-1.4142, -0.0], [-0.0, -1.4142]]
    """
    points = np.sqrt(latent) * np.eye(latent)
    return np.concatenate([points, -points])


def _score_matrix(decoder: Decoder, log_var: Float[Array, " latent"], kind: Gradient) -> Float[Array, "latent latent"]:
    """P, minus the derivative in z: W'W / tau^2, + I for a sampled KL, - 1 / sigma^2 when only z moves in log q.

    At the exact posterior the last one is zero, and exactly zero here: see `clean_difference`.
    """
    gram = decoder.weight.T @ decoder.weight / decoder.tau**2
    if kind is Gradient.ANALYTIC:
        return gram
    gram = gram + np.eye(len(gram))
    return gram if kind is Gradient.SAMPLED else clean_difference(gram, np.diag(np.exp(-log_var)))
