"""NumPyro's public VAE as a pair, and a JAX loss written by hand on its own stax networks."""

from typing import Any

import jax.numpy as jnp
from here import loaded
from jax import Array, random

public = loaded("pyro-ppl/numpyro", "examples/vae.py")
model, guide = public.model, public.guide
(make_encoder, encode), (make_decoder, decode) = public.encoder(400, 100), public.decoder(400, 784)
params = {
    "encoder": make_encoder(random.key(0), (4, 784))[1],
    "decoder": make_decoder(random.key(1), (4, 100))[1],
}


def loss(params: Any, key: Array, x: Array) -> Array:
    mean, sigma = encode(params["encoder"], x)
    p = decode(params["decoder"], mean + sigma * random.normal(key, mean.shape))
    data = -(x * jnp.log(p) + (1 - x) * jnp.log1p(-p)).sum()
    return data + 0.5 * (mean**2 + sigma**2 - 1 - 2 * jnp.log(sigma)).sum()


def sigma_for_variance(params: Any, key: Array, x: Array) -> Array:
    mean, sigma = encode(params["encoder"], x)
    p = decode(params["decoder"], mean + sigma * random.normal(key, mean.shape))
    data = -(x * jnp.log(p) + (1 - x) * jnp.log1p(-p)).sum()
    return data + 0.5 * (mean**2 + sigma - 1 - jnp.log(sigma)).sum()
