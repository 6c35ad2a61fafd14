"""SEM-PLATE-002: model and guide subsample the same plate (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
SIZE, BATCH = 6, 2
X = torch.tensor([1.2, -0.3])
drawn = {}


def model():
    with pyro.plate("data", SIZE, subsample=torch.arange(BATCH)):
        z = pyro.sample("z", dist.Normal(torch.zeros(BATCH), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide():
    with pyro.plate("data", SIZE, subsample=torch.arange(BATCH)):
        drawn["z"] = pyro.sample("z", dist.Normal(0.5 * X, 0.7))


def measure() -> dict[str, float]:
    """Both losses under one seed, and the draws behind them."""
    pyro.set_rng_seed(0)
    trace = Trace_ELBO().loss(model, guide)
    pyro.set_rng_seed(0)
    mean_field = TraceMeanField_ELBO().loss(model, guide)
    z0, z1 = drawn["z"].tolist()
    return {"z0": z0, "z1": z1, "trace": trace, "mean_field": mean_field}


if __name__ == "__main__":
    print(measure())
