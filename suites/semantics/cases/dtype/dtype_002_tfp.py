"""SEM-DTYPE-002: a distribution of Python numbers in a process whose x64 switch is on (TensorFlow Probability)."""

import jax
import jax.numpy as jnp
import tensorflow_probability.substrates.jax as tfp

jax.config.update("jax_enable_x64", True)
tfd = tfp.distributions


def measure() -> dict[str, float]:
    """KL(N(m, 1) || N(1000, 1)) at m = 1000.1, by Python numbers and by arrays, and the bits of each."""
    python = tfd.kl_divergence(tfd.Normal(1000.1, 1.0), tfd.Normal(1000.0, 1.0))
    arrays = tfd.kl_divergence(tfd.Normal(jnp.array(1000.1), 1.0), tfd.Normal(jnp.array(1000.0), 1.0))
    bits = {"python_bits": python.dtype.itemsize * 8.0, "array_bits": arrays.dtype.itemsize * 8.0}
    return {"python": float(python), "arrays": float(arrays)} | bits


if __name__ == "__main__":
    print(measure())
