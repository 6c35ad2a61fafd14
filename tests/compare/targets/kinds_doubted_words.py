"""What a word in a docstring or a name alone made right; no word here says anything else of x."""

import torch


def _kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


class OfARelaxedLatent:
    """Joint VAE with a categorical latent."""

    def decode(self, h):
        return 1 / (1 + torch.exp(-h))

    def loss(self, x, probs, mu, logvar):
        return (-(x * probs.log()).sum(1) + _kl(mu, logvar)).mean()


class WithAHead:
    """A softmax that gives labels."""

    def forward(self, h):
        return torch.softmax(h, -1), self.decode(h)

    def decode(self, h):
        return h.abs() / (1 + h.abs())

    def loss(self, x, probs, mu, logvar):
        return (-(x * probs.log()).sum(1) + _kl(mu, logvar)).mean()


def loss_of_tags(x, probs, mu, logvar):
    """x: presence of each tag, each for itself; tokens of the caption aren't used."""
    return (-(x * probs.log()).sum(1) + _kl(mu, logvar)).mean()


def loss_categorical_kl(x, probs, mu, logvar):
    return (-(x * probs.log()).sum(1) + _kl(mu, logvar)).mean()
