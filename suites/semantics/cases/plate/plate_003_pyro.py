"""SEM-PLATE-003: a global latent outside a subsampled plate of local latents; q is the posterior (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
SIZE, BATCH = 6, 2
X = torch.tensor([1.2, -0.3])
PRECISION = 1 + SIZE / 2  # of mu: its prior's 1 and 1/2 of every datum, since x | mu ~ N(mu, 2)
drawn = {}


def model():
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("data", SIZE, subsample=torch.arange(BATCH)):
        z = pyro.sample("z", dist.Normal(mu, torch.ones(BATCH)))
        pyro.sample("x", dist.Normal(z, 1.0), obs=X)


def guide():
    loc = SIZE / BATCH * X.sum() / 2 / PRECISION
    drawn["mu"] = mu = pyro.sample("mu", dist.Normal(loc, PRECISION**-0.5))
    with pyro.plate("data", SIZE, subsample=torch.arange(BATCH)):
        drawn["z"] = pyro.sample("z", dist.Normal((mu + X) / 2, 0.5**0.5))


def measure() -> dict[str, float]:
    """Both losses under one seed, and the draws behind them."""
    pyro.set_rng_seed(0)
    trace = Trace_ELBO().loss(model, guide)
    pyro.set_rng_seed(0)
    mean_field = TraceMeanField_ELBO().loss(model, guide)
    z0, z1 = drawn["z"].tolist()
    return {"mu": float(drawn["mu"]), "z0": z0, "z1": z1, "trace": float(trace), "mean_field": float(mean_field)}


if __name__ == "__main__":
    print(measure())
