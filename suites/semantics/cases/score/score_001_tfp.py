"""SEM-SCORE-001: gradients for a discrete surrogate, averaged over every outcome (TensorFlow Probability)."""

from itertools import product

import jax
import jax.numpy as jnp
import tensorflow_probability.substrates.jax as tfp

jax.config.update("jax_enable_x64", True)
tfd, vi = tfp.distributions, tfp.vi
KEY = jax.random.key(0)
X, DRAWS = 1.5, 3
given = {}


class Given(tfd.Bernoulli):
    """A Bernoulli whose draws are what is given."""

    def _sample_n(self, n, seed=None):
        return jnp.reshape(given["z"], (n,))


def loss(logit, decoder, estimator, draws):
    """Minus the bound of p(z) = Bernoulli(1/2), p(x | z) = N(decoder z, 1), q = Bernoulli(logit)."""

    def target(z):
        return tfd.Bernoulli(probs=jnp.array(0.5)).log_prob(z) + tfd.Normal(decoder * z, 1.0).log_prob(X)

    surrogate = Given(logits=logit, dtype=jnp.float64)
    options = {} if estimator is None else {"gradient_estimator": estimator}
    return vi.monte_carlo_variational_loss(target, surrogate, importance_sample_size=draws, seed=KEY, **options)


def mean_gradients(estimator, draws):
    """d / d(logit, decoder) at (0.4, 0.8), each outcome weighted by its probability."""
    q = jax.nn.sigmoid(0.4)
    total = jnp.zeros(2)
    for outcome in product((0.0, 1.0), repeat=draws):
        given["z"] = jnp.array(outcome)
        weight = jnp.prod(jnp.where(given["z"] == 1, q, 1 - q))
        total += weight * jnp.stack(jax.grad(loss, argnums=(0, 1))(jnp.array(0.4), jnp.array(0.8), estimator, draws))
    return total


def measure() -> dict[str, float]:
    """The default (score function), and VIMCO with three draws."""
    numbers = {}
    for name, estimator, draws in (("score", None, 1), ("vimco", vi.GradientEstimators.VIMCO, DRAWS)):
        by_logit, by_decoder = mean_gradients(estimator, draws)
        numbers |= {f"{name}_logit": float(by_logit), f"{name}_decoder": float(by_decoder)}
    return numbers


if __name__ == "__main__":
    print(measure())
