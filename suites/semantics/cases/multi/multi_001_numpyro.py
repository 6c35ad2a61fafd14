"""SEM-MULTI-001: Trace_ELBO(multi_sample_guide=True) with a guide that proposes S samples (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO

jax.config.update("jax_enable_x64", True)
drawn = {}


def model():
    z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    numpyro.sample("x", dist.Normal(z, 1.0), obs=1.2)


def guide():
    drawn["z"] = numpyro.sample("z", dist.Normal(0.7, 0.5 * jnp.ones(3)))


def measure() -> dict[str, float]:
    """The loss of three samples and the draws behind it."""
    loss = Trace_ELBO(multi_sample_guide=True).loss(jax.random.key(0), {}, model, guide)
    z0, z1, z2 = drawn["z"].tolist()
    return {"loss": float(loss), "z0": z0, "z1": z1, "z2": z2}


if __name__ == "__main__":
    print(measure())
