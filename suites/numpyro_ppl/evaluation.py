"""NumPyro's ELBO objects at everybody's noise.

The ELBO class is looked up in `numpyro.infer` at each call and is a static argument of what is compiled: another class
compiles anew, whereas a class changed in place after a compilation needs `jax.clear_caches()`.
"""

from dataclasses import dataclass
from functools import partial
from math import nan
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpyro.infer
from jax import Array as JaxArray
from numpyro import handlers

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.bridge.jax_arrays import JaxDevice, dtype_of, random_key, to_arrays, to_device, to_devices
from elbo_compare.suites.bridge.jax_rarely import rarely
from elbo_compare.suites.contract import Array, Bound, DType, Evaluation, Params, Reduction
from elbo_compare.suites.numpyro_ppl.layers import Weights
from elbo_compare.suites.numpyro_ppl.vae import ELBOClass, guide, model, object_loss


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every part of a session shares."""

    form: Form
    class_name: str
    device: JaxDevice
    dtype: DType

    @property
    def elbo_class(self) -> ELBOClass:
        """The public class, looked up now."""
        return getattr(numpyro.infer, self.class_name)

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
    """Sums over the batch, in nats: the ELBO object's loss without the observed site, the traces' densities."""

    kl: JaxArray
    log_q: JaxArray
    log_prior: JaxArray


def kl_loss(
    elbo_class: ELBOClass, form: Form, weights: Weights, x: JaxArray, key: JaxArray, *noise: JaxArray
) -> JaxArray:
    """The KL term summed over the batch: the ELBO object on the model without x; a Renyi bound has none, nan."""
    if form.bound is Bound.RENYI:
        return jnp.full((), nan, x.dtype)
    return object_loss(elbo_class, form.without_likelihood(), weights, x, key, *noise)


def densities(form: Form, weights: Weights, x: JaxArray, key: JaxArray, noise: JaxArray) -> tuple[JaxArray, JaxArray]:
    """log q(z|x) and log p(z) from the library's traces, summed over the batch, at one particle's noise."""
    without = form.without_likelihood()
    seeded = handlers.seed(handlers.substitute(partial(guide, without), data=weights), key)
    guide_trace = handlers.trace(seeded).get_trace(x, noise[None])
    replayed = handlers.replay(handlers.substitute(partial(model, without), data=weights), guide_trace)
    model_trace = handlers.trace(replayed).get_trace(x)
    q, p = guide_trace["z"], model_trace["z"]
    passed = (q["intermediates"],) if q["intermediates"] else ()
    return q["fn"].log_prob(q["value"], *passed).sum(), p["fn"].log_prob(p["value"]).sum()


@rarely("elbo_class", "form")
def loss_and_gradients(
    weights: Weights, x: JaxArray, key: JaxArray, noise: JaxArray, *, elbo_class: ELBOClass, form: Form
) -> tuple[JaxArray, Weights, Parts]:
    """The ELBO object's loss, its gradient for every parameter, and the parts beside it (means over particles)."""

    def loss(weights: Weights) -> JaxArray:
        return object_loss(elbo_class, form, weights, x, key, noise)

    log_q, log_prior = jax.vmap(partial(densities, form, weights, x, key))(noise)
    kl = kl_loss(elbo_class, form, weights, x, key, noise)
    return *jax.value_and_grad(loss)(weights), Parts(kl, log_q.mean(), log_prior.mean())


def evaluate(setting: Setting, params: Params, x: Array, noise: Array) -> Evaluation:
    """The ELBO object's loss and gradient at everybody's noise, shape (noise row, batch, latent); KL: no x."""
    check_shapes(setting.form, params, x, noise)
    data, key, shared = setting.array(x), setting.key(0), setting.array(noise)
    program = loss_and_gradients.on(setting.device, numbers=len(noise) * len(x) * max(x.shape[1], setting.form.latent))
    loss, gradients, terms = program(
        setting.weights(params), data, key, shared, elbo_class=setting.elbo_class, form=setting.form
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
