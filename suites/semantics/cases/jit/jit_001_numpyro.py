"""SEM-JIT-001: a Python global that changes after jax.jit has compiled the loss (NumPyro)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
setting = {"loc": 0.0}


def model(x):
    numpyro.sample("x", dist.Normal(setting["loc"], 1.0), obs=x)


def guide(x):
    pass


def plain(x):
    return Trace_ELBO().loss(jax.random.key(0), {}, model, guide, x)


def mean_field(x):
    return TraceMeanField_ELBO().loss(jax.random.key(0), {}, model, guide, x)


def measure() -> dict[str, float]:
    """-log N(1 | loc, 1) before and after loc goes from 0 to 3."""
    numbers = {}
    for name, loss in (("plain", plain), ("jit", jax.jit(plain)), ("jit_mean_field", jax.jit(mean_field))):
        for when, loc in (("before", 0.0), ("after", 3.0)):
            setting["loc"] = loc
            numbers[f"{name}_{when}"] = float(loss(jnp.array(1.0)))
    return numbers


if __name__ == "__main__":
    print(measure())
