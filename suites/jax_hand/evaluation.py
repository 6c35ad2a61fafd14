"""The hand-written JAX VAE at everybody's noise.

Compiled functions take weights and noise as arguments, so that problems of one form and shape share them.
"""

from dataclasses import dataclass
from math import nan

import jax
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.bridge.jax_arrays import JaxDevice, dtype_of, random_key, to_arrays, to_device, to_devices
from elbo_compare.suites.bridge.jax_rarely import rarely
from elbo_compare.suites.contract import Array, Bound, DType, Evaluation, Params, Reduction
from elbo_compare.suites.jax_hand.layers import Weights
from elbo_compare.suites.jax_hand.vae import Terms, batch_loss


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every part of a session shares."""

    form: Form
    device: JaxDevice
    dtype: DType

    def array(self, array: Array) -> JaxArray:
        """In the dtype, on the device."""
        return to_device(array, self.device, self.dtype)

    def weights(self, params: Params) -> Weights:
        """In the dtype, on the device."""
        return to_devices(params, self.device, self.dtype)

    def key(self, seed: int) -> JaxArray:
        """A random key on the device."""
        return random_key(seed, self.device)


@rarely("form")
def loss_and_gradients(
    params: Weights, x: JaxArray, noise: JaxArray, *, form: Form
) -> tuple[tuple[JaxArray, Terms], Weights]:
    """((loss, terms), d loss / d params)."""
    return jax.value_and_grad(batch_loss, has_aux=True)(params, form, x, noise)


def evaluate(setting: Setting, params: Params, x: Array, noise: Array) -> Evaluation:
    """The estimator and its gradient at everybody's noise, shape (noise row, batch, latent)."""
    check_shapes(setting.form, params, x, noise)
    weights, data, shared = setting.weights(params), setting.array(x), setting.array(noise)
    program = loss_and_gradients.on(setting.device, numbers=len(noise) * len(x) * max(x.shape[1], setting.form.latent))
    (loss, terms), gradients = program(weights, data, shared, form=setting.form)
    split = setting.form.bound is Bound.ELBO  # a Renyi bound is no sum of terms
    return Evaluation(
        elbo=-loss.item(),
        kl=terms.kl.item() if split else nan,
        log_likelihood=terms.log_likelihood.item() if split else nan,
        log_likelihood_derived=False,
        log_q=terms.log_q.item(),
        log_prior=terms.log_prior.item(),
        gradients={name: -gradient for name, gradient in to_arrays(gradients).items()},
        raw_loss=loss.item(),
        raw_sign=-1,
        raw_reduction=Reduction.MEAN,
        dtype=dtype_of(loss),
    )
