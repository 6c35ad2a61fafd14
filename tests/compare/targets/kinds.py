"""Kinds of published functions that a set collected by somebody else brought, each in a few lines of our own.

Beside each right one stands its nearest wrong neighbour.
"""

import math

import torch
from torch import nn
from torch.distributions import kl_divergence
from torch.nn import functional

# One spread in two forms.


def both_forms(mu, sigma, log_sigma):
    """A standard deviation and its logarithm come in together."""
    return (0.5 * (mu**2 + sigma**2 - 1) - log_sigma).sum(1)


def both_forms_off(mu, sigma, log_sigma):
    """The same with the logarithm halved."""
    return (0.5 * (mu**2 + sigma**2 - 1) - 0.5 * log_sigma).sum(1)


def both_forms_unsquared(mu, sigma, log_sigma):
    """Sigma in place of its square."""
    return (0.5 * (mu**2 + sigma - 1) - log_sigma).sum(1)


def variance_beside(mean, logvar, var):
    """A log variance and its exponential, averaged over the batch."""
    return 0.5 * (mean**2 + var - logvar - 1).sum(1).mean()


def two_pairs(mu_q, sigma_q, log_sigma_q, mu_p, sigma_p, log_sigma_p):
    """Two Gaussians, each with both forms."""
    return (log_sigma_p - log_sigma_q + (sigma_q**2 + (mu_q - mu_p) ** 2) / (2 * sigma_p**2) - 0.5).sum(1)


def log_normal_of_both(x, mean, std, log_std):
    """A log density of actions."""
    return (-0.5 * ((x - mean) / std) ** 2 - log_std - 0.5 * math.log(2 * math.pi)).sum(1)


def loss_of_both(recon_x, x, mu, logvar, std):
    """A whole loss."""
    kl = 0.5 * torch.sum(mu**2 + std**2 - 1 - logvar)
    return functional.binary_cross_entropy(recon_x, x, reduction="sum") + kl


# A likelihood alone, and what is none.


def absolute(x, x_hat):
    """A Laplace likelihood."""
    return functional.l1_loss(x_hat, x, reduction="sum")


def feature_matching(real_features, fake_features):
    """A distance of features."""
    return 2 * (real_features - fake_features).abs().sum()


def maps_apart(y, y_hat):
    """A distance of lists of maps."""
    total = 0.0
    for ours, theirs in zip(y, y_hat, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            total = total + (one - other).abs().mean()
    return total


# Names.


def of_weights(weight_mu, weight_logvar):
    """The KL of a Bayesian layer."""
    return 0.5 * (weight_mu**2 + weight_logvar.exp() - weight_logvar - 1).sum()


def kl_of_short_names(mu, logvar, mup, lp):
    """A prior whose spread no name tells: the last of four."""
    return 0.5 * (lp - logvar + (logvar.exp() + (mu - mup) ** 2) / lp.exp() - 1).sum(1)


def kl_of_short_names_off(mu, logvar, mup, lp):
    """The squared distance is not divided by the prior's variance."""
    return 0.5 * (lp - logvar + logvar.exp() / lp.exp() + (mu - mup) ** 2 - 1).sum(1)


def predictive_nll(y, f_mean, f_var):
    """The negative log predictive density of a Gaussian process."""
    return 0.5 * (torch.log(2 * math.pi * f_var) + (y - f_mean) ** 2 / f_var).sum(1)


def squares_of_two(x1, x2):
    """Averaged over the dimensions of a datum."""
    return ((x1 - x2) ** 2).mean(1)


# Three axes.


def of_sequences(mu, logvar):
    """A KL that names its three axes."""
    _, _, _ = mu.shape
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum((1, 2)).mean()


def of_steps(mu, logvar):
    """Each step counts as a datum."""
    assert mu.dim() == 3
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(2).mean()


def of_steps_averaged(mu, logvar):
    """The latents are averaged too."""
    assert mu.dim() == 3
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).mean()


def of_steps_first(mu, logvar):
    """Time in front: summed over the steps, averaged over the batch."""
    seq_len, batch, dim = mu.size()
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).reshape(seq_len, batch, dim).sum((0, 2)).mean()


def loss_of_sequences(x_hat, x, mu, logvar):
    """A loss of sequences, for each datum."""
    assert x.dim() == x_hat.dim() == 3
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum()
    return (functional.binary_cross_entropy(x_hat, x, reduction="sum") + kl) / len(x)


