"""Whole models whose decoder ends in a softmax."""

import torch
from torch import nn
from torch.nn import functional


class OfWords(nn.Module):
    """-sum x log p, p a softmax over 12 words."""

    def __init__(self):
        super().__init__()
        self.hidden, self.mu, self.log_var = nn.Linear(12, 16), nn.Linear(16, 3), nn.Linear(16, 3)
        self.decoder = nn.Linear(3, 12)

    def encode(self, x):
        hidden = torch.tanh(self.hidden(x))
        return self.mu(hidden), self.log_var(hidden)

    def decode(self, z):
        return functional.softmax(self.decoder(z), 1)

    def forward(self, x):
        mu, log_var = self.encode(x)
        z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
        return self.decode(z), mu, log_var

    def loss_function(self, x, recon_x, mu, log_var):
        kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)
        return (kl - (x * (recon_x + 1e-12).log()).sum(1)).mean()


class OfWordsAndTwoKls(OfWords):
    """The KL without its half."""

    def loss_function(self, x, recon_x, mu, log_var):
        kl = (mu**2 + log_var.exp() - 1 - log_var).sum(1)
        return (kl - (x * (recon_x + 1e-12).log()).sum(1)).mean()


class OfRates(OfWords):
    """A Poisson's loss of rates that happen to sum to one."""

    def loss_function(self, x, recon_x, mu, log_var):
        kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)
        return (kl + (recon_x - x * recon_x.log()).sum(1)).mean()
