"""SEM-KL-003: continuous Bernoullis with an extreme logit (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)


def model():
    pyro.sample("z", dist.ContinuousBernoulli(logits=torch.tensor(20.0)))


def guide():
    pyro.sample("z", dist.ContinuousBernoulli(logits=torch.tensor(-500.0)))


def measure() -> dict[str, float]:
    """The loss, which is the analytic KL."""
    pyro.set_rng_seed(0)
    return {"mean_field": TraceMeanField_ELBO().loss(model, guide)}


if __name__ == "__main__":
    print(measure())
