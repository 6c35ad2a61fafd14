"""SEM-KL-005: KL(Binomial(7, 1) || Binomial(7, 0.3)), at the edge of the probability's domain (Pyro)."""

import pyro.distributions as dist
import torch
from torch.distributions import kl_divergence

torch.set_default_dtype(torch.float64)


def measure() -> dict[str, float]:
    """The divergence, and the same from log_prob at 7, where all of q's mass lies."""
    q, p = dist.Binomial(7, torch.tensor(1.0)), dist.Binomial(7, torch.tensor(0.3))
    seven = torch.tensor(7.0)
    return {"kl": float(kl_divergence(q, p)), "by_log_prob": float(q.log_prob(seven) - p.log_prob(seven))}


if __name__ == "__main__":
    print(measure())
