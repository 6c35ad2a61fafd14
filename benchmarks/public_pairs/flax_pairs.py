"""The networks of flax's public VAE as a NumPyro pair; once with exp(log sigma^2) for the standard deviation."""

import jax.numpy as jnp
import numpyro
from here import loaded
from jax import Array
from numpyro.contrib.module import flax_module
from numpyro.distributions import Bernoulli, Normal

public = loaded("google/flax", "examples/vae/models.py")
LATENTS = 20


def model(x: Array) -> None:
    decode = flax_module("decoder", public.Decoder(), input_shape=(1, LATENTS))
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", Normal(jnp.zeros((len(x), LATENTS)), 1.0).to_event(1))
        numpyro.sample("x", Bernoulli(logits=decode(z)).to_event(1), obs=x)  # pyright: ignore


def guide(x: Array) -> None:
    encoded(x, 0.5)


def variance_as_sigma(x: Array) -> None:
    encoded(x, 1.0)


def encoded(x: Array, power: float) -> None:
    encode = flax_module("encoder", public.Encoder(LATENTS), input_shape=(1, 784))
    mean, log_var = encode(x)
    with numpyro.plate("data", len(x)):
        numpyro.sample("z", Normal(mean, jnp.exp(power * log_var)).to_event(1))
