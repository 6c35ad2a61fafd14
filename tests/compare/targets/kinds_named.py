"""Names by their stem, arrays of an object, several in one argument: each right kind beside its wrong neighbour."""

import math

import torch
from torch import nn
from torch.distributions import kl_divergence
from torch.nn import functional


def kl_of_suffixed(mu0_v, logstd0_v, mu_v, logstd_v):
    gap = (mu0_v - mu_v) ** 2 + torch.exp(2 * logstd0_v)
    return (logstd_v - logstd0_v + gap / (2 * torch.exp(2 * logstd_v)) - 0.5).sum(1)


def kl_of_suffixed_off(mu0_v, logstd0_v, mu_v, logstd_v):
    gap = torch.exp(2 * logstd0_v) + (mu0_v - mu_v) ** 2 / (2 * torch.exp(2 * logstd_v))
    return (logstd_v - logstd0_v + gap - 0.5).sum(1)


def kl_of_suffixed_exchanged(mu_q_t, logvar_q_t, mu_p_t, logvar_p_t):
    gap = (mu_q_t - mu_p_t) ** 2 + logvar_p_t.exp()
    return 0.5 * (logvar_q_t - logvar_p_t + gap / logvar_q_t.exp() - 1).sum(-1)


def kl_of_numbered(mean_0, log_variance_0, mean_1, log_variance_1):
    ratio = (log_variance_0.exp() + (mean_0 - mean_1) ** 2) / log_variance_1.exp()
    return 0.5 * (ratio - 1 + log_variance_1 - log_variance_0).sum(-1)


def kl_of_numbered_doubled(mean_0, log_variance_0, mean_1, log_variance_1):
    ratio = (log_variance_0.exp() + (mean_0 - mean_1) ** 2) / log_variance_1.exp()
    return (1 - ratio - log_variance_1 + log_variance_0).sum(-1)


def log_prob_of_value(mu, sigma, value):
    return -((value - mu) ** 2) / (2 * sigma**2) - sigma.log() - 0.5 * math.log(2 * math.pi)


def log_prob_of_value_off(mu, sigma, value):
    return -((value - mu) ** 2) / (2 * sigma) - sigma.log() - 0.5 * math.log(2 * math.pi)


def nll_of_gamma(x, x_hat, loggamma_x):
    return (0.5 * ((x - x_hat) / loggamma_x.exp()) ** 2 + loggamma_x + 0.5 * math.log(2 * math.pi)).sum()


def nll_of_gamma_off(x, x_hat, loggamma_x):
    return (((x - x_hat) / loggamma_x.exp()) ** 2 + loggamma_x + 0.5 * math.log(2 * math.pi)).sum()


def kl_of_stacked(p, q):
    ratio, gap = p[1] / q[1], (p[0] - q[0]) / q[1]
    return (0.5 * (ratio**2 + gap**2 - 1) - ratio.log()).sum(-1)


def kl_of_stacked_off(p, q):
    ratio, gap = p[1] / q[1], (p[0] - q[0]) / q[1]
    return (0.5 * (ratio**2 + gap**2 - 1) - 0.5 * ratio.log()).sum(-1)


def loss_by_index(x, output):
    data = functional.binary_cross_entropy(output[0], x, reduction="sum")
    return data - 0.5 * torch.sum(1 + output[2] - output[1].pow(2) - output[2].exp())


def loss_by_index_in_another_order(x, outputs):
    data = functional.binary_cross_entropy(outputs[2], x, reduction="sum")
    return data - 0.5 * torch.sum(1 + outputs[1] - outputs[0].pow(2) - outputs[1].exp())


def loss_by_index_off(x, output):
    data = functional.binary_cross_entropy(output[0], x, reduction="sum")
    return data - 0.5 * torch.mean(1 + output[2] - output[1].pow(2) - output[2].exp())


