"""SEM-KL-001: folded normals, which |x| makes equal: KL(|N(1, 0.5^2)| || |N(-1, 0.5^2)|) = 0 (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)


def model():
    pyro.sample("z", dist.FoldedDistribution(dist.Normal(-1.0, 0.5)))


def guide():
    pyro.sample("z", dist.FoldedDistribution(dist.Normal(1.0, 0.5)))


def measure() -> dict[str, float]:
    """Both losses."""
    pyro.set_rng_seed(0)
    return {"trace": Trace_ELBO().loss(model, guide), "mean_field": TraceMeanField_ELBO().loss(model, guide)}


if __name__ == "__main__":
    print(measure())
