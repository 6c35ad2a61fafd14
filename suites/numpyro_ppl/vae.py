"""The VAE in NumPyro: a model, a guide, and nothing but the public ELBO objects.

Read side by side with `torch_hand/vae.py`, `jax_hand/vae.py`, `numpy_oracle/vae.py` and `pyro_ppl/vae.py`: the same
sections in the same order. The ELBO class is looked up in `numpyro.infer` at each call.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
import numpyro.infer
from jax import Array as JaxArray
from jax.custom_batching import custom_vmap
from jax.lax import stop_gradient
from numpyro import handlers
from numpyro.distributions.transforms import Transform
from numpyro.primitives import Messenger

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Bound, Flow, GradientForm, KLTerm, Likelihood, Prior
from elbo_compare.suites.numpyro_ppl.flows import transforms_of
from elbo_compare.suites.numpyro_ppl.layers import NUMPYRO, Weights, affine, registered

ELBOClass = type[numpyro.infer.ELBO]

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
    h = gated(params, "decoder", form.gated_layers, z)  # batch, hidden
    return affine(params, "decoder.output", h)


# --- densities


def prior(params: Weights, form: Form, zeros: JaxArray) -> dist.Distribution:
    """p(z), batch axes those of `zeros` (batch, latent). The VampPrior's components come from the encoder, whose
    weights are then the model's too."""
    if form.prior is Prior.LAPLACE:
        return dist.Laplace(zeros, jnp.ones_like(zeros)).to_event(1)
    if form.prior is Prior.MIXTURE:
        return mixture(params["prior.mean"], params["prior.log_var"])
    if form.prior is Prior.VAMP:
        mean, log_var, _ = encode(registered(form, "encoder"), form, params["prior.pseudo_inputs"])
        return mixture(mean, log_var)
    if is_multivariate(form):  # for no other form of N(0, I) has NumPyro a KL from a MultivariateNormal
        return dist.MultivariateNormal(zeros, scale_tril=jnp.eye(zeros.shape[-1], dtype=zeros.dtype))
    return dist.Normal(zeros, jnp.ones_like(zeros)).to_event(1)


def mixture(mean: JaxArray, log_var: JaxArray) -> dist.Distribution:
    """The mean of C normals N(mean, diag exp(log_var)). Shapes: (component, latent) twice."""
    weights = dist.Categorical(jnp.full(mean.shape[0], 1.0 / mean.shape[0], mean.dtype))  # component
    components = dist.Normal(mean, jnp.exp(0.5 * log_var)).to_event(1)
    if NUMPYRO >= (0, 22):
        return dist.MixtureSameFamily(weights, components)
    # Before 0.22 that class refuses components that are independent normals; the mixture of a list takes them.
    each = [dist.Normal(m, jnp.exp(0.5 * v)).to_event(1) for m, v in zip(mean, log_var, strict=True)]
    return dist.MixtureGeneral(weights, each, support=dist.constraints.real_vector)


def normal(form: Form, heads: Heads) -> dist.Normal:
    """N(mean, diag exp(log_var)), before the flow."""
    sticks = form.gradient is GradientForm.STICKING_THE_LANDING
    return (PathNormal if sticks else dist.Normal)(heads.mean, jnp.exp(0.5 * heads.log_var))


class PathNormal(dist.Normal):
    """A normal whose log density holds its parameters fixed: only the sample follows them. Roeder et al. 2017, eq. 8.

    NumPyro has no ELBO class for sticking the landing; under this guide Trace_ELBO computes it.
    """

    def log_prob(self, value: Any) -> Any:
        """log N(value; loc, scale^2), in nats, elementwise."""
        return dist.Normal(stop_gradient(self.loc), stop_gradient(self.scale)).log_prob(value)


def posterior(form: Form, base: dist.Normal, transforms: list[Transform]) -> dist.Distribution:
    """q(z|x): the base itself, the base through the flow, or under an analytic KL N(F mean, F diag(sigma^2) F')."""
    if is_multivariate(form):
        mean, sigma = jnp.asarray(base.loc), jnp.asarray(base.scale)  # batch, latent
        # The columns of F diag(sigma), in front: the transforms take (..., batch, latent).
        columns = sigma * jnp.eye(form.latent, dtype=sigma.dtype)[:, None, :]  # latent, batch, latent
        for transform in transforms:
            mean, columns = transform(mean), transform(columns)
        factor = jnp.moveaxis(columns, 0, -1)  # batch, latent, latent
        return dist.MultivariateNormal(mean, covariance_matrix=factor @ jnp.swapaxes(factor, -1, -2))
    independent = base.to_event(1)
    return dist.TransformedDistribution(independent, transforms) if transforms else independent


def is_multivariate(form: Form) -> bool:
    """Whether q is written as the Gaussian with full covariance that a linear flow makes, for the sake of its KL."""
    return form.kl_term is KLTerm.ANALYTIC and form.flow is not Flow.NONE


# --- model and guide


