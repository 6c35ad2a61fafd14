"""Near-misses: what only one sample hides, what only far logits show, and losses that no line of a file minimises."""

import math

import torch
from torch import nn
from torch.nn import functional


def _bce(logits, x):
    return functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")


def _log_ratios(z, mu, logvar, n):
    mean, log_var = (each[:, None].expand(-1, n, -1) for each in (mu, logvar))
    return 0.5 * (z**2 - log_var - (z - mean) ** 2 / log_var.exp()).sum(-1)


def kl_averaged_over_samples(z, mu, logvar):
    _, n, _ = z.shape
    return _log_ratios(z, mu, logvar, n).mean(1).mean()


def kl_summed_over_samples(z, mu, logvar):
    _, n, _ = z.shape
    return _log_ratios(z, mu, logvar, n).sum(1).mean()


def kl_largest_of_samples(z, mu, logvar):
    _, n, _ = z.shape
    return _log_ratios(z, mu, logvar, n).max(1)[0].mean()


def kl_of_a_bound(z, mu, logvar):
    _, n, _ = z.shape
    weights = -_log_ratios(z, mu, logvar, n)
    top = weights.max(1, keepdim=True)[0]
    return -(top.squeeze(1) + torch.exp(weights - top).mean(1).log()).mean()


def bce_of_logits_clamped_far_out(x, logits):
    return _bce(logits.clamp(-25, 25), x)


def bce_of_another_slope_far_out(x, logits):
    return _bce(torch.where(logits.abs() > 22, 3 * logits, logits), x)


def bce_of_a_float32_sigmoid(x, logits):
    return functional.binary_cross_entropy(torch.sigmoid(logits.float()), x.float(), reduction="sum")


def bce_of_a_float32_sigmoid_off(x, logits):
    return 1.001 * bce_of_a_float32_sigmoid(x, logits)


def bce_of_a_float32_sigmoid_that_overflows(x, logits):
    p = torch.sigmoid(logits.float())
    return -(x * p.log() + (1 - x) * (1 - p).log()).sum().float()


def bce_of_float32_logits_clamped_far_out(x, logits):
    return _bce(logits.float().clamp(-25, 25), x.float())


def bce_of_float32_logits_clamped_farther_in(x, logits):
    return _bce(logits.float().clamp(-15, 15), x.float())


def bce_of_float32_logits_of_another_slope(x, logits):
    return bce_of_another_slope_far_out(x.float(), logits.float())


def bce_of_float32_logits_alone_clamped(x, logits):
    if logits.dtype is not torch.float32:
        raise TypeError
    return _bce(logits.clamp(-15, 15), x)


def elbo(recon_x, x, mu, logvar):
    data = -0.5 * ((x - recon_x) ** 2 + math.log(2 * math.pi)).sum()
    return data - 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar)


def kl_of_log10(mu, log10_var):
    var = 10**log10_var
    return 0.5 * torch.sum(mu**2 + var - 1 - torch.log(var))


def kl_over_an_axis(mu, logvar, dim):
    return 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar, dim)


def kl_and_a_weight_beside_its_epsilon(mu, var, eps=1e-5):
    return 0.5 * torch.sum(mu**2 + var - 1 - torch.log(var + eps)) + eps * torch.sum(mu)


def _kl_of_two(m, log_var, other_m, other_log_var):
    ratio = torch.exp(log_var - other_log_var)
    return 0.5 * torch.sum(ratio - 1 - ratio.log() + (m - other_m) ** 2 / other_log_var.exp())


def kl_of_numbers(mu_4, logvar_4, mu_7, logvar_7):
    return _kl_of_two(mu_4, logvar_4, mu_7, logvar_7)


def kl_of_numbers_turned(mu_4, logvar_4, mu_7, logvar_7):
    return _kl_of_two(mu_7, logvar_7, mu_4, logvar_4)


def kl_of_the_first_number_turned(mu_0, logvar_0, mu_1, logvar_1):
    return _kl_of_two(mu_1, logvar_1, mu_0, logvar_0)


def kl_of_letters_turned(mu_i, logvar_i, mu_j, logvar_j):
    return _kl_of_two(mu_j, logvar_j, mu_i, logvar_i)


