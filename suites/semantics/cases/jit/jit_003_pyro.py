"""SEM-JIT-003: pyro.ops.jit.trace around TraceMeanField_ELBO().differentiable_loss compiles once (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import TraceMeanField_ELBO
from pyro.ops.jit import trace

torch.set_default_dtype(torch.float64)
runs = []


def model():
    runs.append("model")
    pyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    loc = pyro.param("loc", torch.tensor(0.7))
    pyro.sample("z", dist.Normal(loc, 0.5))


@trace(ignore_warnings=True)
def loss():
    return TraceMeanField_ELBO().differentiable_loss(model, guide)


def measure() -> dict[str, float]:
    """Runs of the model during calls two to five, the loss, and its gradient with respect to loc."""
    pyro.clear_param_store()
    loss()
    runs.clear()
    for _ in range(4):
        value = loss()
    value.backward()
    gradient = dict(pyro.get_param_store().named_parameters())["loc"].grad
    return {"runs": float(len(runs)), "loss": float(value.detach()), "gradient": float(gradient)}


if __name__ == "__main__":
    print(measure())
