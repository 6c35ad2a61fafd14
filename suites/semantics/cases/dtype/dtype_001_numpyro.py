"""SEM-DTYPE-001: the losses in float32 (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", False)
drawn = {}


def model():
    z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    numpyro.sample("x", dist.Normal(z, 1.0), obs=jnp.array(1.25))


def guide():
    drawn["z"] = numpyro.sample("z", dist.Normal(0.75, 0.5))


def measure() -> dict[str, float]:
    """Both losses under one key, whether they are float32, and the draw."""
    key = jax.random.key(0)
    trace = Trace_ELBO().loss(key, {}, model, guide)
    mean_field = TraceMeanField_ELBO().loss(key, {}, model, guide)
    numbers = {"z": float(drawn["z"]), "trace": float(trace), "mean_field": float(mean_field)}
    return numbers | {"is_float32": float(trace.dtype == mean_field.dtype == jnp.float32)}


if __name__ == "__main__":
    print(measure())
