"""SEM-KL-011: the batch shape of a divergence that is infinite, KL(Normal || Exponential) (Pyro)."""

import pyro.distributions as dist
import torch
from torch.distributions import kl_divergence


def measure() -> dict[str, float]:
    """Whether one normal against three exponentials gives three numbers; the same with the normal expanded."""
    q, p = dist.Normal(torch.tensor(0.0), torch.tensor(1.0)), dist.Exponential(torch.tensor([1.0, 2.0, 3.0]))
    alone, expanded = kl_divergence(q, p), kl_divergence(q.expand([3]), p)
    return {"three_numbers": float(alone.shape == (3,)), "expanded_three_numbers": float(expanded.shape == (3,))}


if __name__ == "__main__":
    print(measure())
