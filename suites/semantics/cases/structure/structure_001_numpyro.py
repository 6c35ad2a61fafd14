"""SEM-STRUCTURE-001: a batch dimension without a plate (NumPyro)."""

import warnings

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceGraph_ELBO

jax.config.update("jax_enable_x64", True)


def model():
    numpyro.sample("x", dist.Normal(jnp.zeros(3), 1.0), obs=jnp.array([1.0, 2.0, 3.0]))


def guide():
    pass


def measure() -> dict[str, float]:
    """The loss, and 1 where anything warns."""
    numbers = {"trace_raises": 0.0, "graph_raises": 0.0}
    for name, elbo in (("trace", Trace_ELBO()), ("graph", TraceGraph_ELBO())):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            numbers["loss"] = float(elbo.loss(jax.random.key(0), {}, model, guide))
        numbers[name + "_warns"] = float(bool(caught))
    return numbers


if __name__ == "__main__":
    print(measure())
