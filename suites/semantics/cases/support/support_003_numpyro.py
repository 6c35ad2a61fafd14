"""SEM-SUPPORT-003: an infinite loss (NumPyro)."""

import warnings

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)


def model():
    numpyro.sample("x", dist.Uniform(0.0, 1.0), obs=2.0)


def guide():
    pass


def measure() -> dict[str, float]:
    """-log 0 by both objects."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO())):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numbers[name] = float(elbo.loss(jax.random.key(0), {}, model, guide))
    return numbers


if __name__ == "__main__":
    print(measure())
