"""Whole models with several samples a datum, with noise on the data, averaged by the pixel."""

import math

import torch
from torch import nn
from torch.distributions import Normal
from torch.nn import functional

X, Z, H, K = 6, 2, 4, 3


class Networks(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(X, 2 * Z), nn.Sequential(nn.Linear(Z, H), nn.Tanh(), nn.Linear(H, X))

    def sampled(self, x):
        mean, log_var = self.encoder(x).chunk(2, 1)
        return mean + torch.exp(0.5 * log_var) * torch.randn_like(mean), mean, log_var

    def terms(self, x, z, mean, log_var):
        data = functional.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        return data - 0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()


class Importance(Networks):
    """The bound itself, samples along the second axis."""

    def log_weights(self, x):
        mean, log_var = self.encoder(x).chunk(2, 1)
        q = Normal(mean[:, None].expand(-1, K, -1), torch.exp(0.5 * log_var)[:, None].expand(-1, K, -1))
        z = q.rsample()
        x = x[:, None].expand(-1, K, -1)
        data = functional.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(-1)
        return Normal(0.0, 1.0).log_prob(z).sum(-1) - q.log_prob(z).sum(-1) - data

    def loss(self, x):
        return -(torch.logsumexp(self.log_weights(x), 1) - math.log(K)).mean()


class Weighted(Importance):
    """Its gradient alone: IWAE by its weights, which are detached."""

    def loss(self, x):
        log_w = self.log_weights(x)
        return -(torch.softmax(log_w, 1).detach() * log_w).sum(1).mean()


class Shown(Importance):
    """It hands out one of the samples, in the shape of the data."""

    loss = None

    def forward(self, x):
        shown = []
        kept = self.decoder.register_forward_hook(lambda module, given, made: shown.append(made))
        log_w = self.log_weights(x)
        kept.remove()
        return {"loss": -(torch.logsumexp(log_w, 1) - math.log(K)).sum(), "recon": shown[0][:, 0]}


class WeightedThrough(Importance):
    def loss(self, x):
        log_w = self.log_weights(x)
        return -(torch.softmax(log_w, 1) * log_w).sum(1).mean()


class Added(Importance):
    def loss(self, x):
        return -torch.logsumexp(self.log_weights(x), 1).mean()


class Averaged(Networks):
    """The ELBO by several samples, along the first axis."""

    def loss(self, x):
        mean, log_var = self.encoder(x).chunk(2, 1)
        q = Normal(mean, torch.exp(0.5 * log_var))
        z = q.rsample((K,))
        data = 0.5 * ((self.decoder(z) - x) ** 2).sum(-1)
        return (data + q.log_prob(z).sum(-1) - Normal(0.0, 1.0).log_prob(z).sum(-1)).mean(0).sum()


class AveragedWhole(Averaged):
    """The same with the likelihood's own constant, X / 2 log 2 pi."""

    def loss(self, x):
        return super().loss(x) + len(x) * 0.5 * X * math.log(2 * math.pi)


class AveragedDetached(Averaged):
    def loss(self, x):
        mean, log_var = self.encoder(x).chunk(2, 1)
        q = Normal(mean, torch.exp(0.5 * log_var).detach())
        z = q.rsample((K,))
        data = 0.5 * ((self.decoder(z) - x) ** 2).sum(-1)
        return (data + q.log_prob(z).sum(-1) - Normal(0.0, 1.0).log_prob(z).sum(-1)).mean(0).sum()


class ByPixel(Networks):
    def loss(self, x):
        return self.terms(x, *self.sampled(x)) / x.numel()


class WrittenForEight(Networks):
    def loss(self, x):
        return self.terms(x, *self.sampled(x)) / (8 * X)


class Denoising(Networks):
    def loss(self, x):
        return self.terms(x, *self.sampled(x + 0.1 * torch.randn_like(x)))


class DenoisingDetached(Networks):
    def loss(self, x):
        mean, log_var = self.encoder(x + 0.1 * torch.randn_like(x)).chunk(2, 1)
        z = mean.detach() + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.terms(x, z, mean, log_var)


class Binarised(Networks):
    def loss(self, x):
        x = torch.bernoulli(x)
        return self.terms(x, *self.sampled(x))


class Spectral(Networks):
    def __init__(self):
        super().__init__()
        self.encoder = nn.utils.parametrizations.spectral_norm(self.encoder)

    def loss(self, x):
        return self.terms(x, *self.sampled(x))
