"""What is off by little: a weight, a factor, an epsilon, float32 inside, a sigmoid in front of a cross-entropy."""

import numpy as np
import torch
from torch.nn import functional


def _kl(mu, logvar):
    return 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar, -1)


def _penalty(mu, weight):
    return weight * (mu**2).sum(-1)


def _handed_on(mu, c):
    return _penalty(mu, weight=c)


def _safe_log(t, eps):
    return torch.log(t + eps)


_hidden = lambda t, c: c * (t**2).sum(-1)  # noqa: E731 - a body that can't be seen as a function's


def kl_and_a_handed_weight(mu, logvar):
    return _kl(mu, logvar) + _penalty(mu, 3e-7)


def kl_and_a_weight_two_calls_away(mu, logvar):
    return _kl(mu, logvar) + _handed_on(mu, 3e-7)


def kl_and_a_hidden_weight(mu, logvar):
    return _kl(mu, logvar) + _hidden(mu, 3e-7)


def kl_with_a_handed_epsilon(mu, var):
    return 0.5 * torch.sum(mu**2 + var - 1 - _safe_log(var, 1e-8), -1)


def kl_with_one_coefficient_off(mu, logvar):
    return 0.5 * torch.sum(mu**2 + 1.0000005 * logvar.exp() - 1 - logvar, -1)


def kl_by_element_off(mu, logvar):
    return 0.5 * (mu**2 + 1.0000005 * logvar.exp() - 1 - logvar)


def kl_with_a_factor(mu, logvar):
    return 1.0000003 * _kl(mu, logvar)


def kl_of_a_rounded_constant(mu, var):
    return 0.5 * torch.sum(mu**2 + var - 1 - 0.693147 * torch.log2(var), -1)


def kl_of_half_a_rounded_constant(mu, var):
    return 0.5 * torch.sum(mu**2 + var - 1) - 0.5 * 0.693147 * torch.sum(torch.log2(var))


def kl_of_another_constant(mu, var):
    return 0.5 * torch.sum(mu**2 + var - 1 - 0.6931475 * torch.log2(var), -1)


def kl_in_float32(mu, logvar):
    return _kl(mu.float(), logvar.float()).double()


def kl_in_float32_in_part(mu, logvar):
    return 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar.float().double(), -1)


def bce_of_a_sigmoid(logits, x, mu, logvar):
    return functional.binary_cross_entropy(torch.sigmoid(logits), x, reduction="sum") + _kl(mu, logvar).sum()


def bce_of_a_clamped_sigmoid(logits, x):
    p = torch.sigmoid(logits).clamp(1e-6, 1 - 1e-6)
    return -(x * p.log() + (1 - x) * (1 - p).log()).sum(-1)


def bce_of_a_sigmoid_beside_epsilons(logits, x):
    p = 1 / (1 + np.exp(-logits))
    return -(x * np.log(p + 1e-7) + (1 - x) * np.log(1 - p + 1e-7)).sum(-1)


def bce_of_a_coarse_sigmoid(logits, x):
    p = torch.sigmoid(logits).clamp(1e-2, 1 - 1e-2)
    return -(x * p.log() + (1 - x) * (1 - p).log()).sum(-1)


def bce_of_a_sigmoid_that_overflows(logits, x):
    p = torch.sigmoid(logits)
    return -(x * p.log() + (1 - x) * (1 - p).log()).sum(-1)


def bce_of_a_sigmoid_detached(logits, x):
    p = torch.sigmoid(logits)
    return functional.binary_cross_entropy(p, x, reduction="none").sum(-1) + 0.01 * (p.detach() - p).sum(-1)


def bce_of_two_sigmoids(logits, x, mu, logvar):
    data = functional.binary_cross_entropy_with_logits(torch.sigmoid(logits), x, reduction="sum")
    return data + _kl(mu, logvar).sum()


def bce_of_a_sigmoid_a_little_steep(logits, x):
    return functional.binary_cross_entropy(torch.sigmoid(1.00001 * logits), x, reduction="none").sum(-1)


def bce_of_clamped_logits(logits, x):
    return functional.binary_cross_entropy_with_logits(logits.clamp(-15, 15), x, reduction="none").sum(-1)
