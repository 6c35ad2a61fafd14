"""Own draws of the hand-written JAX VAE at one datum: one row of noise, or of heads, per draw."""

from functools import partial
from math import nan

import jax
import jax.numpy as jnp
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form, blocks, check_datum
from elbo_compare.suites.bridge.jax_arrays import joined
from elbo_compare.suites.bridge.jax_rarely import Rarely, rarely
from elbo_compare.suites.contract import Array, Bound, Draws, DType, GradientDraws, Params
from elbo_compare.suites.jax_hand.evaluation import Setting
from elbo_compare.suites.jax_hand.layers import Weights
from elbo_compare.suites.jax_hand.noise import base_noise
from elbo_compare.suites.jax_hand.vae import Heads, encode, estimate


@rarely("form", "count")
def draw_block(params: Weights, x: JaxArray, key: JaxArray, *, form: Form, count: int) -> tuple[JaxArray, JaxArray]:
    """ELBO and KL of `count` draws at one datum, each of shape (count,)."""
    noise = base_noise(key, form, (count, 1), x)
    value, terms = estimate(params, form, x, encode(params, form, x), noise)
    kl = jnp.full_like(value, nan) if form.bound is Bound.RENYI else jnp.mean(terms.kl, axis=-2)
    return value[:, 0], kl[:, 0]


@rarely("form", "count")
def gradient_block(params: Weights, x: JaxArray, key: JaxArray, *, form: Form, count: int) -> tuple[JaxArray, JaxArray]:
    """d ELBO / d(mean, log-variance) of `count` draws at one datum, each (count, latent): one row of heads per draw."""
    noise = base_noise(key, form, (count, 1), x)
    mean, log_var, hidden = encode(params, form, x)

    def total(mean: JaxArray, log_var: JaxArray) -> JaxArray:
        return jnp.sum(estimate(params, form, x, Heads(mean, log_var, hidden), noise)[0])

    per_draw = (count, 1, 1, form.latent)
    rows = jnp.broadcast_to(mean, per_draw), jnp.broadcast_to(log_var, per_draw)
    gradient_mean, gradient_log_var = jax.grad(total, argnums=(0, 1))(*rows)
    return gradient_mean[:, 0, 0], gradient_log_var[:, 0, 0]


def draw(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
    """n draws of ELBO and KL at one datum; every draw is a value of the loss itself, so there is nothing to tie."""
    elbo, kl, dtype = _blocks(setting, draw_block, params, x, n, seed, chunk)
    return Draws(elbo=elbo, kl=kl, dtype=dtype)


def draw_gradients(setting: Setting, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
    """n draws of d ELBO / d(mean, log-variance) at one datum."""
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
    one = partial(block.on(setting.device), form=setting.form, count=count)
    return joined((one(weights, data, jax.random.fold_in(key, index)) for index, _ in blocks(n, count)), n)
