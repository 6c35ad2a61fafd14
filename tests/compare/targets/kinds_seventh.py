"""Kinds that a seventh set of public functions brought, each in a function of our own."""

import math

import torch
from torch import nn
from torch.distributions import Normal
from torch.nn import functional


def _kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


def of_pixels(x, recon_x, mu, logvar):
    """x: pixels in 0 and 1."""
    return (-(x * recon_x.log()).sum(1) + _kl(mu, logvar)).mean()


def error_of_a_classifier(y_true, y_pred):
    """Of images."""
    return -(y_true * torch.log(y_pred)).sum(-1)


def binary_error_of_ones(y_true, y_pred):
    return -(y_true * torch.log(y_pred)).sum(-1)


def divergence_of_proportions(x, y):
    x, y = x.clamp(1e-10, 1), y.clamp(1e-10, 1)
    return (x * torch.log(x / y)).sum(-1)


class EndsInASigmoid:
    def decode(self, h):
        return torch.sigmoid(h)

    def loss(self, x, recon_x, mu, logvar):
        return (-(x * recon_x.log()).sum(1) + _kl(mu, logvar)).mean()


def categorical_loss(x, recon_x, mu, logvar):
    """In a file that has a sigmoid."""
    return (-(x * recon_x.log()).sum(1) + _kl(mu, logvar)).mean()


class OfEither:
    def __init__(self):
        self.likelihood = "mult"

    def decode(self, h):
        return torch.softmax(h, 1) if self.likelihood == "mult" else torch.sigmoid(h)

    def loss(self, x, recon_x, mu, logvar):
        known = {
            "mult": x * recon_x.log(),
            "bern": x * recon_x.log() + (1 - x) * (1 - recon_x).log(),
        }
        return (-known[self.likelihood].sum(1) + _kl(mu, logvar)).mean()


class WithItsPrior(nn.Module):
    """A prior of its own, in buffers: N(0, 0.98) for each of 6 topics."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mu2", torch.zeros(1, 6))
        self.register_buffer("var2", torch.full((1, 6), 0.98))

    def kl(self, mu, logvar):
        ratio = (logvar.exp() + (mu - self.mu2) ** 2) / self.var2
        return 0.5 * (ratio - 1 + self.var2.log() - logvar).sum(1).mean()

    def kl_with_a_square_too_many(self, mu, logvar):
        ratio = (logvar.exp() + (mu - self.mu2) ** 2) / self.var2**2
        return 0.5 * (ratio - 1 + self.var2.log() - logvar).sum(1).mean()


class OfSomeTopics(WithItsPrior):
    """Its number of topics is the constant."""

    def __init__(self):
        super().__init__()
        self.num_topics, self.batch_size = 6, 12

    def kl(self, mu, logvar):
        ratio = (logvar.exp() + (mu - self.mu2) ** 2) / self.var2
        return 0.5 * ((ratio + self.var2.log() - logvar).sum(1) - self.num_topics)

    def kl_of_batches(self, mu, logvar):
        return 0.5 * ((mu**2 + logvar.exp() - logvar).sum(1) - self.batch_size)


class OfItsOwn(nn.Module):
    """Arrays whose names say nothing, and a prior that is turned round."""

    def __init__(self):
        super().__init__()
        self.register_buffer("anchors", torch.linspace(0.5, 1.5, 5))
        self.register_buffer("prior_mu", torch.linspace(-1, 1, 5))
        self.register_buffer("prior_logvar", torch.linspace(-0.5, 0.5, 5))

    def kl(self, mu, logvar):
        ratio = (mu**2 + logvar.exp()) / self.anchors**2
        return 0.5 * (ratio - 1 + 2 * self.anchors.log() - logvar).sum(1)

    def kl_turned(self, mu, logvar):
        ratio = (self.prior_logvar.exp() + (mu - self.prior_mu) ** 2) / logvar.exp()
        return 0.5 * (ratio - 1 + logvar - self.prior_logvar).sum(1)


def kl_to_topics_around(mu, logvar, mu_prior=None):
    mu_prior = torch.zeros_like(mu) if mu_prior is None else mu_prior
    variance = torch.tensor(1 - 1 / mu.shape[1], dtype=mu.dtype)
    return 0.5 * (((mu - mu_prior) ** 2 + logvar.exp()) / variance - 1 + variance.log() - logvar).sum(1)


def kl_to_topics(mu, logvar):
    """The prior's variance follows from the number of latents."""
    variance = torch.tensor(1 - 1 / mu.shape[1], dtype=mu.dtype)
    return 0.5 * ((mu**2 + logvar.exp()) / variance - 1 + variance.log() - logvar).sum(1)


