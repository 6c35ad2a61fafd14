"""SEM-KL-010: KL(Wishart || Wishart) of a batch, and of its members one by one (Pyro)."""

import pyro.distributions as dist
import torch
from torch.distributions import kl_divergence

torch.set_default_dtype(torch.float64)
IDENTITY = torch.eye(2)


def divergence(degrees):
    scale = IDENTITY.expand(*degrees.shape, 2, 2)
    return kl_divergence(dist.Wishart(degrees, scale), dist.Wishart(5.0 + 0 * degrees, 2 * scale)).detach()


def measure() -> dict[str, float]:
    """KL(W(n, I) || W(5, 2 I)) for n = 4, 5, 6 as one batch, then each alone."""
    degrees = torch.tensor([4.0, 5.0, 6.0])
    batch = {f"batch_{n:g}": float(kl) for n, kl in zip(degrees, divergence(degrees), strict=True)}
    return batch | {f"alone_{n:g}": float(divergence(n)) for n in degrees}


if __name__ == "__main__":
    print(measure())
