"""SEM-STRUCTURE-005: obs_mask with half of the data observed and no guide site for the rest (Pyro)."""

import warnings

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
drawn = {}


def model():
    with pyro.plate("data", 2):
        x = pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.tensor([1.5, 9.0]), obs_mask=torch.tensor([True, False]))
    drawn["x0"], drawn["x1"] = x[0], x[1]


def guide():
    pass


def measure() -> dict[str, float]:
    """Each loss and its draws, or 1 in `raises`; and whether anything warned."""
    numbers = {}
    for name, elbo in (("trace", Trace_ELBO()), ("mean_field", TraceMeanField_ELBO())):
        pyro.set_rng_seed(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                numbers[name] = elbo.loss(model, guide)
                numbers |= {key: float(value) for key, value in drawn.items()}
                numbers[name + "_raises"] = 0.0
            except (AssertionError, KeyError):
                numbers[name + "_raises"] = 1.0
        numbers[name + "_warns"] = float(bool(caught))
    return numbers


if __name__ == "__main__":
    print(measure())
