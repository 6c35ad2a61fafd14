"""Loss functions as people write them, to try `compare check` on: one right, one wrong."""

import torch
from torch import Tensor
from torch.nn import functional


def loss_function(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The commonest VAE loss: reconstruction and analytic KL, both summed."""
    reconstruction = functional.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    return reconstruction - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """The mistake: a mean over the latent dimensions where the KL is a sum."""
    return -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())
