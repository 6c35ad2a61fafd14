"""Near-misses: what only one sample hides, what only far logits show, and losses that no line of a file minimises."""

import math

import torch
from torch import nn
from torch.nn import functional


def _bce(logits, x):
    return functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")


def _log_ratios(z, mu, logvar, n):
    mean, log_var = (each[:, None].expand(-1, n, -1) for each in (mu, logvar))
    return 0.5 * (z**2 - log_var - (z - mean) ** 2 / log_var.exp()).sum(-1)


def kl_averaged_over_samples(z, mu, logvar):
    _, n, _ = z.shape
    return _log_ratios(z, mu, logvar, n).mean(1).mean()


def kl_summed_over_samples(z, mu, logvar):
    _, n, _ = z.shape
    return _log_ratios(z, mu, logvar, n).sum(1).mean()


def kl_largest_of_samples(z, mu, logvar):
    _, n, _ = z.shape
    return _log_ratios(z, mu, logvar, n).max(1)[0].mean()


def kl_of_a_bound(z, mu, logvar):
    _, n, _ = z.shape
    weights = -_log_ratios(z, mu, logvar, n)
    top = weights.max(1, keepdim=True)[0]
    return -(top.squeeze(1) + torch.exp(weights - top).mean(1).log()).mean()


def bce_of_logits_clamped_far_out(x, logits):
    return _bce(logits.clamp(-25, 25), x)


def bce_of_another_slope_far_out(x, logits):
    return _bce(torch.where(logits.abs() > 22, 3 * logits, logits), x)


def elbo(recon_x, x, mu, logvar):
    data = -0.5 * ((x - recon_x) ** 2 + math.log(2 * math.pi)).sum()
    return data - 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar)


def kl_of_log10(mu, log10_var):
    var = 10**log10_var
    return 0.5 * torch.sum(mu**2 + var - 1 - torch.log(var))


def kl_over_an_axis(mu, logvar, dim):
    return 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar, dim)


def kl_and_a_weight_beside_its_epsilon(mu, var, eps=1e-5):
    return 0.5 * torch.sum(mu**2 + var - 1 - torch.log(var + eps)) + eps * torch.sum(mu)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("weight_mu", "weight_sigma", "bias_mu", "bias_sigma", "mu"):
            self.register_parameter(name, nn.Parameter(torch.zeros(3, 4)))
        self.rho = nn.Parameter(torch.zeros(()))
        self.fc_mu, self.fc_var = nn.Linear(4, 2), nn.Linear(4, 2)

    @property
    def sigma(self):
        return functional.softplus(self.rho) * torch.ones_like(self.mu)

    def kl(self, mean, sigma):
        return torch.sum(0.5 * (mean**2 + sigma**2 - 1) - torch.log(sigma))

    def kl_of_a_property(self):
        return self.kl(self.mu, self.sigma)

    def kl_of_layers(self):
        return self.kl(self.fc_mu.weight, self.fc_var.weight.exp())

    def kl_of_another_part(self):
        return self.kl(self.weight_mu, self.bias_sigma)

    def kl_of_both(self):
        return self.kl(self.weight_mu, self.weight_sigma) + self.kl(self.bias_mu, self.bias_sigma)
