"""What a word alone made right: a path, a docstring, a name that promises something else than the code does."""

import math

import torch


def _kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


class OfAPath:
    """A VAE with Bernoulli outputs."""

    def __init__(self):
        self.output_dir = "runs/tokens-7"

    def loss(self, x, probs, mu, logvar):
        return (-(x * probs.log()).sum(1) + _kl(mu, logvar)).mean()


def loss_of_two_sigmoids(recon_x, x, mu, logvar):
    recon_x = torch.sigmoid(recon_x)
    return (0.5 * ((recon_x - x) ** 2).sum(1) + _kl(mu, logvar)).mean()


def log_q(z, mu, logvar):
    """log density of the sampled latent."""
    mu, logvar = mu.unsqueeze(1), logvar.unsqueeze(1)
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mu) ** 2 / logvar.exp()).sum(-1)


def log_q_of_samples(z, mu, logvar):
    """z: (batch, n_samples, latent)."""
    mu, logvar = mu.unsqueeze(1), logvar.unsqueeze(1)
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mu) ** 2 / logvar.exp()).sum(-1)


def _log_normal(x, mean, logvar):
    return -0.5 * (math.log(2 * math.pi) + logvar + (x - mean) ** 2 / logvar.exp()).sum(1)


def gaussian_nll(x, mean, logvar):
    return _log_normal(x, mean, logvar)


def gaussian_nll_negated(x, mean, logvar):
    return -_log_normal(x, mean, logvar)


def negative_log_prior(z):
    return -0.5 * (math.log(2 * math.pi) + z**2).sum(1)


def recon_loss(x, probs):
    return (x * torch.log(probs) + (1 - x) * torch.log(1 - probs)).sum()


def recon_loss_that_is_maximised(x, probs):
    return (x * torch.log(probs) + (1 - x) * torch.log(1 - probs)).sum()


def step(x, probs):
    (-recon_loss_that_is_maximised(x, probs)).backward()


def log_prob_loss(x, probs):
    return (x * torch.log(probs) + (1 - x) * torch.log(1 - probs)).sum()


def levels_nll(x, mean, log_scale):
    scale = torch.exp(-log_scale)
    inside = torch.sigmoid((x - mean + 1 / 255) * scale) - torch.sigmoid((x - mean - 1 / 255) * scale)
    return torch.log(inside).sum(1)


def levels_of_few_scales(x, mean, log_scale):
    scale = torch.exp(-log_scale.clamp(-3, -0.5))
    inside = torch.sigmoid((x - mean + 1 / 255) * scale) - torch.sigmoid((x - mean - 1 / 255) * scale)
    return torch.log(inside).sum(1)


def levels_held_up(x, mean, log_scale):
    scale = torch.exp(-log_scale)
    inside = torch.sigmoid((x - mean + 1 / 255) * scale) - torch.sigmoid((x - mean - 1 / 255) * scale)
    return torch.log(inside.clamp(min=1e-4)).sum(1)


def levels(x, mean, log_scale):
    scale = torch.exp(-log_scale)
    inside = torch.sigmoid((x - mean + 1 / 255) * scale) - torch.sigmoid((x - mean - 1 / 255) * scale)
    return torch.log(inside.clamp(min=1e-12)).sum(1)


def poisson_of_squares_by_element(x, rate):
    return rate - x**2 * torch.log(rate)


def poisson_by_element(x, rate):
    return rate - x * torch.log(rate)


def poisson_of_clamped_counts(x, rate):
    return (rate - x.clamp(max=20) * torch.log(rate)).sum()


def recon_of_itself(x, recon):
    return ((recon - recon) ** 2).sum()


def loss_along_an_axis_that_is_none(x, recon, mu, logvar):
    return 0.5 * ((x - recon) ** 2).sum() + _kl(mu, logvar).sum() / mu.size(7)


def log_prior_of_a_latent_too_few(z):
    return -0.5 * (z**2).sum(1) - 0.5 * math.log(2 * math.pi) * (z.shape[1] - 1)


def log_q_of_a_latent_too_few(z, mu, logvar):
    return -0.5 * (logvar + (z - mu) ** 2 / logvar.exp()).sum(1) - 0.5 * math.log(2 * math.pi) * (z.shape[1] - 1)


def log_q_of_the_batch(z, mu, logvar):
    return -0.5 * (logvar + (z - mu) ** 2 / logvar.exp()).sum(1) - 0.5 * math.log(2 * math.pi) * len(z)


def log_q_off_by_little(z, mu, logvar):
    return (9e-4 - 0.5 * (math.log(2 * math.pi) + logvar + (z - mu) ** 2 / logvar.exp())).sum(1)


def log_q_in_few_digits(z, mu, logvar):
    return (-0.919 - 0.5 * (logvar + (z - mu) ** 2 / logvar.exp())).sum(1)


def kl_to_a_variance(mu, logvar, sigma_p=1.0):
    return 0.5 * ((logvar.exp() + mu**2) / sigma_p - 1 - logvar + math.log(sigma_p)).sum()


def kl_without_a_square(mu, logvar, sigma_p=1.0):
    return 0.5 * ((logvar.exp() + mu**2) / sigma_p - 1 - logvar + 2 * math.log(sigma_p)).sum()
