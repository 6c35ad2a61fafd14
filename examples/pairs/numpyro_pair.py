"""The VAE of `pyro_pair.py` as a NumPyro pair, with weights of its own.

`compare match pyro_pair.py:model pyro_pair.py:guide -- numpyro_pair.py:model numpyro_pair.py:guide` is SAME; with
`numpyro_pair.py:annealed_model` it DIFFERS.
"""

import jax.numpy as jnp
import numpyro
from jax import Array, random
from numpyro.distributions import Bernoulli, Normal

OBSERVED, HIDDEN, LATENT = 64, 32, 4


def layer(name: str, inputs: Array, outputs: int) -> Array:
    weight = numpyro.param(f"{name}.kernel", 0.1 * random.normal(random.key(outputs), (inputs.shape[-1], outputs)))
    return inputs @ weight + numpyro.param(f"{name}.bias", jnp.zeros(outputs))


def decoder(z: Array) -> Array:
    return layer("decoder.1", jnp.tanh(layer("decoder.0", z, HIDDEN)), OBSERVED)


def model(x: Array, scale: float = 1.0) -> None:
    with numpyro.plate("data", len(x)):
        with numpyro.handlers.scale(scale=scale):
            z = numpyro.sample("z", Normal(jnp.zeros((len(x), LATENT)), 1.0).to_event(1))
        numpyro.sample("x", Bernoulli(logits=decoder(z)).to_event(1), obs=x)


def guide(x: Array) -> None:
    mean, log_var = jnp.split(layer("encoder.1", jnp.tanh(layer("encoder.0", x, HIDDEN)), 2 * LATENT), 2, -1)
    with numpyro.plate("data", len(x)):
        numpyro.sample("z", Normal(mean, jnp.exp(0.5 * log_var)).to_event(1))


def annealed_model(x: Array) -> None:
    """The mistake: the KL is annealed in the model alone, and not in the guide."""
    model(x, scale=0.1)
