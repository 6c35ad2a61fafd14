"""A loss on networks of its own, whose two heads stand in another order than the pair's."""

import pyro
import pyro.distributions as dist
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

torch.manual_seed(9)
spread, centre, outwards = nn.Linear(6, 2), nn.Linear(6, 2), nn.Linear(2, 6)
mean, log_var, decoder = nn.Linear(6, 2), nn.Linear(6, 2), nn.Linear(2, 6)


def loss(x):
    """It reads the log variance's head first."""
    wide = spread(x)
    place = centre(x)
    z = place + torch.exp(0.5 * wide) * torch.randn_like(place)
    kl = -0.5 * (1 + wide - place**2 - wide.exp())
    return F.binary_cross_entropy_with_logits(outwards(z), x, reduction="sum") + kl.sum()


def model(x):
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 2), 1.0).to_event(1))
        pyro.sample("x", dist.Bernoulli(logits=decoder(z), validate_args=False).to_event(1), obs=x)


def guide(x):
    pyro.module("mean", mean)
    pyro.module("log_var", log_var)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(mean(x), torch.exp(0.5 * log_var(x))).to_event(1))
