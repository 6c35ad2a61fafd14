"""Whole VAEs whose prior is not N(0, I), right and wrong: learned, a hierarchy's, VampPrior."""

import math

import torch
from torch import nn
from torch.nn import functional
from whole_models import VAE, TwoLatents, X, Z


def log_normal(z, mean, log_var):
    return (-0.5 * (math.log(2 * math.pi) + log_var + (z - mean) ** 2 / log_var.exp())).sum(-1)


class Learned(VAE):
    """A Gaussian prior with a learned mean and scale, by torch.distributions."""

    def __init__(self):
        super().__init__()
        self.prior_mean = nn.Parameter(torch.linspace(-0.3, 0.4, Z))
        self.prior_raw = nn.Parameter(torch.linspace(0.2, 0.9, Z))

    def kl_term(self, mu, logvar, z):
        q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
        p = torch.distributions.Normal(self.prior_mean, functional.softplus(self.prior_raw))
        return torch.distributions.kl_divergence(q, p).sum()


class LearnedDetached(Learned):
    def kl_term(self, mu, logvar, z):
        q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
        p = torch.distributions.Normal(self.prior_mean.detach(), functional.softplus(self.prior_raw))
        return torch.distributions.kl_divergence(q, p).sum()


class Hierarchy(VAE):
    """q(z1|x) q(z2|z1), p(x|z1) p(z1|z2) p(z2), sampled."""

    def __init__(self):
        super().__init__()
        self.upper, self.lower = nn.Linear(Z, 4), nn.Linear(2, 2 * Z)

    def forward(self, x):
        mu, logvar = self.encode(x)
        z1 = self.reparameterize(mu, logvar)
        mu2, logvar2 = self.upper(z1).chunk(2, dim=1)
        z2 = self.reparameterize(mu2, logvar2)
        prior_mu, prior_logvar = self.lower(z2).chunk(2, dim=1)
        kl1 = log_normal(z1, mu, logvar) - self.log_prior(z1, prior_mu, prior_logvar)
        kl2 = log_normal(z2, mu2, logvar2) - log_normal(z2, torch.zeros_like(z2), torch.zeros_like(z2))
        recon = self.decode(z1)
        return {"recon": recon, "loss": self.data_term(recon, x) + (kl1 + kl2).sum()}

    def log_prior(self, z1, mean, log_var):
        return log_normal(z1, mean, log_var)


class HierarchyDetached(Hierarchy):
    def log_prior(self, z1, mean, log_var):
        return log_normal(z1.detach(), mean, log_var)


class Vamp(VAE):
    """A prior of three pseudo-inputs, each through the encoder."""

    def __init__(self):
        super().__init__()
        self.pseudo = nn.Parameter(torch.rand(3, X, generator=torch.Generator().manual_seed(3)))

    def kl_term(self, mu, logvar, z):
        means, log_vars = self.encode(self.pseudo)
        each = log_normal(z.unsqueeze(1), means.unsqueeze(0), log_vars.unsqueeze(0))
        return (log_normal(z, mu, logvar) - self.mixed(each)).sum()

    def mixed(self, each):
        return torch.logsumexp(each, 1) - math.log(3)


class VampByIndex(Vamp):
    """Its pseudo-inputs come out of a layer that reads a plain attribute, no buffer; log 3 is float32's."""

    def __init__(self):
        super().__init__()
        self.index, self.pseudo_inputs = torch.eye(3), nn.Linear(3, X, bias=False)

    def kl_term(self, mu, logvar, z):
        means, log_vars = self.encode(self.pseudo_inputs(self.index))
        each = log_normal(z.unsqueeze(1), means.unsqueeze(0), log_vars.unsqueeze(0))
        return (log_normal(z, mu, logvar) - self.mixed(each)).sum()

    def mixed(self, each):
        return torch.logsumexp(each - torch.log(torch.tensor(3).type(torch.float)), 1)


class VampTooMuch(Vamp):
    def mixed(self, each):
        return torch.logsumexp(each, 1) - 2 * math.log(3) * each[:, 0].sigmoid()


class SecondWithoutKl(TwoLatents):
    """The KL of the second latent is forgotten."""

    def forward(self, x):
        recon, _, mu, logvar, z = super().forward(x)
        return recon, x, mu[:, :Z], logvar[:, :Z], z
