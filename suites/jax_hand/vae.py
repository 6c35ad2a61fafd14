"""The VAE as one writes it by hand in JAX, with the questioned KL: -(log_p_z - log_q_z) at one sample.

Read side by side with `torch_hand/vae.py`, `pyro_ppl/vae.py` and `numpyro_ppl/vae.py`: the same sections in the same
order, and beside them `layers`, `flows`, `priors`, `bounds`, `session` and `training`.
"""

from math import log, pi
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array as JaxArray
from jax.lax import stop_gradient

from elbo_compare.suites.bridge.form import Form, form_of, no_analytic_kl
from elbo_compare.suites.contract import (
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
)
from elbo_compare.suites.estimators import LIBRARY_VARIANTS
from elbo_compare.suites.jax_hand.bounds import (
    Heads,
    along_the_path,
    analytic_kl,
    bound,
    control_variate,
    doubly_reparameterised,
    half_square,
    ratio,
    sampled_kl,
    slope_after_flow,
)
from elbo_compare.suites.jax_hand.flows import flow
from elbo_compare.suites.jax_hand.layers import Weights, affine, gated
from elbo_compare.suites.jax_hand.priors import log_laplace, log_mixture, log_q_constant

if TYPE_CHECKING:
    from elbo_compare.suites.jax_hand.training import JaxHandSession

# --- networks


def encode(params: Weights, form: Form, x: JaxArray) -> Heads:
    """Mean and log-variance of q(z_0|x), and the last hidden layer. Shapes: (batch, observed) -> (batch, latent) twice,
    (batch, hidden)."""
    h = gated(params, "encoder", form.gated_layers, x)
    return affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h), h


def decode(params: Weights, form: Form, z: JaxArray) -> JaxArray:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    return affine(params, "decoder.output", gated(params, "decoder", form.gated_layers, z))


# --- densities


def log_normal_diag(z: JaxArray, mean: JaxArray, log_var: JaxArray) -> JaxArray:
    """log N(z; mean, diag exp(log_var)) + latent/2 log(2 pi), in nats: the log density of a normal (no lognormal).

    Shapes: (..., latent) -> (...). The normaliser is left out as in the questioned code: it cancels in the KL only.
    """
    return jnp.sum(-0.5 * (log_var + (z - mean) ** 2 / jnp.exp(log_var)), axis=-1)


def log_normal_standard(z: JaxArray) -> JaxArray:
    """log N(z; 0, I) + latent/2 log(2 pi), in nats, the same normaliser left out. Shapes: (..., latent) -> (...)."""
    return jnp.sum(-0.5 * z**2, axis=-1)


def log_prior(params: Weights, form: Form, z: JaxArray) -> JaxArray:
    """log p(z) of the last z, in nats; what is left out, log q leaves out too. Shapes: (..., latent) -> (...)."""
    if form.prior is Prior.LAPLACE:
        return log_laplace(z)
    if form.prior is Prior.MIXTURE:
        return log_mixture(log_normal_diag(z[..., None, :], params["prior.mean"], params["prior.log_var"]))
    if form.prior is Prior.VAMP:
        mean, log_var, _ = encode(params, form, params["prior.pseudo_inputs"])
        return log_mixture(log_normal_diag(z[..., None, :], mean, log_var))
    return log_normal_standard(z)


def log_bernoulli(x: JaxArray, logits: JaxArray) -> JaxArray:
    """Sum of x log p + (1 - x) log(1 - p), p = sigmoid(logits), in nats. Shapes: (..., observed) -> (...).

    Written as x l - softplus(l), which does not overflow for large |l|.
    """
    return jnp.sum(x * logits - jax.nn.softplus(logits), axis=-1)


def log_normal(x: JaxArray, mean: JaxArray, scale: float) -> JaxArray:
    """log N(x; mean, scale^2 I), fully normalised, in nats. Shapes: (..., observed) -> (...)."""
    return jnp.sum(-0.5 * ((x - mean) / scale) ** 2 - (log(scale) + 0.5 * log(2.0 * pi)), axis=-1)


def log_likelihood(params: Weights, form: Form, x: JaxArray, z: JaxArray) -> JaxArray:
    """log p(x|z), in nats; 0 where the problem has no data term. Shapes: (batch, observed), (..., latent) -> (...)."""
    if form.likelihood is Likelihood.NONE:
        return jnp.zeros_like(z[..., 0])
    output = decode(params, form, z)
    if form.likelihood is Likelihood.BERNOULLI:
        return log_bernoulli(x, output)
    return log_normal(x, output, form.likelihood_scale)


# --- estimators


class Terms(NamedTuple):
    """The parts of the estimator, in nats, each of shape (..., particle, batch) or, after a mean, ()."""

    log_likelihood: JaxArray
    kl: JaxArray
    log_q: JaxArray
    log_prior: JaxArray


