"""The VAE as one writes it by hand in JAX, with the questioned KL: -(log_p_z - log_q_z) at one sample.

Read side by side with `torch_hand/vae.py`, `numpy_oracle/vae.py`, `pyro_ppl/vae.py` and `numpyro_ppl/vae.py`: the same
sections in the same order.
"""

from math import log, pi
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array as JaxArray
from jax.lax import stop_gradient

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Bound, Flow, GradientForm, KLTerm, Likelihood, Noise, Prior
from elbo_compare.suites.jax_hand.flows import flow, lower_triangular
from elbo_compare.suites.jax_hand.layers import Weights, affine
from elbo_compare.suites.shapes import Float

# --- networks


class Heads(NamedTuple):
    """The encoder at x."""

    mean: JaxArray  # batch, latent
    log_var: JaxArray  # batch, latent
    hidden: JaxArray  # batch, hidden: the last layer, which a flow is conditioned on


def gated(params: Weights, part: str, layers: int, h: JaxArray) -> JaxArray:
    """Layers of (h A' + a) * sigmoid(h G' + g). Dauphin et al. 2017 (arXiv 1612.08083), eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * jax.nn.sigmoid(affine(params, f"{part}.{i}.gate", h))
    return h  # batch, hidden


def encode(params: Weights, form: Form, x: JaxArray) -> Heads:
    """Mean and log-variance of q(z_0|x) at x (batch, observed), and what a flow is conditioned on."""
    h = gated(params, "encoder", form.gated_layers, x)  # batch, hidden
    return Heads(affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h), h)


def decode(params: Weights, form: Form, z: JaxArray) -> JaxArray:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    h = gated(params, "decoder", form.gated_layers, z)  # particle, batch, hidden
    return affine(params, "decoder.output", h)


# --- densities


def log_normal_diag(
    z: Float[JaxArray, "*#rest latent"],
    mean: Float[JaxArray, "*#rest latent"],
    log_var: Float[JaxArray, "*#rest latent"],
) -> Float[JaxArray, "*rest"]:
    """log N(z; mean, diag exp(log_var)) + latent/2 log(2 pi), in nats: the log density of a normal (no lognormal).

    Shapes: (..., latent) -> (...). The normaliser is left out as in the questioned code: it cancels in the KL only.
    """
    return jnp.sum(-0.5 * (log_var + (z - mean) ** 2 / jnp.exp(log_var)), axis=-1)


def log_normal_standard(z: Float[JaxArray, "*rest latent"]) -> Float[JaxArray, "*rest"]:
    """log N(z; 0, I) + latent/2 log(2 pi), in nats, the same normaliser left out. Shapes: (..., latent) -> (...)."""
    return jnp.sum(-0.5 * z**2, axis=-1)


def log_laplace(z: Float[JaxArray, "*rest latent"]) -> Float[JaxArray, "*rest"]:
    """log of a product of Laplace(0, 1), fully normalised, in nats. Shapes: (..., latent) -> (...)."""
    return jnp.sum(-jnp.abs(z) - log(2.0), axis=-1)


def log_mixture(log_components: Float[JaxArray, "*rest component"]) -> Float[JaxArray, "*rest"]:
    """log (1/C) sum_c p_c(z) from the components' log densities, in nats. Shapes: (..., component) -> (...).

    What every component leaves out of its log density, the mixture leaves out too: it still cancels in the KL.
    """
    return jax.scipy.special.logsumexp(log_components, axis=-1) - log(log_components.shape[-1])


def log_prior(params: Weights, form: Form, z: JaxArray) -> JaxArray:
    """log p(z), in nats; all but Laplace's without the normaliser of a normal. Shapes: (..., latent) -> (...)."""
    if form.prior is Prior.STANDARD_NORMAL:
        return log_normal_standard(z)
    if form.prior is Prior.LAPLACE:
        return log_laplace(z)
    if form.prior is Prior.VAMP:
        mean, log_var, _ = encode(params, form, params["prior.pseudo_inputs"])  # component, latent
    else:
        mean, log_var = params["prior.mean"], params["prior.log_var"]  # component, latent
    return log_mixture(log_normal_diag(z[..., None, :], mean, log_var))


