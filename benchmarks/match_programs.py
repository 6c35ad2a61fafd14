"""Pyro pairs beyond one Gaussian latent, and hand-written losses on their networks: for `match_pairs.py`."""

import math
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

DATA, HIDDEN, LATENT, ROWS = 6, 5, 2, 600
torch.manual_seed(0)


def network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, outputs))


encoder, upper_encoder = network(DATA, 2 * LATENT), network(LATENT, 2 * LATENT)
prior_net, decoder, normal_decoder = network(LATENT, 2 * LATENT), network(LATENT, DATA), network(LATENT, 2 * DATA)
factor = nn.Parameter(torch.eye(LATENT) * 0.5 + 0.1 * torch.ones(LATENT, LATENT).tril())
HALF = torch.tensor([True] * 3 + [False] * 3)


def two(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_var = network(x).chunk(2, -1)
    return mean, log_var


def normal(mean: Tensor, log_var: Tensor) -> Any:
    return dist.Normal(mean, (0.5 * log_var).exp()).to_event(1)


def standard(rows: int) -> Any:
    return dist.Normal(torch.zeros(rows, LATENT), 1.0).to_event(1)


def drawn(mean: Tensor, log_var: Tensor) -> Tensor:
    return mean + (0.5 * log_var).exp() * torch.randn_like(mean)


def log_normal(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    return (-0.5 * (log_var + (z - mean) ** 2 / log_var.exp() + math.log(2 * math.pi))).sum(-1)


def kl(mean: Tensor, log_var: Tensor) -> Tensor:
    return -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(-1)


def data_term(z: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(-1)


def model(x: Tensor, size: int = 0, *, masked: bool = False) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", size or len(x), subsample=x if size else None):
        z = pyro.sample("z", standard(len(x)))
        likelihood = dist.Bernoulli(logits=decoder(z), validate_args=False)
        pyro.sample("x", (likelihood.mask(HALF) if masked else likelihood).to_event(1), obs=x)


def guide(x: Tensor, size: int = 0) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", size or len(x), subsample=x if size else None):
        pyro.sample("z", normal(*two(encoder, x)))


def masked_model(x: Tensor) -> None:
    model(x, masked=True)


def subsampled_model(x: Tensor) -> None:
    model(x, ROWS)


def subsampled_guide(x: Tensor) -> None:
    guide(x, ROWS)


def scaled_guide(x: Tensor) -> None:
    poutine.scale(guide, 0.5)(x)


def full_guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    lower = pyro.param("factor", factor).tril()
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.MultivariateNormal(two(encoder, x)[0], scale_tril=lower))


def right(x: Tensor) -> Tensor:
    q = two(encoder, x)
    return (data_term(drawn(*q), x) + kl(*q)).sum()


def subsampled_right(x: Tensor) -> Tensor:
    return ROWS / len(x) * right(x)


def masked_right(x: Tensor) -> Tensor:
    q = two(encoder, x)
    cost = F.binary_cross_entropy_with_logits(decoder(drawn(*q)), x, reduction="none") * HALF.to(x.dtype)
    return (cost.sum(-1) + kl(*q)).sum()


def several(x: Tensor, *, weighted: bool) -> Tensor:
    q, weights = two(encoder, x), []
    for _ in range(3):
        z = drawn(*q)
        weights.append(-data_term(z, x) - log_normal(z, *q) + log_normal(z, torch.zeros(()), torch.zeros(())))
    stacked = torch.stack(weights)
    return -((torch.logsumexp(stacked, 0) - math.log(3)) if weighted else stacked.mean(0)).sum()


def three_draws(x: Tensor) -> Tensor:
    return several(x, weighted=False)


def iwae(x: Tensor) -> Tensor:
    return several(x, weighted=True)


def free_bits(x: Tensor) -> Tensor:
    q = two(encoder, x)
    return (data_term(drawn(*q), x) + kl(*q).clamp(min=0.5)).sum()


def frozen_decoder(x: Tensor) -> Tensor:
    q = two(encoder, x)
    held = {name: each.detach() for name, each in decoder.named_parameters()}
    logits = torch.func.functional_call(decoder, held, (drawn(*q),))
    return (F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1) + kl(*q)).sum()


def one_latent_alone(x: Tensor) -> Tensor:
    mean, log_var = two(encoder, x)
    return (data_term(drawn(mean, log_var), x) + kl(mean[:, :1], log_var[:, :1])).sum()


def shared_noise(x: Tensor) -> Tensor:
    mean, log_var = two(encoder, x)
    z = mean + (0.5 * log_var).exp() * torch.randn(LATENT, dtype=x.dtype)
    return (data_term(z, x) + kl(mean, log_var)).sum()


def sigma_for_variance(x: Tensor) -> Tensor:
    mean, log_var = two(encoder, x)
    wrong = -0.5 * (1 + log_var - mean**2 - (0.5 * log_var).exp()).sum(-1)
    return (data_term(drawn(mean, log_var), x) + wrong).sum()


def full(x: Tensor, *, determinant: bool = True) -> Tensor:
    mean, lower = two(encoder, x)[0], factor.tril()
    z = mean + torch.randn_like(mean) @ lower.T
    white = (z - mean) @ torch.linalg.inv(lower).T
    log_q = (-0.5 * (white**2 + math.log(2 * math.pi))).sum(-1)
    log_q = log_q - (lower.diag().log().sum() if determinant else 0.0)
    return (data_term(z, x) + log_q - log_normal(z, torch.zeros(()), torch.zeros(()))).sum()


def no_determinant(x: Tensor) -> Tensor:
    return full(x, determinant=False)


# A normal likelihood, its variance learned or fixed.


def normal_model(x: Tensor) -> None:
    pyro.module("normal_decoder", normal_decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", normal(*two(normal_decoder, z)), obs=x)


def fixed_model(x: Tensor) -> None:
    pyro.module("normal_decoder", normal_decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Normal(two(normal_decoder, z)[0], 0.1).to_event(1), obs=x)


def normal_loss(x: Tensor, *, log_var_weight: float = 1.0, cut: bool = False) -> Tensor:
    q = two(encoder, x)
    mean, log_var = two(normal_decoder, drawn(*q))
    cost = 0.5 * (log_var_weight * log_var + (x - mean) ** 2 / log_var.exp() + math.log(2 * math.pi)).sum(-1)
    return (cost + (kl(*q).detach() if cut else kl(*q))).mean()


def no_log_variance(x: Tensor) -> Tensor:
    return normal_loss(x, log_var_weight=0.0)


def kl_detached(x: Tensor) -> Tensor:
    return normal_loss(x, cut=True)


def plain_squares(x: Tensor) -> Tensor:
    q = two(encoder, x)
    return (((x - two(normal_decoder, drawn(*q))[0]) ** 2).sum(-1) + kl(*q)).mean()


def fifty_squares(x: Tensor) -> Tensor:
    q = two(encoder, x)
    return (50 * ((x - two(normal_decoder, drawn(*q))[0]) ** 2).sum(-1) + kl(*q)).mean()


# Two latents, z2 above z1.


def deep_model(x: Tensor) -> None:
    pyro.module("prior_net", prior_net)
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z2 = pyro.sample("z2", standard(len(x)))
        z1 = pyro.sample("z1", normal(*two(prior_net, z2)))
        pyro.sample("x", dist.Bernoulli(logits=decoder(z1), validate_args=False).to_event(1), obs=x)


def deep_guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    pyro.module("upper_encoder", upper_encoder)
    with pyro.plate("data", len(x)):
        z1 = pyro.sample("z1", normal(*two(encoder, x)))
        pyro.sample("z2", normal(*two(upper_encoder, z1)))


def deep(x: Tensor, *, upper: float = 1.0, lower: float = 1.0, learned: bool = True) -> Tensor:
    q1 = two(encoder, x)
    z1 = drawn(*q1)
    q2 = two(upper_encoder, z1)
    z2 = drawn(*q2)
    zero = torch.zeros(())
    p1 = two(prior_net, z2) if learned else (zero, zero)
    first = log_normal(z1, *q1) - log_normal(z1, *p1)
    return (data_term(z1, x) + lower * first + upper * (log_normal(z2, *q2) - log_normal(z2, zero, zero))).sum()


def no_z2(x: Tensor) -> Tensor:
    return deep(x, upper=0.0)


def lighter_z1(x: Tensor) -> Tensor:
    return deep(x, lower=0.3)


def standard_z1(x: Tensor) -> Tensor:
    return deep(x, learned=False)
