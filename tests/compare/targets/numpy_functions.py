"""Right and wrong functions in NumPy."""

import numpy as np


def kl(mean, log_var):
    return 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)


def kl_renamed(a, b):
    return 0.5 * np.sum(a**2 + b**2 - 1 - 2 * np.log(b), axis=1)


def kl_sigma_is_variance(mean, sigma):
    return 0.5 * np.sum(mean**2 + sigma - 1 - np.log(sigma), axis=1)


def log_weight(x, probs, z, mean, std):
    log_likelihood = (x * np.log(probs) + (1 - x) * np.log1p(-probs)).sum(1)
    return log_likelihood - (0.5 * z**2 - 0.5 * ((z - mean) / std) ** 2 - np.log(std)).sum(1)


def drawn_kl(mean, sigma):
    z = mean + sigma * np.random.normal(size=mean.shape)
    return np.mean((0.5 * z**2 - 0.5 * ((z - mean) / sigma) ** 2 - np.log(sigma)).sum(1))


def kl_reversed(mean, log_var):
    return 0.5 * np.sum((1 + mean**2) * np.exp(-log_var) - 1 + log_var, axis=1)


def loss_with_epsilon(x, recon_x, mean, log_var):
    nll = -(x * np.log(recon_x + 1e-4) + (1 - x) * np.log(1 - recon_x + 1e-4)).sum(1)
    return nll + 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)
