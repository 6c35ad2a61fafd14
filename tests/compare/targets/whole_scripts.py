"""Programs whose loss stands in a trainer, or which are made in a main block, or read a mapping; a Pyro pair."""

import argparse

import torch
import whole_models
from packages_not_here import loader_of, progress
from torch import nn
from torch.nn import functional
from whole_models import H, X, Z

parser = argparse.ArgumentParser()
parser.add_argument("--latent", type=int, default=3)


class Solver:
    """A trainer: what its loop reads of self is found, or asked for."""

    def __init__(self, args, weight=1.0):
        self.beta = args.beta
        self.weight = weight
        self.net = move(Trained(X, args.latent))
        self.loader = loader_of(args)

    def distance(self, x, recon):
        return functional.binary_cross_entropy(recon, x, reduction="sum") / len(x)

    def train(self):
        bar = progress(total=100)
        while True:
            for x in self.loader:
                bar.update(1)
                x = move(x)
                recon, _, mu, logvar, _ = self.net(x)
                kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
                total = self.distance(x, recon) + self.weight * self.beta * kl
                self.optimizer.zero_grad()
                total.backward()


def move(each):
    return each


class Trained(whole_models.VAE):
    """It needs sizes, which the main block below has; its loss is the Solver's or that of the main block."""

    loss_function = None

    def __init__(self, observed, latent):
        super().__init__()
        self.mean, self.log_var = nn.Linear(H, latent), nn.Linear(H, latent)
        self.second, self.last = nn.Linear(latent, H), nn.Linear(H, observed)

    def forward(self, x):
        return super().forward(x.to(device))


class Mapped(whole_models.VAE):
    """It reads a batch by name."""

    loss_function = None

    def forward(self, inputs):
        x = inputs["pixels"]
        recon, _, mu, logvar, z = super().forward(x)
        return {"loss": whole_models.VAE.loss_function(self, recon, x, mu, logvar, z), "labels": inputs["label"]}


class Configured(whole_models.VAE):
    """Its settings are an object of their own class."""

    def __init__(self, config: "Settings"):
        super().__init__(config.width + len(config.shape))


class Settings:
    def __init__(self, width: int, shape: tuple[int, ...]):
        self.width, self.shape = width, shape
        assert isinstance(shape, tuple)


class Pair(nn.Module):
    """A model and a guide, as methods."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(X, 2 * Z), nn.Linear(Z, X)

    def model(self, x, width=1.0):
        import pyro
        from pyro import distributions

        pyro.module("decoder", self.decoder)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", distributions.Normal(x.new_zeros(len(x), Z), width).to_event(1))
            pyro.sample("x", distributions.Bernoulli(logits=self.decoder(z), validate_args=False).to_event(1), obs=x)

    def guide(self, x):
        import pyro
        from pyro import distributions

        pyro.module("encoder", self.encoder)
        mean, log_sigma = self.encoder(x).chunk(2, dim=1)
        with pyro.plate("data", len(x)):
            pyro.sample("z", distributions.Normal(mean, log_sigma.exp()).to_event(1))


class SquaredPair(Pair):
    """Its guide takes sigma^2 for sigma."""

    def model(self, x, width=1.0):
        super().model(x, width=3.0)


if __name__ == "__main__":
    args = parser.parse_args()
    device = torch.device("cpu")
    loader = loader_of(args)
    vae = Trained(X, args.latent).to(device)
    for pixels, _labels in loader:
        out, _, mean, log_var, _ = vae(pixels)
        loss = functional.binary_cross_entropy(out, pixels, reduction="sum")
        loss = loss - 0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()
        loss.backward()
