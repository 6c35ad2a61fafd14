"""SEM-STRUCTURE-002: TraceMeanField_ELBO where the guide reverses the model's order a -> b (NumPyro)."""

import warnings

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

jax.config.update("jax_enable_x64", True)
drawn = {}


def model():
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.sample("b", dist.Normal(a, 1.0))


def guide():
    drawn["b"] = numpyro.sample("b", dist.Normal(0.5, 0.7))
    drawn["a"] = numpyro.sample("a", dist.Normal(0.6 * drawn["b"], 0.4))


def measure() -> dict[str, float]:
    """Both losses under one key, the draws, and who warns."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO())):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            numbers[name] = float(elbo.loss(jax.random.key(0), {}, model, guide))
        numbers[name + "_warns"] = float(bool(caught))
    return numbers | {"a": float(drawn["a"]), "b": float(drawn["b"])}


if __name__ == "__main__":
    print(measure())
