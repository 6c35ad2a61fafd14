"""SEM-SAMPLES-001: sample_size groups of importance_sample_size draws (TensorFlow Probability)."""

import jax
import jax.numpy as jnp
import tensorflow_probability.substrates.jax as tfp

jax.config.update("jax_enable_x64", True)
tfd, vi = tfp.distributions, tfp.vi
KEY = jax.random.key(1)
drawn = {}


def target(z):
    """log p(z), p = N(0, 1)."""
    drawn["z"] = z
    return tfd.Normal(jnp.zeros(()), 1.0).log_prob(z)


def measure() -> dict[str, float]:
    """The loss with 2 groups of 3 draws at q = N(0.7, 0.5^2), and with a batch of two q of one draw each."""
    surrogate = tfd.Normal(jnp.array(0.7), 0.5)
    loss = vi.monte_carlo_variational_loss(target, surrogate, sample_size=2, importance_sample_size=3, seed=KEY)
    numbers = {f"z{k}": float(z) for k, z in enumerate(drawn["z"])}
    batch = tfd.Normal(jnp.array([0.7, -0.3]), jnp.array([0.5, 1.3]))
    one_each = vi.monte_carlo_variational_loss(target, batch, importance_sample_size=2, seed=KEY)
    numbers |= {f"y{k}{datum}": float(drawn["z"][k, datum]) for k in range(2) for datum in range(2)}
    return numbers | {"groups": float(loss), "first": float(one_each[0]), "second": float(one_each[1])}


if __name__ == "__main__":
    print(measure())
