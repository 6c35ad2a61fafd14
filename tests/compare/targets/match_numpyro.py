"""The VAE of `match_torch` as a NumPyro pair, its matrices (in, out), other weights; once with a scale on the prior."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import random

DATA, LATENT, HIDDEN = 7, 3, 5


def layer(name, rows, columns):
    matrix = 0.3 * random.normal(random.key(len(name)), (rows, columns))
    return numpyro.param(f"{name}.w", matrix), numpyro.param(f"{name}.b", jnp.zeros(columns))


def dense(inputs, weights):
    return inputs @ weights[0] + weights[1]


def encode(x):
    hidden = jnp.tanh(dense(x, layer("encoder", DATA, HIDDEN)))
    return dense(hidden, layer("mean", HIDDEN, LATENT)), dense(hidden, layer("log_var", HIDDEN, LATENT))


def decode(z):
    return dense(jnp.tanh(dense(z, layer("decoder", LATENT, HIDDEN))), layer("output", HIDDEN, DATA))


def model(x):
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", dist.Normal(jnp.zeros((len(x), LATENT)), 1.0).to_event(1))
        numpyro.sample("x", dist.Bernoulli(logits=decode(z)).to_event(1), obs=x)


def model_scaled(x):
    with numpyro.plate("data", len(x)):
        with numpyro.handlers.scale(scale=0.1):
            z = numpyro.sample("z", dist.Normal(jnp.zeros((len(x), LATENT)), 1.0).to_event(1))
        numpyro.sample("x", dist.Bernoulli(logits=decode(z)).to_event(1), obs=x)


def guide(x):
    mean, log_var = encode(x)
    with numpyro.plate("data", len(x)):
        numpyro.sample("z", dist.Normal(mean, jnp.exp(0.5 * log_var)).to_event(1))
