"""SEM-GRADIENT-001: the pathwise gradient with and without the score of log q (TensorFlow Probability)."""

import jax
import jax.numpy as jnp
import tensorflow_probability.substrates.jax as tfp
from jax.lax import stop_gradient

jax.config.update("jax_enable_x64", True)
tfd, vi = tfp.distributions, tfp.vi
KEY = jax.random.key(0)
PRIOR = tfd.Normal(jnp.zeros(()), 1.0)  # of Python numbers alone it would be in float32
AT = jnp.array(0.7), jnp.array(0.5)
drawn = {}


def target(z):
    """log p(z), with no data."""
    drawn["z"] = z
    return PRIOR.log_prob(z)


def sampled(loc, sigma, **options):
    """Minus the one-sample ELBO."""
    return vi.monte_carlo_variational_loss(target, tfd.Normal(loc, sigma), seed=KEY, **options)


def sticking(loc, sigma):
    """The doubly reparameterised estimator with one sample, which is sticking the landing."""
    fixed = tfd.Normal(stop_gradient(loc), stop_gradient(sigma))
    estimator = vi.GradientEstimators.DOUBLY_REPARAMETERIZED
    return sampled(loc, sigma, gradient_estimator=estimator, stopped_surrogate_posterior=fixed)


def analytic(loc, sigma):
    """The registered divergence."""
    return tfd.kl_divergence(tfd.Normal(loc, sigma), PRIOR)


def measure() -> dict[str, float]:
    """The draw and d loss / d(loc, sigma) at q = N(0.7, 0.5^2)."""
    sampled(*AT)
    numbers = {"z": float(drawn["z"][0])}
    for name, loss in (("trace", sampled), ("mean_field", analytic), ("sticking", sticking)):
        by_loc, by_sigma = jax.grad(loss, argnums=(0, 1))(*AT)
        numbers |= {name + "_loc": float(by_loc), name + "_sigma": float(by_sigma)}
    return numbers


if __name__ == "__main__":
    print(measure())
