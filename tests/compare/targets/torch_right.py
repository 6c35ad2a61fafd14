"""Right functions as people write them in torch."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch.distributions import Normal, kl_divergence


def kl(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def kl_batch_mean(mu, logvar):
    return torch.mean(-0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp(), dim=1), dim=0)


def kl_of_sigma(z_mean, sigma):
    return 0.5 * (z_mean**2 + sigma**2 - 1 - 2 * torch.log(sigma)).sum(-1)


def kl_of_log_std(q_mu, logstd):
    return (0.5 * (q_mu**2 + torch.exp(2 * logstd) - 1) - logstd).sum(dim=-1, keepdim=True)


def kl_of_variance(mean, variance):
    return 0.5 * (mean**2 + variance - 1 - variance.log()).sum(-1)


def kl_library(loc, scale):
    return kl_divergence(Normal(loc, scale), Normal(torch.zeros_like(loc), torch.ones_like(scale)))


def sampled_kl(z, mean, log_var):
    log_q = -0.5 * torch.sum(log_var + (z - mean) ** 2 / torch.exp(log_var), 1)
    log_p = -0.5 * torch.sum(z**2, 1)
    return -(log_p - log_q)


def sampled_kl_float32(z, mean, log_var):
    z, mean, log_var = z.float(), mean.float(), log_var.float()
    return (0.5 * z**2 - 0.5 * (z - mean) ** 2 * torch.exp(-log_var) - 0.5 * log_var).sum(-1)


def loss_function(recon_x, x, mu, logvar):
    """The example of pytorch/examples/vae."""
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def loss_images(x_hat, x, mu, log_var):
    bce = F.binary_cross_entropy(x_hat, x, reduction="none").sum(dim=[1, 2, 3])
    return (bce - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1)).mean()


def loss_tuple(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld, bce, kld


def loss_dict(x, logits, z, mu, std):
    q, p = Normal(mu, std), Normal(0.0, 1.0)
    kl_term = (q.log_prob(z) - p.log_prob(z)).sum(1).mean()
    nll = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
    return {"loss": nll + kl_term, "nll": nll.detach(), "kl": kl_term.detach(), "z": z}


class Terms(NamedTuple):
    reconstruction: torch.Tensor
    kl: torch.Tensor


def loss_terms(x, x_mean, mu, log_var):
    reconstruction = -Normal(x_mean, 1.0).log_prob(x).sum(1)
    return Terms(reconstruction, 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1))


def elbo(x, logits, z, mean, log_var):
    log_likelihood = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    return log_likelihood - sampled_kl(z, mean, log_var)


def log_weight(x, logits, z, mean, log_var):
    return elbo(x, logits, z, mean, log_var)


def sticking_the_landing(z, mean, log_var):
    mean, log_var = mean.detach(), log_var.detach()
    return sampled_kl(z, mean, log_var)


def drawn_kl(mu, std):
    q = Normal(mu, std)
    z = q.rsample()
    return (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


def drawn_k3(mu, std):
    """Unbiased like log q - log p, of another variance."""
    q, p = Normal(mu, std), Normal(0.0, 1.0)
    z = q.rsample()
    log_ratio = p.log_prob(z) - q.log_prob(z)
    return (log_ratio.exp() - 1 - log_ratio).sum(-1).mean()


def drawn_cross_entropy(mu, std):
    """The entropy of q in closed form, the rest sampled."""
    q = Normal(mu, std)
    return -(q.entropy() + Normal(0.0, 1.0).log_prob(q.rsample())).sum(-1)


def drawn_noisy(mu, std):
    """Unbiased, of a hundred times the standard deviation: 0.05 standard deviations of log q - log p are too fine."""
    return drawn_kl(mu, std).mean() + 100 * torch.randn(len(mu), dtype=mu.dtype).mean()


def drawn_loss(x, logits, mu, logvar, generator):
    noise = torch.randn(mu.shape, generator=generator, dtype=mu.dtype)
    z = mu + torch.exp(0.5 * logvar) * noise
    nll = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    return (nll + sampled_kl(z, mu, logvar).sum()) / len(x)


def printing(mu, logvar):
    print("mu", mu.mean())
    return kl(mu, logvar)


class Criterion:
    def __init__(self, beta):
        self.beta = beta

    def __call__(self, mu, logvar, unused=None):
        return self.beta * kl(mu, logvar)


criterion = Criterion(1.0)
