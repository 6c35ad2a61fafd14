"""SEM-TMC-001: TraceTMC_ELBO with one sample per site against Trace_ELBO (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceTMC_ELBO

torch.set_default_dtype(torch.float64)
X = torch.tensor(1.2)
drawn = {}


def model(loc, infer):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide(loc, infer):
    drawn["z"] = pyro.sample("z", dist.Normal(loc, 0.5), infer=infer)


def marked_raises() -> bool:
    """Whether a site that asks for one sample by its mark ends in an UnboundLocalError."""
    elbo = TraceTMC_ELBO(max_plate_nesting=0)
    try:
        elbo.loss(model, guide, torch.tensor(0.7), {"enumerate": "parallel", "num_samples": 1})
    except UnboundLocalError:
        return True
    return False


def measure() -> dict[str, float]:
    """Loss and its derivative with respect to q's mean under one seed, the draw, and what num_samples=1 does."""
    numbers = {}
    for name, elbo in (
        ("trace", Trace_ELBO()),
        ("tmc", TraceTMC_ELBO(max_plate_nesting=0, strict_enumeration_warning=False)),
    ):
        loc = torch.tensor(0.7, requires_grad=True)
        pyro.set_rng_seed(0)
        loss = elbo.differentiable_loss(model, guide, loc, {})
        numbers |= {name: loss.item(), f"{name}_gradient": torch.autograd.grad(loss, loc)[0].item()}
    return {**numbers, "z": drawn["z"].item(), "marked_raises": float(marked_raises())}


if __name__ == "__main__":
    print(measure())