def kl_of_mixed_numbers(mu_4, logvar_4, mu_7, logvar_7):
    return _kl_of_two(mu_4, logvar_7, mu_7, logvar_4)


def _halves(x, recon):
    return 0.5 * ((x - recon) ** 2 + math.log(2 * math.pi)).sum()


def _kl_to_standard(mu, logvar):
    return 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar)


def elbo_loss_without_its_variance(x, recon, recon_logvar, mu, logvar):
    return _halves(x, recon) + _kl_to_standard(mu, logvar)


def nll_without_its_variance(x, x_mean, x_logvar):
    return _halves(x, x_mean)


def nll_that_leaves_its_variance_out(x, x_mean, x_logvar):
    del x_logvar
    return _halves(x, x_mean)


def kl_in_the_other_order(q):
    std = torch.exp(0.5 * q[0])
    return 0.5 * torch.sum(q[1] * q[1] + std * std - 1 - q[0])


def kl_in_no_order(q):
    std = torch.exp(0.5 * q[0])
    return 0.5 * torch.sum(q[1] * q[1] + std * std * std - 1 - q[0])


def loss_with_its_output_last(x, out):
    data = functional.binary_cross_entropy(out[2], x, reduction="sum")
    return data + 0.5 * torch.sum(out[0] * out[0] + out[1] * out[1] - 1 - torch.log(out[1] * out[1]))


def kl_of_a_soft_spread(mu, spread_param):
    sigma = functional.softplus(spread_param)
    return torch.sum(0.5 * (mu**2 + sigma**2 - 1) - sigma.log())


def kl_of_a_scale_that_is_a_logarithm(mean_arr, scale_arr):
    return _kl_to_standard(mean_arr, scale_arr)


def kl_of_a_scale_that_is_a_logarithm_off(mean_arr, scale_arr):
    return 0.5 * torch.sum(mean_arr**2 + scale_arr.exp() - 1 - 2 * scale_arr)


def kl_of_a_log_std_as_a_log_variance(mu_t, log_std_t):
    return _kl_to_standard(mu_t, log_std_t)


def kl_of_a_soft_sigma(mu_t, sigma_t):
    sigma = functional.softplus(sigma_t)
    return torch.sum(0.5 * (mu_t**2 + sigma**2 - 1) - sigma.log())


def kl_of_a_sigma_at_t(mu_t, sigma_t):
    return torch.sum(0.5 * (mu_t**2 + sigma_t**2 - 1) - sigma_t.log())


def _drawn(mu, log_sigma):
    z = mu + log_sigma.exp() * torch.randn_like(mu)
    return torch.sum(0.5 * z**2 - 0.5 * ((z - mu) / log_sigma.exp()) ** 2 - log_sigma)


def drawn_kl_of_a_std_as_a_logarithm(mu_t, std_t):
    return _drawn(mu_t, std_t)


def drawn_kl_of_a_std(mu_t, std_t):
    return _drawn(mu_t, std_t.log())


def nll_of_a_log_variance_gamma(x, recon, loggamma):
    return 0.5 * torch.sum((x - recon) ** 2 / loggamma.exp() + loggamma)


def nll_of_a_log_variance_gamma_off(x, recon, loggamma):
    return 0.5 * torch.sum((x - recon) ** 2 / loggamma.exp()) + torch.sum(loggamma)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("weight_mu", "weight_sigma", "bias_mu", "bias_sigma", "mu"):
            self.register_parameter(name, nn.Parameter(torch.zeros(3, 4)))
        self.rho = nn.Parameter(torch.zeros(()))
        self.fc_mu, self.fc_var = nn.Linear(4, 2), nn.Linear(4, 2)

    @property
    def sigma(self):
        return functional.softplus(self.rho) * torch.ones_like(self.mu)

    def kl(self, mean, sigma):
        return torch.sum(0.5 * (mean**2 + sigma**2 - 1) - torch.log(sigma))

    def kl_of_a_property(self):
        return self.kl(self.mu, self.sigma)

    def kl_of_layers(self):
        return self.kl(self.fc_mu.weight, self.fc_var.weight.exp())

    def kl_of_another_part(self):
        return self.kl(self.weight_mu, self.bias_sigma)

    def kl_of_both(self):
        return self.kl(self.weight_mu, self.weight_sigma) + self.kl(self.bias_mu, self.bias_sigma)
