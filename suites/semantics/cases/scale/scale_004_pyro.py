"""SEM-SCALE-004: scale = 0, where KL warm-up starts (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)


def model(scale):
    with poutine.scale(scale=scale):
        pyro.sample("z", dist.Normal(0.0, 1.0))


def guide(scale):
    with poutine.scale(scale=scale):
        pyro.sample("z", dist.Normal(0.7, 0.5))


def raises(scale) -> float:
    try:
        Trace_ELBO().loss(model, guide, scale)
    except ValueError:
        return 1.0
    return 0.0


def measure() -> dict[str, float]:
    """1 where ValueError is raised, for a float and a tensor; the losses of the one form that gets through."""
    zero = torch.tensor(0.0)
    numbers = {"float_raises": raises(0.0), "array_raises": raises(zero)}
    with pyro.validation_enabled(False):
        numbers["unchecked_float_raises"] = raises(0.0)
        numbers["unchecked_array_raises"] = raises(zero)
        numbers["trace"] = Trace_ELBO().loss(model, guide, zero)
        numbers["mean_field"] = TraceMeanField_ELBO().loss(model, guide, zero)
    return numbers


if __name__ == "__main__":
    print(measure())
