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


def of_a_graph(logits, adj, mu, logstd, n_nodes=10):
    """A size that the caller hands over divides the KL; the reconstruction is a mean over all entries."""
    kl = 0.5 * (mu**2 + (2 * logstd).exp() - 1 - 2 * logstd).sum(1).mean() / n_nodes
    return functional.binary_cross_entropy_with_logits(logits, adj) + kl


def times_its_pixels(x_hat, x, mu, log_var, input_dim=784):
    """A mean over the pixels, times how many there are."""
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()
    return functional.binary_cross_entropy(x_hat, x) * input_dim + kl


def of_a_residual(delta_mu, delta_log_var, mu, log_var):
    """q is the prior moved by delta_mu and widened by exp(delta_log_var)."""
    return 0.5 * (delta_mu**2 * (-log_var).exp() + delta_log_var.exp() - 1 - delta_log_var).flatten(1).sum(1)


def of_a_plain_pair(mu_q, logvar_q, mu_p, logvar_p):
    """The same formula of two Gaussians that are no change from each other."""
    return 0.5 * (mu_q**2 * (-logvar_p).exp() + logvar_q.exp() - 1 - logvar_q).sum(1)


def of_two_targets(y_dist, y_target, q_context, q_target):
    """Two distributions, one of them called a target; no name says which is the prior."""
    return distributions.kl_divergence(q_target, q_context).sum(-1) - y_dist.log_prob(y_target).sum(-1)


class GaussianError(nn.Module):
    """A negative log density of data, element by element."""

    def forward(self, mu, sigma, target):
        """The loss."""
        return (mu - target) ** 2 / (2 * sigma**2) + sigma.log()


def curve(x, mu, var):
    """A log density under a name that says nothing."""
    return -0.5 * ((x - mu) ** 2 / var + var.log() + 1.8378770664093453)


def averaged_and_guarded(mu, sigma):
    """Two things at once: an average over the latents, and an epsilon in the logarithm."""
    return 0.5 * (mu**2 + sigma**2 - 1 - (sigma**2 + 1e-8).log()).mean()


def weighed_and_guarded(probs, x, mu, sigma):
    """An epsilon everywhere in sigma, an epsilon beside p, and a KL that is averaged."""
    data = -(x * (probs + 1e-6).log() + (1 - x) * (1 - probs + 1e-6).log()).sum()
    return (
        data + distributions.kl_divergence(distributions.Normal(mu, sigma + 0.001), distributions.Normal(0, 1)).mean()
    )


def of_a_matrix(mu, cov):
    """The KL of a Gaussian with a full covariance."""
    trace = torch.diagonal(cov, dim1=-2, dim2=-1).sum(-1)
    return 0.5 * (trace + (mu**2).sum(-1) - mu.shape[-1] - torch.logdet(cov))


def half_an_entropy(recon_x, x, mu, logvar):
    """The ones have another function of the output than the zeros."""
    data = -(x * torch.sin(recon_x) + (1 - x) * torch.log1p(-recon_x)).sum(1)
    return data + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


class Settings(dict):
    """Settings whose attributes are their keys; an attribute that is not there is a KeyError."""

    __getattr__ = dict.__getitem__


class Weighed:
    """Weights its KL by a number of its settings."""

    def __init__(self):
        self.hparams = Settings(kl_coeff=0.1)

    def loss(self, x_hat, x, mu, logvar):
        """The loss."""
        data = functional.mse_loss(x_hat, x, reduction="none").sum(1) / 2
        return (data + self.hparams["kl_coeff"] * 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)).mean()


weighed = Weighed()


def of_lists(recon_x, x, mu, logvar):
    """The divergence of two lists of probabilities where that of a Gaussian is meant."""
    data = functional.binary_cross_entropy(recon_x, x, reduction="sum")
    return data + functional.kl_div(logvar, mu, reduction="sum")


def first_from_second(p_mean, p_std, q_mean, q_std):
    """KL(p || q), p in front."""
    ratio = (p_std / q_std) ** 2
    return 0.5 * (ratio + ((p_mean - q_mean) / q_std) ** 2 - 1 - ratio.log())


def second_from_first(q_mean, q_std, p_mean, p_std):
    """The same with q in front: the KL turned round."""
    return first_from_second(p_mean, p_std, q_mean, q_std).sum(1)


def log_liklihood(x, p_mean, p_log_var):
    """A log density under a name that holds the letters of KL; its only Gaussian is called p."""
    return (-0.5 * ((x - p_mean) ** 2 * torch.exp(-p_log_var) + p_log_var + 1.8378770664093453)).sum(1)


def epsilon_of_the_prior(mean1, log_var1, mean2, log_var2):
    """1e-10 beside the prior's variance alone."""
    ratio = (log_var1.exp() + (mean1 - mean2) ** 2) / (log_var2.exp() + 1e-10)
    return 0.5 * (log_var2 - log_var1 + ratio - 1).sum(1).mean()


def uneven_error(input, target):
    """Another weight where the data are negative."""
    return ((input - target).abs() * torch.where(target < 0, 32.0, 1.0)).mean()


def less_its_entropy(x, recon_x):
    """The entropy of the clamped data is taken off."""
    kept = x.clamp(1e-6, 1 - 1e-6)
    own = functional.binary_cross_entropy(kept, x, reduction="none")
    return (functional.binary_cross_entropy_with_logits(recon_x, x, reduction="none") - own).sum(1).mean()


def normaliser_in_digits(obs, mean):
    """log(2 pi) to eleven digits."""
    return -0.5 * ((obs - mean) ** 2 + 1.83787706641).sum(1)


def above_a_capacity(mean, logvar, c=0.5):
    """|KL - c|, c below every KL that is usual."""
    return torch.abs(0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(1).mean() - c)


def squares_per_pixel(x, x_hat, mu, log_var):
    """Both terms over all the pixels of the batch."""
    return ((x - x_hat) ** 2).sum() / x.numel() + 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum() / x.numel()


def kl_of_elements(mu_q, std_q, mu_p, std_p):
    """No KL, element by element."""
    return std_q.log() - std_p.log() + std_p**2 + (mu_q - mu_p) ** 2 / (2 * std_p**2) - 0.5
