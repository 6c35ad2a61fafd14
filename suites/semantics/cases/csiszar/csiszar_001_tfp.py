"""SEM-CSISZAR-001: the divergences that the library's discrepancy functions stand for (TensorFlow Probability)."""

from functools import partial

import jax
import jax.numpy as jnp
import tensorflow_probability.substrates.jax as tfp

jax.config.update("jax_enable_x64", True)
tfd, vi = tfp.distributions, tfp.vi
KEY = jax.random.key(0)
NOISE = jnp.linspace(-12.0, 12.0, 200_001)  # every draw, each with its weight: the mean without sampling
WEIGHTS = jnp.exp(-0.5 * NOISE**2) / jnp.sum(jnp.exp(-0.5 * NOISE**2))
NORMALISED = ("arithmetic_geometric", "jensen_shannon", "modified_gan", "kl_forward", "kl_reverse")
FUNCTIONS = {
    **{name: getattr(vi, name) for name in ("pearson", "squared_hellinger", "total_variation", "triangular")},
    **{name: getattr(vi, name) for name in ("jeffreys", "chi_square", "log1p_abs")},
    **{name: partial(getattr(vi, name), self_normalized=True) for name in NORMALISED},
    "amari_half": partial(vi.amari_alpha, alpha=0.5),
    "t_power_third": partial(vi.t_power, t=1 / 3),
}


class Given(tfd.Normal):
    """A normal whose draw is loc + scale * noise."""

    def _sample_n(self, n, seed=None):
        return self.loc[None] + self.scale * NOISE[None]


def measure() -> dict[str, float]:
    """E_q f(p / q), q = N(0.5, 1.2^2), p = N(0, 1), for each function."""
    surrogate = Given(jnp.full(NOISE.shape, 0.5), 1.2)
    loss = partial(vi.monte_carlo_variational_loss, tfd.Normal(jnp.zeros(()), 1.0).log_prob, surrogate, seed=KEY)
    return {name: float(jnp.sum(WEIGHTS * loss(discrepancy_fn=each))) for name, each in FUNCTIONS.items()}


if __name__ == "__main__":
    print(measure())
