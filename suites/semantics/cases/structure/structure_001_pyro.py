"""SEM-STRUCTURE-001: a batch dimension without a plate (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceGraph_ELBO

torch.set_default_dtype(torch.float64)


def model():
    pyro.sample("x", dist.Normal(torch.zeros(3), 1.0), obs=torch.tensor([1.0, 2.0, 3.0]))


def guide():
    pass


def raises(elbo) -> float:
    try:
        elbo.loss(model, guide)
    except ValueError:
        return 1.0
    return 0.0


def measure() -> dict[str, float]:
    """1 where ValueError is raised; the loss with validation off."""
    numbers = {"trace_raises": raises(Trace_ELBO()), "graph_raises": raises(TraceGraph_ELBO())}
    with pyro.validation_enabled(False):
        numbers["loss"] = Trace_ELBO().loss(model, guide)
    return numbers


if __name__ == "__main__":
    print(measure())
