"""Scales of rounding of the values, for every flow, prior and estimator; what a scale is: `reference.py`.

The last sums are bounded by their absolute terms. What rounding does before them, in the networks, the flow and the
prior's components, is measured: the oracle's own code in float32 against float64, over u32, as a root mean square over
data, particles and jittered copies of the inputs, so that one lucky rounding makes no tolerance small.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from elbo_compare.suites.contract import Array, Bound, DType, Estimator, KLTerm, Likelihood, Params, Prior, Problem
from elbo_compare.suites.numpy_oracle.noise import particles_of
from elbo_compare.suites.numpy_oracle.plain_scales import UNIT_ROUNDOFF_32, UNIT_ROUNDOFF_64
from elbo_compare.suites.numpy_oracle.vae import (
    LOG_2PI,
    Heads,
    Terms,
    analytic_kl_pieces,
    best_coefficient,
    components,
    encode,
    log_normal_diag,
    normalised_weights,
    terms_at,
)

PROBED_DATA = 8  # data and jittered copies together; at most 4 copies
JITTER = 2.0**-10  # relative: far above u32, so that roundings differ, and the scale of everything stays


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where an estimator is evaluated: x (batch, observed), noise (noise_rows, batch, latent)."""

    problem: Problem
    estimator: Estimator
    params: Params
    x: Array
    noise: Array

    def forward(self) -> tuple[Heads, Terms]:
        """The heads and the terms there, in the dtype of the point's arrays."""
        heads = encode(self.params, self.problem, self.x)
        return heads, terms_at(self.params, self.problem, self.x, heads, particles_of(self.estimator, self.noise))

    def cast(self, dtype: DType) -> "Point":
        """The same point in another dtype."""
        params = {name: value.astype(dtype.value) for name, value in self.params.items()}
        return replace(self, params=params, x=self.x.astype(dtype.value), noise=self.noise.astype(dtype.value))


@dataclass(frozen=True, kw_only=True)
class TermScales:
    """Scales of each particle's terms, (particle, batch): log q, log p(z), log p(x|z), k1 and the log weight."""

    log_q: Array
    log_prior: Array
    log_likelihood: Array

    @property
    def k1(self) -> Array:
        """Of log q - log p(z)."""
        return self.log_q + self.log_prior

    @property
    def log_weight(self) -> Array:
        """Of log p(x|z) + log p(z) - log q."""
        return self.k1 + self.log_likelihood


