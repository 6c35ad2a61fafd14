"""A VAE as a Pyro pair and its loss by hand, on shared networks.

`compare match pyro_pair.py:loss pyro_pair.py:model pyro_pair.py:guide` is SAME; with `:averaged_loss` it DIFFERS.
"""

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn
from torch.nn import functional

OBSERVED, HIDDEN, LATENT = 64, 32, 4
encoder = nn.Sequential(nn.Linear(OBSERVED, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2 * LATENT))
decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, OBSERVED))


def model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", Normal(x.new_zeros(len(x), LATENT), 1.0).to_event(1))
        pyro.sample("x", Bernoulli(logits=decoder(z)).to_event(1), obs=x)


def guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", len(x)):
        mean, log_var = encoder(x).chunk(2, -1)
        pyro.sample("z", Normal(mean, torch.exp(0.5 * log_var)).to_event(1))


def terms(x: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_var = encoder(x).chunk(2, -1)  # batch latent
    z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
    reconstruction = functional.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(-1)
    kl = -0.5 * (1 + log_var - mean**2 - log_var.exp())
    return reconstruction, kl


def loss(x: Tensor) -> Tensor:
    reconstruction, kl = terms(x)
    return (reconstruction + kl.sum(-1)).mean()


def averaged_loss(x: Tensor) -> Tensor:
    """The mistake: the KL is averaged over the latents."""
    reconstruction, kl = terms(x)
    return (reconstruction + kl.mean(-1)).mean()
