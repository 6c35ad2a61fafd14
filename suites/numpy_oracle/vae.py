"""The VAE in NumPy: the float64 oracle that the other implementations are held against.

Read side by side with `torch_hand/vae.py`, `jax_hand/vae.py`, `pyro_ppl/vae.py` and `numpyro_ppl/vae.py`: the same
sections in the same order. No framework, no automatic differentiation: everything is complex-safe, so that an imaginary
part carries a derivative along (`suites.complex_step`); `gradients.py` has those derived by hand. Every normaliser is
kept: log q and log p(z) are full log densities, so that the constants ledger has a normalised witness. log q(z|x) is
computed from z, not from the noise, as the questioned code does, so that it loses the same digits when sigma is small.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from elbo_compare.suites.complex_step import Dual, logsumexp, softplus, stop_gradient
from elbo_compare.suites.contract import (
    Array,
    Bound,
    Estimator,
    GradientForm,
    KLTerm,
    Likelihood,
    Params,
    Prior,
    Problem,
)
from elbo_compare.suites.numpy_oracle.flows import flow, inverse_derivative
from elbo_compare.suites.numpy_oracle.layers import affine
from elbo_compare.suites.shapes import Float, Inexact, Value

LOG_2PI, LOG_2 = float(np.log(2.0 * np.pi)), float(np.log(2.0))

# --- networks


class Heads(NamedTuple):
    """The encoder at x."""

    mean: Dual  # batch, latent
    log_var: Dual  # batch, latent
    hidden: Dual  # batch, hidden: the last layer, which a flow is conditioned on


def sigmoid(t: Dual) -> Dual:
    """1 / (1 + exp(-t)), without overflow and with full relative accuracy in both tails."""
    positive = np.real(t) >= 0.0
    small = np.exp(np.where(positive, -t, t))
    return np.where(positive, 1.0, small) / (1.0 + small)


def gated(params: Params, part: str, layers: int, h: Dual) -> Dual:
    """Layers of (h A' + a) * sigmoid(h G' + g). Dauphin et al. 2017 (arXiv 1612.08083), eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * sigmoid(affine(params, f"{part}.{i}.gate", h))  # batch, hidden
    return h


def encode(params: Params, problem: Problem, x: Array) -> Heads:
    """Mean and log-variance of q(z_0|x) at x (batch, observed), and what a flow is conditioned on."""
    h = gated(params, "encoder", problem.gated_layers, x)  # batch, hidden
    return Heads(affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h), h)


def decode(params: Params, problem: Problem, z: Dual) -> Dual:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    h = gated(params, "decoder", problem.gated_layers, z)  # particle, batch, hidden
    return affine(params, "decoder.output", h)


# --- densities


def log_normal_diag(
    z: Inexact[Value, "*#rest latent"], mean: Inexact[Value, "*#rest latent"], log_var: Inexact[Value, "*#rest latent"]
) -> Inexact[Value, "*rest"]:
    """log N(z; mean, diag exp(log_var)), fully normalised, in nats. Shapes: (..., latent) -> (...)."""
    return -0.5 * (LOG_2PI + log_var + (z - mean) ** 2 * np.exp(-log_var)).sum(-1)


def log_normal_standard(z: Inexact[Value, "*rest latent"]) -> Inexact[Value, "*rest"]:
    """log N(z; 0, I), fully normalised, in nats. Shapes: (..., latent) -> (...)."""
    return -0.5 * (LOG_2PI + z**2).sum(-1)


def log_laplace(z: Inexact[Value, "*rest latent"]) -> Inexact[Value, "*rest"]:
    """The log density of a product of Laplace(0, 1), sum -|z| - log 2, in nats. Shapes: (..., latent) -> (...)."""
    return -(np.where(np.real(z) < 0.0, -z, z) + LOG_2).sum(-1)


