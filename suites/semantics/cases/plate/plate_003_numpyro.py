"""SEM-PLATE-003: a global latent outside a subsampled plate of local latents; q is the posterior (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
SIZE, BATCH = 6, 2
X = jnp.array([1.2, -0.3])
PRECISION = 1 + SIZE / 2  # of mu: its prior's 1 and 1/2 of every datum, since x | mu ~ N(mu, 2)
drawn = {}


def model():
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    with numpyro.plate("data", SIZE, subsample_size=BATCH):
        z = numpyro.sample("z", dist.Normal(mu, jnp.ones(BATCH)))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide():
    loc = SIZE / BATCH * X.sum() / 2 / PRECISION
    drawn["mu"] = mu = numpyro.sample("mu", dist.Normal(loc, PRECISION**-0.5))
    with numpyro.plate("data", SIZE, subsample_size=BATCH):
        drawn["z"] = numpyro.sample("z", dist.Normal((mu + X) / 2, 0.5**0.5))


def measure() -> dict[str, float]:
    """Both losses under one key, and the draws behind them."""
    key = jax.random.key(0)
    trace = Trace_ELBO().loss(key, {}, model, guide)
    mean_field = TraceMeanField_ELBO().loss(key, {}, model, guide)
    z0, z1 = drawn["z"].tolist()
    return {"mu": float(drawn["mu"]), "z0": z0, "z1": z1, "trace": float(trace), "mean_field": float(mean_field)}


if __name__ == "__main__":
    print(measure())
