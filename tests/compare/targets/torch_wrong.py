"""The commonest mistakes, in torch."""

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch.distributions import Normal


def kl_latent_mean(mu, logvar):
    return torch.mean(-0.5 * (1 + logvar - mu**2 - logvar.exp()), dim=1)


def kl_mean(mu, logvar):
    return -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())


def kl_sign(mu, logvar):
    return 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), 1)


def kl_without_half(mu, logvar):
    return -torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), 1)


def kl_third(mu, logvar):
    return -0.3 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), 1)


def kl_log_var_as_log_sigma(mu, log_var):
    return 0.5 * (mu**2 + torch.exp(2 * log_var) - 1 - 2 * log_var).sum(-1)


def kl_offset(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), 1) + 1.5


def kl_fixed_batch(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / 128


def kl_clamped(mu, logvar):
    logvar = logvar.clamp(-10, 10)
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), 1)


def kl_detached_log_var(mu, logvar):
    logvar = logvar.detach()
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), 1)


def kl_no_grad(mu, logvar):
    with torch.no_grad():
        return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), 1)


def kl_one_sided_constant(z, mean, log_var):
    log_q = -0.5 * (1.8378770664093453 + log_var + (z - mean) ** 2 / log_var.exp()).sum(-1)
    return log_q + 0.5 * (z**2).sum(-1)


def kl_half_missing(z, mean, log_var):
    log_q = -0.5 * (log_var + 2 * (z - mean) ** 2 / log_var.exp()).sum(-1)
    return log_q + 0.5 * (z**2).sum(-1)


def k2(z, mean, log_var):
    log_q = -0.5 * (log_var + (z - mean) ** 2 / log_var.exp()).sum(-1)
    return 0.5 * (log_q + 0.5 * (z**2).sum(-1)) ** 2


def kl_detached_z(z, mean, log_var):
    z = z.detach()
    return (0.5 * z**2 - 0.5 * (z - mean) ** 2 / log_var.exp() - 0.5 * log_var).sum(-1)


def kl_unexplained(mu, logvar):
    return torch.sum(torch.sin(mu) ** 2 + torch.cosh(logvar), 1)


def loss_mean_and_sum(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x)
    return bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def loss_mean_and_mean(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x, reduction="mean")
    return bce + torch.mean(-0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp(), dim=1))


def loss_squared_error(recon_x, x, mu, logvar):
    mse = F.mse_loss(recon_x, x, reduction="sum")
    return mse - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def loss_latent_mean(logits, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    return bce - 0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp(), -1)


def loss_beta(logits, x, mu, logvar, beta=3.0):
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    return bce - beta * 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def loss_normal_without_constant(x, x_mean, mu, logvar):
    nll = 0.5 * ((x - x_mean) ** 2).sum(-1)
    return nll - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), -1)


def loss_tuple(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    kld = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld, bce, kld


def loss_terms_reduced_differently(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    kld = torch.mean(-0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), 1))
    return {"bce": bce, "kld": kld}


def loss_broadcast(x, logits, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), 1, keepdim=True)
    return (bce + kld).sum()


def loss(x, logits, z, mean, log_var):
    """An ELBO under a loss's name: minimising it maximises the KL."""
    nll = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    log_q = -0.5 * (log_var + (z - mean) ** 2 / log_var.exp()).sum(-1)
    return -(nll + log_q + 0.5 * (z**2).sum(-1))


def drawn_without_gradient(mu, std):
    q = Normal(mu, std)
    z = q.sample()
    return (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


def drawn_with_variance(mu, logvar):
    z = mu + torch.exp(logvar) * torch.randn_like(mu)
    log_q = -0.5 * (logvar + (z - mu) ** 2 / logvar.exp()).sum(-1)
    return (log_q + 0.5 * (z**2).sum(-1)).mean()


def drawn_latent_mean(mu, std):
    q = Normal(mu, std)
    z = q.rsample()
    return (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).mean()


def drawn_shared_noise(mu, std):
    z = mu + std * torch.randn(mu.shape[-1], dtype=mu.dtype)
    return (Normal(mu, std).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


def drawn_shared_noise_scalar(mu, std):
    z = mu + std * torch.randn(mu.shape[-1], dtype=mu.dtype)
    return (Normal(mu, std).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1).mean()
