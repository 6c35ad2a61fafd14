"""ELBOs of either sign, and what their own file minimises of them."""

import torch
from torch.nn import functional


def _loss(recon_x, x, mu, logvar):
    data = functional.binary_cross_entropy(recon_x, x, reduction="sum")
    return data + 0.5 * torch.sum(mu**2 + logvar.exp() - 1 - logvar)


def elbo_as_a_loss(recon_x, x, mu, logvar):
    return -_loss(recon_x, x, mu, logvar)


def elbo_turned(recon_x, x, mu, logvar):
    return -_loss(recon_x, x, mu, logvar)


def elbo_of_no_line(recon_x, x, mu, logvar):
    return -_loss(recon_x, x, mu, logvar)


def objective(recon_x, x, mu, logvar):
    return -_loss(recon_x, x, mu, logvar)


def turned(recon_x, x, mu, logvar):
    return _loss(recon_x, x, mu, logvar)


def plain(recon_x, x, mu, logvar):
    return _loss(recon_x, x, mu, logvar)


def train(model, batches, optimizer):
    for x in batches:
        loss = elbo_as_a_loss(*model(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train_turned(model, batches):
    for x in batches:
        loss = -1.0 * elbo_turned(*model(x)).mean()
        loss.backward()


def handed_on(model, x):
    return -objective(*model(x)), x


def train_by_another(model, x):
    total, _ = handed_on(model, x)
    total = total / len(x)
    total.backward()


def train_the_negative(model, x):
    (-turned(*model(x))).backward()


def train_plain(model, x):
    loss, rest = plain(*model(x)), model.penalty
    (loss + rest).backward()
