"""SEM-SCALE-004: scale = 0, where KL warm-up starts (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
KEY = jax.random.key(0)


def model(scale):
    with handlers.scale(scale=scale):
        numpyro.sample("z", dist.Normal(0.0, 1.0))


def guide(scale):
    with handlers.scale(scale=scale):
        numpyro.sample("z", dist.Normal(0.7, 0.5))


def trace(scale):
    return Trace_ELBO().loss(KEY, {}, model, guide, scale)


def mean_field(scale):
    return TraceMeanField_ELBO().loss(KEY, {}, model, guide, scale)


def raises(scale) -> float:
    try:
        trace(scale)
    except ValueError:
        return 1.0
    return 0.0


def measure() -> dict[str, float]:
    """1 where ValueError is raised, for a float and an array; the losses when the scale is traced by jit."""
    zero = jnp.array(0.0)
    return {
        "float_raises": raises(0.0),
        "array_raises": raises(zero),
        "trace": float(jax.jit(trace)(zero)),
        "mean_field": float(jax.jit(mean_field)(zero)),
    }


if __name__ == "__main__":
    print(measure())
