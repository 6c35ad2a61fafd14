"""The VAE in TensorFlow Probability: a surrogate posterior, a target log density, and nothing but the public losses.

Read side by side with `torch_hand/vae.py`, `jax_hand/vae.py`, `numpy_oracle/vae.py`, `pyro_ppl/vae.py` and
`numpyro_ppl/vae.py`: the same sections in the same order. The library returns one loss for each datum of the batch.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array as JaxArray
from jax.lax import stop_gradient

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Bound, Flow, GradientForm, KLTerm, Likelihood, Prior
from elbo_compare.suites.tfp_ppl.flows import bijectors_of
from elbo_compare.suites.tfp_ppl.library import Distribution, Public, Weights, affine, tfb, tfd, tfp

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


def prior(params: Weights, form: Form, dtype: Any) -> Distribution:
    """p(z), without batch axes. The VampPrior's components come from the encoder, whose weights are then its too."""
    zeros, ones = jnp.zeros(form.latent, dtype), jnp.ones(form.latent, dtype)
    if form.prior is Prior.LAPLACE:
        return tfd.Independent(tfd.Laplace(zeros, ones), 1)
    if form.prior is Prior.MIXTURE:
        return mixture(params["prior.mean"], params["prior.log_var"])
    if form.prior is Prior.VAMP:
        mean, log_var, _ = encode(params, form, params["prior.pseudo_inputs"])
        return mixture(mean, log_var)
    if is_multivariate(form):  # the library has a KL between two normals with full covariance
        return tfd.MultivariateNormalDiag(zeros, ones)
    return tfd.Independent(tfd.Normal(zeros, ones), 1)


def mixture(mean: JaxArray, log_var: JaxArray) -> Distribution:
    """The mean of C normals N(mean, diag exp(log_var)). Shapes: (component, latent) twice."""
    weights = tfd.Categorical(probs=jnp.full(mean.shape[0], 1.0 / mean.shape[0], mean.dtype))  # component
    return tfd.MixtureSameFamily(weights, tfd.Independent(tfd.Normal(mean, jnp.exp(0.5 * log_var)), 1))


class SameNoise(tfd.Normal):
    """A normal whose draws are mean + sigma * noise, everybody's noise (noise row, batch, latent), in their order."""

    noise: JaxArray  # no parameter of the distribution: it has no part in a shape or a density

    @classmethod
    def at(cls, loc: JaxArray, scale: JaxArray, noise: JaxArray) -> Distribution:
        """N(loc, scale^2) with this noise."""
        normal = cls(loc, scale)
        normal.noise = noise
        return normal

    def _sample_n(self, n: int, seed: Any = None) -> JaxArray:
        if len(self.noise) != n:
            raise ValueError(f"one row of noise is needed for each of {n} particles; shape {self.noise.shape} arrived")
        return self.loc + self.scale * self.noise


def posterior(params: Weights, form: Form, heads: Heads, noise: JaxArray | None = None) -> Distribution:
    """q(z|x): N(mean, diag exp(log_var)) through the flow, one for each datum, at everybody's noise if there is any."""
    sigma = jnp.exp(0.5 * heads.log_var)
    base = tfd.Normal(heads.mean, sigma) if noise is None else SameNoise.at(heads.mean, sigma, noise)
    independent, bijectors = tfd.Independent(base, 1), bijectors_of(params, form, heads.hidden)
    if not bijectors:
        return independent
    return tfd.TransformedDistribution(independent, tfb.Chain(bijectors[::-1]))  # the last of a chain is applied first


def closed_posterior(params: Weights, form: Form, heads: Heads) -> Distribution:
    """The same q(z|x) in a form that has a KL: after a linear flow N(F mean, F diag(sigma^2) F')."""
    sigma = jnp.exp(0.5 * heads.log_var)
    if not is_multivariate(form):
        return tfd.Independent(tfd.Normal(heads.mean, sigma), 1)
    flow = tfb.Chain(bijectors_of(params, form, heads.hidden)[::-1])
    # The columns of F diag(sigma), in front: the bijectors take (..., batch, latent).
    columns = flow.forward(sigma * jnp.eye(form.latent, dtype=sigma.dtype)[:, None, :])  # latent, batch, latent
    factor = jnp.moveaxis(columns, 0, -1)  # batch, latent, latent
    covariance = factor @ jnp.swapaxes(factor, -1, -2)
    return tfd.MultivariateNormalTriL(flow.forward(heads.mean), jnp.linalg.cholesky(covariance))


