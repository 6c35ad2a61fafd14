"""A NumPyro pair with a log-normal latent and a weight of its own; hand-written losses, one with the latent cut off."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import random

ENCODER, DECODER = 0.3 * random.normal(random.key(0), (6, 4)), 0.3 * random.normal(random.key(1), (2, 6))


def model(x):
    decoder = numpyro.param("decoder", DECODER)
    alone = numpyro.param("alone", 0.1 * random.normal(random.key(9), (6,)))
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", dist.LogNormal(jnp.zeros((len(x), 2)), 1.0).to_event(1))
        numpyro.sample("x", dist.Bernoulli(logits=z @ decoder + 0 * alone).to_event(1), obs=x)


def guide(x):
    h = x @ numpyro.param("encoder", ENCODER)
    with numpyro.plate("data", len(x)):
        numpyro.sample("z", dist.LogNormal(h[:, :2], jnp.exp(0.5 * h[:, 2:])).to_event(1))


def init(key):
    return {"encoder": ENCODER + 0.1, "decoder": DECODER - 0.1}


def right(params, x, key, read=lambda z: z):
    h = x @ params["encoder"]
    mean, log_var = h[:, :2], h[:, 2:]
    u = mean + jnp.exp(0.5 * log_var) * random.normal(key, mean.shape)
    logits = read(jnp.exp(u)) @ params["decoder"]
    log_ratio = -0.5 * ((u - mean) ** 2 / jnp.exp(log_var) + log_var - u**2)
    return (jnp.logaddexp(0.0, logits) - x * logits).sum() + log_ratio.sum()


def cut(params, x, key):
    return right(params, x, key, jax.lax.stop_gradient)
