"""More kinds of published functions, in few lines of our own: how arrays are handed over, what draws, log densities."""

import torch
from torch import nn
from torch.distributions import kl_divergence
from torch.nn import functional

# What a loss is handed in other ways.


class Annealed(nn.Module):
    """Everything in one tuple of `*args`."""

    def forward(self, *args):
        """Taken apart by two indices."""
        recons = args[0][0]
        target = args[0][1]
        mu = args[0][2]
        log_var = args[0][3]
        kl = 0.5 * torch.sum(mu**2 + log_var.exp() - 1 - log_var)
        return functional.mse_loss(recons, target, reduction="sum") / 2 + kl


of_one_tuple = Annealed()


def of_a_weight_by_key(recon_x, x, mu, logvar, **kwargs):
    """The body calls it a weight."""
    kl_weight = kwargs["M_N"]
    kl = 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar)
    return functional.mse_loss(recon_x, x, reduction="sum") / 2 + kl_weight * kl


def kl_first_from_second(p_mu, p_logstd, q_mu, q_logstd):
    """KL(p || q), p in front, averaged over the latents too."""
    ratio = (p_logstd.exp() ** 2 + (p_mu - q_mu) ** 2) / (2 * q_logstd.exp() ** 2)
    return (q_logstd - p_logstd + ratio - 0.5).mean()


def of_windows(d, q, x):
    """A Gaussian decoder; latents for each step, summed over the last two axes."""
    standard = torch.distributions.Normal(torch.tensor(0.0), torch.tensor(1.0))
    return -d.log_prob(x).sum(-1).mean(0) + kl_divergence(q, standard).sum(dim=[-2, -1]).mean(0)


def of_windows_off(d, q, x):
    """Half of that KL."""
    standard = torch.distributions.Normal(torch.tensor(0.0), torch.tensor(1.0))
    return -d.log_prob(x).sum(-1).mean(0) - 0.5 * kl_divergence(q, standard).sum(dim=[-2, -1]).mean(0)


def saturating(res, img):
    """Logits of a record that are squashed first: what is off is at its edge."""
    bce = functional.binary_cross_entropy(torch.sigmoid(res.x), img, reduction="sum")
    return bce + 0.5 * torch.sum(res.mu**2 + res.logvar.exp() - 1 - res.logvar)


def drawn_of_a_misnamed_spread(mu, sigma):
    """It draws, and its sigma is a log variance."""
    std = torch.exp(sigma / 2)
    z = mu + std * torch.randn_like(mu)
    return (0.5 * z**2 - 0.5 * ((z - mu) / std) ** 2 - torch.log(std)).sum(1)


def drawn_of_either_spread(mu, var):
    """It draws, and a variance's name may stand for its logarithm."""
    z = mu + torch.exp(var / 2) * torch.randn_like(mu)
    return (0.5 * z**2 - 0.5 * (z - mu) ** 2 / torch.exp(var) - var / 2).sum(1)


def drawn_of_two_spreads(mu, sigma):
    """It draws with one spread and judges by another."""
    z = mu + sigma * torch.randn_like(mu)
    return (0.5 * z**2 - 0.5 * (z - mu) ** 2 / torch.exp(sigma) - sigma / 2).sum(1)


# Log densities that are none.


def gaussian_nll_of_means(y, mu, sigma):
    """Averaged over the dimensions of a datum."""
    return (torch.log(sigma) + 0.5 * ((y - mu) / sigma) ** 2).mean()


def log_prob_halved(x, mu, sigma):
    """Half of its logarithm."""
    return (-0.5 * ((x - mu) / sigma) ** 2 - 0.5 * torch.log(sigma)).sum(1)


def log_normal_without_scale(x, mu, log_var):
    """Its logarithm is left out."""
    return (-0.5 * (x - mu) ** 2 / log_var.exp()).sum(1)


def log_normal_unscaled(x, mu, log_var):
    """Right, without its constant."""
    return (-0.5 * (x - mu) ** 2 / log_var.exp() - 0.5 * log_var).sum(1)


# Records and lists.


def kl_of_records(post, prior):
    """Two records with the same keys."""
    ratio = (post["std"] ** 2 + (post["mean"] - prior["mean"]) ** 2) / (2 * prior["std"] ** 2)
    return (torch.log(prior["std"] / post["std"]) + ratio - 0.5).sum(1)


def kl_of_records_exchanged(post, prior):
    """The same from the prior."""
    ratio = (prior["std"] ** 2 + (post["mean"] - prior["mean"]) ** 2) / (2 * post["std"] ** 2)
    return (torch.log(post["std"] / prior["std"]) + ratio - 0.5).sum(1)


def loss_of_a_list(values):
    """Everything in one list, by its places."""
    y_true, y_pred = values[0], values[1]
    z_mean, z_log_var = values[2], values[3]
    data = functional.binary_cross_entropy(y_pred, y_true, reduction="none").sum(1)
    return (data + 0.5 * (z_mean**2 + z_log_var.exp() - 1 - z_log_var).sum(1)).mean()


def loss_of_a_list_off(values):
    """And its KL averaged over the latents."""
    y_true, y_pred = values[0], values[1]
    z_mean, z_log_var = values[2], values[3]
    data = functional.binary_cross_entropy(y_pred, y_true, reduction="none").sum(1)
    return (data + 0.5 * (z_mean**2 + z_log_var.exp() - 1 - z_log_var).mean(1)).mean()


def of_a_graph_twice(adj_rec, adj, mean, log_std):
    """Its KL is divided by the batch twice."""
    kl = 0.5 / len(adj) * (mean**2 + torch.exp(log_std) ** 2 - 1 - 2 * log_std).sum(1).mean()
    return functional.binary_cross_entropy(adj_rec, adj) + kl


def kl_from_nought(mean_0, log_variance_0, mean_1, log_variance_1):
    """Two Gaussians that are counted from 0."""
    ratio = (log_variance_0.exp() + (mean_0 - mean_1) ** 2) / log_variance_1.exp()
    return 0.5 * (log_variance_1 - log_variance_0 + ratio - 1).sum(1)


def kl_from_nought_doubled(mean_0, log_variance_0, mean_1, log_variance_1):
    """Minus twice that KL."""
    ratio = (log_variance_0.exp() + (mean_0 - mean_1) ** 2) / log_variance_1.exp()
    return -(log_variance_1 - log_variance_0 + ratio - 1).sum(1)


def kl_of_p_from_q(p, q):
    """KL(p || q) of two distributions, p in front, with an epsilon beside each scale."""
    normal = torch.distributions.Normal
    return kl_divergence(normal(p.loc, p.scale + 1e-9), normal(q.loc, q.scale + 1e-9))


def kl_of_p_from_q_halved(p, q):
    """Half of that."""
    normal = torch.distributions.Normal
    return 0.5 * kl_divergence(normal(p.loc, p.scale + 1e-9), normal(q.loc, q.scale + 1e-9))