def is_multivariate(form: Form) -> bool:
    """Whether q is also written as the Gaussian with full covariance that a linear flow makes, for its KL."""
    return form.kl_term is KLTerm.ANALYTIC and form.flow is not Flow.NONE


def log_likelihood(params: Weights, form: Form, x: JaxArray, z: JaxArray) -> JaxArray:
    """log p(x|z), in nats; 0 where the form has none. Shapes: (batch, observed), (..., latent) -> (...)."""
    if form.likelihood is Likelihood.NONE:
        return jnp.zeros_like(z[..., 0])
    output = decode(params, form, z)  # particle, batch, observed
    if form.likelihood is Likelihood.BERNOULLI:
        return tfd.Independent(tfd.Bernoulli(logits=output), 1).log_prob(x)
    return tfd.Independent(tfd.Normal(output, jnp.asarray(form.likelihood_scale, output.dtype)), 1).log_prob(x)


def log_joint(params: Weights, form: Form, x: JaxArray) -> Callable[[JaxArray], JaxArray]:
    """The target: z -> log p(x|z) + log p(z), in nats. Shapes: (particle, batch, latent) -> (particle, batch)."""
    of_z = prior(params, form, x.dtype)
    return lambda z: log_likelihood(params, form, x, z) + of_z.log_prob(z)


# --- estimators


def shifted(heads: Heads, by: tuple[JaxArray, JaxArray] | None) -> Heads:
    """Mean and log-variance moved, to be differentiated at zero."""
    return heads if by is None else heads._replace(mean=heads.mean + by[0], log_var=heads.log_var + by[1])


def losses(
    library: Public,
    form: Form,
    weights: Weights,
    x: JaxArray,
    key: JaxArray,
    noise: JaxArray | None = None,
    *,
    head_shift: tuple[JaxArray, JaxArray] | None = None,
) -> JaxArray:
    """Minus the estimator's value for each datum, (batch,), in nats, as the library's functions return it.

    `noise`: everybody's, (noise row, batch, latent), else own draws from `key`.
    """
    given = partial(_losses, library, form, x=x, key=key, noise=noise, head_shift=head_shift)
    if form.gradient is not GradientForm.DOUBLY_REPARAMETERISED:
        return given(model=weights, guide=weights, gradient=form.gradient)
    # One call would give the decoder squared weights too (FIND-TFP-001): q learns from this loss, p from the ordinary
    # one at the same samples. Tucker et al. 2019, eq. 6 and section 3.
    for_q = given(model=_fixed(weights), guide=weights, gradient=form.gradient)
    for_p = given(model=weights, guide=_fixed(weights), gradient=GradientForm.REPARAMETERISED)
    return for_q + for_p - stop_gradient(for_p)


def _losses(
    library: Public,
    form: Form,
    *,
    model: Weights,
    guide: Weights,
    gradient: GradientForm,
    x: JaxArray,
    key: JaxArray,
    noise: JaxArray | None,
    head_shift: tuple[JaxArray, JaxArray] | None,
) -> JaxArray:
    """`losses` with the weights of p and of q apart."""
    heads = shifted(encode(guide, form, x), head_shift)
    q = posterior(guide, form, heads, noise)
    if form.kl_term is KLTerm.ANALYTIC:
        z = q.sample(form.particles, seed=key)  # particle, batch, latent
        data = library.expectation(lambda z: log_likelihood(model, form, x, z), z)
        return library.kl_divergence(closed_posterior(guide, form, heads), prior(model, form, x.dtype)) - data
    options: dict[str, Any] = {}
    if gradient is not GradientForm.REPARAMETERISED:  # sticking the landing is the case of one sample
        options["gradient_estimator"] = tfp.vi.GradientEstimators.DOUBLY_REPARAMETERIZED
        options["stopped_surrogate_posterior"] = posterior(_fixed(guide), form, Heads(*map(stop_gradient, heads)))
    count = "importance_sample_size" if form.bound is Bound.RENYI else "sample_size"
    return library.variational_loss(log_joint(model, form, x), q, seed=key, **{count: form.particles}, **options)


def _fixed(weights: Weights) -> Weights:
    return {name: stop_gradient(value) for name, value in weights.items()}
