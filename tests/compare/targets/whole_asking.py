"""Programs that want something: settings with many attributes, a tokenizer, a GPU, a file, a trainer's numbers."""

import argparse
from pathlib import Path

import torch
import whole_models
from torch import nn


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = nn.Linear(config.x_size, config["hidden"])


class Set(nn.Module):
    """Its settings go to its encoder, too, and are read once more where it runs."""

    def __init__(self, args):
        super().__init__()
        self.hparams = args
        self.encoder = Encoder(args)
        self.z_size = args.z_size
        if args.cuda:
            self.cuda()
        self.scale = getattr(args, "scale", 1.0)

    def forward(self, x):
        return self.encoder.layer(x) * self.hparams.beta


class OfTokens(nn.Module):
    def __init__(self, tokenizer, latent_dim):
        super().__init__()
        self.tokenizer, self.layer = tokenizer, nn.Linear(3, latent_dim)

    def forward(self, x):
        return self.layer(self.tokenizer(x))


class OnGpu(nn.Module):
    def __init__(self):
        super().__init__()
        torch.zeros(1, device="cuda")


class OfFile(nn.Module):
    def __init__(self, rows="no such rows.csv"):
        super().__init__()
        self.rows = Path(rows).read_text()


class Plain(whole_models.VAE):
    loss_function = None


class Fitting:
    """What its loop reads of itself is nowhere set."""

    def __init__(self, weights):
        self.net = Plain()
        self.gamma, self.capacity = weights

    def train(self, loader):
        for x in loader:
            recon, _, mu, logvar, _ = self.net(x)
            kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
            loss = nn.functional.binary_cross_entropy(recon, x, reduction="sum")
            if self.objective == "burgess":
                loss = loss + self.gamma * (kl - self.capacity).abs()
            else:
                loss = loss + self.beta * kl
            loss.backward()


class Plotting:
    """A trainer that plots: a window is made of the window before."""

    def __init__(self, args):
        self.use_cuda = args.cuda and torch.cuda.is_available()

    def plot(self):
        self.window = self.lines(self.curve, win=self.window)
        self.curve = self.window

    def train(self):
        for x in self.loader:
            x = moved(x, self.use_cuda)
            recon, _, mu, logvar, _ = self.net(x)
            total = compared(recon, x) - 0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())
            if self.window is not None:
                total = total + self.window
            total.backward()


def moved(x, use_cuda):
    return x.cuda() if use_cuda else x


def compared(recon, x):
    return nn.functional.binary_cross_entropy(recon, x, reduction="sum")


class Chosen:
    """A trainer whose weight is one of two: which, its data say."""

    def __init__(self, args):
        if args.dataset == "faces":
            self.weight = 3.0
        else:
            self.weight = 1.0

    def train(self):
        for x in self.loader:
            recon, _, mu, logvar, _ = self.net(x)
            total = compared(recon, x) - 0.5 * self.weight * torch.sum(1 + logvar - mu**2 - logvar.exp())
            total.backward()


class Labelled(nn.Module):
    """With a label, where its file's command line says so."""

    def __init__(self, labelled=True):
        super().__init__()
        self.labelled = labelled
        self.first, self.mu, self.logvar = nn.Linear(13 + 10 * labelled, 5), nn.Linear(5, 3), nn.Linear(5, 3)
        self.last = nn.Linear(3 + 10 * labelled, 13)

    def forward(self, x, label=None):
        code = [nn.functional.one_hot(label, 10).to(x.dtype)] if self.labelled else []
        hidden = torch.tanh(self.first(torch.cat([x, *code], 1)))
        mu, logvar = self.mu(hidden), self.logvar(hidden)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return torch.sigmoid(self.last(torch.cat([z, *code], 1))), mu, logvar


def main(options):
    net = Labelled(options.labelled)
    for x, label in []:
        recon, mu, logvar = net(x, label) if options.labelled else net(x)
        loss = compared(recon, x) - 0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())
        loss.backward()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--labelled", action="store_true")
    options = parser.parse_args()
    main(options)
