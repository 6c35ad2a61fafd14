"""SEM-KL-014: divergences of what is certain: Geometric(1) to itself, Poisson(0) to Binomial(7, 0.3) (Pyro)."""

import pyro.distributions as dist
import torch
from torch.distributions import kl_divergence

torch.set_default_dtype(torch.float64)
ZERO = torch.tensor(0.0)


def measure() -> dict[str, float]:
    """Each divergence, and the same from log_prob at 0, where all of q's mass lies."""
    pairs = {
        "geometric": (dist.Geometric(torch.tensor(1.0)), dist.Geometric(torch.tensor(1.0))),
        "poisson": (dist.Poisson(ZERO), dist.Binomial(7, torch.tensor(0.3))),
    }
    numbers = {name: float(kl_divergence(q, p)) for name, (q, p) in pairs.items()}
    for name, (q, p) in pairs.items():
        numbers[f"{name}_by_log_prob"] = float(q.log_prob(ZERO) - p.log_prob(ZERO))
    return numbers


if __name__ == "__main__":
    print(measure())
