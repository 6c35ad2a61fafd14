"""SEM-PLATE-002: model and guide subsample the same plate (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
SIZE, BATCH = 6, 2
X = jnp.array([1.2, -0.3])
drawn = {}


def model():
    with numpyro.plate("data", SIZE, subsample_size=BATCH):
        z = numpyro.sample("z", dist.Normal(jnp.zeros(BATCH), 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide():
    with numpyro.plate("data", SIZE, subsample_size=BATCH):
        drawn["z"] = numpyro.sample("z", dist.Normal(0.5 * X, 0.7))


def measure() -> dict[str, float]:
    """Both losses under one key, and the draws behind them."""
    key = jax.random.key(0)
    trace = Trace_ELBO().loss(key, {}, model, guide)
    mean_field = TraceMeanField_ELBO().loss(key, {}, model, guide)
    z0, z1 = drawn["z"].tolist()
    return {"z0": z0, "z1": z1, "trace": float(trace), "mean_field": float(mean_field)}


if __name__ == "__main__":
    print(measure())
