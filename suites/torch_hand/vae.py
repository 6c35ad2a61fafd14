"""The VAE as one writes it by hand in torch, with the questioned KL: -(log_p_z - log_q_z) at one sample.

Read side by side with `jax_hand/vae.py`, `pyro_ppl/vae.py` and `numpyro_ppl/vae.py`: the same sections in the same
order.
"""

from dataclasses import dataclass
from math import log, pi
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from elbo_compare.suites.bridge.form import Form, form_of, no_analytic_kl
from elbo_compare.suites.bridge.torch_arrays import open_device
from elbo_compare.suites.contract import (
    Bound,
    Device,
    DType,
    Estimator,
    Flow,
    GradientForm,
    KLTerm,
    Likelihood,
    Noise,
    Prior,
    Problem,
    Session,
)
from elbo_compare.suites.estimators import LIBRARY_VARIANTS
from elbo_compare.suites.torch_hand import bounds
from elbo_compare.suites.torch_hand.flows import lower_matrix, moved, moved_back
from elbo_compare.suites.torch_hand.layers import Weights, affine, gated
from elbo_compare.suites.torch_hand.priors import log_laplace_standard, log_mixture

# --- networks


class Heads(NamedTuple):
    """The encoder's outputs: mean and log-variance (batch, latent), and the last hidden layer (batch, hidden)."""

    mean: Tensor
    log_var: Tensor
    hidden: Tensor

    def detached(self) -> "Heads":
        """The same numbers, cut off from the encoder."""
        return Heads(*(part.detach() for part in self))


def encode(params: Weights, form: Form, x: Tensor) -> Heads:
    """Mean and log-variance of q(z_0|x), and what a flow is conditioned on. Shapes: see `Heads`."""
    h = gated(params, "encoder", form.gated_layers, x)
    return Heads(affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h), h)


def decode(params: Weights, form: Form, z: Tensor) -> Tensor:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    return affine(params, "decoder.output", gated(params, "decoder", form.gated_layers, z))


# --- densities


