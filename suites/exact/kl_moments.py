"""Exact moments of the KL term of every estimator at one datum."""

from math import expm1, inf, isfinite

import numpy as np

from elbo_compare.suites.contract import Bound, Estimator, Flow, KLTerm, Noise, Prior, Problem
from elbo_compare.suites.exact import laplace, linear_flows
from elbo_compare.suites.exact.moments import UNKNOWN, Moments, of_half_square, of_quadratic
from elbo_compare.suites.exact.quadratic import Quadratic
from elbo_compare.suites.shapes import Array, Float


def one_sample_kl(
    estimator: Estimator,
    matrix: Float[Array, "latent latent"],
    mean: Float[Array, " latent"],
    log_var: Float[Array, " latent"],
) -> Quadratic:
    """k1, or the closed KL, as a quadratic in the noise; q(z|x) = N(F mean, F S^2 F') against N(0, I).

    >>> from elbo_compare.suites.estimators import ANALYTIC_KL, SAMPLED_KL
    >>> for estimator in (SAMPLED_KL, ANALYTIC_KL):
    ...     one = one_sample_kl(estimator, np.eye(1), np.array([1.0]), np.log([4.0]))
    ...     print(estimator.name, round(one.mean, 4), round(one.variance, 4))
    sampled-kl 1.3069 8.5
    analytic-kl 1.3069 0.0
    """
    if estimator.kl_term is not KLTerm.ANALYTIC:
        return linear_flows.sampled_kl(matrix, mean, log_var)
    zeros = np.zeros((len(mean), len(mean)))
    return Quadratic(constant=linear_flows.kl(matrix, mean, log_var), linear=zeros[0], matrix=zeros)


def kl_moments(
    problem: Problem,
    estimator: Estimator,
    matrix: Float[Array, "latent latent"] | None,
    mean: Float[Array, " latent"],
    log_var: Float[Array, " latent"],
) -> Moments:
    """Mean, variance and kurtosis of the KL term of one value; nan where unknown, and under a Renyi bound.

    `matrix`: the flow's, (latent, latent), or None where it is not linear. Shapes: mean, log_var (latent,).

    >>> from elbo_compare.suites import problems
    >>> from elbo_compare.suites.estimators import ESTIMATORS
    >>> problem = problems.load('gaussian-kl', '2-typical')
    >>> for name in ('sampled-kl', 'k2', 'k3'):
    ...     moments = kl_moments(problem, ESTIMATORS[name], np.eye(2), np.array([1.0, 0.0]), np.log([4.0, 1.0]))
    ...     print(name, round(moments.mean, 4), round(moments.variance, 4))
    sampled-kl 1.3069 8.5
    k2 5.1039 301.7236
    k3 1.3069 5.744
    """
    if estimator.bound is Bound.RENYI or matrix is None:
        return UNKNOWN
    if problem.prior is Prior.LAPLACE and problem.flow is Flow.NONE:
        return _laplace(estimator, mean, log_var)
    if problem.prior is not Prior.STANDARD_NORMAL:
        return UNKNOWN
    k1 = one_sample_kl(estimator, matrix, mean, log_var)
    if estimator.kl_term is KLTerm.HALF_SQUARE:
        return of_half_square(k1)
    if estimator.kl_term in (KLTerm.RATIO, KLTerm.CONTROL_VARIATE):
        return _with_ratio(problem, estimator, k1, matrix, mean, log_var)
    return of_quadratic(estimator, k1)


def _with_ratio(
    problem: Problem,
    estimator: Estimator,
    k1: Quadratic,
    matrix: Float[Array, "latent latent"],
    mean: Float[Array, " latent"],
    log_var: Float[Array, " latent"],
) -> Moments:
    """k3: R - 1 + kappa_2 - 2 J, R = E r^2. Control variate: kappa_2 - J^2 / (R - 1), kappa_2 where R is infinite."""
    log_second_moment = linear_flows.ratio_second_moment(matrix, mean, log_var)
    symmetric = linear_flows.symmetric_kl(matrix, mean, log_var)
    excess = expm1(log_second_moment) if log_second_moment < 700.0 else inf
    if estimator.kl_term is KLTerm.RATIO:
        variance = excess + k1.variance - 2.0 * symmetric if isfinite(excess) else inf
        return Moments(mean=k1.mean, variance=max(variance, 0.0))
    if problem.flow is not Flow.NONE:
        return UNKNOWN
    if excess <= 0.0 or not isfinite(excess):
        return of_quadratic(estimator, k1)
    return Moments(mean=k1.mean, variance=max(k1.variance - symmetric**2 / excess, 0.0))


def _laplace(estimator: Estimator, mean: Float[Array, " latent"], log_var: Float[Array, " latent"]) -> Moments:
    """k1 against the Laplace prior: mean and variance; what is not an average of k1 is unknown."""
    if estimator.kl_term is not KLTerm.SAMPLED:
        return Moments(mean=float(laplace.kl(mean, log_var))) if estimator.kl_term is KLTerm.RATIO else UNKNOWN
    average = float(laplace.kl(mean, log_var))
    if estimator.noise is not Noise.INDEPENDENT:
        return Moments(mean=average)
    return Moments(mean=average, variance=float(laplace.sampled_kl_variance(mean, log_var)) / estimator.particles)
