"""Numbers at their defaults, names that lie beside each other, short constants, KL balancing, data of levels."""

import math

import torch
from torch import nn
from torch.nn import functional


def _kl(mu, logvar):
    return 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar)


def _parameter():
    return nn.Parameter(torch.zeros(3, 4))


# a prior's spread of 1 and its mean of 0
def kl_of_a_default_prior(mu, logvar, prior_mu=0.0, prior_std=1.0):
    gap = ((mu - prior_mu) ** 2 + logvar.exp()) / (2 * prior_std**2)
    return torch.sum(math.log(prior_std) - 0.5 * logvar + gap - 0.5)


def kl_of_a_default_prior_unsquared(mu, logvar, prior_std=1.0):
    return torch.sum(math.log(prior_std) - 0.5 * logvar + (mu**2 + logvar.exp()) / (2 * prior_std) - 0.5)


def kl_of_a_default_prior_added(mu, logvar, prior_mu=0.0):
    return torch.sum(-0.5 * logvar + ((mu + prior_mu) ** 2 + logvar.exp()) / 2 - 0.5)


def kl_of_a_default_log(mu, logvar, prior_logvar=0.0):
    return 0.5 * torch.sum(prior_logvar - logvar + (mu**2 + logvar.exp()) * math.exp(-prior_logvar) - 1)


def kl_of_a_default_log_flipped(mu, logvar, prior_logvar=0.0):
    return 0.5 * torch.sum(prior_logvar - logvar + (mu**2 + logvar.exp()) * math.exp(prior_logvar) - 1)


def kl_that_a_scale_weighs(mu, logvar, prior_scale=1.0):
    return prior_scale * _kl(mu, logvar)


def loss_of_a_default_decoder(x, recon, mu, logvar, sigma=1.0):
    return ((x - recon) ** 2).sum() / (2 * sigma**2) + _kl(mu, logvar)


def loss_of_a_default_decoder_unsquared(x, recon, mu, logvar, sigma=1.0):
    return ((x - recon) ** 2).sum() / (2 * sigma) + _kl(mu, logvar)


class OfAPrior(nn.Module):
    def __init__(self, prior_sigma=1.0):
        super().__init__()
        self.mu, self.log_sigma = _parameter(), _parameter()
        self.prior_sigma, self.prior_log_sigma = prior_sigma, math.log(prior_sigma)

    def kl(self):
        gap = (torch.exp(2 * self.log_sigma) + self.mu**2) / (2 * self.prior_sigma**2)
        return torch.sum(self.prior_log_sigma - self.log_sigma + gap - 0.5)

    def kl_unsquared(self):
        gap = (torch.exp(2 * self.log_sigma) + self.mu**2) / (2 * self.prior_sigma)
        return torch.sum(self.prior_log_sigma - self.log_sigma + gap - 0.5)


# names
def kl_of_two_parts(mu_w, logvar_b):
    return _kl(mu_w, logvar_b)


def kl_of_a_layers_parameters(mu_param, sigma_param):
    sigma = functional.softplus(sigma_param)
    return 0.5 * torch.sum(mu_param**2 + sigma**2 - 1 - 2 * torch.log(sigma))


def kl_of_a_layers_parameters_as_variances(mu_param, sigma_param):
    return 0.5 * torch.sum(mu_param**2 + sigma_param - 1 - torch.log(sigma_param))


def kl_from_the_plain_one(mu, logvar, mu_0, logvar_0):
    return 0.5 * torch.sum(logvar_0 - logvar + (logvar.exp() + (mu - mu_0) ** 2) / logvar_0.exp() - 1)


def kl_to_the_plain_one(mu, logvar, mu_0, logvar_0):
    return 0.5 * torch.sum(logvar - logvar_0 + (logvar_0.exp() + (mu - mu_0) ** 2) / logvar.exp() - 1)


def loss_with_a_spread_put_aside(x, recon, x_logvar, mu, logvar):
    _ = x_logvar
    return 0.5 * ((x - recon) ** 2).sum() + _kl(mu, logvar)


