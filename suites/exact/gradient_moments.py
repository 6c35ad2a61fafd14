"""Exact moments of the gradient at the encoder's outputs, for a linear Gaussian decoder (or none) and a plain q."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from elbo_compare.suites.contract import Bound, Estimator, GradientForm, KLTerm, Noise
from elbo_compare.suites.exact import gaussian_kl, linear_gaussian
from elbo_compare.suites.exact.linear_gaussian import Decoder, Gradient
from elbo_compare.suites.exact.quadratic import Quadratic
from elbo_compare.suites.shapes import Array, Float

HEADS = ("mean", "log_var")


@dataclass(frozen=True, kw_only=True)
class GradientMoments:
    """By head; `suites.exact.expected.Expected` says what each is. nan where unknown.

    >>> print(unknown(2).gradient_variance)
    {'mean': nan, 'log_var': nan}
    """

    gradient_mean: Mapping[str, Float[Array, " latent"]]
    gradient_variance: Mapping[str, float]
    gradient_kurtosis: Mapping[str, float]
    gradient_projection_mean: Mapping[str, float]
    gradient_projection_variance: Mapping[str, float]


def unknown(latent: int) -> GradientMoments:
    """Nothing is known.

    >>> print(unknown(2).gradient_mean['mean'])
    [nan nan]
    """
    return _means_only({head: np.full(latent, nan) for head in HEADS})


def gradient_moments(
    estimator: Estimator,
    decoder: Decoder,
    x: Float[Array, " observed"],
    mean: Float[Array, " latent"],
    log_var: Float[Array, " latent"],
    *,
    constant: bool,
) -> GradientMoments:
    """Of one value's gradient. `constant`: the one-sample ELBO does not vary, so that all log weights are equal.

    Shapes: x (observed,), mean and log_var (latent,).

    >>> from elbo_compare.suites.estimators import SAMPLED_KL
    >>> empty = Decoder(weight=np.zeros((0, 1)), bias=np.zeros(0), tau=1.0)
    >>> found = gradient_moments(SAMPLED_KL, empty, np.zeros(0), np.array([1.0]), np.log([4.0]), constant=False)
    >>> for head in HEADS:
    ...     print(head, found.gradient_mean[head].round(4), round(found.gradient_variance[head], 4))
    mean [-1.] 4.0
    log_var [-1.5] 9.0
    """
    exact = _exact_mean(estimator, decoder, x, mean, log_var, constant=constant)
    kind = _kind(estimator, constant=constant)
    if kind is None or estimator.noise is Noise.SOBOL:
        return _means_only(exact)
    latent, antithetic = len(mean), estimator.noise is Noise.ANTITHETIC
    covariance = linear_gaussian.mean_gradient_covariance(decoder, log_var, kind)
    if antithetic:
        covariance = 0.0 * covariance  # d ELBO / d mean is affine in the noise, which cancels

    def along(direction: Float[Array, " latent"]) -> Quadratic:
        one = linear_gaussian.log_var_gradient(decoder, x, mean, log_var, direction, kind)
        return one.even if antithetic else one

    count, diagonal = estimator.noise_rows, np.full(latent, latent**-0.5)
    components = [along(axis) for axis in np.eye(latent)]
    trace = float(np.trace(covariance))
    return GradientMoments(
        gradient_mean=exact,
        gradient_variance={"mean": trace / count, "log_var": sum(each.variance for each in components) / count},
        gradient_kurtosis={
            "mean": 1.0 + 2.0 * float(np.trace(covariance @ covariance)) / trace**2 if trace > 0.0 else nan,
            "log_var": _norm_kurtosis(components, count),
        },
        gradient_projection_mean={head: float(diagonal @ value) for head, value in exact.items()},
        gradient_projection_variance={
            "mean": float(diagonal @ covariance @ diagonal) / count,
            "log_var": along(diagonal).variance / count,
        },
    )


def _kind(estimator: Estimator, *, constant: bool) -> Gradient | None:
    """The one-sample gradient of which the estimator's is the mean over its particles, or None."""
    if estimator.bound is Bound.RENYI:
        if estimator.particles > 1 and not constant:
            return None
        doubly = estimator.gradient is GradientForm.DOUBLY_REPARAMETERISED
        return Gradient.STICKING if doubly else Gradient.SAMPLED
    if estimator.gradient is GradientForm.STICKING_THE_LANDING:
        return Gradient.STICKING
    if estimator.kl_term is KLTerm.ANALYTIC:
        return Gradient.ANALYTIC
    return Gradient.SAMPLED if estimator.kl_term is KLTerm.SAMPLED else None


