"""Code as people publish it, in words of our own: the kinds that a fresh set of public functions brought."""

import torch
from torch import distributions, nn
from torch.nn import functional


def of_a_decoder(x, q_zx, p_xz):
    """The decoder's distribution is asked for log p(x|z)."""
    kl = distributions.kl_divergence(q_zx, distributions.Normal(0.0, 1.0)).sum(-1)
    return (kl - p_xz.log_prob(x).sum(-1)).mean()


def without_its_kl(x, z, prior, p_x_z, q_z):
    """The KL is computed and left out; the decoder's mean alone is used."""
    prior = distributions.Normal(torch.zeros_like(q_z.loc), torch.ones_like(q_z.scale))
    kl = distributions.kl_divergence(q_z, prior).sum()
    loss = functional.mse_loss(p_x_z.mean, x)
    return loss, kl


def of_string_keys(codes, target):
    """A record by its keys, and a target that is not used."""
    mean, log_var = codes["mu"], codes["log_var"]
    return (0.5 * (mean**2 + log_var.exp() - 1 - log_var)).sum(1).mean()


def log_normal_of_elements(sample, mean, logvar):
    """One value per element."""
    return -0.5 * (1.8378770664093453 + logvar + (sample - mean) ** 2 * torch.exp(-logvar))


def log_normal_misnamed(x, mu, logvar):
    """What is called a log variance is used as log sigma."""
    return (-0.5 * ((x - mu) / logvar.exp()) ** 2 - logvar - 0.9189385332046727).sum(-1)


def to_a_moved_prior(mean, log_std, prior_mean):
    """KL to N(prior_mean, I)."""
    return 0.5 * ((mean - prior_mean) ** 2 + (2 * log_std).exp() - 2 * log_std - 1).sum(-1)


def between_two_times(out):
    """Two Gaussians, neither of them called a prior."""
    now, ahead = out["present_mu"], out["future_mu"]
    now_log, ahead_log = out["present_log_sigma"], out["future_log_sigma"]
    ratio = ((2 * ahead_log).exp() + (ahead - now) ** 2) * 0.5 * (-2 * now_log).exp()
    return (now_log - ahead_log + ratio - 0.5).sum(-1).mean()


def noisy_squares(x, x_recon, logstd_noise):
    """The decoder's own deviation, under a name that starts with it."""
    return ((x - x_recon) ** 2 / (2 * (2 * logstd_noise).exp()) + logstd_noise).sum(1)


def of_a_log_likelihood(log_px_given_z, mu, logvar):
    """The log likelihood comes in; a record for the log beside the loss."""
    elbo = log_px_given_z - 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)
    return -elbo.mean(), {"elbo": elbo.mean().detach()}


def entropy_of_logits(logits, x, mu, logvar):
    """Probabilities that are called logits: it raises for logits."""
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()
    return functional.binary_cross_entropy(logits, x, reduction="sum") + kl


def with_tiny_epsilons(mu_q, std_q, mu_p, std_p):
    """1e-16 in both variances."""
    one, other = std_q**2 + 1e-16, std_p**2 + 1e-16
    return 0.5 * (one / other + (mu_q - mu_p) ** 2 / other + torch.log(other / one) - 1).sum(-1)


def of_signals(recon_x, x, mu, logvar):
    """Data of shape (batch, 1, 48); a flat reconstruction would be broadcast."""
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()
    return (recon_x - x.view(-1, 1, 48)).abs().sum() + 4 * kl


def with_a_switch(x, probs, mu, logvar, use_bce):
    """A word of command that has no default."""
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()
    data = functional.binary_cross_entropy(probs, x, reduction="sum") if use_bce else (x - probs).pow(2).sum() / 2
    return data + kl


class OfRecords(nn.Module):
    """Two records, the second with None for its default."""

    def forward(self, outputs, batch_record=None):
        """The loss."""
        mu, log_var = outputs["mu"], outputs["log_var"]
        kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum()
        return functional.binary_cross_entropy(outputs["pred_pose"], batch_record["target_pose"], reduction="sum") + kl
