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


def by_torchs_names(inputs, targets, logvar, mu):
    """What the decoder gave is called inputs, as in torch's own losses."""
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
    return functional.binary_cross_entropy(inputs, targets, reduction="sum") + kl


def turned_round(inputs, targets, logvar, mu):
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
    return functional.binary_cross_entropy(targets, inputs, reduction="sum") + kl


class WithoutSteps(whole_models.VAE):
    """The base of a family of flows: its determinant is 0, and z_k is z_0."""

    loss_function = None

    def __init__(self):
        super().__init__()
        self.log_det_j = torch.zeros(1)

    def forward(self, x):
        mean, log_var = self.encode(x)
        z = self.reparameterize(mean, log_var)
        return self.decode(z), mean, log_var, self.log_det_j, z, z


def flow_loss(recon_x, x, z_mean, z_log_var, z_0, z_k, ldj):
    q = torch.distributions.Normal(z_mean, torch.exp(0.5 * z_log_var)).log_prob(z_0).sum()
    p = torch.distributions.Normal(0.0, 1.0).log_prob(z_k).sum()
    return functional.binary_cross_entropy(recon_x, x, reduction="sum") + q - p - ldj.sum()


def flow_loss_at_the_mean(recon_x, x, z_mean, z_log_var, z_0, z_k, ldj):
    return flow_loss(recon_x, x, z_mean, z_log_var, z_0, z_mean, ldj)
