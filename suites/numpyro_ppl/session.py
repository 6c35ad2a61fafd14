"""A session in NumPyro: everybody's noise, own random numbers, gradients of the encoder's outputs.

The ELBO class is looked up in `numpyro.infer` at each call and is a static argument of what is compiled: another class
compiles anew, whereas a class changed in place after a compilation needs `jax.clear_caches()`.
"""

from functools import partial
from math import nan
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpyro.infer
from jax import Array as JaxArray
from numpyro import handlers

from elbo_compare.suites.bridge.form import Form, blocks, check_datum, check_shapes
from elbo_compare.suites.bridge.jax_arrays import (
    JaxDevice,
    dtype_of,
    random_key,
    to_array,
    to_arrays,
    to_device,
    to_devices,
)
from elbo_compare.suites.contract import Array, Bound, Draws, DType, Evaluation, GradientDraws, Params, Reduction
from elbo_compare.suites.numpyro_ppl.bounds import ELBOClass, object_loss
from elbo_compare.suites.numpyro_ppl.layers import Weights
from elbo_compare.suites.numpyro_ppl.vae import OWN_NUMBERS, Given, guide, model

# --- session


class Parts(NamedTuple):
    """Sums over the batch, in nats: the ELBO object's loss without the observed site, the traces' densities."""

    kl: JaxArray
    log_q: JaxArray
    log_prior: JaxArray


def kl_loss(
    elbo_class: ELBOClass, form: Form, weights: Weights, x: JaxArray, key: JaxArray, given: Given = OWN_NUMBERS
) -> JaxArray:
    """The KL term summed over the batch: the ELBO object on the model without x; a Renyi bound has none, nan."""
    if form.bound is Bound.RENYI:
        return jnp.full((), nan, x.dtype)
    return object_loss(elbo_class, form.without_likelihood(), weights, x, key, given)


def densities(form: Form, weights: Weights, x: JaxArray, key: JaxArray, noise: JaxArray) -> tuple[JaxArray, JaxArray]:
    """log q(z|x) and log p(z) from the library's traces, summed over the batch, at one particle's noise."""
    without, given = form.without_likelihood(), Given(noise=noise[None])
    seeded = handlers.seed(handlers.substitute(partial(guide, without), data=weights), key)
    guide_trace = handlers.trace(seeded).get_trace(x, given)
    replayed = handlers.replay(handlers.substitute(partial(model, without), data=weights), guide_trace)
    model_trace = handlers.trace(replayed).get_trace(x)
    q, p = guide_trace["z"], model_trace["z"]
    passed = (q["intermediates"],) if q["intermediates"] else ()
    return q["fn"].log_prob(q["value"], *passed).sum(), p["fn"].log_prob(p["value"]).sum()


@partial(jax.jit, static_argnames=("elbo_class", "form"))
def loss_and_gradients(
    weights: Weights, x: JaxArray, key: JaxArray, noise: JaxArray, *, elbo_class: ELBOClass, form: Form
) -> tuple[JaxArray, Weights, Parts]:
    """The ELBO object's loss, its gradient for every parameter, and the parts beside it (means over particles)."""

    def loss(weights: Weights) -> JaxArray:
        return object_loss(elbo_class, form, weights, x, key, Given(noise=noise))

    log_q, log_prior = jax.vmap(partial(densities, form, weights, x, key))(noise)
    kl = kl_loss(elbo_class, form, weights, x, key, Given(noise=noise))
    return *jax.value_and_grad(loss)(weights), Parts(kl, log_q.mean(), log_prior.mean())


@partial(jax.jit, static_argnames=("elbo_class", "form", "count"))
def draw_block(
    weights: Weights, x: JaxArray, key: JaxArray, *, elbo_class: ELBOClass, form: Form, count: int
) -> tuple[JaxArray, JaxArray]:
    """ELBO and KL of `count` draws at one datum, each (count,): the loss mapped over keys, two models a key."""

    def one(key: JaxArray) -> tuple[JaxArray, JaxArray]:
        loss = object_loss(elbo_class, form, weights, x, key)
        return -loss, kl_loss(elbo_class, form, weights, x, key)

    return jax.vmap(one)(jax.random.split(key, count))


@partial(jax.jit, static_argnames=("elbo_class", "form", "count"))
def gradient_block(
    weights: Weights, x: JaxArray, key: JaxArray, *, elbo_class: ELBOClass, form: Form, count: int
) -> tuple[JaxArray, JaxArray]:
    """d ELBO / d(mean, log-variance) of `count` draws at one datum, each (count, latent): by a shift of the heads."""

    def elbo(shift: tuple[JaxArray, JaxArray], key: JaxArray) -> JaxArray:
        return -object_loss(elbo_class, form, weights, x, key, Given(shift=shift))

    nowhere = jnp.zeros(form.latent, x.dtype)
    return jax.vmap(jax.grad(elbo), in_axes=(None, 0))((nowhere, nowhere), jax.random.split(key, count))


class NumPyroEstimates:
    """One (problem, ELBO class) on one device in one dtype: everybody's noise, and own draws."""

    def __init__(self, form: Form, class_name: str, device: JaxDevice, dtype: DType):
        self.form, self.class_name, self.device, self.dtype = form, class_name, device, dtype

    @property
    def elbo_class(self) -> ELBOClass:
        """The public class, looked up now."""
        return getattr(numpyro.infer, self.class_name)

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The ELBO object's loss and gradient at everybody's noise, shape (noise row, batch, latent); KL: no x."""
        check_shapes(self.form, params, x, noise)
        weights = to_devices(params, self.device, self.dtype)
        data, key, shared = self._array(x), self._key(0), self._array(noise)
        loss, gradients, terms = loss_and_gradients(
            weights, data, key, shared, elbo_class=self.elbo_class, form=self.form
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

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum; every draw is a return value of the ELBO object: nothing to tie."""
        elbo, kl = self._blocks(draw_block, params, x, n, seed, chunk)
        return Draws(elbo=to_array(elbo), kl=to_array(kl), dtype=dtype_of(elbo))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum: gradients of the ELBO object's loss."""
        mean, log_var = self._blocks(gradient_block, params, x, n, seed, chunk)
        return GradientDraws(mean=to_array(mean), log_var=to_array(log_var), dtype=dtype_of(mean))

    def _blocks(
        self, block: jax.stages.Wrapped, params: Params, x: Array, n: int, seed: int, chunk: int
    ) -> tuple[JaxArray, JaxArray]:
        """Both outputs of `block` for n draws; the last block has the full size too and is cut, to compile once.

        A block holds at most `chunk` samples z, so that many particles cost no more memory than one.
        """
        check_datum(self.form, params, x)
        weights, data, key = to_devices(params, self.device, self.dtype), self._array(x), self._key(seed)
        count = max(1, min(n, chunk // self.form.particles))
        one = partial(block, elbo_class=self.elbo_class, form=self.form, count=count)
        pairs = [one(weights, data, jax.random.fold_in(key, index)) for index, _ in blocks(n, count)]
        first, second = (jnp.concatenate(column)[:n] for column in zip(*pairs, strict=True))
        return first, second

    def _array(self, array: Array) -> JaxArray:
        return to_device(array, self.device, self.dtype)

    def _key(self, seed: int) -> JaxArray:
        return random_key(seed, self.device)
