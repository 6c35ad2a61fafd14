"""SEM-STRUCTURE-008: the guide declares an event (to_event) where the model has a plate (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)


def model():
    with pyro.plate("data", 2):
        pyro.sample("z", dist.Normal(torch.zeros(2), 1.0))


def guide():
    pyro.sample("z", dist.Normal(torch.tensor([0.7, -0.4]), 0.5).to_event(1))


def raises(elbo) -> float:
    try:
        elbo.loss(model, guide)
    except ValueError:
        return 1.0
    return 0.0


def measure() -> dict[str, float]:
    """1 where ValueError is raised."""
    return {"trace": raises(Trace_ELBO()), "mean_field": raises(TraceMeanField_ELBO())}


if __name__ == "__main__":
    print(measure())