def _exact_mean(
    estimator: Estimator,
    decoder: Decoder,
    x: Float[Array, " observed"],
    mean: Float[Array, " latent"],
    log_var: Float[Array, " latent"],
    *,
    constant: bool,
) -> dict[str, Float[Array, " latent"]]:
    """The expectation: the ELBO's gradient, but k2's own, and nan for a bound of several particles that vary.

    Under k3 it is given where the ratio has a variance only: no interval holds for a mean without one.
    """
    nothing = {head: np.full(len(mean), nan) for head in HEADS}
    if estimator.bound is Bound.RENYI and estimator.particles > 1 and not constant:
        return nothing
    if estimator.kl_term is KLTerm.RATIO and not isfinite(gaussian_kl.ratio_variance(mean, log_var)):
        return nothing
    elbo = linear_gaussian.elbo_gradient(decoder, x, mean, log_var)
    if estimator.kl_term is KLTerm.HALF_SQUARE:
        pairs = zip(elbo, gaussian_kl.kl_gradient(mean, log_var), _half_square_gradient(mean, log_var), strict=True)
        elbo = tuple(each + kl - half_square for each, kl, half_square in pairs)
    return dict(zip(HEADS, elbo, strict=True))


def _half_square_gradient(
    mean: Float[Array, " latent"], log_var: Float[Array, " latent"]
) -> tuple[Float[Array, " latent"], Float[Array, " latent"]]:
    """d E[k1^2 / 2]: KL dKL + d kappa_2 / 2, kappa_2 = sum mean^2 sigma^2 + (sigma^2 - 1)^2 / 2."""
    kl, variance, excess = gaussian_kl.kl(mean, log_var), np.exp(log_var), np.expm1(log_var)
    by_mean, by_log_var = gaussian_kl.kl_gradient(mean, log_var)
    return kl * by_mean + mean * variance, kl * by_log_var + 0.5 * variance * (mean**2 + excess)


def _means_only(exact: Mapping[str, Float[Array, " latent"]]) -> GradientMoments:
    nothing: dict[str, float] = dict.fromkeys(HEADS, nan)
    return GradientMoments(
        gradient_mean=exact,
        gradient_variance=nothing,
        gradient_kurtosis=nothing,
        gradient_projection_mean={head: float(value.sum()) * len(value) ** -0.5 for head, value in exact.items()},
        gradient_projection_variance=nothing,
    )


def _norm_kurtosis(components: list[Quadratic], count: int) -> float:
    """E|g - Eg|^4 / (E|g - Eg|^2)^2 of the mean of `count` independent vectors of quadratics.

    Of one: exact if its components depend on different noise, sum m4 + sum_{i != j} v_i v_j over (sum v)^2, else a
    bound, E X_i^2 X_j^2 <= sqrt(m4_i m4_j) (Cauchy and Schwarz). Of n: one / n + (1 - 1/n) (1 + 2 tr C^2 / (tr C)^2),
    C the covariance, tr C^2 <= (tr C)^2.
    """
    variance = np.array([each.variance for each in components])
    fourth = np.array([3.0 * each.variance**2 + each.cumulant(4) for each in components])
    total = float(variance.sum())
    if total == 0.0:
        return nan
    if _depend_on_own_noise(components):
        one = float(fourth.sum() + total**2 - (variance**2).sum()) / total**2
        pairs = 1.0 + 2.0 * float((variance**2).sum()) / total**2
    else:
        one, pairs = float(np.sqrt(fourth).sum() ** 2) / total**2, 3.0
    return one / count + (1.0 - 1.0 / count) * pairs


def _depend_on_own_noise(components: list[Quadratic]) -> bool:
    """Whether component j is a function of e_j alone, up to rounding (64 u of its largest coefficient)."""
    for index, each in enumerate(components):
        others = np.arange(len(components)) != index
        foreign = max(np.abs(each.linear[others]).max(initial=0.0), np.abs(each.matrix[others]).max(initial=0.0))
        if foreign > 64 * np.finfo(np.float64).eps / 2 * np.abs(each.matrix).max():
            return False
    return True
