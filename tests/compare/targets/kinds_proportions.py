"""-sum x log p of a p that sums to one, said or only hinted at: no word here says anything else of x."""

import torch


def _kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


def of_a_vocabulary(x, recon_x, mu, logvar):
    """x: counts of the words of a vocabulary."""
    return (-(x * (recon_x + 1e-12).log()).sum(1) + _kl(mu, logvar)).mean()


def multinomial(x, recon_x, mu, logvar):
    return (-(x * (recon_x + 1e-12).log()).sum(1) + _kl(mu, logvar)).mean()


def multinomial_guarded(x, recon_x, mu, logvar):
    return (-(x * (recon_x + 1e-6).log()).sum(1) + _kl(mu, logvar)).mean()


def multinomial_and_half_a_kl(x, recon_x, mu, logvar):
    return (-(x * recon_x.log()).sum(1) + 0.5 * (mu**2 + logvar.exp() - logvar).sum(1)).mean()


def multinomial_off_by_little(x, recon_x, mu, logvar):
    return (-(x * recon_x.log()).sum(1) * 1.0001 + _kl(mu, logvar)).mean()


def of_nothing_told(x, recon_x, mu, logvar):
    return (-(x * recon_x.log()).sum(1) + _kl(mu, logvar)).mean()


def of_nothing_told_and_weighed(x, recon_x, mu, logvar):
    return (-(x * recon_x.log()).sum(1) + 4 * _kl(mu, logvar)).mean()


def of_nothing_told_and_flipped(x, recon_x, mu, logvar):
    return (-(x * recon_x.log()).sum(1) - _kl(mu, logvar)).mean()


def cross_entropy_of_categories(y_true, y_pred):
    """A categorical x, one of many."""
    return -(y_true * torch.log(y_pred)).sum(-1)


def categorical_cross_entropy(y_true, y_pred):
    return -(y_true * torch.log(y_pred)).sum(-1)


def cross_entropy_of_nothing_told(y_true, y_pred):
    return -(y_true * torch.log(y_pred)).sum(-1)


class EndsInASoftmax:
    def decode(self, h):
        return torch.softmax(h, 1)

    def loss(self, x, recon_x, mu, logvar):
        return (-(x * recon_x.log()).sum(1) + _kl(mu, logvar)).mean()


class Attending:
    """Another softmax than the decoder's."""

    def forward(self, h, scores):
        attention = torch.softmax(scores, 1)
        return self.attention(attention * h)

    def loss(self, x, recon_x, mu, logvar):
        return (-(x * recon_x.log()).sum(1) + _kl(mu, logvar)).mean()


def of_other_words(x, recon_x, mu, logvar):
    """The loss; in other words, minus the ELBO."""
    return (-(x * recon_x.log()).sum(1) + _kl(mu, logvar)).mean()


def averaged_over_its_counts(x, recon_x, mu, logvar):
    return (-(x * recon_x.log()).sum(1) / (x.sum(1) + 1e-8) + _kl(mu, logvar)).mean()


def of_its_square_roots(x, recon_x, mu, logvar):
    """Another function of the output where x is 0."""
    return (-(x * recon_x.log()).sum(1) + ((1 - x) * recon_x.sqrt()).sum(1) + _kl(mu, logvar)).mean()
