"""Own base noise in JAX: independent normals, or independently scrambled Sobol sets."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Noise


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
