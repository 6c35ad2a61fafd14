"""SEM-SCALE-002: scale on the guide's latent site only (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
SCALE = 0.3
drawn = {}


def model():
    pyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    with poutine.scale(scale=SCALE):
        drawn["z"] = pyro.sample("z", dist.Normal(0.7, 0.5))


def measure() -> dict[str, float]:
    """Both losses under one seed, and the draw behind the sampled one."""
    pyro.set_rng_seed(0)
    trace = Trace_ELBO().loss(model, guide)
    pyro.set_rng_seed(0)
    mean_field = TraceMeanField_ELBO().loss(model, guide)
    return {"z": float(drawn["z"]), "trace": trace, "mean_field": mean_field}


if __name__ == "__main__":
    print(measure())
