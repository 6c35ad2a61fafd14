"""SEM-STRUCTURE-007: obs_mask with a guide site for the half that is not observed (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
OBSERVED = jnp.array([True, False])


def model():
    with numpyro.plate("data", 2):
        numpyro.sample("x", dist.Normal(0.0, 1.0), obs=jnp.array([1.5, 9.0]), obs_mask=OBSERVED)


def guide():
    with numpyro.plate("data", 2), numpyro.handlers.mask(mask=~OBSERVED):
        numpyro.sample("x_unobserved", dist.Normal(0.0, 1.0))


def measure() -> dict[str, float]:
    """Both losses; the guide is the prior, so that its draw cancels."""
    key = jax.random.key(0)
    trace = Trace_ELBO().loss(key, {}, model, guide)
    mean_field = TraceMeanField_ELBO().loss(key, {}, model, guide)
    return {"trace": float(trace), "mean_field": float(mean_field)}


if __name__ == "__main__":
    print(measure())