def log_mixture(log_components: Inexact[Value, "*rest component"]) -> Inexact[Value, "*rest"]:
    """log (1/C) sum_c p_c(z) from the components' log densities, in nats. Shapes: (..., component) -> (...)."""
    return logsumexp(log_components, axis=-1) - float(np.log(log_components.shape[-1]))


def components(params: Params, problem: Problem) -> tuple[Dual, Dual]:
    """Means and log-variances (component, latent): the mixture's, or the encoder's at VampPrior's pseudo-inputs."""
    if problem.prior is Prior.VAMP:
        mean, log_var, _ = encode(params, problem, params["prior.pseudo_inputs"])
        return mean, log_var
    return params["prior.mean"], params["prior.log_var"]


def log_prior(params: Params, problem: Problem, z: Dual) -> Dual:
    """log p(z), every normaliser kept, in nats. Shapes: (..., latent) -> (...). Papers: `suites.contract.Problem`."""
    if problem.prior is Prior.STANDARD_NORMAL:
        return log_normal_standard(z)
    if problem.prior is Prior.LAPLACE:
        return log_laplace(z)
    return log_mixture(log_normal_diag(z[..., None, :], *components(params, problem)))


def log_bernoulli(
    x: Float[Value, "*#rest observed"], logits: Inexact[Value, "*#rest observed"]
) -> Inexact[Value, "*rest"]:
    """Sum of x log p + (1 - x) log(1 - p), p = sigmoid(logits), in nats. Shapes: (..., observed) -> (...)."""
    return (x * logits - softplus(logits)).sum(-1)


def log_normal(
    x: Float[Value, "*#rest observed"], mean: Inexact[Value, "*#rest observed"], scale: float
) -> Inexact[Value, "*rest"]:
    """log N(x; mean, scale^2 I), fully normalised, in nats. Shapes: (..., observed) -> (...)."""
    return -0.5 * (LOG_2PI + 2.0 * float(np.log(scale)) + ((x - mean) / scale) ** 2).sum(-1)


def log_likelihood(problem: Problem, x: Array, output: Dual) -> Dual:
    """log p(x|z) from the decoder's output, in nats; 0 where the problem has no data term. (..., observed) -> (...)."""
    if problem.likelihood is Likelihood.BERNOULLI:
        return log_bernoulli(x, output)
    if problem.likelihood is Likelihood.NORMAL:
        return log_normal(x, output, problem.likelihood_scale)
    return np.zeros(output.shape[:-1], output.dtype)


def likelihood_at(params: Params, problem: Problem, x: Array, z: Dual) -> tuple[Dual, Dual]:
    """The decoder's output (..., observed), empty where there is no likelihood, and log p(x|z) (...)."""
    output = z[..., :0] if problem.likelihood is Likelihood.NONE else decode(params, problem, z)
    return output, log_likelihood(problem, x, output)


