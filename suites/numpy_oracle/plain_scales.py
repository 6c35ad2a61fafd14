"""Scales of rounding of the plain VAE under the core estimators, whose gradients are known by hand.

Shapes as in `gradients.py`; what a scale is: `reference.py`.
"""

import numpy as np

from elbo_compare.suites.contract import Array, Estimator, KLTerm, Likelihood, Params, Problem
from elbo_compare.suites.numpy_oracle.gradients import Contractions, PlainTerms, gradients, terms_and_backward
from elbo_compare.suites.numpy_oracle.vae import LOG_2PI

UNIT_ROUNDOFF_32, UNIT_ROUNDOFF_64 = 2.0**-24, 2.0**-53


def _accumulated(params: Params, layer: str, contractions: Contractions) -> Array:
    """|h| |W|' + |b|: the absolute terms of a linear layer's output, which u times is the error of that output."""
    h = contractions[layer][1]
    return np.abs(h) @ np.abs(params[f"{layer}.weight"]).T + np.abs(params[f"{layer}.bias"])


def plain_scales(
    params: Params,
    problem: Problem,
    estimator: Estimator,
    x: Array,
    noise: Array,
    terms: PlainTerms,
    contractions: Contractions,
) -> dict[str, float]:
    """Sums of absolute terms per datum, with the errors of mean, log_var and the decoder's output carried along.

    The cancellation in z - mean: its error u (|mean| + |z|) reaches log q divided by sigma, |e| (|mean| + |z|) / sigma.
    """
    mean_error = _accumulated(params, "encoder.mean", contractions)
    log_var_error = _accumulated(params, "encoder.log_var", contractions)
    mean, z, variance, e = terms.mean, terms.z, np.exp(terms.log_var), np.abs(noise)
    z_error = mean_error + np.sqrt(variance) * e * (1.0 + 0.5 * log_var_error)
    cancellation = e * (np.abs(mean) + np.abs(z)) / np.sqrt(variance)
    log_q = (0.5 * (LOG_2PI + e**2) + 0.5 * (1.0 + e**2) * log_var_error + cancellation).sum(-1)
    log_prior = (0.5 * (LOG_2PI + z**2) + np.abs(z) * z_error).sum(-1)
    log_likelihood = _log_likelihood_scale(params, problem, x, terms, contractions)
    log_likelihood = log_likelihood + (
        np.abs(_likelihood_slope(problem, estimator, terms, contractions)) * z_error
    ).sum(-1)
    kl = log_q + log_prior
    if estimator.kl_term is KLTerm.ANALYTIC:
        kl = 0.5 * (mean**2 + 2.0 * np.abs(mean) * mean_error + variance + 1.0 + (1.0 + variance) * log_var_error)
        kl = kl.sum(-1)
    scales = {"elbo": kl + log_likelihood, "kl": kl, "log_likelihood": log_likelihood}
    scales |= {"log_q": log_q, "log_prior": log_prior}
    return {name: float(values.mean()) for name, values in scales.items()}


def _log_likelihood_scale(
    params: Params, problem: Problem, x: Array, terms: PlainTerms, contractions: Contractions
) -> Array:
    """The absolute terms of log p(x|z) and the error of the decoder's output, |d log p / d output| (|h| |W|' + |b|)."""
    if problem.likelihood is Likelihood.NONE:
        return np.zeros(len(x))
    output, tau = terms.output, problem.likelihood_scale
    if problem.likelihood is Likelihood.BERNOULLI:
        absolute = np.abs(x * output) + np.logaddexp(0.0, output)
    else:
        absolute = 0.5 * (LOG_2PI + 2.0 * abs(np.log(tau)) + ((np.abs(x) + np.abs(output)) / tau) ** 2)
    slope = np.abs(contractions["decoder.output"][0])
    return (absolute + slope * _accumulated(params, "decoder.output", contractions)).sum(-1)


def _likelihood_slope(problem: Problem, estimator: Estimator, terms: PlainTerms, contractions: Contractions) -> Array:
    """d log p(x|z) / dz, (batch, latent): the head's derivative without its KL part, whose derivative is known."""
    mean_delta = contractions["encoder.mean"][0]
    if problem.likelihood is Likelihood.NONE:
        return np.zeros_like(mean_delta)
    return mean_delta + (terms.z if estimator.kl_term is KLTerm.SAMPLED else terms.mean)


def plain_gradient_scales(
    params: Params,
    problem: Problem,
    estimator: Estimator,
    x: Array,
    noise: Array,
    terms: PlainTerms,
    contractions: Contractions,
) -> dict[str, float]:
    """| sum_batch |delta|'|h| / batch |_F + |g32 - g64|_F / u32, by parameter.

    The first part is the rounding of the tensor's last accumulation. The second is what rounding does to everything
    before it: the oracle's own code in float32, at inputs that float32 holds exactly, 2^29 times coarser than float64.
    """
    absolute = {layer: (np.abs(delta), np.abs(h)) for layer, (delta, h) in contractions.items()}
    mean_terms, log_var_terms = _head_terms(problem, estimator, noise, terms, contractions)
    absolute["encoder.mean"] = (mean_terms, absolute["encoder.mean"][1])
    absolute["encoder.log_var"] = (log_var_terms, absolute["encoder.log_var"][1])
    sums = gradients(problem, absolute, len(x))
    coarse, exact = _float32_and_float64(params, problem, estimator, x, noise)
    return {
        name: float(np.linalg.norm(sums[name]) + np.linalg.norm(coarse[name] - exact[name]) / UNIT_ROUNDOFF_32)
        for name in problem.params
    }


def _head_terms(
    problem: Problem, estimator: Estimator, noise: Array, terms: PlainTerms, contractions: Contractions
) -> tuple[Array, Array]:
    """The absolute terms of d ELBO / d mean and d ELBO / d log_var, with the cancellation of z - mean, (batch, latent).

    d ELBO / d mean meets (z - mean) / sigma^2 twice, with opposite signs. d ELBO / d log_var holds (z - mean)^2 /
    sigma^2 twice, each with the error u |e| (|mean| + |z|) / sigma.
    """
    mean, z, variance, e = terms.mean, terms.z, np.exp(terms.log_var), np.abs(noise)
    slope = np.abs(_likelihood_slope(problem, estimator, terms, contractions))
    half_step = 0.5 * np.sqrt(variance) * e
    if estimator.kl_term is KLTerm.ANALYTIC:
        return slope + np.abs(mean), slope * half_step + 0.5 + 0.5 * variance
    cancellation = e * (np.abs(mean) + np.abs(z)) / np.sqrt(variance)
    mean_terms = slope + np.abs(z) + 2.0 * e / np.sqrt(variance)
    return mean_terms, (slope + np.abs(z)) * half_step + 0.5 + e**2 + cancellation


def _float32_and_float64(
    params: Params, problem: Problem, estimator: Estimator, x: Array, noise: Array
) -> tuple[Params, Params]:
    """The gradients at the same inputs, rounded to float32, computed in float32 and in float64."""
    results = []
    for dtype in (np.float32, np.float64):
        weights = {name: value.astype(np.float32).astype(dtype) for name, value in params.items()}
        data, e = x.astype(np.float32).astype(dtype), noise.astype(np.float32).astype(dtype)
        _, contractions = terms_and_backward(weights, problem, estimator, data, e)
        results.append(gradients(problem, contractions, len(x)))
    return results[0], results[1]
