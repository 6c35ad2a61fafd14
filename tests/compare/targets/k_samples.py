"""Bounds of several samples, from log weights and from whole arguments."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention


def iwae(log_w):
    return -(torch.logsumexp(log_w, 0) - math.log(len(log_w))).mean()


def samples_last(log_weights):
    return torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])


def mean_of_log_weights(log_w):
    return -log_w.mean()


def renyi(log_w, alpha=0.5):
    return -(torch.logsumexp((1 - alpha) * log_w, 0) - math.log(len(log_w))).mean() / (1 - alpha)


def normalised_weights(log_w):
    return -(torch.softmax(log_w, 0).detach() * log_w).sum(0).mean()


def weights_added(log_w):
    return -torch.logsumexp(log_w, 0).mean()


def over_the_batch_too(log_w):
    return -(torch.logsumexp(log_w.flatten(), 0) - math.log(log_w.numel()))


def underflows(log_w):
    return -torch.log(torch.exp(log_w).mean(0)).mean()


def cut_off(log_w):
    return iwae(log_w.detach())


def maximised_loss(log_w):
    return -iwae(log_w)


def something_else(log_w):
    return (log_w**2).mean()


def raises(log_w):
    raise ValueError("no weights")


def _log_w(x, logits, z, mu, logvar):
    log_p = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)
    return log_p - 0.5 * (z**2).sum(-1) + 0.5 * (logvar + (z - mu) ** 2 / logvar.exp()).sum(-1)


def iwae_of_arguments(x, logits, z, mu, logvar):
    log_w = _log_w(x, logits, z, mu, logvar)
    return -(torch.logsumexp(log_w, 0) - math.log(len(z))).mean()


def detached_mean_of_arguments(x, logits, z, mu, logvar):
    log_w = _log_w(x, logits, z, mu.detach(), logvar)
    return -(torch.logsumexp(log_w, 0) - math.log(len(z))).mean()
