"""What is known in advance about one estimator at one datum: the common face of the closed forms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, nan

import numpy as np

from elbo_compare.suites.contract import Bound, Estimator, Flow, KLTerm, Likelihood, Params, Prior, Problem
from elbo_compare.suites.exact import linear_flows, linear_gaussian
from elbo_compare.suites.exact.gaussian_kl import ratio_variance
from elbo_compare.suites.exact.gradient_moments import HEADS as HEADS
from elbo_compare.suites.exact.gradient_moments import gradient_moments, unknown
from elbo_compare.suites.exact.kl_moments import kl_moments, one_sample_kl
from elbo_compare.suites.exact.linear_gaussian import Decoder
from elbo_compare.suites.exact.moments import UNKNOWN, Moments, of_quadratic
from elbo_compare.suites.exact.quadratic import Quadratic
from elbo_compare.suites.shapes import Array, Float


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Exact moments of one draw at one datum; nan where no closed form exists. Nats (variances: nats^2).

    `*_kurtosis`: fourth central moment over the squared variance (3 for a normal), nan where the variance is 0.
    The gradients are those of the ELBO at the encoder's outputs, by head, "mean" or "log_var":
    `gradient_mean` (latent,); `gradient_variance`: trace of the covariance; `gradient_kurtosis`: an upper bound of
    E|g - Eg|^4 / (E|g - Eg|^2)^2, exact where the components are independent, so that the sampled trace has the
    relative standard error sqrt((kurtosis - 1) / n); `gradient_projection_mean`, `_variance`: of the component along
    (1, ..., 1) / sqrt(latent).

    >>> from elbo_compare.suites import problems
    >>> from elbo_compare.suites.estimators import SAMPLED_KL
    >>> problem = problems.load('linear-gaussian', 'generic')
    >>> known = expected(problem, SAMPLED_KL, np.zeros((1, 8)), np.zeros((1, 3)), np.zeros((1, 3)))
    >>> print(sorted(known.gradient_mean), round(known.elbo_mean, 4), round(known.log_evidence, 4))
    ['log_var', 'mean'] -8.6813 -4.3706
    """

    elbo_mean: float = nan
    elbo_variance: float = nan
    elbo_kurtosis: float = nan
    kl_mean: float
    kl_variance: float
    kl_kurtosis: float
    log_evidence: float = nan
    gradient_mean: Mapping[str, Float[Array, " latent"]]
    gradient_variance: Mapping[str, float]
    gradient_kurtosis: Mapping[str, float]
    gradient_projection_mean: Mapping[str, float]
    gradient_projection_variance: Mapping[str, float]


