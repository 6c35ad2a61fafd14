"""The VAE as one writes it by hand in torch, with the questioned KL: -(log_p_z - log_q_z) at one sample.

Read side by side with `jax_hand/vae.py`, `numpy_oracle/vae.py`, `pyro_ppl/vae.py` and `numpyro_ppl/vae.py`: the same
sections in the same order.
"""

from dataclasses import dataclass
from math import log, pi
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Bound, Flow, GradientForm, KLTerm, Likelihood, Noise, Prior
from elbo_compare.suites.shapes import Float
from elbo_compare.suites.torch_hand.flows import flow, flow_back, lower_triangular
from elbo_compare.suites.torch_hand.layers import Weights, affine

# --- networks


class Heads(NamedTuple):
    """The encoder at x."""

    mean: Tensor  # batch, latent
    log_var: Tensor  # batch, latent
    hidden: Tensor  # batch, hidden: the last layer, which a flow is conditioned on


def gated(params: Weights, part: str, layers: int, h: Tensor) -> Tensor:
    """Layers of (h A' + a) * sigmoid(h G' + g). Dauphin et al. 2017 (arXiv 1612.08083), eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * torch.sigmoid(affine(params, f"{part}.{i}.gate", h))
    return h  # batch, hidden


def encode(params: Weights, form: Form, x: Tensor) -> Heads:
    """Mean and log-variance of q(z_0|x) at x (batch, observed), and what a flow is conditioned on."""
    h = gated(params, "encoder", form.gated_layers, x)  # batch, hidden
    return Heads(affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h), h)


def decode(params: Weights, form: Form, z: Tensor) -> Tensor:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    h = gated(params, "decoder", form.gated_layers, z)  # particle, batch, hidden
    return affine(params, "decoder.output", h)


# --- densities


def log_normal_diag(
    z: Float[Tensor, "*#rest latent"], mean: Float[Tensor, "*#rest latent"], log_var: Float[Tensor, "*#rest latent"]
) -> Float[Tensor, "*rest"]:
    """log N(z; mean, diag exp(log_var)) + latent/2 log(2 pi), in nats: the log density of a normal (no lognormal).

    Shapes: (..., latent) -> (...). The normaliser is left out as in the questioned code: it cancels in the KL only.
    """
    return torch.sum(-0.5 * (log_var + (z - mean) ** 2 / torch.exp(log_var)), dim=-1)


def log_normal_standard(z: Float[Tensor, "*rest latent"]) -> Float[Tensor, "*rest"]:
    """log N(z; 0, I) + latent/2 log(2 pi), in nats, the same normaliser left out. Shapes: (..., latent) -> (...)."""
    return torch.sum(-0.5 * z**2, dim=-1)


def log_laplace(z: Float[Tensor, "*rest latent"]) -> Float[Tensor, "*rest"]:
    """log of a product of Laplace(0, 1), fully normalised, in nats. Shapes: (..., latent) -> (...).

    Its normaliser is log 2 per dimension, a normal's is log(2 pi) / 2: nothing here would cancel a dropped one, and
    the KL would be off by a constant (for a learnt scale its gradient, too).
    """
    return torch.sum(-torch.abs(z) - log(2.0), -1)


def log_mixture(log_components: Float[Tensor, "*rest component"]) -> Float[Tensor, "*rest"]:
    """log (1/C) sum_c p_c(z) from the components' log densities, in nats. Shapes: (..., component) -> (...).

    If every component drops the same normaliser, then so does the mixture, and it cancels in the KL as before.
    Tomczak and Welling 2018, when the components are the encoder's at pseudo-inputs.
    """
    return torch.logsumexp(log_components, -1) - log(log_components.shape[-1])


def log_prior(params: Weights, form: Form, z: Tensor) -> Tensor:
    """log p(z), in nats; all but Laplace's without the normaliser of a normal. Shapes: (..., latent) -> (...)."""
    if form.prior is Prior.STANDARD_NORMAL:
        return log_normal_standard(z)
    if form.prior is Prior.LAPLACE:
        return log_laplace(z)
    if form.prior is Prior.VAMP:
        mean, log_var, _ = encode(params, form, params["prior.pseudo_inputs"])  # component, latent
    else:
        mean, log_var = params["prior.mean"], params["prior.log_var"]  # component, latent
    return log_mixture(log_normal_diag(z.unsqueeze(-2), mean, log_var))


