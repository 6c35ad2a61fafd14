"""SEM-STRUCTURE-002: TraceMeanField_ELBO where the guide reverses the model's order a -> b (Pyro)."""

import warnings

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
drawn = {}


def model():
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    pyro.sample("b", dist.Normal(a, 1.0))


def guide():
    drawn["b"] = pyro.sample("b", dist.Normal(0.5, 0.7))
    drawn["a"] = pyro.sample("a", dist.Normal(0.6 * drawn["b"], 0.4))


def measure() -> dict[str, float]:
    """Both losses under one seed, the draws, and who warns."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO())):
        pyro.set_rng_seed(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            numbers[name] = elbo.loss(model, guide)
        numbers[name + "_warns"] = float(bool(caught))
    return numbers | {"a": float(drawn["a"]), "b": float(drawn["b"])}


if __name__ == "__main__":
    print(measure())
