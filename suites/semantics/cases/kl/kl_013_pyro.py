"""SEM-KL-013: KL(ContinuousBernoulli(0.3) || Uniform(0, 2)), whose supports share an end (Pyro)."""

import numpy as np
import pyro.distributions as dist
import torch
from torch.distributions import kl_divergence

torch.set_default_dtype(torch.float64)


def measure() -> dict[str, float]:
    """The divergence, and the same by integrating log_prob of both over [0, 1]."""
    q, p = dist.ContinuousBernoulli(torch.tensor(0.3)), dist.Uniform(torch.tensor(0.0), torch.tensor(2.0))
    nodes, weights = (torch.tensor(each) for each in np.polynomial.legendre.leggauss(40))
    x = (nodes + 1) / 2
    log_q = q.log_prob(x)
    by_log_prob = (weights / 2 * log_q.exp() * (log_q - p.log_prob(x))).sum()
    return {"kl": float(kl_divergence(q, p)), "by_log_prob": float(by_log_prob)}


if __name__ == "__main__":
    print(measure())
