"""Functions that look right at one size of an axis, small weights like epsilons, names that say two things."""

import torch
from torch.nn import functional


def _kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1)


# An average over an axis that has one size in every call.


def loss_of_steps_beside_one_code(x_hat, x, mu, logvar):
    """The data averaged over batch and steps, beside one code of each sequence: off by the number of steps."""
    assert x.dim() == 3
    assert mu.dim() == 2
    data = functional.binary_cross_entropy(x_hat, x, reduction="none").sum(2).mean()
    return data + _kl(mu, logvar).sum(1).mean()


def loss_of_steps_and_spreads(x_hat, x, mu, logvar, x_logvar):
    """The same with a variance of the decoder's own."""
    assert x.dim() == 3
    assert mu.dim() == 2
    data = 0.5 * ((x_hat - x) ** 2 / x_logvar.exp() + x_logvar).sum(2).mean()
    return data + _kl(mu, logvar).sum(1).mean()


def loss_of_steps_squared(x_hat, x, mu, logvar):
    """Half the squared error averaged over the steps: no decoder has as many steps as its variance."""
    _, steps, _ = x.shape
    return 0.5 * ((x_hat - x) ** 2).sum((1, 2)) / steps + _kl(mu, logvar).sum(1)


def loss_of_codes_averaged(x_hat, x, mu, logvar):
    """Each step has a code, and only the KL is averaged over them."""
    assert x.dim() == 3
    assert mu.dim() == 3
    return 0.5 * ((x_hat - x) ** 2).sum() / len(x) + _kl(mu, logvar).sum(2).mean()


def loss_of_steps_summed(x_hat, x, mu, logvar):
    """And of a variance of 7, whatever the steps: right."""
    _, _, _ = x.shape
    return ((x_hat - x) ** 2).sum((1, 2)) / 14 + _kl(mu, logvar).sum(1)


def nll_of_steps(x, x_hat):
    """A likelihood alone that is averaged over the steps."""
    _, _, _ = x.shape
    return 0.5 * ((x_hat - x) ** 2).sum(2).mean(1)


def loss_of_channels(x_hat, x, mu, logvar):
    """Averaged over the channels of a picture."""
    _, _, _, _ = x.shape
    return 0.5 * ((x_hat - x) ** 2).mean(1).sum((1, 2)) + _kl(mu, logvar).sum(1)


def loss_of_rows(x_hat, x, mu, logvar):
    """Averaged over the rows of a picture: of a height of 2 the squared error would be half of it."""
    _, _, _, _ = x.shape
    return ((x_hat - x) ** 2).mean(2).sum((1, 2)) + _kl(mu, logvar).sum(1)


def loss_of_pixels(x_hat, x, mu, logvar):
    """Summed over all of them: right."""
    _, _, _, _ = x.shape
    return 0.5 * ((x_hat - x) ** 2).sum((1, 2, 3)) + _kl(mu, logvar).sum(1)


def loss_of_rows_of_pixels(x_hat, x, mu, logvar):
    """Averaged over the 28 rows that it cuts 784 pixels into."""
    error = 0.5 * (x_hat.view(-1, 28, 28) - x.view(-1, 28, 28)) ** 2
    return error.sum(2).mean(1).mean() + _kl(mu, logvar).sum(1).mean()


def loss_of_all_rows(x_hat, x, mu, logvar):
    """Summed over them: right."""
    error = 0.5 * (x_hat.view(-1, 28, 28) - x.view(-1, 28, 28)) ** 2
    return error.sum((1, 2)).mean() + _kl(mu, logvar).sum(1).mean()


# Names that say two things.


def generator_loss(x, x_recon):
    """Data and their reconstruction by name, whatever the function's says: averaged."""
    return ((x - x_recon) ** 2).mean(1)


def recon_of_style(target, style_pred):
    """A reconstruction by its own name."""
    return ((target - style_pred) ** 2).mean()


def style_apart(target, style_pred):
    """The same arrays under a name that promises nothing."""
    return ((target - style_pred) ** 2).mean()


# No number.


def loss_without_zeros(x_hat, x, mu, logvar):
    """No number at x = 0 or 1, which binary data are."""
    data = x * torch.log(x / x_hat) + (1 - x) * torch.log((1 - x) / (1 - x_hat))
    return data.sum() + _kl(mu, logvar).sum()


def bernoulli_without_zeros(x, x_hat):
    """The same alone."""
    return (x * torch.log(x / x_hat) + (1 - x) * torch.log((1 - x) / (1 - x_hat))).sum()


# Small numbers that are no epsilons.


def kl_with_a_small_factor(mu, logvar):
    """A factor that depends on the mean."""
    return (_kl(mu, logvar) * (1 + 1e-6 * mu.abs())).sum(1)


def kl_with_a_small_penalty(mu, logvar):
    """A weight decay."""
    return (_kl(mu, logvar) + 1e-5 * mu**2).sum(1)


def kl_with_a_named_penalty(mu, logvar):
    """By a name."""
    lam = 1e-5
    return (_kl(mu, logvar) + lam * logvar.abs()).sum(1)


def kl_beside_an_epsilon(mu, var, eps=1e-9):
    """An epsilon of a variance, by a name, that is used three times."""
    var = var + eps
    return 0.5 * (mu**2 + var - torch.log(var) - 1).sum(1)


def kl_of_clamped(mu, std):
    """A bound of a clamp, and a number beside a spread."""
    std = torch.clamp(std, min=1e-7) + 1e-8
    return 0.5 * (mu**2 + std.pow(2) - 2 * std.log() - 1).sum(1)


def loss_of_squeezed(x_hat, x, mu, logvar):
    """Probabilities that an epsilon keeps from 0 and 1, by a factor and a sum."""
    eps = 1e-7
    p = x_hat * (1 - 2 * eps) + eps
    return -(x * p.log() + (1 - x) * (1 - p).log()).sum() + _kl(mu, logvar).sum()


def kl_shifted(mu, logvar):
    """A number that is added to each element, and neither guards nor weighs: below a float's rounding."""
    return (_kl(mu, logvar) + 1e-9).sum(1)


def kl_divided_by_one(mu, var, eps=1e-6):
    """An epsilon beside 1 is a factor."""
    return 0.5 * (mu**2 / (1 + eps) + var - torch.log(var) - 1).sum(1)


# Two logarithms of one spread, a weight that is called like a spread, a KL that is called sampled.


def kl_of_two_logarithms(mu, logvar, logstd):
    """Both are logarithms, as their names say."""
    return (0.5 * (mu**2 + logvar.exp() - 1) - logstd).sum(1)


def kl_of_two_logarithms_off(mu, logvar, logstd):
    """And half of one."""
    return (0.5 * (mu**2 + logvar.exp() - 1) - 0.5 * logstd).sum(1)


def kl_scaled(mu, logvar, scale):
    """A weight of the name of a spread."""
    return (scale * _kl(mu, logvar)).sum(1)


def kl_scaled_off(mu, logvar, scale):
    """And a KL that is twice as large."""
    return (scale * 2 * _kl(mu, logvar)).sum(1)


def kl_scaled_in_a_logarithm(mu, logvar, scale):
    """A spread: its logarithm stands beside a KL that has one already."""
    return (_kl(mu, logvar) + torch.log(scale)).sum(1)


def sampled_kl(mu, logvar):
    """A KL by a draw, whose density lacks half of its square."""
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    return (0.5 * z**2 - 0.25 * (z - mu) ** 2 / logvar.exp() - 0.5 * logvar).sum(1)
