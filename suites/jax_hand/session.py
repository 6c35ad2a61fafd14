"""A session by hand in JAX: everybody's noise, own random numbers, gradients of the encoder's outputs.

Compiled functions take weights and noise as arguments, so that problems of one form and shape share them.
"""

from functools import cache, partial
from math import nan

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray

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
from elbo_compare.suites.contract import Array, Bound, Draws, DType, Evaluation, GradientDraws, Noise, Params, Reduction
from elbo_compare.suites.jax_hand.layers import Weights
from elbo_compare.suites.jax_hand.vae import Terms, batch_loss, encode, estimate

# --- noise


def base_noise(key: JaxArray, form: Form, axes: tuple[int, ...], like: JaxArray) -> JaxArray:
    """Base noise of shape (..., noise row, batch, latent) in the dtype of `like`; `axes` is (..., batch)."""
    shape = (*axes[:-1], form.noise_rows, axes[-1], form.latent)
    if form.noise is Noise.SOBOL:
        return sobol_noise(key, shape, like)
    return jax.random.normal(key, shape, dtype=like.dtype)


def sobol_noise(key: JaxArray, shape: tuple[int, ...], like: JaxArray) -> JaxArray:
    """Normal quantiles of the first 2^m points of a Sobol sequence, with Owen's nested scrambling anew for each datum.

    Among the first 2^m points every value of the leading m digits occurs once per coordinate. So their scrambling is a
    random flip of each digit that depends on the digits before it, and all further digits are independent: a uniform
    number within 2^-m. Owen 1995, "Randomly permuted (t,m,s)-nets and (t,s)-sequences".
    Shape (..., 2^m, batch, latent).
    """
    points, latent = shape[-3], shape[-1]
    m = points.bit_length() - 1
    flips, rest = jax.random.split(key)
    digits = jnp.asarray(sobol_digits(points, latent))[:, None, :]
    # One random bit for each node of each coordinate's binary tree, numbered from the root as 1, 2 3, 4 5 6 7, ...
    trees = jax.random.bits(flips, (*shape[:-3], shape[-2], latent), dtype=jnp.uint32)[..., None, :, :]
    scrambled = jnp.zeros(shape, jnp.uint32)
    for level in range(m):
        prefix, digit = digits >> (m - level), (digits >> (m - level - 1)) & 1
        scrambled = 2 * scrambled + (digit ^ ((trees >> ((1 << level) | prefix)) & 1))
    uniform = (scrambled.astype(like.dtype) + jax.random.uniform(rest, shape, like.dtype)) / points
    # A uniform number of 0, or one that rounding makes 1, has an infinite quantile.
    small = jnp.finfo(like.dtype)
    return jax.scipy.special.ndtri(jnp.clip(uniform, small.tiny, 1.0 - small.epsneg))


@cache
def sobol_digits(points: int, latent: int) -> np.ndarray:
    """The leading log2(points) binary digits of the first Sobol points, as integers, (points, latent)."""
    from scipy.stats.qmc import Sobol  # here, because importing it costs more than most sessions

    if points > 16 or points & (points - 1):
        raise ValueError(f"scrambled here are 2, 4, 8 or 16 Sobol points; {points} arrived")
    return np.asarray(Sobol(latent, scramble=False).random(points) * points, np.uint32)


# --- session


@partial(jax.jit, static_argnames="form")
def loss_and_gradients(
    params: Weights, x: JaxArray, noise: JaxArray, *, form: Form
) -> tuple[tuple[JaxArray, Terms], Weights]:
    """((loss, terms), d loss / d params)."""
    return jax.value_and_grad(batch_loss, has_aux=True)(params, form, x, noise)


@partial(jax.jit, static_argnames=("form", "count"))
def draw_block(params: Weights, x: JaxArray, key: JaxArray, *, form: Form, count: int) -> tuple[JaxArray, JaxArray]:
    """ELBO and KL of `count` draws at one datum, each of shape (count,)."""
    noise = base_noise(key, form, (count, 1), x)
    value, terms = estimate(params, form, x, encode(params, form, x), noise)
    kl = jnp.full_like(value, nan) if form.bound is Bound.RENYI else jnp.mean(terms.kl, axis=-2)
    return value[:, 0], kl[:, 0]


@partial(jax.jit, static_argnames=("form", "count"))
def gradient_block(params: Weights, x: JaxArray, key: JaxArray, *, form: Form, count: int) -> tuple[JaxArray, JaxArray]:
    """d ELBO / d(mean, log-variance) of `count` draws at one datum, each (count, latent): one row of heads per draw."""
    noise = base_noise(key, form, (count, 1), x)
    mean, log_var, hidden = encode(params, form, x)

    def total(mean: JaxArray, log_var: JaxArray) -> JaxArray:
        return jnp.sum(estimate(params, form, x, (mean, log_var, hidden), noise)[0])

    per_draw = (count, 1, 1, form.latent)
    rows = jnp.broadcast_to(mean, per_draw), jnp.broadcast_to(log_var, per_draw)
    gradient_mean, gradient_log_var = jax.grad(total, argnums=(0, 1))(*rows)
    return gradient_mean[:, 0, 0], gradient_log_var[:, 0, 0]


class JaxHandEstimates:
    """One (problem, estimator) on one device in one dtype: everybody's noise, and own draws."""

    def __init__(self, form: Form, device: JaxDevice, dtype: DType):
        self.form, self.device, self.dtype = form, device, dtype

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The estimator and its gradient at everybody's noise, shape (noise row, batch, latent)."""
        check_shapes(self.form, params, x, noise)
        weights = to_devices(params, self.device, self.dtype)
        (loss, terms), gradients = loss_and_gradients(weights, self._array(x), self._array(noise), form=self.form)
        split = self.form.bound is Bound.ELBO  # a Renyi bound is no sum of terms
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

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum; every draw is a value of the loss itself, so there is nothing to tie."""
        elbo, kl = self._blocks(draw_block, params, x, n, seed, chunk)
        return Draws(elbo=to_array(elbo), kl=to_array(kl), dtype=dtype_of(elbo))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum."""
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
        pairs = [
            block(weights, data, jax.random.fold_in(key, index), form=self.form, count=count)
            for index, _ in blocks(n, count)
        ]
        first, second = (jnp.concatenate(column)[:n] for column in zip(*pairs, strict=True))
        return first, second

    def _array(self, array: Array) -> JaxArray:
        return to_device(array, self.device, self.dtype)

    def _key(self, seed: int) -> JaxArray:
        return random_key(seed, self.device)
