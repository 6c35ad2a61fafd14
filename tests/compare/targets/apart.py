"""Losses with a term that is not known here, or with a mistaken one; in words of our own."""

import numpy as np


def _bce(recon_x, x):
    return -(x * np.log(recon_x) + (1 - x) * np.log1p(-recon_x)).sum(1)


def _kl(mu, logvar):
    return 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).sum(1)


def own_optimal_variance(recon_x, x, mu, logvar):
    return 0.5 * x.size * np.log(((x - recon_x) ** 2).mean()) + _kl(mu, logvar).sum()


def smooth_absolute_error(recon_x, x, mu, logvar):
    return (np.sqrt((recon_x - x) ** 2 + 1e-3).sum(1) + _kl(mu, logvar)).mean()


def second_latent_weighed(recon_x, x, mu, logvar, mu2, logvar2):
    return _bce(recon_x, x) + _kl(mu, logvar) + 0.1 * _kl(mu2, logvar2)


def penalty_on_z(recon_x, x, z, mu, logvar):
    return _bce(recon_x, x) + _kl(mu, logvar) + 0.01 * (z**4).sum(1)


def heavy_tailed_prior(recon_x, x, z, mu, logvar):
    log_q = -0.5 * (logvar + (z - mu) ** 2 / np.exp(logvar)).sum(1)
    return _bce(recon_x, x) + log_q + np.log1p(z**2).sum(1)


def covariance_penalty(recon_x, x, mu, logvar):
    cov = (mu - mu.mean(0)).T @ (mu - mu.mean(0)) / len(mu)
    return (_bce(recon_x, x) + _kl(mu, logvar)).mean() + 5.0 * (cov**2).sum()


def reconstruction_alone(recon_x, x):
    return np.sqrt((recon_x - x) ** 2 + 1e-3).sum(1)


def cubed_mean(recon_x, x, mu, logvar):
    return _bce(recon_x, x) + 0.5 * (np.abs(mu) ** 3 + np.exp(logvar) - 1 - logvar).sum(1)


def kl_forgotten(recon_x, x, mu, logvar):
    return np.sqrt((recon_x - x) ** 2 + 1e-3).sum()


def kl_subtracted(recon_x, x, mu, logvar):
    return np.sqrt((recon_x - x) ** 2 + 1e-3).sum() - _kl(mu, logvar).sum()


def kl_averaged(recon_x, x, mu, logvar):
    return np.sqrt((recon_x - x) ** 2 + 1e-3).sum(1) + _kl(mu, logvar) / mu.shape[1]


def spread_misread(recon_x, x, mu, std):
    return np.sqrt((recon_x - x) ** 2 + 1e-3).sum(1) + _kl(mu, std)


def product(recon_x, x, mu, logvar):
    return _bce(recon_x, x) * _kl(mu, logvar)


def entropy(mu, logvar):
    return 0.5 * (1 + np.log(2 * np.pi) + logvar).sum(1)


def wasserstein(mu, sigma):
    return (mu**2 + (sigma - 1) ** 2).sum(1)


def hellinger(mu, sigma):
    s = sigma**2 + 1
    return 1 - np.sqrt(2 * sigma / s).prod(1) * np.exp(-0.25 * (mu**2 / s).sum(1))


def kl_of_wasserstein(mu, sigma):
    return wasserstein(mu, sigma)


def kl_with_prior(mu, logvar, prior_std=3.0):
    return 0.5 * ((np.exp(logvar) + mu**2) / prior_std**2 - 1 - logvar + 2 * np.log(prior_std)).sum(1)


def loss_with_prior(recon_x, x, mu, logvar):
    return _bce(recon_x, x) + 0.5 * ((np.exp(logvar) + (mu - 1) ** 2) / 0.5 - 1 - logvar + np.log(0.5)).sum(1)


def prior_without_its_constant(mu, logvar):
    return 0.5 * ((np.exp(logvar) + mu**2) / 9 - 1 - logvar).sum(1)


def kl_of_rho(mu, rho):
    sigma = np.log(1 + np.exp(rho))
    return (0.5 * (mu**2 + sigma**2 - 1) - np.log(sigma)).sum()


def sampled_of_rho(z, mu, rho):
    sigma = np.logaddexp(0, rho)
    return (0.5 * z**2 - 0.5 * ((z - mu) / sigma) ** 2 - np.log(sigma)).sum(1)


def kl_of_precision(mu, log_prec):
    return 0.5 * (mu**2 + np.exp(-log_prec) - 1 + log_prec).sum(1)


class Settings:
    kl_weight = 2.0


class Configured:
    config = Settings()

    def loss(self, recon_x, x, mu, logvar):
        return _bce(recon_x, x) + self.config.kl_weight * _kl(mu, logvar)


configured = Configured()


class DiagonalGaussian:
    def __init__(self, parameters):
        self.mean, self.logvar = np.split(parameters, 2, axis=1)
        self.var = np.exp(self.logvar)

    def kl(self, other=None):
        return 0.5 * (self.mean**2 + self.var - 1 - self.logvar).sum(1)


def kl_of_record(posterior):
    return 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).sum(1)


def log_standard_normal(z):
    return -0.5 * (np.log(2 * np.pi) + z**2)


def log_prior_without_half(z):
    return -(z**2).sum(1)


def log_prior_of_laplace(z):
    return -np.abs(z).sum(1)


def log_bernoulli_of_a_mean(x, mean, average=False):
    return (x * np.log(mean) + (1 - x) * np.log1p(-mean)).sum(1)


def keyed(batch, outputs):
    return _bce(outputs["recon"], batch["x"]) + _kl(outputs["mu"], outputs["logvar"])


def nested(x, out):
    (mu, logvar), recon = out
    return _bce(recon, x) + _kl(mu, logvar)


def misnamed_and_weighed(recon_x, x, mu, sigma, kl_weight=2.0):
    return _bce(recon_x, x) + kl_weight * _kl(mu, sigma)


def clamped_far_out(recon_x, x, mu, logvar):
    return _bce(np.clip(recon_x, 1e-8, 1 - 1e-8), x) + _kl(mu, logvar)


def logarithm_forgotten(recon_x, x, mu, logvar):
    return -(x * np.log(recon_x) + (1 - x) * (1 - recon_x)).sum(1) + _kl(mu, logvar)


def clamped_coarsely(recon_x, x, mu, logvar):
    return _bce(np.clip(recon_x, 0.1, 0.9), x) + _kl(mu, logvar)


def ones_weigh_more(logits, x, mu, logvar):
    return (3 * x * np.logaddexp(0, -logits) + (1 - x) * np.logaddexp(0, logits)).sum(1) + _kl(mu, logvar)
