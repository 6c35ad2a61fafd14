"""SEM-STRUCTURE-008: the guide declares an event (to_event) where the model has a plate (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)


def model():
    with numpyro.plate("data", 2):
        numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0))


def guide():
    numpyro.sample("z", dist.Normal(jnp.array([0.7, -0.4]), 0.5).to_event(1))


def raises(elbo) -> float:
    try:
        elbo.loss(jax.random.key(0), {}, model, guide)
    except ValueError:
        return 1.0
    return 0.0


def measure() -> dict[str, float]:
    """1 where ValueError is raised."""
    return {"trace": raises(Trace_ELBO()), "mean_field": raises(TraceMeanField_ELBO())}


if __name__ == "__main__":
    print(measure())
