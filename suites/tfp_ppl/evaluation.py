"""The library's losses at everybody's noise.

Its functions are looked up at each call and are static arguments of what is compiled: other ones compile anew.
"""

from dataclasses import dataclass
from functools import partial
from math import nan
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.bridge.jax_arrays import JaxDevice, dtype_of, random_key, to_arrays, to_device, to_devices
from elbo_compare.suites.contract import Array, Bound, DType, Evaluation, Params, Reduction
from elbo_compare.suites.tfp_ppl.library import Public, Weights, public
from elbo_compare.suites.tfp_ppl.vae import encode, losses, posterior, prior


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every part of a session shares."""

    form: Form
    device: JaxDevice
    dtype: DType

    @property
    def library(self) -> Public:
        """The public functions, looked up now."""
        return public()

    def array(self, array: Array) -> JaxArray:
        """In the dtype, on the device."""
        return to_device(array, self.device, self.dtype)

    def weights(self, params: Params) -> Weights:
        """In the dtype, on the device."""
        return to_devices(params, self.device, self.dtype)

    def key(self, seed: int) -> JaxArray:
        """A random key on the device."""
        return random_key(seed, self.device)


class Parts(NamedTuple):
    """Sums over the batch, in nats: the loss of the model without x, and the distributions' densities."""

    kl: JaxArray
    log_q: JaxArray
    log_prior: JaxArray


def kl_losses(library: Public, form: Form, weights: Weights, x: JaxArray, key: JaxArray, *noise: JaxArray) -> JaxArray:
    """The KL term of each datum, (batch,): the loss of the model without x; a Renyi bound has none, nan."""
    if form.bound is Bound.RENYI:
        return jnp.full(len(x), nan, x.dtype)
    return losses(library, form.without_likelihood(), weights, x, key, *noise)


def densities(form: Form, weights: Weights, x: JaxArray, key: JaxArray, noise: JaxArray) -> tuple[JaxArray, JaxArray]:
    """log q(z|x) and log p(z) by the library's distributions, mean over particles, summed over the batch."""
    q = posterior(weights, form, encode(weights, form, x), noise)
    z, log_q = q.experimental_sample_and_log_prob(form.particles, seed=key)
    return log_q.mean(0).sum(), prior(weights, form, x.dtype).log_prob(z).mean(0).sum()


@partial(jax.jit, static_argnames=("library", "form"))
def loss_and_gradients(
    weights: Weights, x: JaxArray, key: JaxArray, noise: JaxArray, *, library: Public, form: Form
) -> tuple[JaxArray, Weights, Parts]:
    """The losses' sum over the batch, its gradient for every parameter, and the parts beside it."""

    def loss(weights: Weights) -> JaxArray:
        return losses(library, form, weights, x, key, noise).sum()

    kl = kl_losses(library, form, weights, x, key, noise).sum()
    return *jax.value_and_grad(loss)(weights), Parts(kl, *densities(form, weights, x, key, noise))


def evaluate(setting: Setting, params: Params, x: Array, noise: Array) -> Evaluation:
    """The losses and their gradient at everybody's noise, shape (noise row, batch, latent); KL: no x."""
    check_shapes(setting.form, params, x, noise)
    data, key, shared = setting.array(x), setting.key(0), setting.array(noise)
    loss, gradients, terms = loss_and_gradients(
        setting.weights(params), data, key, shared, library=setting.library, form=setting.form
    )
    elbo, kl = -loss.item() / len(x), terms.kl.item() / len(x)
    return Evaluation(
        elbo=elbo,
        kl=kl,
        log_likelihood=elbo + kl,
        log_likelihood_derived=True,
        log_q=terms.log_q.item() / len(x),
        log_prior=terms.log_prior.item() / len(x),
        gradients={name: -gradient / len(x) for name, gradient in to_arrays(gradients).items()},
        raw_loss=loss.item(),
        raw_sign=-1,
        raw_reduction=Reduction.SUM,
        dtype=dtype_of(loss),
    )
