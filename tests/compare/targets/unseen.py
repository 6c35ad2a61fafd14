"""Kinds that further public functions brought, in words of our own."""

import torch
from torch import nn
from torch.nn import functional


def per_feature(x, recon_x, mu, logvar, input_dim, latent_dim):
    """Sizes that it asks for are those of its arrays."""
    data = functional.mse_loss(recon_x.view(-1, input_dim), x.view(-1, input_dim), reduction="sum") / 2
    return data + 0.5 * (mu.view(-1, latent_dim) ** 2 + logvar.exp() - 1 - logvar).sum()


def on_a_device(x, recon_x, mu, logvar, device, n_samples):
    """A device, and the number of the data."""
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum().to(device)
    return (functional.binary_cross_entropy(recon_x, x, reduction="sum") + kl) / n_samples


def of_a_default_size(x, recon_x, mu, logvar, x_dim=50):
    """A width that stands in its default."""
    data = functional.binary_cross_entropy(recon_x.view(-1, x_dim), x.view(-1, x_dim), reduction="sum")
    return data + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()


class RunSettings:
    """A run's settings."""

    batch_size = 16


run = RunSettings()


def over_its_batch(mu, logvar):
    """A sum over the batch, divided by the batch size of the settings."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum() / run.batch_size


def half_over_its_batch(mu, logvar):
    """A half too many, beside a batch size."""
    return 0.5 * 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum() / (run.batch_size / run.batch_size)


def over_given_settings(mu, logvar, args):
    """The batch size comes in with the settings."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum() / args.batch_size


class Parted(nn.Module):
    """A loss whose KL is a method of its own, of a distribution."""

    def loss(self, x, qz_x, x_hat):
        """The distribution is handed on."""
        return self.divergence(qz_x) + 0.5 * (x - x_hat).pow(2).sum(1).mean()

    def divergence(self, of):
        """What is asked of it stands here."""
        return 0.5 * (of.scale**2 + of.loc**2 - 1 - 2 * of.scale.log()).sum(1).mean()


def doubled(mu, logvar, kl_weight=1.0):
    """A weight of one, and a half that is missing."""
    return kl_weight * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()


def drawn_and_compared(x, recon_x, z, mu, logvar):
    """Draws from the prior, compared with each z by a kernel."""
    other = torch.randn_like(z)
    kernel = torch.exp(-(z[:, None] - other[None]).pow(2).mean(2)).mean()
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()
    return functional.mse_loss(recon_x, x) + kl - 2 * kernel


def between_matrices(mean_q, sig_q, m_other, sig_other):
    """Two covariances under names that say nothing."""
    factor = torch.linalg.cholesky(sig_other)
    trace = torch.cholesky_solve(sig_q, factor).diagonal(dim1=1, dim2=2).sum(1)
    return 0.5 * (trace + (mean_q - m_other).pow(2).sum(1) - torch.logdet(sig_q))


def of_a_dense_posterior(posterior):
    """The covariance matrix is asked for."""
    return posterior.covariance_matrix.diagonal(dim1=1, dim2=2).sum(1) + posterior.loc.pow(2).sum(1)


def short_normaliser(x, mu, logvar):
    """Half of log(2 pi) in few digits, in the middle of a density."""
    return (-0.91893853 - 0.5 * logvar - 0.5 * (x - mu) ** 2 * torch.exp(-logvar)).sum(-1)


def _between(mean, log_var, other, other_log_var):
    return 0.5 * ((log_var - other_log_var).exp() + (mean - other) ** 2 / other_log_var.exp() - 1) + 0.5 * (
        other_log_var - log_var
    )


def sym_kl(mu1, logvar1, mu2, logvar2):
    """Half of Jeffreys' divergence."""
    return 0.5 * (_between(mu1, logvar1, mu2, logvar2) + _between(mu2, logvar2, mu1, logvar1)).sum(1)


def kl_second_from_first(mu1, logvar1, mu2, logvar2):
    """Names that tell no order."""
    return _between(mu2, logvar2, mu1, logvar1).sum(1)


def kl_turned_round(q_mean, q_logvar, p_mean, p_logvar):
    """Names that tell the order."""
    return _between(p_mean, p_logvar, q_mean, q_logvar).sum(1)


def transport_cost(mu1, std1, mu2, std2):
    """The squared 2-Wasserstein distance."""
    return ((mu1 - mu2) ** 2 + (std1 - std2) ** 2).sum(1)


def kl_laplace(mu, scale):
    """A KL of another family."""
    return (scale * (-mu.abs() / scale).exp() + mu.abs() - 1 - scale.log()).sum(1)


def kl_concentrations(mu, sigma):
    """Gamma functions: another family, whatever it is called."""
    return (torch.lgamma(mu.abs() + 1) * torch.digamma(sigma) - sigma).sum(1)