# --- estimators


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is known at each particle. Nats, (particle, batch), unless said otherwise."""

    z_0: Dual  # particle, batch, latent
    z: Dual  # particle, batch, latent: after the flow
    output: Dual  # particle, batch, observed: of the decoder
    log_pre_flow: Dual  # log N(z_0; mean, diag exp(log_var))
    log_det: Dual
    log_prior: Dual
    log_likelihood: Dual

    @property
    def log_q(self) -> Dual:
        """log q(z|x)."""
        return self.log_pre_flow - self.log_det

    @property
    def k1(self) -> Dual:
        """log q(z|x) - log p(z): the questioned line."""
        return sampled_kl(self.log_prior, self.log_q)

    @property
    def log_weight(self) -> Dual:
        """log p(x|z) + log p(z) - log q(z|x)."""
        return self.log_likelihood - self.k1


def sampled_kl(log_p_z: Dual, log_q_z: Dual) -> Dual:
    """log q(z|x) - log p(z) at one sample: -(log_p_z - log_q_z). Kingma and Welling 2014, the KL part of eq. 6."""
    return log_q_z - log_p_z


def analytic_kl(params: Params, problem: Problem, heads: Heads) -> Dual:
    """KL(N(F mean, F diag(sigma^2) F') || N(0, I)) of a linear flow F with |det F| = 1, in nats, (batch,).

    (|F mean|^2 + sum_j sigma_j^2 |F_j|^2 - latent - sum log sigma^2) / 2, F_j the columns of F. Without a flow:
    Kingma and Welling 2014 (arXiv 1312.6114), appendix B.
    """
    return analytic_kl_pieces(params, problem, heads).sum(-1)


def analytic_kl_pieces(params: Params, problem: Problem, heads: Heads) -> Dual:
    """The terms of that sum, (batch, 4 latent): |F mean|^2, sigma^2 |F_j|^2, -log sigma^2 and -1, each over 2."""
    unit = np.eye(problem.latent, dtype=np.real(heads.mean).dtype)[:, None, :]
    columns, _ = flow(params, problem, heads.hidden, unit + np.zeros_like(np.real(heads.mean)))  # latent, batch, latent
    mean = flow(params, problem, heads.hidden, heads.mean[None])[0][0]  # batch, latent
    spread = np.exp(heads.log_var) * (columns**2).sum(-1).T  # batch, latent
    return 0.5 * np.concatenate([mean**2, spread, -heads.log_var, -np.ones_like(spread)], axis=-1)


def best_coefficient(mean: Array, log_var: Array) -> Array:
    """l = J / (R - 1) of k1 + l (r - 1), (batch,), of least variance; 0 where R = E r^2 is infinite, and where q = p.

    J = KL(q||p) + KL(p||q) = -Cov(k1, r), log R = sum log sigma^2 - log(2 sigma^2 - 1) / 2 + mean^2 / (2 sigma^2 - 1).
    """
    symmetric = 0.5 * (np.expm1(log_var) + np.expm1(-log_var) + mean**2 * (1.0 + np.exp(-log_var))).sum(-1)
    excess = 1.0 + 2.0 * np.expm1(log_var)
    finite = (excess > 0.0).all(-1)
    excess = np.where(excess > 0.0, excess, 1.0)
    log_second_moment = (log_var - 0.5 * np.log1p(excess - 1.0) + mean**2 / excess).sum(-1)
    with np.errstate(over="ignore"):
        variance = np.expm1(log_second_moment)
    known = finite & (variance > 0.0)
    return np.where(known, symmetric / np.where(known, variance, 1.0), 0.0)


def kl_term(params: Params, problem: Problem, estimator: Estimator, heads: Heads, terms: Terms) -> Dual:
    """The KL term at each particle, in nats, (particle, batch); k2, k3 and the control variate: Schulman 2020."""
    k1 = terms.k1
    if estimator.kl_term is KLTerm.ANALYTIC:
        return analytic_kl(params, problem, heads) + np.zeros_like(np.real(k1))
    if estimator.kl_term is KLTerm.HALF_SQUARE:
        return 0.5 * k1**2
    if estimator.kl_term is KLTerm.RATIO:
        return np.expm1(-k1) + k1
    if estimator.kl_term is KLTerm.CONTROL_VARIATE:
        return k1 + best_coefficient(np.real(heads.mean), np.real(heads.log_var)) * np.expm1(-k1)
    return k1


def terms_at(params: Params, problem: Problem, x: Array, heads: Heads, noise: Array) -> Terms:
    """Every term at z_0 = mean + exp(log_var / 2) * noise and z = f(z_0). Noise (particle, batch, latent)."""
    z_0 = heads.mean + np.exp(0.5 * heads.log_var) * noise  # particle, batch, latent
    z, log_det = flow(params, problem, heads.hidden, z_0)  # particle, batch, latent; particle, batch
    output, log_px = likelihood_at(params, problem, x, z)
    return Terms(
        z_0=z_0,
        z=z,
        output=output,
        log_pre_flow=log_normal_diag(z_0, heads.mean, heads.log_var),
        log_det=log_det,
        log_prior=log_prior(params, problem, z),
        log_likelihood=log_px,
    )


def estimate(params: Params, problem: Problem, estimator: Estimator, heads: Heads, terms: Terms) -> Dual:
    """The estimator's value of each datum, in nats with ELBO sign, (batch,). `suites.contract.Bound`, `KLTerm`."""
    if estimator.bound is Bound.RENYI:
        power = 1.0 - estimator.alpha
        return (logsumexp(power * terms.log_weight, axis=0) - float(np.log(estimator.particles))) / power
    return (terms.log_likelihood - kl_term(params, problem, estimator, heads, terms)).mean(0)


# --- what is differentiated


def surrogate(params: Params, problem: Problem, estimator: Estimator, x: Array, heads: Heads, terms: Terms) -> Dual:
    """What is differentiated, (batch,): the value itself, or, where only the derivative means something,

    sticking the landing: mean_k log p(x, z_k) - log q(z_k|x), q's parameters held fixed (Roeder et al. 2017, eq. 8);
    doubly reparameterised: sum_k w_k^2 (log p(x, z_k) - log q(z_k|x)) with only z_k moving, w_k the normalised weights
    held fixed, and sum_k w_k log p(x, z_k) at fixed z_k for the model's own parameters (Tucker et al. 2019, eq. 6).
    """
    if estimator.gradient is GradientForm.REPARAMETERISED:
        return estimate(params, problem, estimator, heads, terms)
    log_q = log_q_along_path(params, problem, heads, terms)
    if estimator.gradient is GradientForm.STICKING_THE_LANDING:
        return (terms.log_likelihood + terms.log_prior - log_q).mean(0)
    weights = normalised_weights(terms.log_weight)
    path, model = doubly_reparameterised_parts(params, problem, x, terms, log_q)
    return (weights**2 * path + weights * model).sum(0)


def log_q_along_path(params: Params, problem: Problem, heads: Heads, terms: Terms) -> Dual:
    """log q(z|x) where only z carries a derivative: q's own parameters, the flow's included, are held fixed.

    The derivative in z is brought back to z_0 = f^-1(z) through the fixed flow's Jacobian. Shape (particle, batch).
    """
    if not np.iscomplexobj(terms.z):
        return stop_gradient(terms.log_q)
    fixed = {name: stop_gradient(value) for name, value in params.items()}
    mean, log_var, hidden = (stop_gradient(each) for each in heads)
    z_0, moved = stop_gradient(terms.z_0), np.imag(terms.z)
    z_0 = z_0 + 1j * inverse_derivative(fixed, problem, hidden, z_0, moved)  # particle, batch, latent
    _, log_det = flow(fixed, problem, hidden, z_0)
    return log_normal_diag(z_0, mean, log_var) - log_det


def doubly_reparameterised_parts(
    params: Params, problem: Problem, x: Array, terms: Terms, log_q: Dual
) -> tuple[Dual, Dual]:
    """log p(x, z_k) - log q(z_k|x) with only z_k moving, and log p(x, z_k) with only the model moving."""
    fixed = {name: stop_gradient(each) for name, each in params.items()}
    path = log_joint(fixed, problem, x, terms.z) - log_q
    return path, log_joint(params, problem, x, stop_gradient(terms.z))


def log_joint(params: Params, problem: Problem, x: Array, z: Dual) -> Dual:
    """log p(x|z) + log p(z), in nats, (particle, batch)."""
    return likelihood_at(params, problem, x, z)[1] + log_prior(params, problem, z)


def normalised_weights(log_weight: Dual) -> Array:
    """exp(a_k) / sum_k exp(a_k) along the particles, without derivative. Shapes: (particle, batch)."""
    shifted = np.exp(stop_gradient(log_weight) - stop_gradient(log_weight).max(0))
    return shifted / shifted.sum(0)
