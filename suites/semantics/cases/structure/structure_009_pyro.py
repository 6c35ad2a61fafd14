"""SEM-STRUCTURE-009: a factor in the guide (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceGraph_ELBO

torch.set_default_dtype(torch.float64)


def model(factor, theta):
    pyro.sample("a", dist.Normal(0.0, 1.0))


def guide(factor, theta):
    pyro.param("theta", theta)
    a = pyro.sample("a", dist.Normal(theta, 1.0))
    if factor:
        pyro.factor("jacobian", factor * a, has_rsample=True)


def gradient(elbo, factor) -> float:
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    theta = torch.tensor(0.4, requires_grad=True)
    elbo.loss_and_grads(model, guide, factor, theta)
    return float(theta.grad)


def measure() -> dict[str, float]:
    """What the factor 0.7 a of the guide adds to the gradient with respect to the mean 0.4 of q(a)."""
    objects = {"trace": Trace_ELBO(), "graph": TraceGraph_ELBO()}
    return {f"{name}_change": gradient(elbo, 0.7) - gradient(elbo, 0.0) for name, elbo in objects.items()}


if __name__ == "__main__":
    print(measure())
