"""SEM-MASK-007: dist.mask on the latent site of model and guide, with different masks (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
MODEL_MASK, GUIDE_MASK = torch.tensor([True, False]), torch.tensor([True, True])
LOC = torch.tensor([0.7, -0.4])
SIGMA = torch.tensor([0.5, 1.3])
drawn = {}


def model():
    with pyro.plate("data", 2):
        pyro.sample("z", dist.Normal(0.0, torch.ones(2)).mask(MODEL_MASK))


def guide():
    with pyro.plate("data", 2):
        drawn["z"] = pyro.sample("z", dist.Normal(LOC, SIGMA).mask(GUIDE_MASK))


def measure() -> dict[str, float]:
    """Both losses under one seed, and the draw behind the sampled one."""
    pyro.set_rng_seed(0)
    trace = Trace_ELBO().loss(model, guide)
    pyro.set_rng_seed(0)
    mean_field = TraceMeanField_ELBO().loss(model, guide)
    return {"z0": float(drawn["z"][0]), "z1": float(drawn["z"][1]), "trace": trace, "mean_field": mean_field}


if __name__ == "__main__":
    print(measure())
