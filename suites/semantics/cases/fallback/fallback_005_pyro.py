"""SEM-FALLBACK-005: TraceMeanField_ELBO with q = p's family = LowRankMultivariateNormal (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

torch.set_default_dtype(torch.float64)


def model():
    pyro.sample(
        "z",
        dist.LowRankMultivariateNormal(
            torch.tensor([0.0, 0.0]), torch.tensor([[0.2], [0.7]]), torch.tensor([0.9, 0.5])
        ),
    )


def guide():
    pyro.sample(
        "z",
        dist.LowRankMultivariateNormal(
            torch.tensor([0.7, -0.4]), torch.tensor([[0.5], [-0.3]]), torch.tensor([0.4, 0.6])
        ),
    )


def measure() -> dict[str, float]:
    """Both losses under two seeds: an analytic KL does not change, a sampled one equals Trace_ELBO's."""
    losses = {}
    for suffix, seed in (("", 0), ("_again", 1)):
        pyro.set_rng_seed(seed)
        losses["trace" + suffix] = Trace_ELBO().loss(model, guide)
        pyro.set_rng_seed(seed)
        losses["mean_field" + suffix] = TraceMeanField_ELBO().loss(model, guide)
    return losses


if __name__ == "__main__":
    print(measure())
