"""SEM-DREG-002: the mean of the gradient estimators under other divergences (TensorFlow Probability)."""

import jax
import jax.numpy as jnp
import tensorflow_probability.substrates.jax as tfp
from jax.lax import stop_gradient

jax.config.update("jax_enable_x64", True)
tfd, vi = tfp.distributions, tfp.vi
KEY = jax.random.key(0)
NOISE = jnp.linspace(-12.0, 12.0, 4001)  # every draw, each with its weight: the mean without sampling
WEIGHTS = jnp.exp(-0.5 * NOISE**2) / jnp.sum(jnp.exp(-0.5 * NOISE**2))


class Given(tfd.Normal):
    """A normal whose draw is loc + scale * noise."""

    def _sample_n(self, n, seed=None):
        return self.loc[None] + self.scale * NOISE[None]


def mean_loss(loc, sigma, discrepancy, estimator):
    """E_q f(p / q), q = N(loc, sigma^2), p = N(0, 1): the mean over the draws of a one-sample loss of each."""
    options = {"gradient_estimator": estimator}
    if estimator is vi.GradientEstimators.DOUBLY_REPARAMETERIZED:
        options["stopped_surrogate_posterior"] = tfd.Normal(stop_gradient(loc), stop_gradient(sigma))
    surrogate = Given(jnp.broadcast_to(loc, NOISE.shape), sigma)
    losses = vi.monte_carlo_variational_loss(
        tfd.Normal(jnp.zeros(()), 1.0).log_prob, surrogate, discrepancy_fn=discrepancy, seed=KEY, **options
    )
    return jnp.sum(WEIGHTS * losses)


def measure() -> dict[str, float]:
    """The mean gradients at q = N(0.5, 1.2^2)."""
    numbers = {}
    for name in ("reverse", "forward"):
        for short, estimator in (("sticking", "DOUBLY_REPARAMETERIZED"), ("plain", "REPARAMETERIZATION")):
            given = getattr(vi, f"kl_{name}"), getattr(vi.GradientEstimators, estimator)
            by_loc, by_sigma = jax.grad(mean_loss, argnums=(0, 1))(jnp.array(0.5), jnp.array(1.2), *given)
            numbers |= {f"{name}_{short}_loc": float(by_loc), f"{name}_{short}_sigma": float(by_sigma)}
    return numbers


if __name__ == "__main__":
    print(measure())