def log_pre_flow(form: Form, heads: Heads, z_0: Tensor) -> Tensor:
    """log q(z_0|x), in nats, with a normaliser where the prior's own does not cancel it. Shapes as `log_normal_diag`.

    Against a Laplace prior (log 2 per dimension) the dropped 0.5 log(2 pi) would stay in the KL as a constant.
    """
    log_q = log_normal_diag(z_0, heads.mean, heads.log_var)  # particle, batch
    return log_q - 0.5 * form.latent * log(2.0 * pi) if form.prior is Prior.LAPLACE else log_q


def log_bernoulli(
    x: Float[Tensor, "*#rest observed"], logits: Float[Tensor, "*#rest observed"]
) -> Float[Tensor, "*rest"]:
    """Sum of x log p + (1 - x) log(1 - p), p = sigmoid(logits), in nats. Shapes: (..., observed) -> (...).

    Written as x l - softplus(l), which does not overflow for large |l|.
    """
    return torch.sum(x * logits - functional.softplus(logits), dim=-1)


def log_normal(
    x: Float[Tensor, "*#rest observed"], mean: Float[Tensor, "*#rest observed"], scale: float
) -> Float[Tensor, "*rest"]:
    """log N(x; mean, scale^2 I), fully normalised, in nats. Shapes: (..., observed) -> (...)."""
    return torch.sum(-0.5 * ((x - mean) / scale) ** 2 - (log(scale) + 0.5 * log(2.0 * pi)), dim=-1)