def kl_less_a_size(mu, logvar, n_dim):
    return 0.5 * (torch.sum(mu**2 + logvar.exp() - logvar) - n_dim * len(mu))


def kl_over_its_data(mu, logvar, n_data):
    return _kl(mu, logvar) / n_data


# constants of eight digits
def kl_by_a_short_logarithm(mu, logvar):
    return _kl(mu, logvar) / math.log(2) * 0.69314718


def kl_by_a_short_root(mu, sigma):
    wide = sigma * 1.41421356
    return torch.sum(0.5 * mu**2 + 0.25 * wide**2 - 0.5 - torch.log(wide) + 0.34657359)


def kl_by_no_constant(mu, logvar):
    return _kl(mu, logvar) * 0.9999999992


# a float32 sigmoid beside an epsilon
def entropy_beside_an_epsilon(x, logits):
    p, x = torch.sigmoid(logits.float()), x.float()
    return -(x * torch.log(p + 1e-7) + (1 - x) * torch.log(1 - p + 1e-7)).sum()


def entropy_beside_an_epsilon_off(x, logits):
    p, x = torch.sigmoid(1.01 * logits.float()), x.float()
    return -(x * torch.log(p + 1e-7) + (1 - x) * torch.log(1 - p + 1e-7)).sum()


# KL balancing, free bits below every KL that is mostly seen
def _to_prior(mean, std, prior_mean, prior_std):
    return (torch.log(prior_std / std) + (std**2 + (mean - prior_mean) ** 2) / (2 * prior_std**2) - 0.5).sum(-1)


def _both(mean, std, prior_mean, prior_std):
    of_p = _to_prior(mean.detach(), std.detach(), prior_mean, prior_std)
    return of_p, _to_prior(mean, std, prior_mean.detach(), prior_std.detach())


def kl_balanced(post_mean, post_std, prior_mean, prior_std, alpha=0.8):
    of_p, of_q = _both(post_mean, post_std, prior_mean, prior_std)
    return (alpha * of_p + (1 - alpha) * of_q).mean()


def kl_balanced_floored(post_mean, post_std, prior_mean, prior_std):
    of_p, of_q = _both(post_mean, post_std, prior_mean, prior_std)
    return (0.5 * of_p.clip(min=1.0) + 0.1 * of_q.clip(min=1.0)).mean()


def kl_balanced_of_batches(post_mean, post_std, prior_mean, prior_std):
    of_p, of_q = _both(post_mean, post_std, prior_mean, prior_std)
    return 0.8 * of_p.mean().clip(min=1.0) + 0.2 * of_q.mean().clip(min=1.0)


def kl_balanced_off(post_mean, post_std, prior_mean, prior_std):
    of_p, of_q = _both(post_mean, post_std, prior_mean, prior_std)
    return (0.8 * of_p + 0.2 * of_q).mean() + 0.01 * (post_mean - post_mean.detach()).sum()


def kl_above_a_low_level(mu, logvar):
    return (0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar, 1)).mean().clamp(min=0.3)


def kl_above_a_declared_level(post_mean, post_std, prior_mean, prior_std, free=1.0):
    return _to_prior(post_mean, post_std, prior_mean, prior_std).mean().clamp(min=free)


# data of 256 levels
def _cdf(t):
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (t + 0.044715 * t**3)))


def _levels(x, means, log_scales, *, first=-0.999, last=0.999):
    low, high = ((x - means + side / 255) * torch.exp(-log_scales) for side in (-1, 1))
    below, above = _cdf(low), _cdf(high)
    inside = torch.log((above - below).clamp(min=1e-12))
    ends = torch.log(above.clamp(min=1e-12)), torch.log((1 - below).clamp(min=1e-12))
    return torch.where(x < first, ends[0], torch.where(x > last, ends[1], inside))


def log_p_of_levels(x, *, means, log_scales):
    return _levels(x, means, log_scales)


def log_p_of_levels_without_an_end(x, *, means, log_scales):
    return _levels(x, means, log_scales, last=2.0)


def log_p_of_levels_cut_off(x, *, means, log_scales):
    return _levels(x, means.detach(), log_scales)


def log_p_of_levels_too_broad(x, *, means, log_scales):
    return _levels(x, means, 1.01 * log_scales)


