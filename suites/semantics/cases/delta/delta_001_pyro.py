"""SEM-DELTA-001: a Delta guide that carries a log_density, TraceMeanField_ELBO (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)


def model():
    pyro.sample("z", dist.Normal(0.0, 1.0))


def guide():
    pyro.sample("z", dist.Delta(torch.tensor(0.7), log_density=torch.tensor(-0.4)))


def measure() -> dict[str, float]:
    """Both losses; nothing is random."""
    return {"trace": Trace_ELBO().loss(model, guide), "mean_field": TraceMeanField_ELBO().loss(model, guide)}


if __name__ == "__main__":
    print(measure())
