"""A NumPyro pair of one layer each, as functions."""

import jax.numpy as jnp
import numpyro
from numpyro import distributions as dist

X, Z = 64, 2


def model(batch):
    with numpyro.plate("data", len(batch)):
        z = numpyro.sample("z", dist.Normal(0, 1).expand([Z]).to_event(1))
        weights = numpyro.param("decoder", jnp.full((Z, X), 0.2))
        numpyro.sample("x", dist.Bernoulli(logits=z @ weights).to_event(1), obs=batch)


def guide(batch):
    weights = numpyro.param("encoder", 0.1 * jnp.ones((X, 2 * Z)))
    mean, log_sigma = jnp.split(batch @ weights, 2, axis=1)
    with numpyro.plate("data", len(batch)):
        numpyro.sample("z", dist.Normal(mean, jnp.exp(0.1 * log_sigma)).to_event(1))