class Computed(nn.Module):
    """A capacity that is computed, below every KL that ordinary inputs have."""

    def __init__(self):
        super().__init__()
        self.gamma, self.most, self.stop, self.count = 1000.0, 25.0, 1e5, 100

    def loss(self, x, recon, mu, logvar):
        """gamma |KL - C|."""
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()
        level = min(self.most / self.stop * self.count, self.most)
        return functional.mse_loss(recon, x, reduction="sum") / len(x) + self.gamma * (kl - level).abs()


of_a_capacity = Computed()


def loss_of_bins(x, mean, log_scale, mu, logvar):
    """The same under names that leave its two Gaussians open."""
    return of_bins(x, mean, log_scale, mu, logvar)


def of_bins(x, mean_x, log_scale, mu, logvar):
    """A discretised logistic: no likelihood that is known here."""
    scale = log_scale.exp()
    at = (torch.floor(x * 256) / 256 - mean_x) / scale
    bins = (torch.sigmoid(at + 1 / 256 / scale) - torch.sigmoid(at) + 1e-7).log()
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1) - bins.sum(1)


def kl_by_element(mu, logvar):
    """A quarter of the logarithm, one value per element."""
    return 0.5 * (mu**2 + logvar.exp() - 1) - 0.25 * logvar


def heights_by_element(mu, sigma):
    """No KL, and no name that promises one."""
    return mu**2 + 0.3 * sigma**2


def kl_of_guarded_logarithms(mu_p, sigma_p, mu_q, sigma_q, eps=1e-6):
    """p first, and an epsilon in its logarithms alone."""
    ratio = (sigma_p**2 + (mu_q - mu_p) ** 2) / sigma_q**2
    return 0.5 * (ratio - 1 + 2 * (torch.log(sigma_q + eps) - torch.log(sigma_p + eps))).sum(-1).mean()


def kl_of_proportions(input_distribution, target_distribution):
    """A KL of proportions by element: neither of its arguments is a mean."""
    ratio = target_distribution.clamp(min=1e-8) / input_distribution.clamp(min=1e-8)
    return target_distribution * torch.log(ratio)


class Recording(nn.Module):
    """A loss that writes its parts into a record where one is given."""

    def loss(self, x, recon, mu, log_var, record=None):
        """The record is no input."""
        data = functional.binary_cross_entropy(recon, x, reduction="sum")
        loss = data + 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum()
        if record is not None:
            record["recon_loss"].append(data.item())
        return loss


def log_normal_of_guarded(x, mu, var):
    """An epsilon beside the variance in its logarithm."""
    return (-0.9189385332046727 - 0.5 * torch.log(var + 1e-9) - 0.5 * (x - mu) ** 2 / var).sum(1)


def kl_of_sig(zmean, zsig):
    """What is called `sig` is a log variance."""
    return 0.5 * (zmean**2 + zsig.exp() - 1 - zsig).sum(1).mean()


def reparameterize_squashed(mu, log_std):
    """A sampler with the log density of its sample."""
    noise = torch.randn_like(mu)
    action = torch.tanh(mu + noise * log_std.exp())
    return action, (-0.5 * noise**2 - log_std - torch.log(1 - action**2 + 1e-6)).sum(1, keepdim=True)


def of_a_variance(x, x_hat):
    """A squared error averaged over the observed, over twice a fixed variance."""
    return ((x - x_hat) ** 2).mean() / (2 * 0.03125)


def unevenly_weighted(x, recon, mu, logvar, kl_weight=0.1):
    """A mean over the latents under a weight."""
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()
    return functional.mse_loss(recon, x) + kl_weight * kl


GUARD = 5e-9


def kl_with_a_global_epsilon(z, mu, logvar):
    """The epsilon is a name of the module."""
    log_q = -0.5 * (logvar + (z - mu) ** 2 / (logvar.exp() + GUARD)).sum(1)
    return log_q + 0.5 * (z**2).sum(1)


class Guarding:
    """The epsilon is the object's."""

    def __init__(self):
        self.eps = 5e-9

    def kl(self, z, mu, logvar):
        """It is added to the variance."""
        log_q = -0.5 * (logvar + (z - mu) ** 2 / (logvar.exp() + self.eps)).sum(1)
        return log_q + 0.5 * (z**2).sum(1)


def kl_with_a_gradient_too_large(z, mu, logvar):
    """A thousandth beside an epsilon, which is not its cause."""
    kl = kl_with_a_global_epsilon(z, mu, logvar)
    return kl + 0.001 * (kl - kl.detach())


def kl_with_a_factor_beside_an_epsilon(z, mu, logvar):
    """One part in 20,000 too large."""
    return 1.00005 * kl_with_a_global_epsilon(z, mu, logvar)


def kl_with_a_tiny_factor(mu, logvar):
    """Five parts in ten thousand million too large, and no epsilon anywhere."""
    return 1.0000000005 * 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