def expected(
    problem: Problem,
    estimator: Estimator,
    x: Float[Array, "batch observed"],
    mean: Float[Array, "batch latent"],
    log_var: Float[Array, "batch latent"],
    params: Params | None = None,
) -> Expected:
    """The exact moments of one value of `estimator` at one datum.

    Shapes: x (1, observed); mean, log_var (1, latent), the encoder's outputs at x. `params`: the weights where they
    are not the problem's own (rounded to float32, say). Raises ValueError for more than one datum.

    >>> from elbo_compare.suites import problems
    >>> from elbo_compare.suites.estimators import SAMPLED_KL
    >>> problem = problems.load('gaussian-kl', '2-typical')
    >>> known = expected(problem, SAMPLED_KL, np.zeros((1, 0)), np.array([[1.0, 0.0]]), np.log([[4.0, 1.0]]))
    >>> print(round(known.kl_mean, 4), round(known.kl_variance, 4), round(known.kl_kurtosis, 4))
    1.3069 8.5 12.3426
    """
    if len(x) != 1 or mean.shape != (1, problem.latent) or log_var.shape != (1, problem.latent):
        raise ValueError(
            f"One datum is needed, x (1, {problem.observed}) and heads (1, {problem.latent}); "
            f"{x.shape}, {mean.shape} and {log_var.shape} arrived."
        )
    params = problem.params if params is None else params
    plain = problem.flow is Flow.NONE and problem.prior is Prior.STANDARD_NORMAL
    if plain and estimator.kl_term is KLTerm.CONTROL_VARIATE and not np.isfinite(ratio_variance(mean[0], log_var[0])):
        estimator = replace(estimator, kl_term=KLTerm.SAMPLED)  # the coefficient is 0 where the ratio has no variance
    mean, log_var = np.asarray(mean[0], np.float64), np.asarray(log_var[0], np.float64)
    matrix = _flow_matrix(problem, params, x[0])
    kl, decoder = kl_moments(problem, estimator, matrix, mean, log_var), _linear_decoder(problem, params)
    elbo, gradient, log_evidence = UNKNOWN, unknown(problem.latent), nan
    if decoder is not None and matrix is not None:
        data = np.asarray(x[0], np.float64) if problem.likelihood is Likelihood.NORMAL else np.zeros(0)
        log_evidence = linear_gaussian.log_evidence(decoder, data)
        log_px = linear_gaussian.log_likelihood(decoder, data, mean, log_var)
        one = log_px - one_sample_kl(estimator, matrix, mean, log_var)
        constant = one.variance == 0.0
        elbo = _elbo_moments(estimator, problem.likelihood, one, log_px, kl)
        gradient = gradient_moments(estimator, decoder, data, mean, log_var, constant=constant)
    return Expected(
        elbo_mean=elbo.mean,
        elbo_variance=elbo.variance,
        elbo_kurtosis=elbo.kurtosis,
        kl_mean=kl.mean,
        kl_variance=kl.variance,
        kl_kurtosis=kl.kurtosis,
        log_evidence=log_evidence,
        **vars(gradient),
    )


def _elbo_moments(
    estimator: Estimator, likelihood: Likelihood, one: Quadratic, log_px: Quadratic, kl: Moments
) -> Moments:
    """Of the value. `one`: log p(x|z) - k1 (or the closed KL) of a single particle.

    A Renyi bound of particles whose log weights are all one number is that number; otherwise only one particle is
    known. Where the KL term is no quadratic, ELBO = -KL without data, and with data only the mean is known, and whether
    the variance is infinite.
    """
    if estimator.bound is Bound.RENYI and estimator.particles > 1 and one.variance > 0.0:
        return UNKNOWN
    if estimator.kl_term in (KLTerm.SAMPLED, KLTerm.ANALYTIC):
        return of_quadratic(estimator, one)
    if likelihood is Likelihood.NONE:
        return Moments(mean=-kl.mean, variance=kl.variance, kurtosis=kl.kurtosis)
    return Moments(mean=log_px.mean - kl.mean, variance=inf if kl.variance == inf else nan)


def _flow_matrix(
    problem: Problem, params: Params, x: Float[Array, " observed"]
) -> Float[Array, "latent latent"] | None:
    """F at one datum, None where the flow is not linear."""
    if problem.flow is Flow.NONE:
        return np.eye(problem.latent)
    if not problem.flow.is_linear:
        return None
    return linear_flows.flow_matrix(problem, params, linear_flows.hidden(problem, params, x))


def _linear_decoder(problem: Problem, params: Params) -> Decoder | None:
    """The decoder where it is linear and Gaussian, q and p(z) plain; an empty one where there is no likelihood."""
    if problem.flow is not Flow.NONE or problem.prior is not Prior.STANDARD_NORMAL:
        return None
    if problem.likelihood is Likelihood.NONE:
        return Decoder(weight=np.zeros((0, problem.latent)), bias=np.zeros(0), tau=1.0)
    if problem.likelihood is Likelihood.NORMAL and problem.gated_layers == 0:
        weight, bias = (np.asarray(params[f"decoder.output.{kind}"], np.float64) for kind in ("weight", "bias"))
        return Decoder(weight=weight, bias=bias, tau=problem.likelihood_scale)
    return None
