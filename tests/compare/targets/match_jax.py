"""Hand-written JAX losses for the pair of `match_numpyro`: weights as an argument, or as a global of a compiled one."""

import jax
import jax.numpy as jnp
from jax import random

DATA, LATENT, HIDDEN = 7, 3, 5
LAYERS = {
    "encoder": (DATA, HIDDEN),
    "mean": (HIDDEN, LATENT),
    "log_var": (HIDDEN, LATENT),
    "decoder": (LATENT, HIDDEN),
    "output": (HIDDEN, DATA),
}


def init(key):
    def layer(place, shape):
        return {"w": 0.4 * random.normal(random.fold_in(key, place), shape), "b": jnp.full(shape[1], 0.1)}

    return {name: layer(place, shape) for place, (name, shape) in enumerate(LAYERS.items())}


weights = init(random.key(3))


def dense(layer, x):
    return x @ layer["w"] + layer["b"]


def terms(params, x, key, read=lambda z: z):
    hidden = jnp.tanh(dense(params["encoder"], x))
    mean, log_var = dense(params["mean"], hidden), dense(params["log_var"], hidden)
    z = mean + jnp.exp(0.5 * log_var) * random.normal(key, mean.shape)
    logits = dense(params["output"], jnp.tanh(dense(params["decoder"], read(z))))
    kl = -0.5 * jnp.sum(1 + log_var - mean**2 - jnp.exp(log_var))
    return jnp.sum(jnp.logaddexp(0.0, logits) - x * logits), kl


@jax.jit
def compiled(x, key):
    return sum(terms(weights, x, key)) / len(x)


def right(x):
    return compiled(x, random.key(0))


def beta_and_detached(params, x, key):
    data, kl = terms(params, x, key, read=jax.lax.stop_gradient)
    return {"loss": data + 4 * kl, "kl": kl}


def no_weights(theta, x):
    return jnp.sum(theta["w"]) + jnp.sum(x)
