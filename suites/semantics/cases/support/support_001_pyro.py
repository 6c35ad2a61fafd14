"""SEM-SUPPORT-001: a grey pixel (x = 0.5) under a Bernoulli likelihood (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO

torch.set_default_dtype(torch.float64)


def model(logit, validate):
    pyro.param("logit", logit)
    pyro.sample("x", dist.Bernoulli(logits=logit, validate_args=validate), obs=torch.tensor(0.5))


def guide(logit, validate):
    pass


def measure() -> dict[str, float]:
    """1 if the default raises ValueError; loss and gradient at logit 0.3 with validate_args=False."""
    pyro.clear_param_store()
    logit = torch.tensor(0.3, requires_grad=True)
    try:
        Trace_ELBO().loss(model, guide, logit, None)
        raises = 0.0
    except ValueError:
        raises = 1.0
    loss = Trace_ELBO().loss_and_grads(model, guide, logit, False)
    return {"raises": raises, "loss": loss, "gradient": float(logit.grad)}


if __name__ == "__main__":
    print(measure())
