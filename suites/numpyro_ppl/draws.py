"""Own draws in NumPyro: the ELBO object's loss, and its gradient by the encoder's outputs, mapped over keys."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form, blocks, check_datum
from elbo_compare.suites.bridge.jax_arrays import joined
from elbo_compare.suites.bridge.jax_rarely import Rarely, rarely
from elbo_compare.suites.contract import Array, Draws, DType, GradientDraws, Params
from elbo_compare.suites.numpyro_ppl.evaluation import Setting, kl_loss
from elbo_compare.suites.numpyro_ppl.layers import Weights
from elbo_compare.suites.numpyro_ppl.vae import ELBOClass, object_loss


@rarely("elbo_class", "form", "count")
def draw_block(
    weights: Weights, x: JaxArray, key: JaxArray, *, elbo_class: ELBOClass, form: Form, count: int
) -> tuple[JaxArray, JaxArray]:
    """ELBO and KL of `count` draws at one datum, each (count,): the loss mapped over keys, two models a key."""

    def one(key: JaxArray) -> tuple[JaxArray, JaxArray]:
        loss = object_loss(elbo_class, form, weights, x, key)
        return -loss, kl_loss(elbo_class, form, weights, x, key)

    return jax.vmap(one)(jax.random.split(key, count))


@rarely("elbo_class", "form", "count")
def gradient_block(
    weights: Weights, x: JaxArray, key: JaxArray, *, elbo_class: ELBOClass, form: Form, count: int
) -> tuple[JaxArray, JaxArray]:
    """d ELBO / d(mean, log-variance) of `count` draws at one datum, each (count, latent): by a shift of the heads."""

    def elbo(shift: tuple[JaxArray, JaxArray], key: JaxArray) -> JaxArray:
        return -object_loss(elbo_class, form, weights, x, key, head_shift=shift)

    nowhere = jnp.zeros(form.latent, x.dtype)
    return jax.vmap(jax.grad(elbo), in_axes=(None, 0))((nowhere, nowhere), jax.random.split(key, count))


def draw(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
    """n draws of ELBO and KL at one datum; every draw is a return value of the ELBO object: nothing to tie."""
    elbo, kl, dtype = _blocks(setting, draw_block, params, x, n, seed, chunk)
    return Draws(elbo=elbo, kl=kl, dtype=dtype)


def draw_gradients(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
    """n draws of d ELBO / d(mean, log-variance) at one datum: gradients of the ELBO object's loss."""
    mean, log_var, dtype = _blocks(setting, gradient_block, params, x, n, seed, chunk)
    return GradientDraws(mean=mean, log_var=log_var, dtype=dtype)


def _blocks(
    setting: Setting, block: Rarely, params: Params, x: Array, n: int, seed: int, chunk: int
) -> tuple[Array, Array, DType]:
    """Both outputs of `block` for n draws, and their dtype.

    The last block has the full size too and is cut: one program is compiled. A block holds at most `chunk` samples z,
    so that many particles cost no more memory than one.
    """
    check_datum(setting.form, params, x)
    weights, data, key = setting.weights(params), setting.array(x), setting.key(seed)
    count = max(1, min(n, chunk // setting.form.particles))
    one = partial(block.on(setting.device), elbo_class=setting.elbo_class, form=setting.form, count=count)
    return joined((one(weights, data, jax.random.fold_in(key, index)) for index, _ in blocks(n, count)), n)