def nll_of_levels(x, x_mean, x_logvar):
    return -_levels(x, x_mean, 0.5 * x_logvar).sum(1).mean()


def log_p_of_logistic_levels(mean, logscale, binsize=1 / 256, sample=None):
    scale = torch.exp(logscale)
    low = (torch.floor(sample / binsize) * binsize - mean) / scale
    return torch.log(torch.sigmoid(low + binsize / scale) - torch.sigmoid(low) + 1e-7).sum(1)


# data and prediction exchanged
def loss_of_exchanged_data(x, recon, mu, logvar):
    return functional.binary_cross_entropy(x, recon, reduction="sum") + _kl(mu, logvar)


def loss_of_exchanged_logarithms(x, recon, mu, logvar):
    data = -(recon * torch.log(x + 1e-10) + (1 - recon) * torch.log(1 - x + 1e-10)).sum()
    return data + _kl(mu, logvar)


def loss_of_exchanged_logits(x, x_logits, mu, logvar):
    return functional.binary_cross_entropy_with_logits(x, x_logits, reduction="sum") + _kl(mu, logvar)


def loss_of_a_narrow_laplace(x, recon, mu, logvar):
    return 20 * functional.l1_loss(recon, x, reduction="sum") + _kl(mu, logvar)


# what only weighs, or drops a constant
def kl_less_its_priors_constant(mu, logvar, prior_sigma=1.0):
    return torch.sum(-0.5 * logvar + (mu**2 + logvar.exp()) / (2 * prior_sigma**2) - 0.5)


def loss_over_a_sigma(x, recon, mu, logvar, sigma=1.0):
    return functional.mse_loss(recon, x, reduction="sum") / sigma + _kl(mu, logvar)


# no number in the form that is named; a weight that moves with each call; bits
def kl_of_a_misnamed_sigma(mu, logvar):
    return torch.sum(-torch.log(logvar) + 0.5 * (logvar**2 + mu**2) - 0.5)


_calls = [0]


def kl_that_warms_up(mu, logvar):
    _calls[0] += 1
    return min(1.0, _calls[0] / 1000) * _kl(mu, logvar)


def loss_in_bits(x, recon, mu, logvar):
    nats = functional.binary_cross_entropy(recon, x, reduction="sum") + _kl(mu, logvar)
    return nats / math.log(2) / x.numel()


def kl_of_three(mu1, logvar1, mu2, logvar2, mu2_p, logvar2_p):
    gap = (logvar2.exp() + (mu2 - mu2_p) ** 2) / logvar2_p.exp()
    return _kl(mu1, logvar1) + 0.5 * torch.sum(logvar2_p - logvar2 + gap - 1)


# data that are more than 0 and 1; outputs that the loss brings into their domain; a variance that is read in vain
def loss_of_counts(x, rate, mu, logvar):
    return (rate - x * torch.log(rate) + torch.lgamma(x + 1)).sum() + _kl(mu, logvar)


def loss_of_no_counts(x, rate, mu, logvar):
    return (rate - (x > 0).float() * torch.log(rate)).sum() + _kl(mu, logvar)


def loss_of_squared_counts(x, recon, mu, logvar):
    return (torch.exp(recon) - x**2 * recon).sum() + _kl(mu, logvar)


def loss_of_a_softplus(x, out, mu, logvar):
    rate = functional.softplus(out)
    return (rate - x * torch.log(rate)).sum() + _kl(mu, logvar)


def loss_of_a_sigmoid(x, out, mu, logvar):
    return 0.5 * functional.mse_loss(torch.sigmoid(out), x, reduction="sum") + _kl(mu, logvar)


def loss_of_a_sigmoid_of_logits(x, logits, mu, logvar):
    return 0.5 * functional.mse_loss(torch.sigmoid(logits), x, reduction="sum") + _kl(mu, logvar)


def loss_with_a_variance_read_in_vain(x, recon, x_logvar, mu, logvar):
    variance = x_logvar.exp()
    del variance
    return 0.5 * ((x - recon) ** 2).sum() + _kl(mu, logvar)
