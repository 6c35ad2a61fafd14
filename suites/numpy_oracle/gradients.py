"""The plain VAE's gradients derived by hand: one particle, sampled or analytic KL, no flow, N(0, I) prior.

Forward as `vae.py` has it, each layer's input, linear part and gate kept; then backward, layer by layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from elbo_compare.suites.contract import (
    Array,
    Bound,
    Estimator,
    Flow,
    GradientForm,
    KLTerm,
    Likelihood,
    Params,
    Prior,
    Problem,
)
from elbo_compare.suites.numpy_oracle.layers import affine
from elbo_compare.suites.numpy_oracle.vae import (
    log_likelihood,
    log_normal_diag,
    log_normal_standard,
    sampled_kl,
    sigmoid,
)

# One gated layer's input, linear part and gate, kept for the backward pass; each (batch, width).
Tape = list[tuple[Array, Array, Array]]
# The delta (batch, out) and input (batch, in) of one linear layer; its weight's gradient is delta' input.
Contractions = dict[str, tuple[Array, Array]]


def derived_by_hand(problem: Problem, estimator: Estimator) -> bool:
    """Whether this gradient is here: one particle, sampled or analytic KL, no flow, N(0, I) prior."""
    plain = problem.flow is Flow.NONE and problem.prior is Prior.STANDARD_NORMAL
    core = estimator.kl_term in (KLTerm.SAMPLED, KLTerm.ANALYTIC) and estimator.bound is Bound.ELBO
    return plain and core and estimator.particles == 1 and estimator.gradient is GradientForm.REPARAMETERISED


@dataclass(frozen=True, kw_only=True)
class PlainTerms:
    """Every term of the estimator, per datum, and what it was computed from. Nats, (batch,) unless said otherwise."""

    mean: Array  # batch, latent
    log_var: Array  # batch, latent
    z: Array  # batch, latent
    output: Array  # batch, observed (empty where there is no likelihood)
    log_q: Array
    log_prior: Array
    log_likelihood: Array
    kl: Array

    @property
    def elbo(self) -> Array:
        """log p(x|z) - kl."""
        return self.log_likelihood - self.kl


# --- forward


def gated_forward(params: Params, part: str, layers: int, h: Array) -> tuple[Array, Tape]:
    """`vae.gated`, with what the backward pass needs."""
    tape: Tape = []
    for i in range(layers):
        linear = affine(params, f"{part}.{i}.linear", h)  # batch, hidden
        gate = sigmoid(affine(params, f"{part}.{i}.gate", h))  # batch, hidden
        tape.append((h, linear, gate))
        h = linear * gate
    return h, tape


def plain_kl(mean: Array, log_var: Array) -> Array:
    """KL(N(mean, diag exp(log_var)) || N(0, I)), in nats. Shapes: (batch, latent) each -> (batch,).

    Kingma and Welling 2014 (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (mean**2 + np.exp(log_var) - 1.0 - log_var).sum(-1)


def sample_terms(
    params: Params, problem: Problem, estimator: Estimator, x: Array, mean: Array, log_var: Array, noise: Array
) -> tuple[PlainTerms, Tape]:
    """The terms at z = mean + exp(log_var / 2) * noise, and the decoder's tape."""
    z = mean + np.exp(0.5 * log_var) * noise  # batch, latent
    output, tape = z[:, :0], []
    if problem.likelihood is not Likelihood.NONE:
        h, tape = gated_forward(params, "decoder", problem.gated_layers, z)
        output = affine(params, "decoder.output", h)  # batch, observed
    log_q, log_prior = log_normal_diag(z, mean, log_var), log_normal_standard(z)
    sampled = estimator.kl_term is KLTerm.SAMPLED
    terms = PlainTerms(
        mean=mean,
        log_var=log_var,
        z=z,
        output=output,
        log_q=log_q,
        log_prior=log_prior,
        log_likelihood=log_likelihood(problem, x, output),
        kl=sampled_kl(log_prior, log_q) if sampled else plain_kl(mean, log_var),
    )
    return terms, tape


# --- backward


def terms_and_backward(
    params: Params,
    problem: Problem,
    estimator: Estimator,
    x: Array,
    noise: Array,
    kl_weight: float = 1.0,
    floor: float = 0.0,
) -> tuple[PlainTerms, Contractions]:
    """All terms at z = mean + exp(log_var / 2) * noise, and what the gradient of sum_batch log p(x|z) - weight KL is
    made of. Shapes: x (batch, observed), noise (batch, latent). Kingma and Welling 2014 (arXiv 1312.6114), eqs 6 and 7.
    `floor`: see `_output_delta`; 0 is the right gradient.
    """
    h, tape = gated_forward(params, "encoder", problem.gated_layers, x)
    mean, log_var = affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h)
    terms, decoder_tape = sample_terms(params, problem, estimator, x, mean, log_var, noise)
    into: Contractions = {}
    mean_delta, log_var_delta = sample_backward(
        params, problem, estimator, x, noise, terms, decoder_tape, into, kl_weight, floor
    )
    into["encoder.mean"], into["encoder.log_var"] = (mean_delta, h), (log_var_delta, h)
    delta = mean_delta @ params["encoder.mean.weight"] + log_var_delta @ params["encoder.log_var.weight"]
    _gated_backward(params, "encoder", tape, delta, into)
    return terms, into


