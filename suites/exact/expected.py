"""What is known in advance about one estimator at one datum: the common face of the closed forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from suites.contract import Array, Estimator, KLTerm, Likelihood, Params, Problem
from suites.exact import gaussian_kl, linear_gaussian
from suites.exact.linear_gaussian import Decoder
from suites.exact.quadratic import Quadratic

HEADS = ("mean", "log_var")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Exact moments of one draw at one datum; nan where no closed form exists. Nats (variances: nats^2).

    `*_kurtosis`: fourth central moment over the squared variance (3 for a normal), nan where the variance is 0.
    The gradients are those of the ELBO at the encoder's outputs, by head, "mean" or "log_var":
    `gradient_mean` (latent,); `gradient_variance`: trace of the covariance; `gradient_kurtosis`: an upper bound of
    E|g - Eg|^4 / (E|g - Eg|^2)^2, exact where the components are independent, so that the sampled trace has the
    relative standard error sqrt((kurtosis - 1) / n); `gradient_projection_mean`, `_variance`: of the component along
    (1, ..., 1) / sqrt(latent).
    """

    elbo_mean: float = nan
    elbo_variance: float = nan
    elbo_kurtosis: float = nan
    kl_mean: float
    kl_variance: float
    kl_kurtosis: float
    log_evidence: float = nan
    gradient_mean: Mapping[str, Array]
    gradient_variance: Mapping[str, float]
    gradient_kurtosis: Mapping[str, float]
    gradient_projection_mean: Mapping[str, float]
    gradient_projection_variance: Mapping[str, float]


def expected(
    problem: Problem, estimator: Estimator, x: Array, mean: Array, log_var: Array, params: Params | None = None
) -> Expected:
    """The exact moments of `estimator` at one datum.

    Shapes: x (1, observed); mean, log_var (1, latent), the encoder's outputs at x. `params`: the weights where they
    are not the problem's own (rounded to float32, say). Raises ValueError for more than one datum.
    """
    if len(x) != 1 or mean.shape != (1, problem.latent) or log_var.shape != (1, problem.latent):
        raise ValueError(
            f"One datum is needed, x (1, {problem.observed}) and heads (1, {problem.latent}); "
            f"{x.shape}, {mean.shape} and {log_var.shape} arrived."
        )
    mean, log_var = np.asarray(mean[0], np.float64), np.asarray(log_var[0], np.float64)
    sampled = estimator.kl_term is KLTerm.SAMPLED
    kl = (linear_gaussian.sampled_kl if sampled else linear_gaussian.analytic_kl)(mean, log_var)
    kl_mean = float(gaussian_kl.kl(mean, log_var))
    decoder = _linear_decoder(problem, problem.params if params is None else params)
    if decoder is None:
        unknown: dict[str, float] = dict.fromkeys(HEADS, nan)
        return Expected(
            kl_mean=kl_mean,
            kl_variance=kl.variance,
            kl_kurtosis=kl.kurtosis,
            gradient_mean={head: np.full(problem.latent, nan) for head in HEADS},
            gradient_variance=unknown,
            gradient_kurtosis=unknown,
            gradient_projection_mean=unknown,
            gradient_projection_variance=unknown,
        )
    data = np.asarray(x[0], np.float64) if problem.likelihood is Likelihood.NORMAL else np.zeros(0)
    elbo = linear_gaussian.log_likelihood(decoder, data, mean, log_var) - kl
    return Expected(
        elbo_mean=elbo.mean,
        elbo_variance=elbo.variance,
        elbo_kurtosis=elbo.kurtosis,
        kl_mean=kl_mean,
        kl_variance=kl.variance,
        kl_kurtosis=kl.kurtosis,
        log_evidence=linear_gaussian.log_evidence(decoder, data),
        **_gradient_moments(decoder, data, mean, log_var, sampled=sampled),
    )


def _linear_decoder(problem: Problem, params: Params) -> Decoder | None:
    """The problem's decoder where it is linear and Gaussian; an empty one where there is no likelihood."""
    if problem.likelihood is Likelihood.NONE:
        return Decoder(weight=np.zeros((0, problem.latent)), bias=np.zeros(0), tau=1.0)
    if problem.likelihood is Likelihood.NORMAL and problem.gated_layers == 0:
        weight, bias = (np.asarray(params[f"decoder.output.{kind}"], np.float64) for kind in ("weight", "bias"))
        return Decoder(weight=weight, bias=bias, tau=problem.likelihood_scale)
    return None


def _gradient_moments(decoder: Decoder, x: Array, mean: Array, log_var: Array, *, sampled: bool) -> dict[str, dict]:
    latent = len(mean)
    along = np.full(latent, latent**-0.5)
    covariance = linear_gaussian.mean_gradient_covariance(decoder, log_var, sampled=sampled)
    components = [
        linear_gaussian.log_var_gradient(decoder, x, mean, log_var, axis, sampled=sampled) for axis in np.eye(latent)
    ]
    projection = linear_gaussian.log_var_gradient(decoder, x, mean, log_var, along, sampled=sampled)
    exact = dict(zip(HEADS, linear_gaussian.elbo_gradient(decoder, x, mean, log_var), strict=True))
    trace = float(np.trace(covariance))
    return {
        "gradient_mean": exact,
        "gradient_variance": {"mean": trace, "log_var": sum(each.variance for each in components)},
        "gradient_kurtosis": {
            "mean": 1.0 + 2.0 * float(np.trace(covariance @ covariance)) / trace**2 if trace > 0.0 else nan,
            "log_var": _norm_kurtosis(components),
        },
        "gradient_projection_mean": {head: float(along @ value) for head, value in exact.items()},
        "gradient_projection_variance": {
            "mean": float(along @ covariance @ along),
            "log_var": projection.variance,
        },
    }


def _norm_kurtosis(components: list[Quadratic]) -> float:
    """E|g - Eg|^4 / (E|g - Eg|^2)^2 of a vector of quadratics: exact if they depend on different noise, else a bound.

    Independent: sum m4 + sum_{i != j} v_i v_j. Otherwise E X_i^2 X_j^2 <= sqrt(m4_i m4_j) (Cauchy and Schwarz).
    """
    variance = np.array([each.variance for each in components])
    fourth = np.array([3.0 * each.variance**2 + each.cumulant(4) for each in components])
    total = float(variance.sum())
    if total == 0.0:
        return nan
    if _depend_on_own_noise(components):
        return float(fourth.sum() + total**2 - (variance**2).sum()) / total**2
    return float(np.sqrt(fourth).sum() ** 2) / total**2


def _depend_on_own_noise(components: list[Quadratic]) -> bool:
    """Whether component j is a function of e_j alone, up to rounding (64 u of its largest coefficient)."""
    for index, each in enumerate(components):
        others = np.arange(len(components)) != index
        foreign = max(np.abs(each.linear[others]).max(initial=0.0), np.abs(each.matrix[others]).max(initial=0.0))
        if foreign > 64 * np.finfo(np.float64).eps / 2 * np.abs(each.matrix).max():
            return False
    return True