def log_likelihood(params: Weights, form: Form, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z), in nats; 0 where the problem has no data term. Shapes: (batch, observed), (..., latent) -> (...)."""
    if form.likelihood is Likelihood.NONE:
        return z.new_zeros(z.shape[:-1])
    output = decode(params, form, z)  # particle, batch, observed
    if form.likelihood is Likelihood.BERNOULLI:
        return log_bernoulli(x, output)
    return log_normal(x, output, form.likelihood_scale)


# --- KL terms


def sampled_kl(log_p_z: Tensor, log_q_z: Tensor) -> Tensor:
    """-(log p(z) - log q(z|x)) at one sample: the questioned line. Kingma and Welling 2014, the KL part of eq. 6."""
    return -(log_p_z - log_q_z)


def analytic_kl(params: Weights, form: Form, heads: Heads) -> Tensor:
    """KL(N(mean, diag exp(log_var)) || N(0, I)), in nats; after L z: (tr L S^2 L' + |L mean|^2 - D - log |S^2|) / 2.

    Shapes: (batch, latent) -> (batch,). Kingma and Welling 2014, appendix B. Reflections change nothing: |H z| = |z|.
    """
    mean, variance = heads.mean, torch.exp(heads.log_var)
    if form.flow in (Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF):
        lower = lower_triangular(params, form, heads.hidden)  # batch, latent, latent
        mean = torch.matmul(lower, mean.unsqueeze(-1)).squeeze(-1)
        variance = torch.sum(lower**2 * variance.unsqueeze(-2), -1)
    return -0.5 * torch.sum(1.0 + heads.log_var - mean**2 - variance, dim=-1)


def half_square(k1: Tensor) -> Tensor:
    """k2 = k1^2 / 2, biased. Any shape. Schulman 2020, Approximating KL divergence."""
    return 0.5 * k1**2


def ratio(k1: Tensor) -> Tensor:
    """k3 = r - 1 - log r = expm1(-k1) + k1, r = p(z) / q(z|x), unbiased and never negative. Any shape."""
    return torch.expm1(-k1) + k1


def best_coefficient(mean: Tensor, log_var: Tensor) -> Tensor:
    """l = J / (R - 1) of k1 + l (r - 1), J = KL(q||p) + KL(p||q), R = E r^2, p = N(0, I); no gradient.

    Shapes: (..., latent) -> (...). -Cov(k1, r) / Var r, Cov = -J; Owen 2013, section 8.9. R is infinite where a
    sigma^2 <= 1/2: there r has no variance that a coefficient could minimise, and l = 0. At q = p also r - 1 = 0.
    """
    mean, log_var = mean.detach(), log_var.detach()
    above, below = torch.expm1(log_var), torch.expm1(-log_var)  # sigma^2 - 1 and 1 / sigma^2 - 1
    both = 0.5 * torch.sum(above + below + mean**2 * (2.0 + below), -1)
    finite = above > -0.5
    twice = torch.where(finite, 2.0 * above, 0.0)
    excess = torch.expm1(torch.sum(log_var - 0.5 * torch.log1p(twice) + mean**2 / (1.0 + twice), -1))
    usable = finite.all(-1) & (excess > 0)
    return torch.where(usable, both / torch.where(usable, excess, 1.0), 0.0)


def control_variate(k1: Tensor, coefficient: Tensor) -> Tensor:
    """k1 + l (r - 1), unbiased for every l. Shapes: (particle, batch), (batch,) -> (particle, batch)."""
    return k1 + coefficient * torch.expm1(-k1)


def kl_term(params: Weights, form: Form, heads: Heads, log_p_z: Tensor, log_q_z: Tensor) -> Tensor:
    """The estimator's KL term, in nats. Shapes: (particle, batch) -> (particle, batch)."""
    k1 = sampled_kl(log_p_z, log_q_z)
    if form.kl_term is KLTerm.ANALYTIC:
        return analytic_kl(params, form, heads).expand(k1.shape)
    if form.kl_term is KLTerm.HALF_SQUARE:
        return half_square(k1)
    if form.kl_term is KLTerm.RATIO:
        return ratio(k1)
    if form.kl_term is KLTerm.CONTROL_VARIATE:
        return control_variate(k1, best_coefficient(heads.mean, heads.log_var))
    return k1


# --- estimators


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The parts of the estimator, in nats, each of shape (particle, batch)."""

    log_likelihood: Tensor
    kl: Tensor
    log_q: Tensor
    log_prior: Tensor

    @property
    def log_weight(self) -> Tensor:
        """log p(x|z) - KL: log w, whose mean is the ELBO, where KL is the sampled one."""
        return self.log_likelihood - self.kl


def terms_at(params: Weights, form: Form, x: Tensor, heads: Heads, noise: Tensor) -> Terms:
    """All terms at z_0 = mean + exp(log_var / 2) * noise and z = f(z_0). Noise (noise_rows, batch, latent).

    log q is that of the pre-flow sample less the log-determinant, log p that of the post-flow sample.
    """
    if form.noise is Noise.ANTITHETIC:
        noise = torch.cat([noise, -noise])  # particle, batch, latent
    z_0 = heads.mean + torch.exp(0.5 * heads.log_var) * noise  # particle, batch, latent
    z, log_det = flow(params, form, heads.hidden, z_0)  # particle, batch, latent; particle, batch
    if form.gradient is GradientForm.REPARAMETERISED:
        log_q_z = log_pre_flow(form, heads, z_0) - log_det  # particle, batch
    else:
        log_q_z = log_q_along_path(params, form, heads, z_0, z)
    if form.gradient is GradientForm.DOUBLY_REPARAMETERISED:
        params = detached(params)  # log p(x, z) follows z only; see `estimate`
    log_p_z = log_prior(params, form, z)  # particle, batch
    kl = kl_term(params, form, heads, log_p_z, log_q_z)
    return Terms(log_likelihood=log_likelihood(params, form, x, z), kl=kl, log_q=log_q_z, log_prior=log_p_z)


def estimate(params: Weights, form: Form, x: Tensor, heads: Heads, noise: Tensor) -> tuple[Tensor, Terms]:
    """Each datum's value, (batch,), in nats with ELBO sign: its particles' mean ELBO or Renyi bound; and the terms."""
    terms = terms_at(params, form, x, heads, noise)
    if form.gradient is GradientForm.DOUBLY_REPARAMETERISED:
        model = log_joint_at_fixed_samples(params, form, x, heads, noise)
        return doubly_reparameterised(terms.log_weight, model), terms
    if form.bound is Bound.RENYI:
        return renyi(terms.log_weight, form.alpha), terms
    return torch.mean(terms.log_weight, 0), terms


def batch_loss(
    params: Weights, form: Form, x: Tensor, noise: Tensor, kl_weight: float | None = None
) -> tuple[Tensor, Terms]:
    """The loss as hand-written code has it, the batch mean of KL - log p(x|z) or minus the bound; and the terms.

    `kl_weight`: weight * KL - log p(x|z) instead, for a warm-up; only where the bound is the ELBO.
    """
    heads = encode(params, form, x)
    if form.bound is Bound.RENYI:
        value, terms = estimate(params, form, x, heads, noise)
        return -value.mean(), terms
    terms = terms_at(params, form, x, heads, noise)
    kl = terms.kl if kl_weight is None else kl_weight * terms.kl
    return torch.mean(kl - terms.log_likelihood), terms


# --- bounds


def renyi(log_weights: Tensor, alpha: float) -> Tensor:
    """log ((1/K) sum_k w_k^(1 - alpha)) / (1 - alpha), in nats. Shapes: (particle, batch) -> (batch,).

    Li and Turner 2016, eq. 7; alpha = 0 is the importance-weighted bound, Burda et al. 2016, eq. 8.
    """
    scaled = (1.0 - alpha) * log_weights
    return (torch.logsumexp(scaled, 0) - log(len(scaled))) / (1.0 - alpha)


def doubly_reparameterised(path: Tensor, model: Tensor) -> Tensor:
    """The importance-weighted bound whose gradient is sum_k w~_k^2 d path_k + w~_k d model_k, w~ = w / sum w.

    `path`: log w with only the samples differentiable; `model`: log p(x, z) with only the model's parameters. Shapes:
    (particle, batch) twice -> (batch,). Tucker et al. 2019, eq. 6.
    """
    weights = torch.softmax(path.detach(), 0)
    surrogate = torch.sum(weights**2 * path + weights * model, 0)
    return renyi(path.detach(), 0.0) + surrogate - surrogate.detach()


# --- gradients


def log_q_along_path(params: Weights, form: Form, heads: Heads, z_0: Tensor, z: Tensor) -> Tensor:
    """log q(z|x) with every parameter of q detached, flow included: only z, the path, carries a gradient.

    Roeder et al. 2017, eq. 8. Shapes: (particle, batch, latent) -> (particle, batch).
    """
    params, heads = detached(params), Heads(*(head.detach() for head in heads))
    start = flow_back(params, form, heads.hidden, z_0, z)  # particle, batch, latent
    return log_pre_flow(form, heads, start) - flow(params, form, heads.hidden, start)[1]


def log_joint_at_fixed_samples(params: Weights, form: Form, x: Tensor, heads: Heads, noise: Tensor) -> Tensor:
    """log p(x|z) + log p(z), the samples without gradient: what decoder and prior learn from. (particle, batch)."""
    with torch.no_grad():
        z, _ = flow(params, form, heads.hidden, heads.mean + torch.exp(0.5 * heads.log_var) * noise)
    return log_likelihood(params, form, x, z) + log_prior(params, form, z)


def detached(params: Weights) -> Weights:
    """The same numbers, without gradient."""
    return {name: tensor.detach() for name, tensor in params.items()}