def sample_backward(
    params: Params,
    problem: Problem,
    estimator: Estimator,
    x: Array,
    noise: Array,
    terms: PlainTerms,
    tape: Tape,
    into: Contractions,
    kl_weight: float = 1.0,
    floor: float = 0.0,
) -> tuple[Array, Array]:
    """d (log p(x|z) - weight KL) / d (mean, log_var) of each datum, (batch, latent) each; the decoder's contractions
    go `into`."""
    mean, log_var, z = terms.mean, terms.log_var, terms.z
    z_delta = np.zeros_like(z)
    if problem.likelihood is not Likelihood.NONE:
        delta = _output_delta(problem, x, terms.output, floor)
        h = tape[-1][1] * tape[-1][2] if tape else z
        into["decoder.output"] = (delta, h)
        z_delta = _gated_backward(params, "decoder", tape, delta @ params["decoder.output.weight"], into)
    half_step = 0.5 * np.exp(0.5 * log_var) * noise  # dz / d log_var
    if estimator.kl_term is KLTerm.ANALYTIC:
        return z_delta - kl_weight * mean, z_delta * half_step + kl_weight * (0.5 - 0.5 * np.exp(log_var))
    score = kl_weight * (z - mean) * np.exp(-log_var)  # weight d log q / d mean = -weight d log q / dz
    z_delta = z_delta - kl_weight * z + score
    return z_delta - score, z_delta * half_step + 0.5 * kl_weight - 0.5 * (z - mean) * score


def gradients(problem: Problem, contractions: Mapping[str, tuple[Array, Array]], batch: int) -> dict[str, Array]:
    """d (mean over the batch of ELBO) / d params, in the problem's order of names."""
    result: dict[str, Array] = {}
    for name in problem.params:
        layer, kind = name.rsplit(".", 1)
        delta, h = contractions[layer]
        result[name] = (delta.T @ h if kind == "weight" else delta.sum(0)) / batch
    return result


def _gated_backward(params: Params, part: str, tape: Tape, delta: Array, into: Contractions) -> Array:
    """The derivative at the layers' input, from `delta` at their output; each layer's contraction goes `into`."""
    for i in reversed(range(len(tape))):
        h, linear, gate = tape[i]
        linear_delta = delta * gate
        gate_delta = delta * linear * gate * (1.0 - gate)
        into[f"{part}.{i}.linear"] = (linear_delta, h)
        into[f"{part}.{i}.gate"] = (gate_delta, h)
        delta = linear_delta @ params[f"{part}.{i}.linear.weight"]
        delta = delta + gate_delta @ params[f"{part}.{i}.gate.weight"]
    return delta


def _output_delta(problem: Problem, x: Array, output: Array, floor: float) -> Array:
    """d log p(x|z) / d output, (batch, observed). With a floor that of a cross-entropy of probabilities p: the slope by
    p divides by max(p (1 - p), floor), the sigmoid's multiplies by p (1 - p), so that sure pixels lose theirs."""
    if problem.likelihood is Likelihood.BERNOULLI:
        delta = x - sigmoid(output)
        return delta * np.minimum(sigmoid(output) * sigmoid(-output) / floor, 1.0) if floor else delta
    return (x - output) / problem.likelihood_scale**2