def kl_to_topics_without_its_logarithm(mu, logvar):
    variance = 1 - 1 / mu.shape[1]
    return 0.5 * ((mu**2 + logvar.exp()) / variance - 1 - logvar).sum(1)


def kl_of_a_square(mean_squared, var):
    return 0.5 * (var + mean_squared - torch.log(var.clamp(min=1e-15)) - 1)


def kl_of_a_whole_square(mean_squared, var):
    return (0.5 * (var - torch.log(var) - 1) + mean_squared).sum(1)


class OfParameters(nn.Module):
    """A Gaussian whose parameters are zero, in float32, when it is made."""

    def __init__(self):
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(5))
        self.log_scale = nn.Parameter(torch.zeros(5))

    def log_prob(self, x):
        base = -0.5 * math.log(2 * math.pi) - self.log_scale
        return (base - 0.5 * torch.exp(-2 * self.log_scale) * (x - self.loc) ** 2).sum(1)


def log_prior(z):
    return -0.5 * (z.clamp(-5, 5) ** 2 + math.log(2 * math.pi)).sum(1)


def log_prob_of_sequences(mu, logvar, z):
    """mu, logvar (batch, time, axis), z (batch, samples, time, axis)."""
    _, _, axis = mu.shape
    e = (z - mu.unsqueeze(1)) / torch.exp(0.5 * logvar).unsqueeze(1)
    return -0.5 * (axis * math.log(2 * math.pi) + (logvar.unsqueeze(1) + e**2).sum(3)).sum(2)


def kl_of_draws(z, mu, logvar):
    """Averaged over the Monte Carlo draws of each datum."""
    e = (z - mu[:, None]) / torch.exp(0.5 * logvar)[:, None]
    return 0.5 * (z**2 - e**2 - logvar[:, None]).sum(-1).mean(1)


def kl_broadcast(z, mu, logvar):
    e = (z - mu.unsqueeze(1)) / torch.exp(0.5 * logvar).unsqueeze(1)
    return 0.5 * (z**2 - e**2 - logvar.unsqueeze(1)).sum(-1).mean(1)


def poisson_in_float32(y_true, y_pred):
    y_true, y_pred = y_true.float(), y_pred.float()
    return (y_pred - y_true * torch.log(y_pred + 1e-10) + torch.lgamma(y_true + 1.0)).sum(1)


def poisson_in_float32_detached(y_true, y_pred):
    y_true, y_pred = y_true.float(), y_pred.float()
    return (y_pred.detach() - y_true * torch.log(y_pred + 1e-10) + torch.lgamma(y_true + 1.0)).sum(1)


def poisson_in_float32_off_by_little(y_true, y_pred):
    y_true, y_pred = y_true.float(), y_pred.float()
    return (y_pred * (1 + 2e-5) - y_true * torch.log(y_pred + 1e-10) + torch.lgamma(y_true + 1.0)).sum(1)


def kl_densities(z, mu, std):
    log_q = Normal(mu, std).log_prob(z).sum(-1)
    log_p = Normal(torch.zeros_like(mu), torch.ones_like(std)).log_prob(z).sum(-1)
    return log_p, log_q


def kl_densities_of_one(z, mu, std):
    log_q = Normal(mu, std).log_prob(z).sum(-1)
    return log_q, Normal(mu, 2 * std).log_prob(z).sum(-1)


def kl_in_channels(y_hat, y):
    assert y_hat.dim() == 3 and y_hat.size(1) == 2
    return (y - y_hat[:, :1]) ** 2


def kl_at_a_sample(posterior, prior, z_sampled=None):
    assert z_sampled is not None
    return posterior.log_prob(z_sampled) - prior.log_prob(z_sampled)


def kl_of_a_logarithm(z_mu, z_logvar):
    return torch.distributions.kl_divergence(Normal(z_mu, z_logvar), Normal(0.0, 1.0)).sum(1)


def kl_of_half_a_logarithm(z_mu, z_logvar):
    return 0.5 * torch.distributions.kl_divergence(Normal(z_mu, z_logvar), Normal(0.0, 1.0)).sum(1)


