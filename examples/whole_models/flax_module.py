"""A whole VAE as a flax module: `compare check examples/whole_models/flax_module.py:VAE`; `:Squared` is wrong."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array


class VAE(nn.Module):
    observed: int = 64
    hidden: int = 32
    latent: int = 4

    @nn.compact
    def __call__(self, x: Array, z_rng: Array) -> tuple[Array, Array, Array]:
        hidden = nn.relu(nn.Dense(self.hidden)(x))  # batch hidden
        mean, log_var = nn.Dense(self.latent)(hidden), nn.Dense(self.latent)(hidden)  # batch latent
        z = mean + self.spread(log_var) * jax.random.normal(z_rng, mean.shape)
        hidden = nn.relu(nn.Dense(self.hidden)(z))
        return nn.Dense(self.observed)(hidden), mean, log_var

    def spread(self, log_var: Array) -> Array:
        return jnp.exp(0.5 * log_var)


class Squared(VAE):
    """The mistake: the noise is multiplied by the variance, where the KL has it right."""

    def spread(self, log_var: Array) -> Array:
        return jnp.exp(log_var)


def loss_fn(logits: Array, x: Array, mean: Array, log_var: Array) -> Array:
    reconstruction = jnp.sum(jnp.logaddexp(0, logits) - x * logits, axis=-1)
    kl = -0.5 * jnp.sum(1 + log_var - mean**2 - jnp.exp(log_var), axis=-1)
    return jnp.mean(reconstruction + kl)