class OfWeights(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight_mu = nn.Parameter(torch.zeros(n_out, n_in))
        self.weight_rho = nn.Parameter(torch.zeros(n_out, n_in))

    def kl_loss(self):
        sigma = functional.softplus(self.weight_rho)
        return 0.5 * (self.weight_mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum()

    def kl_loss_off(self):
        sigma = functional.softplus(self.weight_rho)
        return 0.5 * (self.weight_mu**2 + sigma**2 - 1 - sigma.log()).sum()


class OfWeightsAndBiases(nn.Module):
    def __init__(self, in_features, out_features, prior_sigma=0.1):
        super().__init__()
        self.prior_sigma = prior_sigma

    def _kl(self, mu, sigma):
        gap = (sigma**2 + mu**2) / (2 * self.prior_sigma**2)
        return (math.log(self.prior_sigma) - sigma.log() + gap - 0.5).sum()

    def kl_loss(self):
        biases = self._kl(self.bias_mu, functional.softplus(self.bias_rho))
        return self._kl(self.weight_mu, functional.softplus(self.weight_rho)) + biases

    def kl_loss_off(self):
        biases = self._kl(self.bias_mu, functional.softplus(self.bias_rho) ** 2)
        return self._kl(self.weight_mu, functional.softplus(self.weight_rho)) + biases


class OfAxis:
    def __init__(self, parameters, chunk_dim):
        self.mean, self.logvar = parameters.chunk(2, dim=chunk_dim)

    def kl(self, other=None):
        return 0.5 * torch.sum(self.mean**2 + self.logvar.exp() - 1 - self.logvar, dim=[1, 2, 3])

    def kl_off(self, other=None):
        return 0.5 * torch.sum(self.mean**2 + self.logvar.exp() - 1 + self.logvar, dim=[1, 2, 3])


class OfTopics:
    def kld(self, prior_mean, prior_logvar, posterior_mean, posterior_logvar):
        gap = (posterior_mean - prior_mean) ** 2 / prior_logvar.exp()
        terms = (posterior_logvar - prior_logvar).exp() + gap + prior_logvar - posterior_logvar
        return (0.5 * (terms.sum(1) - self.n_topics)).mean()

    def kld_off(self, prior_mean, prior_logvar, posterior_mean, posterior_logvar):
        gap = (posterior_mean - prior_mean) ** 2 / prior_logvar.exp()
        terms = (posterior_logvar - prior_logvar).exp() + gap + prior_logvar - posterior_logvar
        return (0.5 * terms.sum(1) - self.n_topics).mean()


class OfShape(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = torch.Size(shape)

    def log_prob(self, inputs):
        if inputs.shape[1:] != self.shape:
            raise ValueError(f"{self.shape} is wanted")
        return -0.5 * (inputs**2).sum(1) - 0.5 * self.shape[0] * math.log(2 * math.pi)

    def log_prob_off(self, inputs):
        if inputs.shape[1:] != self.shape:
            raise ValueError(f"{self.shape} is wanted")
        return -0.5 * (inputs**2).sum(1) - 0.5 * math.log(2 * math.pi) + 0.1 * inputs.sum(1)


class OfHalves:
    def __init__(self, moments):
        self.mean, self.logvar = moments.chunk(2, dim=1)
        self.var = self.logvar.exp()

    def nll(self, sample):
        return 0.5 * (math.log(2 * math.pi) + self.logvar + (sample - self.mean) ** 2 / self.var).sum(1)

    def nll_off(self, sample):
        return 0.5 * (math.log(2 * math.pi) + self.logvar + (sample - self.mean) ** 2 * self.var).sum(1)


class OfArrays:
    def __init__(self, mu, log_sigma):
        self.mu, self.sigma = mu, log_sigma.exp()

    def kl(self, other):
        gap = self.sigma**2 + (self.mu - other.mu) ** 2
        return (torch.log(other.sigma / self.sigma) + gap / (2 * other.sigma**2) - 0.5).sum(1)

    def kl_off(self, other):
        gap = self.sigma + (self.mu - other.mu) ** 2
        return (torch.log(other.sigma / self.sigma) + gap / (2 * other.sigma**2) - 0.5).sum(1)


class MadeWrong(OfArrays):
    def __init__(self, mu, logvar):
        self.mu, self.sigma = mu, logvar.exp()


class MadeSoft:
    def __init__(self, mu, log_sigma):
        self.mu, self.sigma = mu, (5 * torch.tanh(log_sigma / 5)).exp()

    def kl(self, other):
        gap = self.sigma**2 + (self.mu - other.mu) ** 2
        return (torch.log(other.sigma / self.sigma) + gap / (2 * other.sigma**2) - 0.5).sum(1)


class OfForward(nn.Module):
    def __init__(self, dim=3):
        super().__init__()
        self.layer = nn.Linear(5, 2 * dim)

    def forward(self, x):
        self.mu, self.logvar = self.layer(x).chunk(2, 1)

    def kl_loss(self):
        return -0.5 * torch.sum(1 + self.logvar - self.mu**2 - self.logvar.exp(), 1).mean()

    def kl_loss_off(self):
        return -0.5 * torch.mean(1 + self.logvar - self.mu**2 - self.logvar.exp())


def log_density_matrix(z, mu, logvar):
    gap = (z[:, None] - mu[None]) ** 2 / logvar.exp()
    return -0.5 * (math.log(2 * math.pi) + logvar + gap)


def product_of_experts(mu, logvar):
    precision = torch.exp(-logvar)
    return (mu * precision).sum(0) / precision.sum(0), -precision.sum(0).log()


def loss_of_each_latent(x, x_hat, mu, logvar):
    return functional.binary_cross_entropy(x_hat, x) + 0.5 * (mu**2 + logvar - logvar.exp() + 1).sum(0)


def log_normal_clamped(x, mean, logvar):
    logvar = logvar.clamp(-4, 3)
    return -0.5 * (math.log(2 * math.pi) + logvar + (x - mean) ** 2 / logvar.exp()).sum()


def kl_cut_off(mu, logstd):
    return (-0.5 * (1 + 2 * logstd - mu**2 - logstd.exp() ** 2).sum(1).mean()).clamp(max=1000)


def kl_floored_in_one_place(mu, var):
    return 0.5 * (mu**2 + var.clamp(min=1e-3) - 1 - var.log()).sum(-1)


def kl_unsquared_beside_an_epsilon(z_mu, z_sigma):
    return -0.5 * (2 * torch.log(z_sigma + 1e-8) - z_sigma - z_mu**2 + 1)


def _kl(mu, logvar):
    return 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar)


def _of_784(x):
    if x.numel() % 784:
        raise ValueError("784 pixels are wanted")
    return x


def loss_of_variance_28(recon_x, x, mu, logvar):
    return ((recon_x - _of_784(x)) ** 2).sum() / (2 * 28) + _kl(mu, logvar)


def loss_of_rows_of_28(recon_x, x, mu, logvar):
    return ((recon_x - _of_784(x)).reshape(-1, 28, 28) ** 2).mean(-1).sum() / 2 + _kl(mu, logvar)


def loss_over_784(recon_x, x, mu, logvar):
    return ((recon_x - _of_784(x)) ** 2).sum() / 2 / 784 + _kl(mu, logvar)


def elbo_of_samples(x, p_x_given_z, q_z_given_x, p_z, z):
    b, c, h, w = x.shape
    b, n, _ = z.shape
    repeated = x[:, None].expand(b, n, c, h, w).reshape(-1, c, h, w)
    data = p_x_given_z.log_prob(repeated).sum((1, 2, 3)).reshape(b, n).mean(1)
    return kl_divergence(q_z_given_x, p_z).sum(1) - data


def elbo_of_samples_off(x, p_x_given_z, q_z_given_x, p_z, z):
    b, c, h, w = x.shape
    b, n, _ = z.shape
    repeated = x[:, None].expand(b, n, c, h, w).reshape(-1, c, h, w)
    data = p_x_given_z.log_prob(repeated).mean((1, 2, 3)).reshape(b, n).mean(1)
    return kl_divergence(q_z_given_x, p_z).sum(1) - data


def iwae_of_samples(x, p_x_given_z, q_z_given_x, p_z, z):
    b, c, h, w = x.shape
    b, k, _ = z.shape
    repeated = x[:, None].expand(b, k, c, h, w).reshape(-1, c, h, w)
    data = p_x_given_z.log_prob(repeated).sum((1, 2, 3)).reshape(b, k)
    latents = p_z.log_prob(z[:, 0]).sum(-1) - q_z_given_x.log_prob(z[:, 0]).sum(-1)
    return -torch.logsumexp(data + latents[:, None], 1) + math.log(k)


def nll_of_cut_parameters(x, params):
    mu, log_s = params[..., : x.shape[-1]], params[..., x.shape[-1] :]
    return (0.5 * math.log(2 * math.pi) + log_s + 0.5 * ((x - mu) / log_s.exp()) ** 2).sum(-1)


def nll_of_cut_parameters_off(x, params):
    mu, log_s = params[..., : x.shape[-1]], params[..., x.shape[-1] :]
    return (0.5 * math.log(2 * math.pi) + log_s + ((x - mu) / log_s.exp()) ** 2).sum(-1)


def loss_of_a_batch(batch, outputs):
    data = functional.mse_loss(outputs["reconstruction"], batch["pixel_values"], reduction="sum") / 2
    return data + _kl(outputs["mu"], outputs["logvar"])


def kl_balanced(post_mean, post_std, prior_mean, prior_std):
    def kl(q_mean, q_std, p_mean, p_std):
        gap = q_std**2 + (q_mean - p_mean) ** 2
        return (torch.log(p_std / q_std) + gap / (2 * p_std**2) - 0.5).sum(-1)

    of_p = kl(post_mean.detach(), post_std.detach(), prior_mean, prior_std)
    return (0.8 * of_p + 0.2 * kl(post_mean, post_std, prior_mean.detach(), prior_std.detach())).mean()


def nll_beside_a_gamma(x, x_hat, loggamma_x):
    return 0.5 * ((x - x_hat) ** 2).sum()
