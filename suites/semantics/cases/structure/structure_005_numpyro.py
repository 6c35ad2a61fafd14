"""SEM-STRUCTURE-005: obs_mask with half of the data observed and no guide site for the rest (NumPyro)."""

import warnings

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
drawn = {}


def model():
    with numpyro.plate("data", 2):
        x = numpyro.sample("x", dist.Normal(0.0, 1.0), obs=jnp.array([1.5, 9.0]), obs_mask=jnp.array([True, False]))
    drawn["x0"], drawn["x1"] = x[0], x[1]


def guide():
    pass


def measure() -> dict[str, float]:
    """Each loss and its draws, or 1 in `raises`; and whether anything warned."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO())):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                numbers[name] = float(elbo.loss(jax.random.key(0), {}, model, guide))
                numbers |= {key: float(value) for key, value in drawn.items()}
                numbers[name + "_raises"] = 0.0
            except (AssertionError, KeyError):
                numbers[name + "_raises"] = 1.0
        numbers[name + "_warns"] = float(bool(caught))
    return numbers


if __name__ == "__main__":
    print(measure())
