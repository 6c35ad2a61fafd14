"""Losses in the ways in which people publish them: objectives, likelihoods, guards, shapes, methods, results."""

import functools
import math
import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch.distributions import Bernoulli, Normal, kl_divergence


def _kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def _bce(p, x):
    return F.binary_cross_entropy(p, x, reduction="none").flatten(1).sum(1)


# What would be minimised


def kl_dropped_beside(decoded, x, mu, logvar):
    kl_term = _kl(mu, logvar).sum()
    total = _bce(decoded, x).sum()
    return total, kl_term


def parts_without_names(decoded, x, mu, logvar):
    a, b = _bce(decoded, x).sum(), _kl(mu, logvar).sum()
    return a, b


def outer_total(decoded, x, mu, logvar):
    kl_term = _kl(mu, logvar).sum(1, keepdim=True)
    return _bce(decoded, x) + kl_term, kl_term


def parts_apart(decoded, x, mu, logvar):
    return _bce(decoded, x).mean(), _kl(mu, logvar).sum(1).mean()


def log_likelihood_apart(decoded, x, mu, logvar):
    log_px, kl = -_bce(decoded, x), _kl(mu, logvar).sum(1)
    return {"log_px": log_px, "kl": kl}


def kl_in_probabilities(z, mean, log_var):
    q = torch.exp(-0.5 * (log_var + (z - mean) ** 2 / log_var.exp()))
    p = torch.exp(-0.5 * z**2)
    return torch.log(q / p).sum(1)


@dataclass
class Output:
    loss: torch.Tensor
    kl_for_the_log: torch.Tensor


def as_dataclass(decoded, x, mu, logvar):
    kl = _kl(mu, logvar).sum(1).mean()
    return Output(loss=_bce(decoded, x).mean() + kl, kl_for_the_log=-kl.detach())


# Guards


def clamped_logits(x, logits, mean, log_var):
    p = torch.sigmoid(logits).clamp(1e-6, 1 - 1e-6)
    return _bce(p, x) + _kl(mean, log_var).sum(1)


def one_sided_epsilon(x, x_probs, mean, log_var):
    data = x * torch.log(x_probs + 1e-8) + (1 - x) * torch.log(1 - x_probs + 1e-8)
    return (-data.sum(1) + _kl(mean, log_var).sum(1)).mean()


def sigma_floor(mean, std):
    std = std.clamp(min=3e-3)
    return 0.5 * (mean**2 + std**2 - 1 - 2 * std.log()).sum(1)


# Likelihoods


def laplace(x_hat, x, mu, logvar):
    return (F.l1_loss(x_hat, x, reduction="none").sum(1) + _kl(mu, logvar).sum(1)).mean()


def poisson(rate_recon, counts_x, mu, logvar):
    return F.poisson_nll_loss(rate_recon, counts_x, log_input=False, reduction="sum") + _kl(mu, logvar).sum()


def hyperbolic(x_hat, x, mu, logvar):
    return (torch.log(torch.cosh(x_hat - x)).sum(1) + _kl(mu, logvar).sum(1)).mean()


def full_normal(x_hat, x, mu, logvar):
    return (-Normal(x_hat, 0.5).log_prob(x).sum(1) + _kl(mu, logvar).sum(1)).mean()


def squared_error_without_one(x_hat, x, mu, logvar):
    """The constant of a normal must not hide that the KL's -1 is missing."""
    return 0.5 * ((x - x_hat) ** 2).sum() + 0.5 * (mu**2 + logvar.exp() - logvar).sum()


# Objectives


def beta_inside(x_hat, x, mu, logvar):
    return _bce(x_hat, x).mean() + 2.5 * _kl(mu, logvar).sum(1).mean()


def weight_of_mse(x_hat, x, mu, logvar, kld_weight=0.00025):
    return F.mse_loss(x_hat, x) + kld_weight * _kl(mu, logvar).sum(1).mean()


def capacity(x_hat, x, mu, logvar, gamma=100.0, capacity_nats=12.0):
    return _bce(x_hat, x).mean() + gamma * (_kl(mu, logvar).sum(1).mean() - capacity_nats).abs()


def group_floor(mu, logvar):
    return torch.clamp(_kl(mu, logvar).sum(1), min=1.5)