def log_pre_flow(form: Form, heads: Heads, z_0: JaxArray) -> JaxArray:
    """log q(z_0|x), in nats, with a normaliser where the prior's own does not cancel it. Shapes as `log_normal_diag`.

    The normaliser of log q has no partner in a Laplace prior, whose own is latent log 2: without it the KL would be
    too large by latent/2 log(2 pi). Beside normals, mixtures of them and VampPriors it cancels and stays left out.
    """
    log_q = log_normal_diag(z_0, heads.mean, heads.log_var)  # particle, batch
    return log_q - 0.5 * form.latent * log(2.0 * pi) if form.prior is Prior.LAPLACE else log_q


def log_bernoulli(
    x: Float[JaxArray, "*#rest observed"], logits: Float[JaxArray, "*#rest observed"]
) -> Float[JaxArray, "*rest"]:
    """Sum of x log p + (1 - x) log(1 - p), p = sigmoid(logits), in nats. Shapes: (..., observed) -> (...).

    Written as x l - softplus(l), which does not overflow for large |l|.
    """
    return jnp.sum(x * logits - jax.nn.softplus(logits), axis=-1)


def log_normal(
    x: Float[JaxArray, "*#rest observed"], mean: Float[JaxArray, "*#rest observed"], scale: float
) -> Float[JaxArray, "*rest"]:
    """log N(x; mean, scale^2 I), fully normalised, in nats. Shapes: (..., observed) -> (...)."""
    return jnp.sum(-0.5 * ((x - mean) / scale) ** 2 - (log(scale) + 0.5 * log(2.0 * pi)), axis=-1)


def log_likelihood(params: Weights, form: Form, x: JaxArray, z: JaxArray) -> JaxArray:
    """log p(x|z), in nats; 0 where the problem has no data term. Shapes: (batch, observed), (..., latent) -> (...)."""
    if form.likelihood is Likelihood.NONE:
        return jnp.zeros_like(z[..., 0])
    output = decode(params, form, z)  # particle, batch, observed
    if form.likelihood is Likelihood.BERNOULLI:
        return log_bernoulli(x, output)
    return log_normal(x, output, form.likelihood_scale)


# --- KL terms


def sampled_kl(log_p_z: JaxArray, log_q_z: JaxArray) -> JaxArray:
    """-(log p(z) - log q(z|x)) at one sample: the questioned line. Kingma and Welling 2014, the KL part of eq. 6."""
    return -(log_p_z - log_q_z)


def analytic_kl(params: Weights, form: Form, heads: Heads) -> JaxArray:
    """KL(N(mean, diag exp(log_var)) || N(0, I)), in nats; after L z: (tr L S^2 L' + |L mean|^2 - D - log |S^2|) / 2.

    Shapes: (..., latent) -> (...). Kingma and Welling 2014, appendix B. Reflections change nothing: |H z| = |z|.
    """
    mean, variance = heads.mean, jnp.exp(heads.log_var)
    if form.flow in (Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF):
        lower = lower_triangular(params, form, heads.hidden)  # batch, latent, latent
        mean = (lower @ mean[..., None])[..., 0]
        variance = (lower**2 @ variance[..., None])[..., 0]
    return -0.5 * jnp.sum(1.0 + heads.log_var - mean**2 - variance, axis=-1)


def half_square(k1: JaxArray) -> JaxArray:
    """k2 = k1^2 / 2, biased. Any shape. Schulman 2020, Approximating KL divergence."""
    return 0.5 * k1**2


def ratio(k1: JaxArray) -> JaxArray:
    """k3 = r - 1 - log r = expm1(-k1) + k1, r = p(z) / q(z|x), unbiased and never negative. Any shape."""
    return jnp.expm1(-k1) + k1


