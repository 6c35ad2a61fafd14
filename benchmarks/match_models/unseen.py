"""Pyro pairs and losses by hand with differences that no test covers: scales of two plates swapped, a temperature, a
weight for each latent, another prior, a site counted twice, float32 constants, gradients cut on one path."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from gaussian import LATENT, drawn, kl, kl_between, log_normal, network, normal, standard, two
from pyro import poutine
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

DATA, SIZE, CLASSES = 6, 300, 3
encoder, decoder, labeller = network(DATA, 2 * LATENT, 21), network(LATENT, DATA, 22), network(LATENT, CLASSES, 23)
first_head, second_head = network(DATA, LATENT, 24), network(DATA, LATENT, 25)


def guide(x: Tensor, *_: Tensor) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", len(x)):
        pyro.sample("z", normal(*two(encoder, x)))


def model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Bernoulli(logits=decoder(z), validate_args=False).to_event(1), obs=x)


def cross_entropy(z: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(-1)


def right(x: Tensor) -> Tensor:
    q = two(encoder, x)
    return (cross_entropy(drawn(*q), x) + kl(*q)).sum()


def tempered(x: Tensor) -> Tensor:
    q = two(encoder, x)
    logits = decoder(drawn(*q)) / 0.7
    return (F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1) + kl(*q)).sum()


def weight_of_each_latent(x: Tensor) -> Tensor:
    mean, log_var = two(encoder, x)
    each = -0.5 * (1 + log_var - mean**2 - log_var.exp())
    return (cross_entropy(drawn(mean, log_var), x) + 0.5 * each[:, 0] + 2.0 * each[:, 1]).sum()


def narrow_prior(x: Tensor) -> Tensor:
    q = two(encoder, x)
    half = torch.full_like(q[0], math.log(0.25))
    return (cross_entropy(drawn(*q), x) + kl_between(q, (torch.zeros_like(q[0]), half))).sum()


def counted_twice(x: Tensor) -> Tensor:
    q = two(encoder, x)
    return (2 * cross_entropy(drawn(*q), x) + kl(*q)).mean()


def log_var_read_as_log_sigma(x: Tensor) -> Tensor:
    mean, log_sigma = two(encoder, x)
    q = mean, 2 * log_sigma
    return (cross_entropy(drawn(*q), x) + kl(*q)).mean()


# Two observed sites, each with a scale of its own.


def both_model(x: Tensor, y: Tensor) -> None:
    pyro.module("decoder", decoder)
    pyro.module("labeller", labeller)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        with poutine.scale(scale=3.0):
            pyro.sample("x", dist.Bernoulli(logits=decoder(z), validate_args=False).to_event(1), obs=x)
        with poutine.scale(scale=5.0):
            pyro.sample("y", dist.Categorical(logits=labeller(z)), obs=y)


def both(x: Tensor, y: Tensor, *, scales: tuple[float, float] = (3.0, 5.0), cut: bool = False) -> Tensor:
    q = two(encoder, x)
    z = drawn(*q)
    label = F.cross_entropy(labeller(z.detach() if cut else z), y, reduction="none")
    return (scales[0] * cross_entropy(z, x) + scales[1] * label + kl(*q)).sum()


def scales_swapped(x: Tensor, y: Tensor) -> Tensor:
    return both(x, y, scales=(5.0, 3.0))


def cut_at_the_label(x: Tensor, y: Tensor) -> Tensor:
    return both(x, y, cut=True)


# A batch of a larger set.


def part_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", SIZE, subsample=x):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Bernoulli(logits=decoder(z), validate_args=False).to_event(1), obs=x)


def part_guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", SIZE, subsample=x):
        pyro.sample("z", normal(*two(encoder, x)))


def part(x: Tensor, *, whole: bool = True) -> Tensor:
    q = two(encoder, x)
    scale = SIZE / len(x)
    return ((scale if whole else 1.0) * cross_entropy(drawn(*q), x) + scale * kl(*q)).sum()


def likelihood_of_the_batch_alone(x: Tensor) -> Tensor:
    return part(x, whole=False)


# A log-normal latent; a fixed spread; two heads of one shape.


def positive_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.LogNormal(torch.zeros(len(x), LATENT), 1.0).to_event(1))
        pyro.sample("x", dist.Bernoulli(logits=decoder(z), validate_args=False).to_event(1), obs=x)


def positive_guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    mean, log_var = two(encoder, x)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.LogNormal(mean, (0.5 * log_var).exp()).to_event(1))


def positive(x: Tensor, *, prior: bool = True) -> Tensor:
    q = two(encoder, x)
    u = drawn(*q)
    log_p = log_normal(u) - (u.sum(-1) if prior else 0.0)
    return (cross_entropy(u.exp(), x) + log_normal(u, *q) - u.sum(-1) - log_p).sum()


def prior_without_jacobian(x: Tensor) -> Tensor:
    return positive(x, prior=False)


def fixed_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Normal(decoder(z), 0.1).to_event(1), obs=x)


def fixed(x: Tensor, *, spread: float = 0.1) -> Tensor:
    q = two(encoder, x)
    errors = (x - decoder(drawn(*q))) / spread
    return ((0.5 * errors**2 + math.log(spread) + 0.5 * math.log(2 * math.pi)).sum(-1) + kl(*q)).sum()


def spread_in_float32(x: Tensor) -> Tensor:
    return fixed(x, spread=float(np.float32(0.1)))


def heads_guide(x: Tensor) -> None:
    pyro.module("first_head", first_head)
    pyro.module("second_head", second_head)
    with pyro.plate("data", len(x)):
        pyro.sample("z", normal(first_head(x), second_head(x)))


def heads(x: Tensor, *, cut: bool = False) -> Tensor:
    mean, log_var = first_head(x), second_head(x)
    z = drawn(mean, log_var)
    own = mean.detach() if cut else mean
    return (cross_entropy(z, x) + log_normal(z, own, log_var) - log_normal(z)).sum()


def mean_of_log_q_cut(x: Tensor) -> Tensor:
    return heads(x, cut=True)


def heads_swapped(x: Tensor) -> Tensor:
    mean, log_var = second_head(x), first_head(x)
    return (cross_entropy(drawn(mean, log_var), x) + kl(mean, log_var)).sum()
