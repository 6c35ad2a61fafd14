"""SEM-MASK-007: dist.mask on the latent site of model and guide, with different masks (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
MODEL_MASK, GUIDE_MASK = jnp.array([True, False]), jnp.array([True, True])
LOC = jnp.array([0.7, -0.4])
SIGMA = jnp.array([0.5, 1.3])
drawn = {}


def model():
    with numpyro.plate("data", 2):
        numpyro.sample("z", dist.Normal(0.0, jnp.ones(2)).mask(MODEL_MASK))


def guide():
    with numpyro.plate("data", 2):
        drawn["z"] = numpyro.sample("z", dist.Normal(LOC, SIGMA).mask(GUIDE_MASK))


def measure() -> dict[str, float]:
    """Both losses under one key, and the draw behind the sampled one."""
    key = jax.random.key(0)
    trace = Trace_ELBO().loss(key, {}, model, guide)
    mean_field = TraceMeanField_ELBO().loss(key, {}, model, guide)
    return {
        "z0": float(drawn["z"][0]),
        "z1": float(drawn["z"][1]),
        "trace": float(trace),
        "mean_field": float(mean_field),
    }


if __name__ == "__main__":
    print(measure())
