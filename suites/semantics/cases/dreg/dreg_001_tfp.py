"""SEM-DREG-001: what each part of the model learns from the doubly reparameterised loss (TensorFlow Probability)."""

import jax
import jax.numpy as jnp
import tensorflow_probability.substrates.jax as tfp
from jax.lax import stop_gradient

jax.config.update("jax_enable_x64", True)
tfd, vi = tfp.distributions, tfp.vi
KEY = jax.random.key(3)
X, K = 1.5, 5
ZERO = jnp.zeros(())  # of Python numbers alone a distribution would be in float32
drawn = {}


def loss(decoder, loc, sigma, estimator):
    """Minus the importance-weighted bound of p(z) = N(0, 1), p(x | z) = N(decoder z, 1), q = N(loc, sigma^2)."""

    def target(z):
        drawn["z"] = z
        return tfd.Normal(ZERO, 1.0).log_prob(z) + tfd.Normal(decoder * z, 1.0).log_prob(X)

    options = {"gradient_estimator": estimator}
    if estimator is vi.GradientEstimators.DOUBLY_REPARAMETERIZED:
        options["stopped_surrogate_posterior"] = tfd.Normal(stop_gradient(loc), stop_gradient(sigma))
    surrogate = tfd.Normal(loc, sigma)
    return vi.monte_carlo_variational_loss(target, surrogate, importance_sample_size=K, seed=KEY, **options)


def two_losses(decoder, loc, sigma):
    """q from the doubly reparameterised loss, the decoder from the ordinary one."""
    for_q = loss(stop_gradient(decoder), loc, sigma, vi.GradientEstimators.DOUBLY_REPARAMETERIZED)
    fixed = stop_gradient(loc), stop_gradient(sigma)
    for_p = loss(decoder, *fixed, vi.GradientEstimators.REPARAMETERIZATION)
    return for_q + for_p - stop_gradient(for_p)


def measure() -> dict[str, float]:
    """The draws, the loss, and its gradients at decoder = 0.8, q = N(0.7, 0.5^2)."""
    at = tuple(jnp.array(each) for each in (0.8, 0.7, 0.5))
    ways = {
        "dreg": lambda *a: loss(*a, vi.GradientEstimators.DOUBLY_REPARAMETERIZED),
        "plain": lambda *a: loss(*a, vi.GradientEstimators.REPARAMETERIZATION),
        "two_losses": two_losses,
    }
    numbers = {"loss": float(ways["dreg"](*at))}
    numbers |= {f"z{k}": float(z) for k, z in enumerate(drawn["z"])}
    for name, way in ways.items():
        slopes = jax.grad(way, argnums=(0, 1, 2))(*at)
        numbers |= {f"{name}_{of}": float(each) for of, each in zip(("decoder", "loc", "sigma"), slopes, strict=True)}
    return numbers


if __name__ == "__main__":
    print(measure())
