"""Kinds of an eighth reading of public code, each right one beside its wrong neighbour."""

import math

import torch
from torch.distributions import kl_divergence
from torch.nn import functional

HALF = 0.5 * math.log(2 * math.pi)


def _terms(z, mean, log_std):
    return -0.5 * ((z - mean) / log_std.exp()) ** 2 - log_std


def log_prob(z, mean, log_std):
    return (_terms(z, mean, log_std) - HALF).sum(-1)


def log_prob_in_digits(z, mean, log_std):
    return (_terms(z, mean, log_std) - 0.919).sum(-1)


def log_prob_unnormalised(z, mean, log_std):
    return _terms(z, mean, log_std)


def log_prob_of_root_two(z, mean, log_std):
    return _terms(z, mean, log_std) - math.log(math.sqrt(2) * math.pi)


def log_prob_of_action(action, mean, log_std):
    return (_terms(action, mean, log_std) - 2 * HALF).sum(-1).mean()


def log_prob_plus(z, mean, log_std):
    return (_terms(z, mean, log_std) + HALF).sum()


def log_prob_of_one_latent(z, mean, log_std):
    return _terms(z, mean, log_std).sum(-1) - HALF


def neg_log_prob_of_seven(z, mean, log_std):
    return -(_terms(z, mean, log_std) - 7.0)


def misfit_of_action(action, mean, log_std):
    return -(_terms(action, mean, log_std) - 3.0).sum(-1).mean()


def log_prior(z):
    return (-0.5 * z**2 - HALF).sum(-1)


def log_prior_unnormalised(z):
    return -0.5 * (z**2).sum(-1)


def log_prior_of_two_pi(z):
    return (-0.5 * z**2 - math.log(2 * math.pi)).sum(-1)


def kl_above_a_floor(post, prior, free_nats=3.0):
    kl = kl_divergence(post, prior).mean()
    return torch.max(kl, torch.full_like(kl, free_nats))


def kl_above_a_floor_and_more(post, prior, free_nats=3.0):
    kl = kl_divergence(post, prior).mean() + (post.loc**2).mean()
    return torch.max(kl, torch.full_like(kl, free_nats))


def kl_below_a_ceiling(post, prior, free_nats=3.0):
    kl = kl_divergence(post, prior).mean()
    return torch.min(kl, torch.full_like(kl, free_nats))


def kl_averaged(post, prior):
    return kl_divergence(post, prior).mean()


def kl_of_two(p1, p2=None):
    return kl_divergence(p1, p2).sum(1, keepdims=True).mean(0)


def kl_of_two_doubled(p1, p2=None):
    return 2 * kl_divergence(p1, p2).sum(1, keepdims=True).mean(0)


def normal_logpdf(mean, logstd, loc):
    return (_terms(loc, mean, logstd) - HALF).sum(-1)


def normal_logpdf_halved(mean, logstd, loc):
    return (-0.5 * ((loc - mean) / logstd.exp()) ** 2 - 0.5 * logstd - HALF).sum(-1)


def log_bernoulli(sample, probs):
    return (sample * probs.log() + (1 - sample) * (1 - probs).log()).sum(-1)


def log_bernoulli_of_ones(sample, probs):
    return (sample * probs.log() + (1 - probs).log()).sum(-1)


def kl_of_letters(pm, pv, qm, qv):
    return (0.5 * (torch.log(qv / pv) + (pv + (qm - pm) ** 2) / qv - 1)).sum(-1)


def kl_of_letters_q_first(qm, qv, pm, pv):
    return kl_of_letters(pm, pv, qm, qv)


def kl_of_letters_halved(pm, pv, qm, qv):
    return (0.5 * (0.5 * torch.log(qv / pv) + (pv + (qm - pm) ** 2) / qv - 1)).sum(-1)


def kl_of_four_axes(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(dim=3).mean(dim=(0, 1)).sum()


def kl_of_a_map_averaged(mu, logvar):
    _, _, height, width = mu.shape
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(dim=3).mean(dim=(1, 2)).sum() / (height * width)


def loss_of_float32_averaged(x, logits, mu, logvar):
    error = functional.binary_cross_entropy_with_logits(logits.float(), x.float())
    return error - 5e-4 * (1 + logvar - mu**2 - logvar.exp()).mean()


def kl_averaged_and_clamped(mu, logvar):
    logvar = logvar.clamp(min=-6.0)
    return -5e-4 * (1 + logvar - mu**2 - logvar.exp()).mean()
