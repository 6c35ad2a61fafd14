"""Loss functions as people write them, to try `compare check` on: right, by design, and two mistakes."""

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


def beta_loss(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float = 4.0) -> Tensor:
    """A beta-VAE with a squared error, by design: the weight is an argument."""
    reconstruction = 0.5 * functional.mse_loss(recon_x, x, reduction="sum")
    return reconstruction - 0.5 * beta * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def mean_loss(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The mistake: a mean over the pixels beside a sum over the latents."""
    return functional.mse_loss(recon_x, x) - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
