"""Pyro pairs with likelihoods other than one Bernoulli, their losses by hand, and one difference each."""

import math

import pyro
import pyro.distributions as dist
import torch
from gaussian import LATENT, drawn, kl, log_normal, network, normal, standard, two
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

DATA, SIDE, CLASSES = 6, 6, 3
encoder, decoder = network(DATA, 2 * LATENT, 1), network(LATENT, DATA, 2)


def guide(x: Tensor, *_: Tensor) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", len(x)):
        pyro.sample("z", normal(*two(encoder, x)))


def latent(x: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    q = two(encoder, x)
    return q, drawn(*q)


# Normal, one learned standard deviation per pixel.
log_scale = nn.Parameter(torch.linspace(-1.0, 0.5, DATA))


def normal_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    scale = pyro.param("log_scale", log_scale).exp()
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(decoder(pyro.sample("z", standard(len(x)))), scale).to_event(1), obs=x)


def normal_loss(x: Tensor) -> Tensor:
    q, z = latent(x)
    return (-torch.distributions.Normal(decoder(z), log_scale.exp()).log_prob(x).sum(-1) + kl(*q)).mean()


def normal_mse(x: Tensor) -> Tensor:
    q, z = latent(x)
    return ((x - decoder(z)) ** 2).sum(-1).mean() + kl(*q).mean()


# Images through convolutions.
torch.manual_seed(3)
conv, head = nn.Conv2d(1, 2, 3, stride=2), nn.Linear(2 * 2 * 2, 2 * LATENT)
up, transposed = nn.Linear(LATENT, 2 * 2 * 2), nn.ConvTranspose2d(2, 1, 4, stride=2)


def encoded(x: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_var = head(torch.relu(conv(x)).flatten(1)).chunk(2, -1)
    return mean, log_var


def decoded(z: Tensor) -> Tensor:
    return torch.sigmoid(transposed(torch.relu(up(z)).view(-1, 2, 2, 2)))


def image_model(x: Tensor) -> None:
    pyro.module("up", up)
    pyro.module("transposed", transposed)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Bernoulli(decoded(z), validate_args=False).to_event(3), obs=x)


def image_guide(x: Tensor) -> None:
    pyro.module("conv", conv)
    pyro.module("head", head)
    with pyro.plate("data", len(x)):
        pyro.sample("z", normal(*encoded(x)))


def image_loss(x: Tensor, *, over_latents: bool = False) -> Tensor:
    q = encoded(x)
    reconstruction = F.binary_cross_entropy(decoded(drawn(*q)), x, reduction="sum") / len(x)
    return reconstruction + kl(*q).mean() / (LATENT if over_latents else 1)


def image_over_latents(x: Tensor) -> Tensor:
    return image_loss(x, over_latents=True)


# Laplace, one learned scale.
log_width = nn.Parameter(torch.tensor(-0.7))


def laplace_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    width = pyro.param("log_width", log_width).exp()
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Laplace(decoder(pyro.sample("z", standard(len(x)))), width).to_event(1), obs=x)


def laplace_loss(x: Tensor) -> Tensor:
    q, z = latent(x)
    return ((x - decoder(z)).abs() / log_width.exp() + math.log(2) + log_width).sum() + kl(*q).sum()


def laplace_l1(x: Tensor) -> Tensor:
    q, z = latent(x)
    return F.l1_loss(decoder(z), x, reduction="sum") + kl(*q).sum()


# Counts.


def poisson_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Poisson(decoder(pyro.sample("z", standard(len(x)))).exp()).to_event(1), obs=x)


def poisson_loss(x: Tensor, *, beta: float = 1.0) -> Tensor:
    """torch's own leaves out log x!, which no gradient sees."""
    q, z = latent(x)
    return F.poisson_nll_loss(decoder(z), x, reduction="sum") + beta * kl(*q).sum()


def poisson_twice(x: Tensor) -> Tensor:
    return poisson_loss(x, beta=2.0)


def binomial_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Binomial(15, logits=decoder(z)).to_event(1), obs=x)


def binomial_loss(x: Tensor, *, divided: bool = False) -> Tensor:
    """Without log (15 choose x); divided: as if the counts were fractions of 15."""
    q, z = latent(x)
    cost = 15 * F.binary_cross_entropy_with_logits(decoder(z), x / 15, reduction="none").sum(-1)
    return (cost / (15 if divided else 1) + kl(*q)).mean()


def binomial_fractions(x: Tensor) -> Tensor:
    return binomial_loss(x, divided=True)


def negative_binomial_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.NegativeBinomial(torch.tensor(4.0), logits=decoder(z)).to_event(1), obs=x)


def negative_binomial_loss(x: Tensor, *, prior: bool = True) -> Tensor:
    q, z = latent(x)
    nll = -torch.distributions.NegativeBinomial(torch.tensor(4.0), logits=decoder(z)).log_prob(x).sum(-1)
    return (nll + log_normal(z, *q) - (log_normal(z) if prior else 0.0)).sum()


def negative_binomial_no_prior(x: Tensor) -> Tensor:
    return negative_binomial_loss(x, prior=False)


# Numbers in (0, 1).
pairs_decoder = network(LATENT, 2 * DATA, 4)


def beta_law(z: Tensor) -> tuple[Tensor, Tensor]:
    a, b = F.softplus(pairs_decoder(z)).chunk(2, -1)
    return a + 0.5, b + 0.5


def beta_model(x: Tensor) -> None:
    pyro.module("pairs_decoder", pairs_decoder)
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Beta(*beta_law(pyro.sample("z", standard(len(x))))).to_event(1), obs=x)


def beta_loss(x: Tensor, *, sign: float = 1.0) -> Tensor:
    q, z = latent(x)
    return (-torch.distributions.Beta(*beta_law(z)).log_prob(x).sum(-1) + sign * kl(*q)).sum() / len(x)


def beta_kl_subtracted(x: Tensor) -> Tensor:
    return beta_loss(x, sign=-1.0)


# Pixels of four grey values.
grey = network(LATENT, 4 * DATA, 5)


def grey_model(x: Tensor) -> None:
    pyro.module("grey", grey)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Categorical(logits=grey(z).view(-1, DATA, 4)).to_event(1), obs=x)


def grey_guide(x: Tensor) -> None:
    guide(x.to(torch.get_default_dtype()))


def grey_loss(x: Tensor, *, entropy: bool = True) -> Tensor:
    q, z = latent(x.to(torch.get_default_dtype()))
    nll = F.cross_entropy(grey(z).view(-1, 4), x.flatten(), reduction="sum")
    return nll + (log_normal(z, *q) if entropy else torch.zeros(())).sum() - log_normal(z).sum()


def grey_no_log_q(x: Tensor) -> Tensor:
    return grey_loss(x, entropy=False)


# Two observed sites: pixels, and a label that hangs on the same latent.
labeller = network(LATENT, CLASSES, 6)


def labelled_model(x: Tensor, y: Tensor) -> None:
    pyro.module("decoder", decoder)
    pyro.module("labeller", labeller)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Bernoulli(logits=decoder(z)).to_event(1), obs=x)
        pyro.sample("y", dist.Categorical(logits=labeller(z)), obs=y)


def labelled_loss(x: Tensor, y: Tensor, *, weight: float = 1.0) -> Tensor:
    q, z = latent(x)
    pixels = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(-1)
    labels = F.cross_entropy(labeller(z), y, reduction="none")
    return (pixels + weight * labels + kl(*q)).mean()


def labelled_heavily(x: Tensor, y: Tensor) -> Tensor:
    return labelled_loss(x, y, weight=50.0)
