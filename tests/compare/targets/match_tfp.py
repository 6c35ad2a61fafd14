"""Losses of TensorFlow Probability for the pair of `match_numpyro`: its distributions, its public functions."""

import tensorflow_probability.substrates.jax as tfp
from jax import numpy as jnp
from jax import random

tfd, vi = tfp.distributions, tfp.vi
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


def dense(layer, x):
    return x @ layer["w"] + layer["b"]


def surrogate(params, x):
    hidden = jnp.tanh(dense(params["encoder"], x))
    sigma = jnp.exp(0.5 * dense(params["log_var"], hidden))
    return tfd.Independent(tfd.Normal(dense(params["mean"], hidden), sigma), 1)


def prior():
    return tfd.Independent(tfd.Normal(jnp.zeros(LATENT), 1.0), 1)


def likelihood(params, z):
    logits = dense(params["output"], jnp.tanh(dense(params["decoder"], z)))
    return tfd.Independent(tfd.Bernoulli(logits=logits), 1)


def target(params, x):
    return lambda z: prior().log_prob(z) + likelihood(params, z).log_prob(x)


def sampled(params, x, key):
    q = surrogate(params, x)
    return vi.monte_carlo_variational_loss(target(params, x), q, sample_size=1, seed=key).sum()


def analytic(params, x, key):
    q = surrogate(params, x)
    z = q.sample(1, seed=key)
    data = tfp.monte_carlo.expectation(lambda z: likelihood(params, z).log_prob(x), z)
    return (tfd.kl_divergence(q, prior()) - data).sum()


def two_samples(params, x, key):
    q = surrogate(params, x)
    return vi.monte_carlo_variational_loss(target(params, x), q, importance_sample_size=2, seed=key).sum()


def without_prior(params, x, key):
    data = lambda z: likelihood(params, z).log_prob(x)  # noqa: E731
    return vi.monte_carlo_variational_loss(data, surrogate(params, x), sample_size=1, seed=key).sum()


def averaged(params, x, key):
    q = surrogate(params, x)
    return vi.monte_carlo_variational_loss(target(params, x), q, sample_size=1, seed=key).mean()