def best_coefficient(mean: JaxArray, log_var: JaxArray) -> JaxArray:
    """l = J / (R - 1) of k1 + l (r - 1), J = KL(q||p) + KL(p||q), R = E r^2, p = N(0, I); no gradient.

    0 where R is infinite. Owen 2013, section 8.9.

    Per dimension J = (sigma^2 + 1 / sigma^2 - 2 + mean^2 (1 + 1 / sigma^2)) / 2, which is finite everywhere, and
    log R = log sigma^2 - log(2 sigma^2 - 1) / 2 + mean^2 / (2 sigma^2 - 1), finite for sigma^2 > 1/2; both are written
    so that nothing cancels near q = p. Shapes: (..., latent) twice -> (...).
    """
    mean, log_var = stop_gradient(mean), stop_gradient(log_var)
    room = 1.0 + 2.0 * jnp.expm1(log_var)
    finite = jnp.all(room > 0.0, axis=-1)
    room_less_one = jnp.where(room > 0.0, 2.0 * jnp.expm1(log_var), 0.0)
    log_room, pull = jnp.log1p(room_less_one), mean**2 / (1.0 + room_less_one)
    log_second_moment = jnp.sum(log_var - 0.5 * log_room + pull, axis=-1)
    spread = jnp.expm1(log_var) + jnp.expm1(-log_var) + mean**2 * (1.0 + jnp.exp(-log_var))
    jeffreys, excess = 0.5 * jnp.sum(spread, axis=-1), jnp.expm1(log_second_moment)
    usable = finite & (excess > 0.0)  # q = p has J = R - 1 = 0, and r - 1 = 0 with them
    return jnp.where(usable, jeffreys / jnp.where(usable, excess, 1.0), 0.0)


def control_variate(k1: JaxArray, coefficient: JaxArray) -> JaxArray:
    """k1 + l (r - 1), unbiased for every l. Shapes: (..., particle, batch), (..., batch) -> (..., particle, batch).

    Where l = 0 the ratio is not formed: it may overflow, and 0 * inf is nan, in the gradient too.
    """
    return k1 + coefficient * jnp.expm1(-jnp.where(coefficient != 0.0, k1, 0.0))


def kl_term(params: Weights, form: Form, heads: Heads, log_p_z: JaxArray, log_q_z: JaxArray) -> JaxArray:
    """The estimator's KL term, in nats. Shapes: (..., particle, batch) -> (..., particle, batch)."""
    k1 = sampled_kl(log_p_z, log_q_z)
    if form.kl_term is KLTerm.ANALYTIC:
        return jnp.broadcast_to(analytic_kl(params, form, heads), k1.shape)
    if form.kl_term is KLTerm.HALF_SQUARE:
        return half_square(k1)
    if form.kl_term is KLTerm.RATIO:
        return ratio(k1)
    if form.kl_term is KLTerm.CONTROL_VARIATE:
        return control_variate(k1, best_coefficient(heads.mean, heads.log_var))
    return k1


# --- estimators


class Terms(NamedTuple):
    """The parts of the estimator, in nats, each of shape (..., particle, batch) or, after a mean, ()."""

    log_likelihood: JaxArray
    kl: JaxArray
    log_q: JaxArray
    log_prior: JaxArray

    @property
    def log_weight(self) -> JaxArray:
        """log p(x|z) - KL: log w, whose mean is the ELBO, where KL is the sampled one."""
        return self.log_likelihood - self.kl


def terms_at(params: Weights, form: Form, x: JaxArray, heads: Heads, noise: JaxArray) -> Terms:
    """All terms at z_0 = mean + exp(log_var / 2) * noise and z = f(z_0). Noise (..., noise row, batch, latent).

    log q is that of the pre-flow sample less the log-determinant, log p that of the post-flow sample.
    """
    if form.noise is Noise.ANTITHETIC:
        noise = jnp.concatenate([noise, -noise], axis=-3)  # particle, batch, latent
    z_0 = heads.mean + jnp.exp(0.5 * heads.log_var) * noise  # particle, batch, latent
    z, log_det = flow(params, form, heads.hidden, z_0)  # particle, batch, latent; particle, batch
    log_q_z = log_pre_flow(form, heads, z_0) - log_det  # particle, batch
    if form.gradient is not GradientForm.REPARAMETERISED:
        log_q_z = log_q_along_path(params, form, heads, z_0, z, log_q_z)
    if form.gradient is GradientForm.DOUBLY_REPARAMETERISED:
        params = stop_gradient(params)  # log p(x, z) follows z only; see `estimate`
    log_p_z = log_prior(params, form, z)  # particle, batch
    kl = kl_term(params, form, heads, log_p_z, log_q_z)
    return Terms(log_likelihood=log_likelihood(params, form, x, z), kl=kl, log_q=log_q_z, log_prior=log_p_z)


def estimate(params: Weights, form: Form, x: JaxArray, heads: Heads, noise: JaxArray) -> tuple[JaxArray, Terms]:
    """Each datum's value, (..., batch), in nats with ELBO sign: its particles' mean ELBO or Renyi bound; the terms."""
    terms = terms_at(params, form, x, heads, noise)
    if form.gradient is GradientForm.DOUBLY_REPARAMETERISED:
        model = log_joint_at_fixed_samples(params, form, x, heads, noise)
        return doubly_reparameterised(terms.log_weight, model), terms
    if form.bound is Bound.RENYI:
        return renyi(terms.log_weight, form.alpha), terms
    return jnp.mean(terms.log_weight, axis=-2), terms