def model(
    form: Form,
    x: JaxArray,
    noise: JaxArray | None = None,
    *,
    kl_weight: JaxArray | None = None,
    head_shift: tuple[JaxArray, JaxArray] | None = None,
) -> None:
    """p(z) and p(x|z), one plate over the batch; no observed site where the form has no likelihood.

    `noise` and `head_shift` are the guide's: a library calls both with the same arguments.
    """
    params = registered(form, "decoder", "prior")
    with numpyro.plate("batch", len(x)):
        with weighted(kl_weight):
            z = numpyro.sample("z", prior(params, form, jnp.zeros((len(x), form.latent), x.dtype)))
        z = jnp.asarray(z)  # batch, latent
        if form.likelihood is Likelihood.BERNOULLI:
            numpyro.sample("x", dist.Bernoulli(logits=decode(params, form, z)).to_event(1), obs=x)
        elif form.likelihood is Likelihood.NORMAL:
            numpyro.sample("x", dist.Normal(decode(params, form, z), form.likelihood_scale).to_event(1), obs=x)


def guide(
    form: Form,
    x: JaxArray,
    noise: JaxArray | None = None,
    *,
    kl_weight: JaxArray | None = None,
    head_shift: tuple[JaxArray, JaxArray] | None = None,
) -> None:
    """q(z|x): the flow of N(mean, diag exp(log_var)), at everybody's noise (noise row, batch, latent) if there is any.

    `head_shift` is added to the encoder's mean and log-variance, to be differentiated at zero.
    """
    params = registered(form, "encoder", "flow")
    with numpyro.plate("batch", len(x)):
        heads = encode(params, form, x)  # batch, latent; batch, latent; batch, hidden
        if head_shift is not None:
            heads = heads._replace(mean=heads.mean + head_shift[0], log_var=heads.log_var + head_shift[1])
        base, transforms = normal(form, heads), transforms_of(params, form, heads.hidden)
        with weighted(kl_weight), SameNoise(base, transforms, noise):
            numpyro.sample("z", posterior(form, base, transforms))


def weighted(kl_weight: JaxArray | None) -> AbstractContextManager:
    """The KL weight as the scale of the latent site. NumPyro refuses a scale of 0 unless it is traced: compile."""
    return nullcontext() if kl_weight is None else handlers.scale(scale=kl_weight)


class SameNoise(Messenger):
    """Puts z = f(mean + sigma * noise) in place of the library's sample; the site stays unobserved and is scored.

    The intermediate values go with it, as with a sample of the library's own: nothing is inverted.
    """

    def __init__(self, base: dist.Normal, transforms: list[Transform], noise: JaxArray | None):
        self.base, self.transforms, self.noise = base, transforms, noise
        super().__init__()

    def process_message(self, msg: Any) -> None:
        """Fill in the value of the latent site."""
        if self.noise is None or msg["type"] != "sample" or msg["name"] != "z":
            return
        key = jax.random.key_data(jnp.asarray(numpyro.prng_key()))
        z, passed = self.base.loc + self.base.scale * row_of_particle(key, self.noise), []  # batch, latent
        for transform in self.transforms:
            before, (z, more) = z, transform.call_with_intermediates(z)
            passed.append([before, more])
        msg["value"] = z
        if isinstance(msg["fn"], dist.TransformedDistribution):
            msg["intermediates"] = passed


@custom_vmap
def row_of_particle(key: JaxArray, noise: JaxArray) -> JaxArray:
    """The particle's row of the noise (noise row, batch, latent).

    A single particle has the first row, also where the noise is mapped over. An ELBO object maps the guide over one key
    per particle: mapped over `key`, the particles have the rows in their order.
    """
    return noise[0]


@row_of_particle.def_vmap
def _rows_of_particles(size: int, mapped: list[bool], key: JaxArray, noise: JaxArray) -> tuple[JaxArray, bool]:
    by_key, by_noise = mapped
    if by_noise and not by_key:
        return noise[:, 0], True
    if by_noise or len(noise) != size:
        raise ValueError(f"one row of noise is needed for each of {size} particles; shape {noise.shape} arrived")
    return noise, True


# --- estimators


def elbo_object(elbo_class: ELBOClass, form: Form) -> numpyro.infer.ELBO:
    """The public object: RenyiELBO with its alpha (0 is IWAE), any other class with its number of particles."""
    options: dict[str, Any] = {"num_particles": form.particles}
    if form.bound is Bound.RENYI:
        options["alpha"] = form.alpha
    return elbo_class(**options)


def object_loss(
    elbo_class: ELBOClass, form: Form, weights: Weights, x: JaxArray, key: JaxArray, *noise: JaxArray, **options: Any
) -> JaxArray:
    """What the public ELBO object returns: minus the bound summed over the batch, in nats. Options as `guide`'s."""
    elbo = elbo_object(elbo_class, form)
    loss = elbo.loss(key, weights, partial(model, form), partial(guide, form), x, *noise, **options)
    assert isinstance(loss, JaxArray)  # a dict only under sum_sites=False
    return loss
