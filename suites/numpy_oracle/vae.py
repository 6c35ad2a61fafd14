"""The VAE in NumPy with gradients derived by hand: the float64 oracle that the other implementations are held against.

No framework, no automatic differentiation. The other models and estimators are built on the networks and densities
here, which are complex-safe (`suites.complex_step`), in `model.py`, `objective.py` and `directions.py`.
Every normaliser is kept: log q and log p(z) are full log densities, so that the constants ledger has a normalised
witness. log q(z|x) is computed from z, not from the noise, as the questioned code does, so that it loses the same
digits when sigma is small.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from elbo_compare.suites.bridge.form import no_analytic_kl
from elbo_compare.suites.complex_step import Dual, softplus
from elbo_compare.suites.contract import Array, Device, DType, Estimator, KLTerm, Likelihood, Params, Problem
from elbo_compare.suites.estimators import LIBRARY_VARIANTS

if TYPE_CHECKING:
    from elbo_compare.suites.numpy_oracle.session import OracleSession

LOG_2PI = float(np.log(2.0 * np.pi))
_LIBRARY_VARIANTS = frozenset(estimator.name for estimator in LIBRARY_VARIANTS)

# One gated layer's input, linear part and gate, kept for the backward pass; each (batch, width).
Tape = list[tuple[Array, Array, Array]]
# The delta (batch, out) and input (batch, in) of one linear layer; its weight's gradient is delta' input.
Contractions = dict[str, tuple[Array, Array]]


# --- networks


def encode(problem: Problem, params: Params, x: Array) -> tuple[Dual, Dual]:
    """Mean and log-variance of q(z|x). Shapes: x (batch, observed) -> two of (batch, latent)."""
    h, _ = gated_forward(problem, params, "encoder", x)
    return affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h)


def decode(problem: Problem, params: Params, z: Dual) -> Dual:
    """Logits (Bernoulli) or mean (normal) of p(x|z). Shapes: z (batch, latent) -> (batch, observed)."""
    h, _ = gated_forward(problem, params, "decoder", z)
    return affine(params, "decoder.output", h)


def affine(params: Params, layer: str, h: Dual) -> Dual:
    """h W' + b. Shapes: h (..., in) -> (..., out)."""
    return product(h, params[f"{layer}.weight"].T) + params[f"{layer}.bias"]


def product(a: Dual, b: Dual) -> Dual:
    """The matrix product a b; where one factor is real and the other complex, two real products instead of four."""
    if np.iscomplexobj(a) == np.iscomplexobj(b):
        return a @ b
    if np.iscomplexobj(a):
        return np.real(a) @ b + 1j * (np.imag(a) @ b)
    return a @ np.real(b) + 1j * (a @ np.imag(b))


def gated_forward(problem: Problem, params: Params, side: str, h: Dual) -> tuple[Dual, Tape]:
    """h <- (h A' + a) * sigmoid(h G' + g), layer by layer (Dauphin et al. 2017, arXiv 1612.08083, eq. 1)."""
    tape: Tape = []
    for index in range(problem.gated_layers):
        linear = affine(params, f"{side}.{index}.linear", h)
        gate = sigmoid(affine(params, f"{side}.{index}.gate", h))
        tape.append((h, linear, gate))
        h = linear * gate
    return h, tape


def _gated_backward(params: Params, side: str, tape: Tape, delta: Array, into: Contractions) -> Array:
    """The derivative at the layers' input, from `delta` at their output; each layer's contraction goes `into`."""
    for index in reversed(range(len(tape))):
        h, linear, gate = tape[index]
        linear_delta = delta * gate
        gate_delta = delta * linear * gate * (1.0 - gate)
        into[f"{side}.{index}.linear"] = (linear_delta, h)
        into[f"{side}.{index}.gate"] = (gate_delta, h)
        delta = linear_delta @ params[f"{side}.{index}.linear.weight"]
        delta = delta + gate_delta @ params[f"{side}.{index}.gate.weight"]
    return delta


def sigmoid(t: Dual) -> Dual:
    """1 / (1 + exp(-t)), without overflow and with full relative accuracy in both tails."""
    positive = np.real(t) >= 0.0
    small = np.exp(np.where(positive, -t, t))
    return np.where(positive, 1.0, small) / (1.0 + small)


# --- densities