def batch_loss(
    params: Weights, form: Form, x: JaxArray, noise: JaxArray, kl_weight: JaxArray | None = None
) -> tuple[JaxArray, Terms]:
    """The loss as hand-written code has it, the batch mean of KL - log p(x|z) or minus the bound; and the terms' means.

    `kl_weight`: weight * KL - log p(x|z) instead, for a warm-up; only where the bound is the ELBO.
    """
    value, terms = estimate(params, form, x, encode(params, form, x), noise)  # batch; particle, batch
    means = Terms(*(jnp.mean(term) for term in terms))
    if kl_weight is None:
        return -jnp.mean(value), means
    return jnp.mean(kl_weight * terms.kl - terms.log_likelihood), means


# --- bounds


def renyi(log_weights: JaxArray, alpha: float) -> JaxArray:
    """log((1/K) sum_k w_k^(1 - alpha)) / (1 - alpha), in nats. Shapes: (..., particle, batch) -> (..., batch).

    Li and Turner 2016, eq. 7; alpha = 0 is the importance-weighted bound, Burda et al. 2016, eq. 8.
    """
    scaled = (1.0 - alpha) * log_weights
    return (jax.scipy.special.logsumexp(scaled, axis=-2) - log(scaled.shape[-2])) / (1.0 - alpha)


def doubly_reparameterised(path: JaxArray, model: JaxArray) -> JaxArray:
    """The importance-weighted bound whose gradient is sum_k w~_k^2 d path_k + w~_k d model_k, w~ = w / sum w.

    `path`: log w where only z depends on the parameters; `model`: log p(x, z) where z does not.
    Shapes: (..., particle, batch) twice -> (..., batch). Tucker et al. 2019, eq. 6.
    """
    weights = stop_gradient(jax.nn.softmax(path, axis=-2))
    surrogate = jnp.sum(weights**2 * path + weights * model, axis=-2)
    return stop_gradient(renyi(path, 0.0) - surrogate) + surrogate


# --- gradients


def log_q_along_path(
    params: Weights, form: Form, heads: Heads, z_0: JaxArray, z: JaxArray, log_q: JaxArray
) -> JaxArray:
    """The value of log q(z|x) with d log q / dz dz/d(parameters) as its gradient: no score. Roeder et al. 2017, eq. 8.

    Shapes: z_0, z (..., latent), log_q (...) -> (...).
    """
    slope = -(z_0 - heads.mean) / jnp.exp(heads.log_var)  # particle, batch, latent
    if form.flow is not Flow.NONE:
        slope = slope_after_flow(params, form, heads, z_0, slope)
    return stop_gradient(log_q) + jnp.sum(stop_gradient(slope) * (z - stop_gradient(z)), axis=-1)


def slope_after_flow(params: Weights, form: Form, heads: Heads, z_0: JaxArray, slope: JaxArray) -> JaxArray:
    """d log q(z_T|x) / dz_T from d log N(z_0) / dz_0 = `slope`: J^-T (slope - d log|J| / dz_0), J = df/dz_0.

    Shapes: (..., latent) three times. A linear system of size latent for every sample.
    """

    def one(hidden: JaxArray, z_0: JaxArray, slope: JaxArray) -> JaxArray:
        jacobian = jax.jacfwd(lambda z: flow(params, form, hidden, z)[0])(z_0)
        bend = jax.grad(lambda z: flow(params, form, hidden, z)[1])(z_0)
        return jnp.linalg.solve(jacobian.T, slope - bend)

    return jnp.vectorize(one, signature="(h),(d),(d)->(d)")(heads.hidden, z_0, slope)


def log_joint_at_fixed_samples(params: Weights, form: Form, x: JaxArray, heads: Heads, noise: JaxArray) -> JaxArray:
    """log p(x|z) + log p(z), the samples without gradient: what decoder and prior learn from. (particle, batch)."""
    z = stop_gradient(flow(params, form, heads.hidden, heads.mean + jnp.exp(0.5 * heads.log_var) * noise)[0])
    return log_likelihood(params, form, x, z) + log_prior(params, form, z)
