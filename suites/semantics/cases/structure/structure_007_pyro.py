"""SEM-STRUCTURE-007: obs_mask with a guide site for the half that is not observed (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)
OBSERVED = torch.tensor([True, False])


def model():
    with pyro.plate("data", 2):
        pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.tensor([1.5, 9.0]), obs_mask=OBSERVED)


def guide():
    with pyro.plate("data", 2), pyro.poutine.mask(mask=~OBSERVED):
        pyro.sample("x_unobserved", dist.Normal(0.0, 1.0))


def measure() -> dict[str, float]:
    """Both losses; the guide is the prior, so that its draw cancels."""
    pyro.set_rng_seed(0)
    return {"trace": Trace_ELBO().loss(model, guide), "mean_field": TraceMeanField_ELBO().loss(model, guide)}


if __name__ == "__main__":
    print(measure())