def log_normal_diag(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log N(z; mean, diag exp(log_var)) + latent/2 log(2 pi), in nats: the log density of a normal (no lognormal).

    Shapes: (..., latent) -> (...). The normaliser is left out as in the questioned code: it cancels in the KL only.
    """
    return torch.sum(-0.5 * (log_var + (z - mean) ** 2 / torch.exp(log_var)), dim=-1)


def log_normal_standard(z: Tensor) -> Tensor:
    """log N(z; 0, I) + latent/2 log(2 pi), in nats, the same normaliser left out. Shapes: (..., latent) -> (...)."""
    return torch.sum(-0.5 * z**2, dim=-1)


def log_prior(params: Weights, form: Form, z: Tensor) -> Tensor:
    """log p(z), in nats; all but Laplace's without the normaliser of a normal. Shapes: (..., latent) -> (...)."""
    if form.prior is Prior.STANDARD_NORMAL:
        return log_normal_standard(z)
    if form.prior is Prior.LAPLACE:
        return log_laplace_standard(z)
    if form.prior is Prior.VAMP:
        mean, log_var, _ = encode(params, form, params["prior.pseudo_inputs"])
    else:
        mean, log_var = params["prior.mean"], params["prior.log_var"]
    return log_mixture(log_normal_diag(z.unsqueeze(-2), mean, log_var))


def log_pre_flow(form: Form, heads: Heads, z_0: Tensor) -> Tensor:
    """log q(z_0|x), in nats, with a normaliser where the prior's own does not cancel it. Shapes as `log_normal_diag`.

    Against a Laplace prior (log 2 per dimension) the dropped 0.5 log(2 pi) would stay in the KL as a constant.
    """
    log_q = log_normal_diag(z_0, heads.mean, heads.log_var)
    return log_q - 0.5 * form.latent * log(2.0 * pi) if form.prior is Prior.LAPLACE else log_q


def log_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """Sum of x log p + (1 - x) log(1 - p), p = sigmoid(logits), in nats. Shapes: (..., observed) -> (...).

    Written as x l - softplus(l), which does not overflow for large |l|.
    """
    return torch.sum(x * logits - functional.softplus(logits), dim=-1)


def log_normal(x: Tensor, mean: Tensor, scale: float) -> Tensor:
    """log N(x; mean, scale^2 I), fully normalised, in nats. Shapes: (..., observed) -> (...)."""
    return torch.sum(-0.5 * ((x - mean) / scale) ** 2 - (log(scale) + 0.5 * log(2.0 * pi)), dim=-1)


def log_likelihood(params: Weights, form: Form, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z), in nats; 0 where the problem has no data term. Shapes: (batch, observed), (..., latent) -> (...)."""
    if form.likelihood is Likelihood.NONE:
        return z.new_zeros(z.shape[:-1])
    output = decode(params, form, z)
    if form.likelihood is Likelihood.BERNOULLI:
        return log_bernoulli(x, output)
    return log_normal(x, output, form.likelihood_scale)


# --- estimators


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The parts of the estimator, in nats, each of shape (particle, batch)."""

    log_likelihood: Tensor
    kl: Tensor
    log_q: Tensor
    log_prior: Tensor

    @property
    def elbo(self) -> Tensor:
        """log p(x|z) - KL; log w where KL is the sampled one."""
        return self.log_likelihood - self.kl


def sampled_kl(log_p_z: Tensor, log_q_z: Tensor) -> Tensor:
    """-(log p(z) - log q(z|x)) at one sample: the questioned line. Kingma and Welling 2014, the KL part of eq. 6."""
    return -(log_p_z - log_q_z)


def analytic_kl(params: Weights, form: Form, heads: Heads) -> Tensor:
    """KL(N(mean, diag exp(log_var)) || N(0, I)), in nats; after L z: (tr L S^2 L' + |L mean|^2 - D - log |S^2|) / 2.

    Shapes: (batch, latent) -> (batch,). Kingma and Welling 2014, appendix B. Reflections change nothing: |H z| = |z|.
    """
    mean, variance = heads.mean, torch.exp(heads.log_var)
    if form.flow in (Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF):
        matrix = lower_matrix(params, form, heads.hidden)
        mean = torch.matmul(matrix, mean.unsqueeze(-1)).squeeze(-1)
        variance = torch.sum(matrix**2 * variance.unsqueeze(-2), -1)
    return -0.5 * torch.sum(1.0 + heads.log_var - mean**2 - variance, dim=-1)


def kl_term(params: Weights, form: Form, heads: Heads, log_p_z: Tensor, log_q_z: Tensor) -> Tensor:
    """The estimator's KL term, in nats. Shapes: (particle, batch) -> (particle, batch)."""
    k1 = sampled_kl(log_p_z, log_q_z)
    if form.kl_term is KLTerm.ANALYTIC:
        return analytic_kl(params, form, heads).expand(k1.shape)
    if form.kl_term is KLTerm.HALF_SQUARE:
        return bounds.half_square(k1)
    if form.kl_term is KLTerm.RATIO:
        return bounds.ratio(k1)
    if form.kl_term is KLTerm.CONTROL_VARIATE:
        return bounds.control_variate(k1, bounds.best_coefficient(heads.mean, heads.log_var))
    return k1


def terms_at(params: Weights, form: Form, x: Tensor, heads: Heads, noise: Tensor) -> Terms:
    """All terms at z_0 = mean + exp(log_var / 2) * noise and z = f(z_0). Noise (noise_rows, batch, latent).

    log q is that of the pre-flow sample less the log-determinant, log p that of the post-flow sample.
    """
    if form.noise is Noise.ANTITHETIC:
        noise = torch.cat([noise, -noise])
    z_0 = heads.mean + torch.exp(0.5 * heads.log_var) * noise
    z, log_det = moved(params, form, heads.hidden, z_0)
    if form.gradient is GradientForm.REPARAMETERISED:
        log_q_z = log_pre_flow(form, heads, z_0) - log_det
    else:
        log_q_z = log_q_along_path(params, form, heads, z_0, z)
    if form.gradient is GradientForm.DOUBLY_REPARAMETERISED:
        params = detached(params)
    log_p_z = log_prior(params, form, z)
    kl = kl_term(params, form, heads, log_p_z, log_q_z)
    return Terms(log_likelihood=log_likelihood(params, form, x, z), kl=kl, log_q=log_q_z, log_prior=log_p_z)


def detached(params: Weights) -> Weights:
    """The same numbers, without gradient."""
    return {name: tensor.detach() for name, tensor in params.items()}


def log_q_along_path(params: Weights, form: Form, heads: Heads, z_0: Tensor, z: Tensor) -> Tensor:
    """log q(z|x) with every parameter of q detached, flow included: only z, the path, carries a gradient.

    Roeder et al. 2017, eq. 8. Shapes: (particle, batch, latent) -> (particle, batch).
    """
    params, heads = detached(params), heads.detached()
    start = moved_back(params, form, heads.hidden, z_0, z)
    return log_pre_flow(form, heads, start) - moved(params, form, heads.hidden, start)[1]


def datum_bounds(params: Weights, form: Form, x: Tensor, heads: Heads, noise: Tensor) -> tuple[Terms, Tensor]:
    """The terms, and each datum's value in nats, (batch,): the mean ELBO of its particles, or their Renyi bound."""
    terms = terms_at(params, form, x, heads, noise)
    if form.gradient is GradientForm.DOUBLY_REPARAMETERISED:
        return terms, bounds.doubly_reparameterised(
            terms.elbo, log_joint_at_fixed_samples(params, form, x, heads, noise)
        )
    if form.bound is Bound.RENYI:
        return terms, bounds.renyi(terms.elbo, form.alpha)
    return terms, torch.mean(terms.elbo, 0)


def log_joint_at_fixed_samples(params: Weights, form: Form, x: Tensor, heads: Heads, noise: Tensor) -> Tensor:
    """log p(x|z) + log p(z), the samples without gradient: what decoder and prior learn from. (particle, batch)."""
    with torch.no_grad():
        z, _ = moved(params, form, heads.hidden, heads.mean + torch.exp(0.5 * heads.log_var) * noise)
    return log_likelihood(params, form, x, z) + log_prior(params, form, z)


def batch_loss(terms: Terms, kl_weight: float | None = None) -> Tensor:
    """The loss as hand-written code has it: the batch mean of KL - log p(x|z), KL weighted during warm-up."""
    kl = terms.kl if kl_weight is None else kl_weight * terms.kl
    return torch.mean(kl - terms.log_likelihood)


# --- implementation


class TorchHand:
    """The hand-written torch VAE."""

    name = "torch-hand"
    framework = "torch"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or why not: no closed form, or a library's variant of what is here under another name."""
        if any(estimator.name == variant.name for variant in LIBRARY_VARIANTS):
            core = "analytic-kl" if estimator.kl_term is KLTerm.ANALYTIC else "sampled-kl"
            return f"a library's own class; by hand this is {core} itself"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> Session:
        """A session; its weights come with each call."""
        from elbo_compare.suites.torch_hand.replicas import open_session  # it imports this page

        return open_session(form_of(problem, estimator), open_device(device), dtype)