def loss_of_sequences_uneven(x_hat, x, mu, logvar):
    """The KL alone is averaged over the steps."""
    assert x.dim() == x_hat.dim() == 3
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(2).mean()
    return functional.binary_cross_entropy(x_hat, x, reduction="sum") / len(x) + kl


# No number, because of what it was called with.


def deviance(y_true, y_pred):
    """A Poisson deviance, which has no value at a count of 0."""
    return (y_true * torch.log(y_true / y_pred) - y_true + y_pred).sum()


def kl_of_cut_halves(h):
    """Mean and log variance cut out of one array by hand."""
    half = h.shape[1] // 2
    mu = h[:, :half]
    logvar = h[:, half:]
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)


def kl_of_cut_halves_averaged(h):
    """The same averaged over the latents."""
    half = h.shape[1] // 2
    mu = h[:, :half]
    logvar = h[:, half:]
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).mean(1)


# Objects.


class OfSizes(nn.Module):
    """Made of nothing but sizes."""

    def __init__(self, x_dim, z_dim, beta=4.0):
        """A weight with a default."""
        super().__init__()
        self.beta, self.layer = beta, nn.Linear(x_dim, z_dim)

    def loss(self, x, x_hat, mu, logvar):
        """Beta-VAE."""
        kl = 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar)
        return functional.mse_loss(x_hat, x, reduction="sum") / 2 + self.beta * kl


class OfSettings:
    """Made of a configuration that nobody knows."""

    def __init__(self, settings):
        """A weight of the settings."""
        self.beta = settings["beta"]

    def loss(self, x, x_hat, mu, logvar):
        """Beta-VAE."""
        kl = 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar)
        return functional.mse_loss(x_hat, x, reduction="sum") / 2 + self.beta * kl


class Compared:
    """Two distributions by one letter each."""

    def __call__(self, q, p):
        """Summed over the latents, averaged over the batch."""
        return kl_divergence(q, p).sum(1).mean()


class ComparedOnAverage:
    """The same, averaged over the latents too."""

    def __call__(self, q, p):
        """Averaged over everything."""
        return kl_divergence(q, p).mean()


# Epsilons.


class OfEpsilons:
    """An epsilon of the class, one in a method's body, one in a helper's default."""

    eps = 1e-8

    def log_normal(self, x, mu, var):
        """Its epsilon is the class's."""
        var = var + self.eps
        return -0.5 * (math.log(2 * math.pi) + torch.log(var) + (x - mu) ** 2 / var).sum(1)

    def log_normal_off(self, x, mu, var):
        """And a logarithm that is too large by as little."""
        var = var + self.eps
        return -0.5 * (math.log(2 * math.pi) + 1.00000005 * torch.log(var) + (x - mu) ** 2 / var).sum(1)

    def _density(self, x, mu, var):
        return -0.5 * (torch.log(var + 1e-8) + (x - mu) ** 2 / (var + 1e-8)).sum(1)

    def kl_loss(self, z, z_mu, z_var, prior_mu, prior_var):
        """Its epsilons are in a method that it calls."""
        return self._density(z, z_mu, z_var) - self._density(z, prior_mu, prior_var)

    def kl_loss_off(self, z, z_mu, z_var, prior_mu, prior_var):
        """And a factor beside them."""
        return self._density(z, z_mu, z_var) - 1.0000003 * self._density(z, prior_mu, prior_var)


def _log_of(variance, eps=1e-8):
    return torch.log(variance + eps)


def kl_by_a_helper(mu, var):
    """Its epsilon is a default of a function of the file."""
    return 0.5 * (mu**2 + var - _log_of(var) - 1).sum(1)


def kl_by_a_helper_off(mu, var):
    """And a factor beside it."""
    return 0.5 * (1.0000003 * mu**2 + var - _log_of(var) - 1).sum(1)


class Guarding(nn.Module):
    """An epsilon that is a default of a module's forward."""

    def forward(self, mu, std, eps=1e-8):
        """A KL."""
        return 0.5 * (mu**2 + std**2 - 2 * torch.log(std + eps) - 1).sum(1)


class GuardingOff(nn.Module):
    """And a factor beside it."""

    def forward(self, mu, std, eps=1e-8):
        """No KL by a tenth of a millionth."""
        return 0.5 * (1.0000001 * mu**2 + std**2 - 2 * torch.log(std + eps) - 1).sum(1)


def factor_beside_an_epsilon(mu, logvar):
    """An epsilon that explains nothing of what is off."""
    return 0.5 * (1.0000000005 * mu**2 + logvar.exp() - logvar - 1 + 1e-12).sum(1)


kl_of_guarding = Guarding()
kl_of_guarding_off = GuardingOff()
