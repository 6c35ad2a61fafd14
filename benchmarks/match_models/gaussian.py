"""What the torch pairs of this folder are made of: networks, Gaussians, their terms by hand."""

import math
from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor, nn

HIDDEN, LATENT = 5, 2


def network(inputs: int, outputs: int, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, outputs))


def two(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance."""
    mean, log_var = network(x).chunk(2, -1)
    return mean, log_var


def normal(mean: Tensor, log_var: Tensor) -> Any:
    return dist.Normal(mean, (0.5 * log_var).exp()).to_event(1)


def standard(rows: int, latents: int = LATENT) -> Any:
    return dist.Normal(torch.zeros(rows, latents), 1.0).to_event(1)


def drawn(mean: Tensor, log_var: Tensor) -> Tensor:
    return mean + (0.5 * log_var).exp() * torch.randn_like(mean)


def log_normal(z: Tensor, mean: Any = 0.0, log_var: Any = 0.0) -> Tensor:
    log_var = torch.as_tensor(log_var, dtype=z.dtype)
    return (-0.5 * (log_var + (z - mean) ** 2 / log_var.exp() + math.log(2 * math.pi))).sum(-1)


def kl(mean: Tensor, log_var: Tensor) -> Tensor:
    return -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(-1)


def kl_between(q: tuple[Tensor, Tensor], p: tuple[Tensor, Tensor]) -> Tensor:
    return 0.5 * (p[1] - q[1] - 1 + (q[1] - p[1]).exp() + (q[0] - p[0]) ** 2 / p[1].exp()).sum(-1)