def probes(point: Point) -> Iterator[tuple[Point, Point]]:
    """The same inputs in float32 and in float64: the point's, and jittered copies where it has few data."""
    rng = np.random.default_rng(754)
    for copy in range(min(4, -(-PROBED_DATA // len(point.x)))):
        moved = point
        if copy:
            params = {
                name: value * (1.0 + JITTER * rng.standard_normal(value.shape)) for name, value in point.params.items()
            }
            noise = point.noise * (1.0 + JITTER * rng.standard_normal(point.noise.shape))
            moved = replace(point, params=params, noise=noise)
        coarse = moved.cast(DType.FLOAT32)
        yield coarse, coarse.cast(DType.FLOAT64)


def root_mean_square(differences: list[Array]) -> float:
    """Over all elements, in units of u32."""
    together = np.concatenate([np.ravel(each) for each in differences]).astype(np.float64)
    return float(np.sqrt(np.mean(together**2))) / UNIT_ROUNDOFF_32


def term_scales(point: Point, heads: Heads, drawn: Terms) -> TermScales:
    """Each term's absolute parts and its measured rounding."""
    pairs = [(coarse.forward()[1], fine.forward()[1]) for coarse, fine in probes(point)]

    def measured(term: str) -> float:
        return root_mean_square([getattr(coarse, term) - getattr(fine, term) for coarse, fine in pairs])

    return TermScales(
        log_q=_log_q_parts(point, heads, drawn) + measured("log_q"),
        log_prior=_log_prior_parts(point, drawn) + measured("log_prior"),
        log_likelihood=_log_likelihood_parts(point, drawn) + measured("log_likelihood"),
    )


def scales(point: Point, dtype: DType) -> dict[str, float]:
    """By "elbo", "kl", "log_likelihood", "log_q" and "log_prior", nats per datum; nan for what a bound has not.

    The error of a log-mean-exp is at most the weighted error of its terms, besides its own sum and logarithm.
    """
    heads, drawn = point.forward()
    terms, estimator = term_scales(point, heads, drawn), point.estimator
    result = {"log_q": float(terms.log_q.mean()), "log_prior": float(terms.log_prior.mean())}
    if estimator.bound is Bound.RENYI:
        power = 1.0 - estimator.alpha
        weights = normalised_weights(power * drawn.log_weight)
        elbo = (weights * terms.log_weight).sum(0) + (1.0 + np.log(estimator.particles)) / abs(power)
        return result | {"elbo": float(elbo.mean()), "kl": np.nan, "log_likelihood": np.nan}
    kl = float(kl_scale(point, heads, drawn, terms, dtype).mean())
    log_likelihood = float(terms.log_likelihood.mean())
    return result | {"elbo": kl + log_likelihood, "kl": kl, "log_likelihood": log_likelihood}


def kl_scale(point: Point, heads: Heads, drawn: Terms, terms: TermScales, dtype: DType) -> Array:
    """Of the KL term at each particle, (particle, batch): its derivative in k1 times k1's scale, and its own roundings.

    k2: |k1| and, where k1 is near zero, the square of its error; k3: r and 1 apart, as r - 1 - log r may be summed.
    """
    estimator, k1, s = point.estimator, drawn.k1, terms.k1
    if estimator.kl_term is KLTerm.ANALYTIC:
        return np.broadcast_to(analytic_kl_scale(point, heads), k1.shape)
    if estimator.kl_term is KLTerm.HALF_SQUARE:
        unit = UNIT_ROUNDOFF_32 if dtype is DType.FLOAT32 else UNIT_ROUNDOFF_64
        return np.abs(k1) * s + 0.5 * k1**2 + 8.0 * unit * s**2
    ratio = np.exp(-k1)
    if estimator.kl_term is KLTerm.RATIO:
        return (1.0 + ratio) * (1.0 + s) + np.abs(k1)
    if estimator.kl_term is KLTerm.CONTROL_VARIATE:
        coefficient = np.abs(best_coefficient(heads.mean, heads.log_var))
        return s + coefficient * (1.0 + ratio) * (1.0 + s) + coefficient_scale(point, heads) * np.abs(ratio - 1.0)
    return s


def coefficient_scale(point: Point, heads: Heads) -> Array:
    """Of the control variate's coefficient, (batch,), measured as the other terms are, and its own last rounding."""
    differences = []
    for coarse, fine in probes(point):
        pair = [encode(each.params, each.problem, each.x) for each in (coarse, fine)]
        differences.append(np.subtract(*(best_coefficient(each.mean, each.log_var) for each in pair)))
    return np.abs(best_coefficient(heads.mean, heads.log_var)) + root_mean_square(differences)


def analytic_kl_scale(point: Point, heads: Heads) -> Array:
    """Of the closed KL, (batch,): the absolute terms of its sum, and what rounding does to the flow's matrix."""
    differences = []
    for coarse, fine in probes(point):
        pair = [(each, encode(each.params, each.problem, each.x)) for each in (coarse, fine)]
        kls = [analytic_kl_pieces(each.params, each.problem, at).sum(-1) for each, at in pair]
        differences.append(kls[0] - kls[1])
    return np.abs(analytic_kl_pieces(point.params, point.problem, heads)).sum(-1) + root_mean_square(differences)


def _log_q_parts(point: Point, heads: Heads, drawn: Terms) -> Array:
    """The cancellation in z_0 - mean included: u (|mean| + |z_0|) reaches log q divided by sigma, times |e|."""
    sigma = np.exp(0.5 * heads.log_var)
    e = np.abs(drawn.z_0 - heads.mean) / sigma
    parts = 0.5 * (LOG_2PI + np.abs(heads.log_var) + e**2) + e * (np.abs(heads.mean) + np.abs(drawn.z_0)) / sigma
    return parts.sum(-1) + np.abs(drawn.log_det) + point.problem.flow_length


def _log_prior_parts(point: Point, drawn: Terms) -> Array:
    """Of a mixture: its components' parts, weighted as the components are at z."""
    problem, z = point.problem, drawn.z
    if problem.prior is Prior.STANDARD_NORMAL:
        return 0.5 * (LOG_2PI + z**2).sum(-1)
    if problem.prior is Prior.LAPLACE:
        return (np.abs(z) + np.log(2.0)).sum(-1)
    mean, log_var = components(point.params, problem)
    z, precision = z[..., None, :], np.exp(-log_var)
    gap = np.abs(z - mean)
    parts = 0.5 * (LOG_2PI + np.abs(log_var) + gap**2 * precision) + gap * precision * (np.abs(z) + np.abs(mean))
    weights = normalised_weights(np.moveaxis(log_normal_diag(z, mean, log_var), -1, 0))
    return (weights * np.moveaxis(parts.sum(-1), -1, 0)).sum(0) + 1.0 + np.log(len(mean))


def _log_likelihood_parts(point: Point, drawn: Terms) -> Array:
    x, output, tau = point.x, drawn.output, point.problem.likelihood_scale
    if point.problem.likelihood is Likelihood.NONE:
        return np.zeros(output.shape[:-1])
    if point.problem.likelihood is Likelihood.BERNOULLI:
        return (np.abs(x * output) + np.logaddexp(0.0, output)).sum(-1)
    return 0.5 * (LOG_2PI + 2.0 * abs(np.log(tau)) + ((np.abs(x) + np.abs(output)) / tau) ** 2).sum(-1)