def log_normal_of_a_number(x, mu, sigma):
    return float(-0.5 * math.log(2 * math.pi) - math.log(abs(sigma))) - (x - mu) ** 2 / (2 * sigma**2)


def loss_of_labels(y_pred, y_true):
    return functional.nll_loss(functional.log_softmax(y_pred, -1), y_true)


def kl_of_a_flow(model, target_potential_fn):
    z = model.base_dist.sample((4,))
    moved, log_det = model(z)
    return model.base_dist.log_prob(z).sum(1) - log_det.sum(1) + target_potential_fn(moved)


def log_gaussian_at(mean, log_std, t):
    """The half is squared with the rest."""
    return (-((0.5 * (t - mean) / log_std.exp()) ** 2) - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


def kl_beside_a_penalty(mu_q, logs_q, mu_p, logs_p):
    kl_loss = logs_p - logs_q + 0.5 * ((torch.exp(2 * logs_q) + (mu_p - mu_q) ** 2) * torch.exp(-2 * logs_p) - 1)
    reg_loss = (logs_q - logs_p) ** 2
    return kl_loss, reg_loss


def kl_with_a_penalty(mu_q, logs_q, mu_p, logs_p):
    kl_loss, reg_loss = kl_beside_a_penalty(mu_q, logs_q, mu_p, logs_p)
    return (kl_loss + 4 * reg_loss).mean()


def kl_with_a_bracket_too_many(prior_mu, prior_logvar, post_mu, post_logvar):
    ratio = post_logvar - prior_logvar
    return 0.5 * ((ratio.exp() + (post_mu - prior_mu) ** 2) / prior_logvar.exp() - 1 - ratio)


def kl_of_objects_turned(posterior, prior):
    return torch.distributions.kl_divergence(prior, posterior)


def error_of_a_deviation(x, x_mean, x_sigma):
    return nn.GaussianNLLLoss(full=True)(x_mean, x, x_sigma)


class GivenNoise(nn.Module):
    """A loss that wants a number when it is made."""

    def __init__(self, noise_var: float):
        super().__init__()
        self.noise_var = noise_var

    def forward(self, x_hat, x_true, z_mean, z_log_var):
        error = ((x_hat - x_true) ** 2).sum(-1) / (2 * self.noise_var)
        return (error + _kl(z_mean, z_log_var)).mean()


def kl_of_pairs(x1, x2):
    """Pairs of a mean and a variance."""
    return (0.5 * ((x2[1] / x1[1]).log() + (x1[1] + (x1[0] - x2[0]) ** 2) / x2[1] - 1)).sum(1)


def kl_of_pairs_without_a_half(x1, x2):
    ratio = ((x2[1] + 1e-6) / (x1[1] + 1e-6)).log()
    return (ratio + (x1[1] + (x1[0] - x2[0]) ** 2) / (2 * x2[1] + 1e-6) - 0.5).sum(1).mean()


def negative_binomial_loss(y_true, y_pred, theta):
    gammas = torch.lgamma(theta) + torch.lgamma(y_true + 1) - torch.lgamma(y_true + theta)
    return (gammas + (theta + y_true) * torch.log(1 + y_pred / theta) + y_true * (theta.log() - y_pred.log())).sum(1)


def kl_dist(mu1, var1, mu2, var2):
    return (torch.log(var2 / var1) + (var1 + (mu1 - mu2) ** 2) / (2 * var2) - 0.5).sum(1)


def gauss_kl(sigma0, mu1, sigma1):
    """To N(0, sigma0^2)."""
    ratio = (sigma1 / sigma0) ** 2
    return 0.5 * (ratio + (mu1 / sigma0) ** 2 - 1 - ratio.log()).sum(1)


def gauss_kl_turned(sigma0, mu1, sigma1):
    ratio = (sigma0 / sigma1) ** 2
    return 0.5 * (ratio + (mu1 / sigma1) ** 2 - 1 - ratio.log()).sum(1)


class OfTwoLogits(nn.Module):
    """A categorical KL with a floor, beside itself."""

    def forward(self, p_logits, q_logits):
        log_p, log_q = functional.log_softmax(p_logits, -1), functional.log_softmax(q_logits, -1)
        kl_div = (log_p.exp() * (log_p - log_q)).sum(-1).mean()
        return torch.max(torch.ones_like(kl_div), kl_div), kl_div
