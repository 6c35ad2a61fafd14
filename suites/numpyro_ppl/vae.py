"""The VAE in NumPyro: a model, a guide, and nothing but the public ELBO objects.

Read side by side with `torch_hand/vae.py`, `jax_hand/vae.py` and `pyro_ppl/vae.py`: the same sections in the same
order, and beside them `layers`, `flows`, `priors`, `bounds`, `session` and `training`.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array as JaxArray
from jax.custom_batching import custom_vmap
from jax.lax import stop_gradient
from numpyro import handlers
from numpyro.distributions.transforms import Transform
from numpyro.primitives import Messenger

from elbo_compare.suites.bridge.form import Form, form_of, no_analytic_kl
from elbo_compare.suites.contract import (
    Device,
    DType,
    Estimator,
    Flow,
    GradientForm,
    KLTerm,
    Likelihood,
    Prior,
    Problem,
)
from elbo_compare.suites.numpyro_ppl.flows import flow
from elbo_compare.suites.numpyro_ppl.layers import NUMPYRO, Weights, affine, gated, registered
from elbo_compare.suites.numpyro_ppl.priors import laplace, mixture, standard_multivariate_normal, standard_normal

if TYPE_CHECKING:
    from elbo_compare.suites.numpyro_ppl.training import NumPyroSession

Heads = tuple[JaxArray, JaxArray, JaxArray]  # mean, log-variance, the encoder's last hidden layer

# --- networks


def encode(params: Weights, form: Form, x: JaxArray) -> Heads:
    """Mean and log-variance of q(z_0|x), and the last hidden layer.

    Shapes: (batch, observed) -> (batch, latent) twice, (batch, hidden).
    """
    h = gated(params, "encoder", form.gated_layers, x)
    return affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h), h


def decode(params: Weights, form: Form, z: JaxArray) -> JaxArray:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    return affine(params, "decoder.output", gated(params, "decoder", form.gated_layers, z))


# --- densities


class Given(NamedTuple):
    """What an evaluation or a training step gives to model and guide, which take the same arguments.

    `noise` (noise row, batch, latent): everybody's base noise instead of own random numbers. `kl_weight`: the scale of
    the latent site in both. `shift`: added to the encoder's mean and log-variance, to be differentiated at zero.
    """

    noise: JaxArray | None = None
    kl_weight: JaxArray | None = None
    shift: tuple[JaxArray, JaxArray] | None = None


OWN_NUMBERS = Given()
# NumPyro 0.21 traces with a private function of JAX that counts closed-over arrays as inputs from JAX 0.11 on.
TRACE_GRAPH_RAISES = NUMPYRO < (0, 22) and tuple(int(part) for part in jax.__version__.split(".")[:2]) >= (0, 11)


def model(form: Form, x: JaxArray, given: Given = OWN_NUMBERS) -> None:
    """p(z) and p(x|z), one plate over the batch; no observed site where the form has no likelihood."""
    params = registered(form, "decoder", "prior")
    with numpyro.plate("batch", len(x)):
        with weighted(given):
            z = jnp.asarray(numpyro.sample("z", prior(params, form, jnp.zeros((len(x), form.latent), x.dtype))))
        if form.likelihood is Likelihood.BERNOULLI:
            numpyro.sample("x", dist.Bernoulli(logits=decode(params, form, z)).to_event(1), obs=x)
        elif form.likelihood is Likelihood.NORMAL:
            numpyro.sample("x", dist.Normal(decode(params, form, z), form.likelihood_scale).to_event(1), obs=x)


def prior(params: Weights, form: Form, zeros: JaxArray) -> dist.Distribution:
    """p(z). The VampPrior's components come from the encoder, whose weights are then the model's too."""
    if form.prior is Prior.LAPLACE:
        return laplace(zeros)
    if form.prior is Prior.MIXTURE:
        return mixture(params["prior.mean"], params["prior.log_var"])
    if form.prior is Prior.VAMP:
        mean, log_var, _ = encode(registered(form, "encoder"), form, params["prior.pseudo_inputs"])
        return mixture(mean, log_var)
    return standard_multivariate_normal(zeros) if is_multivariate(form) else standard_normal(zeros)


def guide(form: Form, x: JaxArray, given: Given = OWN_NUMBERS) -> None:
    """q(z|x): the flow of N(mean, diag exp(log_var)), at everybody's noise if there is one."""
    params = registered(form, "encoder", "flow")
    with numpyro.plate("batch", len(x)):
        mean, log_var, hidden = encode(params, form, x)
        if given.shift is not None:
            mean, log_var = mean + given.shift[0], log_var + given.shift[1]
        base, transforms = normal(form, mean, log_var), flow(params, form, hidden)
        with weighted(given), SameNoise(base, transforms, given.noise):
            numpyro.sample("z", posterior(form, base, transforms))


