"""SEM-KL-012: batches that broadcast, one member on an edge, KL(Bernoulli || Bernoulli) (Pyro)."""

import pyro.distributions as dist
import torch
from torch.distributions import kl_divergence


def measure() -> dict[str, float]:
    """The column of the p that is 0 is infinite, and no other cell; batches (3,) and (2, 1) have a divergence."""
    q, p = dist.Bernoulli(torch.tensor([[0.2, 0.3], [0.4, 0.6]])), dist.Bernoulli(torch.tensor([0.0, 0.5]))
    kl, expanded = kl_divergence(q, p), kl_divergence(q, p.expand([2, 2]))
    numbers = {
        "infinite_at_1_0": float(torch.isinf(kl[1, 0])),
        "finite_at_0_1": float(torch.isfinite(kl[0, 1])),
        "expanded": float(torch.isinf(expanded).tolist() == [[True, False], [True, False]]),
    }
    try:
        kl_divergence(dist.Bernoulli(torch.tensor([0.2, 0.3, 0.4])), dist.Bernoulli(torch.tensor([[0.5], [0.6]])))
        numbers["raises"] = 0.0
    except IndexError:
        numbers["raises"] = 1.0
    return numbers


if __name__ == "__main__":
    print(measure())
