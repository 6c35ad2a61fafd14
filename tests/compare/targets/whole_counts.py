"""Whole VAEs of counts: a zero-inflated negative binomial with a latent for the size of a library, right and wrong."""

import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F  # noqa: N812

GENES, HIDDEN, LATENT = 12, 7, 3


def log_nb(x, mu, theta):
    total = torch.log(theta + mu)
    return (
        theta * (torch.log(theta) - total)
        + x * (torch.log(mu) - total)
        + torch.lgamma(x + theta)
        - torch.lgamma(theta)
        - torch.lgamma(x + 1)
    )


def log_zinb(x, mu, theta, pi):
    empty = F.softplus(theta * (torch.log(theta) - torch.log(theta + mu)) - pi) - F.softplus(-pi)
    return torch.where(x < 1e-8, empty, log_nb(x, mu, theta) - pi - F.softplus(-pi))


class Counts(nn.Module):
    """The library is observed; the loss is one number."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(GENES, HIDDEN), nn.Tanh())
        self.mean, self.log_var = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.Tanh())
        self.scale, self.dropout = nn.Linear(HIDDEN, GENES), nn.Linear(HIDDEN, GENES)
        self.log_theta = nn.Parameter(0.3 * torch.randn(GENES))

    def sampled(self, x):
        hidden = self.encoder(torch.log1p(x))
        q = Normal(self.mean(hidden), torch.exp(0.5 * self.log_var(hidden)))
        return q, q.rsample()

    def library(self, x):
        return torch.log(x.sum(-1, keepdim=True) + 1), 0.0

    def likelihood(self, x, mu, theta, pi):
        return log_zinb(x, mu, theta, pi).sum(-1)

    def theta(self):
        return self.log_theta.exp()

    def forward(self, x):
        q, z = self.sampled(x)
        library, kl_library = self.library(x)
        hidden = self.decoder(z)
        mu = torch.exp(library) * torch.softmax(self.scale(hidden), -1)
        kl = kl_divergence(q, Normal(0.0, 1.0)).sum(-1)
        return {"loss": (kl + kl_library - self.likelihood(x, mu, self.theta(), self.dropout(hidden))).mean()}


class NegativeBinomial(Counts):
    def likelihood(self, x, mu, theta, pi):
        return log_nb(x, mu, theta).sum(-1)


class Library(Counts):
    """The library is a latent of its own, N(log 20, 0.5) before the data."""

    def __init__(self):
        super().__init__()
        self.size = nn.Linear(GENES, 2)

    def library(self, x, local_mean=3.0, local_var=0.5):
        mean, log_var = self.size(torch.log1p(x)).split(1, -1)
        q = Normal(mean, torch.exp(0.5 * log_var))
        prior = Normal(torch.full_like(mean, local_mean), torch.full_like(mean, local_var).sqrt())
        return q.rsample(), kl_divergence(q, prior).sum(-1)


class GivenLibrary(Library):
    """Its prior comes as numbers."""

    def forward(self, x, local_mean, local_var):
        self.given = local_mean, local_var
        return super().forward(x)

    def library(self, x):
        return super().library(x, *self.given)


class LibraryWithoutKl(Library):
    def library(self, x):
        return super().library(x)[0], 0.0


class LibraryHalved(Library):
    def library(self, x):
        library, kl = super().library(x)
        return library, 0.5 * kl


class LibraryVarianceAsSigma(GivenLibrary):
    def library(self, x):
        mean, log_var = self.size(torch.log1p(x)).split(1, -1)
        q = Normal(mean, torch.exp(0.5 * log_var))
        local_mean, local_var = self.given
        return q.rsample(), kl_divergence(q, Normal(local_mean + 0 * mean, local_var**2 + 0 * mean)).sum(-1)


class DropoutTurned(Counts):
    """pi is the logit of what is kept."""

    def likelihood(self, x, mu, theta, pi):
        return log_zinb(x, mu, theta, -pi).sum(-1)


class ThetaDetached(Counts):
    def theta(self):
        return self.log_theta.exp().detach()


class MeanDetached(Counts):
    def likelihood(self, x, mu, theta, pi):
        return log_zinb(x, mu.detach(), theta, pi).sum(-1)


class GammaMissing(NegativeBinomial):
    """log G(theta) is left out, which theta needs."""

    def likelihood(self, x, mu, theta, pi):
        return (log_nb(x, mu, theta) + torch.lgamma(theta)).sum(-1)


class ZerosAsCounts(Counts):
    """A zero is no dropout: log(1 - pi) + log NB(x) throughout."""

    def likelihood(self, x, mu, theta, pi):
        return (log_nb(x, mu, theta) - pi - F.softplus(-pi)).sum(-1)


class KlTwice(Counts):
    def forward(self, x):
        q, _ = self.sampled(x)
        return {"loss": super().forward(x)["loss"] + kl_divergence(q, Normal(0.0, 1.0)).sum(-1).mean()}
