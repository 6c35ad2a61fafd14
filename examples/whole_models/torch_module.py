"""A whole VAE as a torch module: `compare check examples/whole_models/torch_module.py:VAE`; `:Detached` is wrong."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class VAE(nn.Module):
    def __init__(self, observed: int = 64, hidden: int = 32, latent: int = 4) -> None:
        super().__init__()
        self.hidden = nn.Linear(observed, hidden)
        self.mean = nn.Linear(hidden, latent)
        self.log_var = nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, observed), nn.Sigmoid())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.relu(self.hidden(x))  # batch hidden
        return self.mean(hidden), self.log_var(hidden)  # batch latent

    def sample(self, mean: Tensor, log_var: Tensor) -> Tensor:
        return mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_var = self.encode(x)
        return self.decoder(self.sample(mean, log_var)), mean, log_var


class Detached(VAE):
    """The mistake: z is cut off, so the reconstruction never trains the encoder. No value shows it."""

    def sample(self, mean: Tensor, log_var: Tensor) -> Tensor:
        return super().sample(mean, log_var).detach()


def loss_function(recon_x: Tensor, x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    reconstruction = functional.binary_cross_entropy(recon_x, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
    return (reconstruction + kl) / len(x)