def log_normal_diag(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log N(z; mean, diag exp(log_var)), fully normalised. Shapes: (..., latent) each -> (...). Nats."""
    return -0.5 * (LOG_2PI + log_var + (z - mean) ** 2 * np.exp(-log_var)).sum(-1)


def log_normal_standard(z: Dual) -> Dual:
    """log N(z; 0, I), fully normalised. Shapes: (..., latent) -> (...). Nats."""
    return -0.5 * (LOG_2PI + z**2).sum(-1)


def log_bernoulli(x: Array, logits: Dual) -> Dual:
    """sum x log p + (1 - x) log(1 - p), p = sigmoid(logits). Shapes: (batch, observed) each -> (batch,). Nats."""
    return (x * logits - softplus(logits)).sum(-1)


def log_normal_isotropic(x: Array, mean: Dual, scale: float) -> Dual:
    """log N(x; mean, scale^2 I), fully normalised. Shapes: (batch, observed) each -> (batch,). Nats."""
    return -0.5 * (LOG_2PI + 2.0 * float(np.log(scale)) + ((x - mean) / scale) ** 2).sum(-1)


def analytic_kl(mean: Dual, log_var: Dual) -> Dual:
    """KL(N(mean, diag exp(log_var)) || N(0, I)). Shapes: (batch, latent) each -> (batch,). Nats.

    Kingma and Welling 2014 (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (mean**2 + np.exp(log_var) - 1.0 - log_var).sum(-1)


def log_likelihood(problem: Problem, x: Array, output: Dual) -> Dual:
    """log p(x|z) from the decoder's output. Shapes: (batch, observed) each -> (batch,). Nats; 0 where there is none."""
    if problem.likelihood is Likelihood.BERNOULLI:
        return log_bernoulli(x, output)
    if problem.likelihood is Likelihood.NORMAL:
        return log_normal_isotropic(x, output, problem.likelihood_scale)
    return np.zeros(output.shape[:-1], output.dtype)


def _output_delta(problem: Problem, x: Array, output: Array) -> Array:
    """d log p(x|z) / d output, (batch, observed)."""
    if problem.likelihood is Likelihood.BERNOULLI:
        return x - sigmoid(output)
    return (x - output) / problem.likelihood_scale**2


# --- estimators


@dataclass(frozen=True, kw_only=True)
class Terms:
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


def terms_and_backward(
    problem: Problem, estimator: Estimator, params: Params, x: Array, noise: Array, kl_weight: float = 1.0
) -> tuple[Terms, Contractions]:
    """All terms at z = mean + exp(log_var / 2) * noise, and what the gradient of sum_batch log p(x|z) - weight KL is
    made of. Shapes: x (batch, observed), noise (batch, latent). Kingma and Welling 2014 (arXiv 1312.6114), eqs 6 and 7.
    """
    h, tape = gated_forward(problem, params, "encoder", x)
    mean, log_var = affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h)
    terms, decoder_tape = sample_terms(problem, estimator, params, x, mean, log_var, noise)
    into: Contractions = {}
    mean_delta, log_var_delta = sample_backward(
        problem, estimator, params, x, noise, terms, decoder_tape, into, kl_weight
    )
    into["encoder.mean"], into["encoder.log_var"] = (mean_delta, h), (log_var_delta, h)
    delta = mean_delta @ params["encoder.mean.weight"] + log_var_delta @ params["encoder.log_var.weight"]
    _gated_backward(params, "encoder", tape, delta, into)
    return terms, into


def sample_terms(
    problem: Problem, estimator: Estimator, params: Params, x: Array, mean: Array, log_var: Array, noise: Array
) -> tuple[Terms, Tape]:
    """The terms at z = mean + exp(log_var / 2) * noise, and the decoder's tape."""
    z = mean + np.exp(0.5 * log_var) * noise
    output, tape = z[:, :0], []
    if problem.likelihood is not Likelihood.NONE:
        h, tape = gated_forward(problem, params, "decoder", z)
        output = affine(params, "decoder.output", h)
    log_q, log_prior = log_normal_diag(z, mean, log_var), log_normal_standard(z)
    sampled = estimator.kl_term is KLTerm.SAMPLED
    terms = Terms(
        mean=mean,
        log_var=log_var,
        z=z,
        output=output,
        log_q=log_q,
        log_prior=log_prior,
        log_likelihood=log_likelihood(problem, x, output),
        kl=log_q - log_prior if sampled else analytic_kl(mean, log_var),
    )
    return terms, tape


def sample_backward(
    problem: Problem,
    estimator: Estimator,
    params: Params,
    x: Array,
    noise: Array,
    terms: Terms,
    tape: Tape,
    into: Contractions,
    kl_weight: float = 1.0,
) -> tuple[Array, Array]:
    """d (log p(x|z) - weight KL) / d (mean, log_var) of each datum, (batch, latent) each; the decoder's contractions
    go `into`."""
    mean, log_var, z = terms.mean, terms.log_var, terms.z
    z_delta = np.zeros_like(z)
    if problem.likelihood is not Likelihood.NONE:
        delta = _output_delta(problem, x, terms.output)
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


# --- implementation


class NumpyOracle:
    """The oracle as an implementation: float64 on the CPU."""

    name = "numpy-oracle"
    framework = "numpy"
    devices = (Device.CPU,)
    dtypes = (DType.FLOAT64,)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or why not: no known KL term, or the estimator is a library's class and no other function."""
        if estimator.name in _LIBRARY_VARIANTS:
            return f"{estimator.name} is {estimator.kl_term} KL through another class of a library"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> "OracleSession":
        """A session. Raises ValueError for another device or dtype than float64 on the CPU."""
        if device not in self.devices or dtype not in self.dtypes:
            raise ValueError(f"numpy-oracle computes in float64 on the CPU only; {dtype} on {device} was asked for.")
        from elbo_compare.suites.numpy_oracle.session import OracleSession  # the session is built on this file

        return OracleSession(problem, estimator)