class Weighted:
    def __init__(self):
        self.beta = 6.0

    def loss_function(self, x_hat, x, mu, logvar):
        return _bce(x_hat, x).mean() + self.beta * _kl(mu, logvar).sum(1).mean()


# Calls


class Model(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.encoder = torch.nn.Linear(width, 2)

    @staticmethod
    def kl(mu, logvar):
        return _kl(mu, logvar).sum(1)

    def loss(self, *args, **kwargs):
        decoded, x = args[0], args[1]
        mu = args[2]
        logvar = args[3]
        return (_bce(decoded, x) + kwargs["kl_weight"] * _kl(mu, logvar).sum(1)).mean()


def of_distribution(q_z):
    return kl_divergence(q_z, Normal(torch.zeros_like(q_z.loc), torch.ones_like(q_z.scale))).sum(-1)


def between_distributions(posterior_dist, prior_dist):
    return kl_divergence(posterior_dist, prior_dist).sum(-1)


def general_kl(mu1, logvar1, mu2, logvar2):
    ratio = (logvar1 - logvar2).exp() + (mu1 - mu2) ** 2 / logvar2.exp()
    return 0.5 * (logvar2 - logvar1 + ratio - 1).sum(-1)


def images(recon, img, mu, logvar):
    assert img.ndim == 4 and img.shape[1] == 3
    return F.binary_cross_entropy(recon, img, reduction="sum") + _kl(mu, logvar).sum()


def feature_maps(mu, logvar):
    return _kl(mu, logvar).sum(dim=[1, 2, 3])


def written_for_ten(recon_x, x, mu, logvar):
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + 10 * _kl(mu, logvar).mean(1).sum()


def _weighted(decoded, x, mu, logvar, beta):
    return _bce(decoded, x) + beta * _kl(mu, logvar).sum(1)


at_two = functools.partial(_weighted, beta=2.0)


def log_normal_diag(x, mean, log_var):
    return -0.5 * (log_var + (x - mean) ** 2 / log_var.exp()).sum(1)


def something(z, mean, log_var):
    return -0.5 * (log_var + (z - mean) ** 2 / log_var.exp()).sum(1)


def reparameterize(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


def spread_of(mu, logvar):
    return torch.exp(0.5 * logvar) + 0 * mu


def reconstruction_loss(recon_x, x):
    return F.binary_cross_entropy(recon_x, x, reduction="sum")


def bernoulli_validated(x, decoder_logits, z_mean, z_log_var):
    return -Bernoulli(logits=decoder_logits).log_prob(x).sum(-1) + _kl(z_mean, z_log_var).sum(-1)


# Two mistakes


def sign_and_mean(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 + logvar).mean(1)


def precedence_in_log_q(z, mean, log_var):
    log_q = -0.5 * log_var + (z - mean) ** 2 / log_var.exp()
    return (log_q + z**2).sum(1)


def _mmd(z):
    return torch.exp(-(torch.cdist(z, z.flip(0)) ** 2)).mean()


def info_vae(x_hat, x, z, mu, logvar):
    return _bce(x_hat, x).mean() + 10 * _mmd(z)


def counted(decoded, x, mu, logvar):
    return _bce(decoded, x).mean(), _kl(mu, logvar).sum() / x.size(0)


def weighted_module_kl(mu, logvar, weight=5e-4):
    return weight * _kl(mu, logvar).sum(1).mean()


def floor_beside_a_mean(x_hat, x, mu, logvar):
    return F.mse_loss(x_hat, x) + torch.clamp(_kl(mu, logvar).mean(), min=0.1)


def weight_of_detached(x_hat, x, mu, logvar, kld_weight=0.00025):
    return F.mse_loss(x_hat, x) + kld_weight * _kl(mu, logvar).sum(1).mean().detach()


def drawn_beta(x, x_logits, mu, logvar):
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    log_q = -0.5 * (logvar + (z - mu) ** 2 / logvar.exp()).sum(1)
    nll = F.binary_cross_entropy_with_logits(x_logits, x, reduction="none").sum(1)
    return (nll + 3.0 * (log_q + 0.5 * (z**2).sum(1))).mean()


# Right where it is small, ordinary or called for the first time


def kl_of_64_latents(mu, logvar):
    return _kl(mu, logvar)[:, :64].sum(1)


def kl_of_a_small_batch(mu, logvar):
    return _kl(mu, logvar).sum(1).mean() if len(mu) <= 32 else _kl(mu, logvar).mean()


def kl_above_a_threshold(mu, logvar):
    kl = _kl(mu, logvar)
    return torch.where(kl < 1e-4, torch.zeros_like(kl), kl).sum(1)


def clamped_far_outside(mu, logvar):
    return _kl(mu, logvar.clamp(-30.0, 20.0)).sum(1)


def a_little_too_much(mu, logvar):
    return 1.000001 * _kl(mu, logvar).sum(1)


COUNT = {"calls": 0}


def counted_in_the_module(x_hat, x, mu, logvar):
    COUNT["calls"] += 1
    return _bce(x_hat, x).sum() + min(1.0, COUNT["calls"] / 1000) * _kl(mu, logvar).sum()


class Worn:
    calls = 0

    def __call__(self, mu, logvar):
        Worn.calls += 1
        return _kl(mu, logvar).sum(1) * (1.0 if Worn.calls < 60 else 1.1)


worn = Worn()


def two_latents(x_hat, x, mu1, logvar1, mu2, logvar2):
    return _bce(x_hat, x).sum() + _kl(mu1, logvar1).sum() + _kl(mu2, logvar2).sum()


def huber(x_hat, x, mu, logvar):
    return F.smooth_l1_loss(x_hat, x, reduction="sum") + _kl(mu, logvar).sum()


def continuous(logits, x, mu, logvar):
    return -torch.distributions.ContinuousBernoulli(logits=logits).log_prob(x).sum() + _kl(mu, logvar).sum()


# Several arrays in one argument


def positional(mu, logvar, /):
    return _kl(mu, logvar).sum(1)


def of_outputs(x, outputs):
    recon, mu, logvar = outputs
    return _bce(recon, x).sum() + _kl(mu, logvar).sum()


def of_keys(x, model_out):
    return _bce(model_out["recon"], x).sum() + _kl(model_out["mu"], model_out["logvar"]).sum()


def of_attributes(x, out):
    return _bce(out.x_hat, x).sum() + _kl(out.mu, out.logvar).sum()


def of_halves(x_hat, x, moments):
    mu, logvar = torch.chunk(moments, 2, dim=1)
    return _bce(x_hat, x).sum() + _kl(mu, logvar).sum()


# The decoder's own variance


def own_variance(x, x_mean, x_logvar, mu, logvar):
    nll = 0.5 * (math.log(2 * math.pi) + x_logvar + (x - x_mean) ** 2 / x_logvar.exp()).sum(1)
    return (nll + _kl(mu, logvar).sum(1)).mean()


def gaussian_likelihood(x_hat, logscale, x):
    return Normal(x_hat, logscale.exp()).log_prob(x).sum(1)


def own_variance_without_log(x, x_mean, x_logvar, mu, logvar):
    return (0.5 * (x - x_mean) ** 2 / x_logvar.exp()).sum() + _kl(mu, logvar).sum()


def deviation_for_variance(x, recon, recon_std, mu, logvar):
    return F.gaussian_nll_loss(recon, x, recon_std, reduction="sum") + _kl(mu, logvar).sum()


# Names that may stand for two things


def second_sigma(mu_1, mu_2, sigma_1, sigma_2):
    return torch.log(sigma_2 / sigma_1) + (sigma_1**2 + (mu_1 - mu_2) ** 2) / (2 * sigma_2**2) - 0.5


def flipped_without_one(mean, logits_var):
    return 0.5 * torch.sum(logits_var - mean**2 - logits_var.exp(), -1)


def _scripted(q_loc, q_logscale):
    return 0.5 * (torch.exp(2 * q_logscale) + q_loc**2 - 1) - q_logscale


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecated, and still what much published code is compiled with
    scripted = torch.jit.script(_scripted)


def by_mode(x_hat, x, mode):
    return F.mse_loss(x_hat, x, reduction="sum") if mode == "normal" else _bce(x_hat, x).sum()