def sample_at(params: Weights, form: Form, heads: Heads, noise: JaxArray) -> tuple[JaxArray, JaxArray]:
    """The last z, from z_0 = mean + exp(log_var / 2) * noise, and log q(z|x): the density of z_0 less the log-det.

    Shapes: noise (..., noise row, batch, latent) -> (..., particle, batch, latent), (..., particle, batch).
    """
    mean, log_var, hidden = heads
    if form.noise is Noise.ANTITHETIC:
        noise = jnp.concatenate([noise, -noise], axis=-3)
    z_0 = mean + jnp.exp(0.5 * log_var) * noise
    z, log_det = flow(params, form, hidden, z_0)
    log_q = log_normal_diag(z_0, mean, log_var) - log_det - log_q_constant(form)
    if form.gradient is GradientForm.REPARAMETERISED:
        return z, log_q
    slope = -(z_0 - mean) / jnp.exp(log_var)
    if form.flow is not Flow.NONE:
        slope = slope_after_flow(params, form, heads, z_0, slope)
    return z, along_the_path(log_q, slope, z)


def kl_term(params: Weights, form: Form, heads: Heads, log_p_z: JaxArray, log_q_z: JaxArray) -> JaxArray:
    """The KL term of every sample, in nats. Shapes: (..., particle, batch) twice -> the same."""
    if form.kl_term is KLTerm.ANALYTIC:
        return jnp.broadcast_to(analytic_kl(params, form, heads), log_q_z.shape)
    k1 = sampled_kl(log_p_z, log_q_z)
    if form.kl_term is KLTerm.HALF_SQUARE:
        return half_square(k1)
    if form.kl_term is KLTerm.RATIO:
        return ratio(k1)
    if form.kl_term is KLTerm.CONTROL_VARIATE:
        return control_variate(k1, heads[0], heads[1])
    return k1


def terms_at(params: Weights, form: Form, x: JaxArray, heads: Heads, noise: JaxArray) -> Terms:
    """All terms at everybody's noise (..., noise row, batch, latent)."""
    z, log_q = sample_at(params, form, heads, noise)
    if form.gradient is GradientForm.DOUBLY_REPARAMETERISED:
        params = stop_gradient(params)  # log p(x, z) follows z only; see `estimate`
    log_p_z = log_prior(params, form, z)
    kl = kl_term(params, form, heads, log_p_z, log_q)
    return Terms(log_likelihood=log_likelihood(params, form, x, z), kl=kl, log_q=log_q, log_prior=log_p_z)


def estimate(params: Weights, form: Form, x: JaxArray, heads: Heads, noise: JaxArray) -> tuple[JaxArray, Terms]:
    """The estimator's value per datum, in nats with ELBO sign, shape (..., batch), and its terms."""
    terms = terms_at(params, form, x, heads, noise)
    log_w = terms.log_likelihood - terms.kl
    if form.gradient is not GradientForm.DOUBLY_REPARAMETERISED:
        return bound(form, log_w), terms
    z = stop_gradient(sample_at(params, form, heads, noise)[0])
    model = log_likelihood(params, form, x, z) + log_prior(params, form, z)
    return doubly_reparameterised(form, log_w, model), terms


def batch_loss(
    params: Weights, form: Form, x: JaxArray, noise: JaxArray, kl_weight: JaxArray | None = None
) -> tuple[JaxArray, Terms]:
    """The loss as hand-written code has it, the batch mean of KL - log p(x|z), and every term's mean beside it.

    `kl_weight`: weight * KL - log p(x|z) instead, for a warm-up; only where the bound is the ELBO.
    """
    value, terms = estimate(params, form, x, encode(params, form, x), noise)
    means = Terms(*(jnp.mean(term) for term in terms))
    if kl_weight is None:
        return -jnp.mean(value), means
    return jnp.mean(kl_weight * terms.kl - terms.log_likelihood), means


# --- implementation


class JaxHand:
    """The hand-written JAX VAE."""

    name = "jax-hand"
    framework = "jax"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None for every problem and estimator, but where no closed form exists or the estimator is a library's."""
        if estimator in LIBRARY_VARIANTS:
            core = "sampled-kl" if estimator.kl_term is KLTerm.SAMPLED else "analytic-kl"
            return f"by hand this is {core} itself"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> "JaxHandSession":
        """A session; its weights come with each call."""
        # Here, because the session is written upon this page.
        from elbo_compare.suites.bridge.jax_arrays import open_device
        from elbo_compare.suites.jax_hand.replicas import JaxHandReplicas

        return JaxHandReplicas(form_of(problem, estimator), open_device(device, dtype), dtype)
