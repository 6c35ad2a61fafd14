"""SEM-KL-004: KL(Poisson(0) || Poisson(1)), at the edge of the rate's domain (Pyro)."""

import pyro.distributions as dist
import torch
from torch.distributions import kl_divergence

torch.set_default_dtype(torch.float64)


def measure() -> dict[str, float]:
    """The divergence, and the same from log_prob at 0, where all of q's mass lies."""
    q, p, zero = dist.Poisson(torch.tensor(0.0)), dist.Poisson(torch.tensor(1.0)), torch.tensor(0.0)
    return {"kl": float(kl_divergence(q, p)), "by_log_prob": float(q.log_prob(zero) - p.log_prob(zero))}


if __name__ == "__main__":
    print(measure())
