"""SEM-FALLBACK-004: TraceMeanField_ELBO with q = LowRankMultivariateNormal, p = MultivariateNormal (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)


def model():
    numpyro.sample("z", dist.MultivariateNormal(jnp.array([0.0, 0.0]), jnp.array([[1.0, 0.3], [0.3, 1.5]])))


def guide():
    numpyro.sample(
        "z", dist.LowRankMultivariateNormal(jnp.array([0.7, -0.4]), jnp.array([[0.5], [-0.3]]), jnp.array([0.4, 0.6]))
    )


def measure() -> dict[str, float]:
    """Both losses under two keys: an analytic KL does not change, a sampled one equals Trace_ELBO's."""
    losses = {}
    for suffix, seed in (("", 0), ("_again", 1)):
        key = jax.random.key(seed)
        losses["trace" + suffix] = float(Trace_ELBO().loss(key, {}, model, guide))
        losses["mean_field" + suffix] = float(TraceMeanField_ELBO().loss(key, {}, model, guide))
    return losses


if __name__ == "__main__":
    print(measure())
