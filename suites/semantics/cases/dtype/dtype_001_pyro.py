"""SEM-DTYPE-001: the losses in float32 (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float32)
drawn = {}


def model():
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("x", dist.Normal(z, 1.0), obs=torch.tensor(1.25))


def guide():
    drawn["z"] = pyro.sample("z", dist.Normal(0.75, 0.5))


def measure() -> dict[str, float]:
    """Both losses under one seed, whether the draw was made in float32, and the draw."""
    pyro.set_rng_seed(0)
    trace = Trace_ELBO().loss(model, guide)
    pyro.set_rng_seed(0)
    mean_field = TraceMeanField_ELBO().loss(model, guide)
    z = drawn["z"]
    return {"z": z.item(), "trace": trace, "mean_field": mean_field, "is_float32": float(z.dtype is torch.float32)}


if __name__ == "__main__":
    print(measure())
