"""What a file is handed beside its data: a device and a weight, where it trains; a weight, where it is a pair."""

import pyro
import torch
import whole_models
from pyro import distributions, poutine
from torch import nn
from torch.nn import functional
from whole_models import X, Z


class Fitted(whole_models.VAE):
    """Its loss is that of the function below."""

    loss_function = None


def train(model, device, loader, optimizer, epoch, lam):
    """A weight that no argument of ours has a name for."""
    for x, _ in loader:
        x = x.to(device)
        optimizer.zero_grad()
        recon, _, mu, logvar, _ = model(x)
        kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
        loss = functional.binary_cross_entropy(recon, x, reduction="sum") + lam * kl
        loss.backward()
        optimizer.step()


encoder, decoder = nn.Linear(X, 2 * Z), nn.Linear(Z, X)


def model(x, beta):
    """Its latent site weighs beta."""
    with pyro.plate("data", len(x)):
        with poutine.scale(scale=beta):
            z = pyro.sample("z", distributions.Normal(torch.zeros(len(x), Z), 1.0).to_event(1))
        pyro.sample("x", distributions.Bernoulli(logits=decoder(z)).to_event(1), obs=x)


def guide(x, beta):
    """The same weight."""
    h = encoder(x)
    with pyro.plate("data", len(x)), poutine.scale(scale=beta):
        pyro.sample("z", distributions.Normal(h[:, :Z], h[:, Z:].exp()).to_event(1))