def posterior(form: Form, base: dist.Normal, transforms: list[Transform]) -> dist.Distribution:
    """q(z|x): the base itself, the base through the flow, or under an analytic KL N(F mean, F diag(sigma^2) F')."""
    if is_multivariate(form):
        mean, sigma = jnp.asarray(base.loc), jnp.asarray(base.scale)
        # The columns of F diag(sigma), in front: the transforms take (..., batch, latent).
        columns = sigma * jnp.eye(form.latent, dtype=sigma.dtype)[:, None, :]
        for transform in transforms:
            mean, columns = transform(mean), transform(columns)
        factor = jnp.moveaxis(columns, 0, -1)
        return dist.MultivariateNormal(mean, covariance_matrix=factor @ jnp.swapaxes(factor, -1, -2))
    independent = base.to_event(1)
    return dist.TransformedDistribution(independent, transforms) if transforms else independent


def is_multivariate(form: Form) -> bool:
    """Whether q is written as the Gaussian with full covariance that a linear flow makes, for the sake of its KL."""
    return form.kl_term is KLTerm.ANALYTIC and form.flow is not Flow.NONE


def normal(form: Form, mean: JaxArray, log_var: JaxArray) -> dist.Normal:
    """N(mean, diag exp(log_var)), before the flow."""
    sticks = form.gradient is GradientForm.STICKING_THE_LANDING
    return (PathNormal if sticks else dist.Normal)(mean, jnp.exp(0.5 * log_var))


class PathNormal(dist.Normal):
    """A normal whose log density holds its parameters fixed: only the sample follows them. Roeder et al. 2017, eq. 8.

    NumPyro has no ELBO class for sticking the landing; under this guide Trace_ELBO computes it.
    """

    def log_prob(self, value: Any) -> Any:
        """log N(value; loc, scale^2), in nats, elementwise."""
        return dist.Normal(stop_gradient(self.loc), stop_gradient(self.scale)).log_prob(value)


def weighted(given: Given) -> AbstractContextManager:
    """The KL weight as the scale of the latent site. NumPyro refuses a scale of 0 unless it is traced: compile."""
    return nullcontext() if given.kl_weight is None else handlers.scale(scale=given.kl_weight)


class SameNoise(Messenger):
    """Puts z = T(mean + sigma * noise) in place of the library's sample; the site stays unobserved and is scored.

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
        z, passed = self.base.loc + self.base.scale * row_of_particle(key, self.noise), []
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


# --- implementation


class NumPyro:
    """The VAE in NumPyro."""

    name = "numpyro"
    framework = "numpyro"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None where a public ELBO class of NumPyro computes the estimator, else the reason why not."""
        if self.framework not in estimator.library_classes:
            return f"no public ELBO class of NumPyro computes {estimator.name}"
        if TRACE_GRAPH_RAISES and estimator.library_classes[self.framework] == "TraceGraph_ELBO":
            return "NumPyro before 0.22 under JAX 0.11: TraceGraph_ELBO raises 'length mismatch' in its provenance"
        if estimator.gradient is GradientForm.STICKING_THE_LANDING and problem.flow is not Flow.NONE:
            return "NumPyro scores a flow at its stored samples: its parameters cannot be held fixed in log q alone"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> "NumPyroSession":
        """A session; its weights come with each call."""
        # Here, because the session is written upon this page.
        from elbo_compare.suites.bridge.jax_arrays import open_device
        from elbo_compare.suites.numpyro_ppl.training import NumPyroSession

        class_name = estimator.library_classes[self.framework]
        return NumPyroSession(form_of(problem, estimator), class_name, open_device(device, dtype), dtype)
