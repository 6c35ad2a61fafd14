"""Pyro pairs with several latents, plates, scales, masks, priors of their own; losses by hand, one difference each."""

import math

import pyro
import pyro.distributions as dist
import torch
from gaussian import LATENT, drawn, kl, kl_between, log_normal, network, normal, standard, two
from pyro import poutine
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

DATA, SIZE, STEPS = 6, 500, 3
encoder, decoder = network(DATA, 2 * LATENT, 11), network(LATENT, DATA, 12)


def cross_entropy(decoder: nn.Module, z: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(-1)


def observed(z: Tensor, x: Tensor) -> None:
    pyro.module("decoder", decoder)
    pyro.sample("x", dist.Bernoulli(logits=decoder(z), validate_args=False).to_event(1), obs=x)


def guide(x: Tensor, *_: Tensor) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", len(x)):
        pyro.sample("z", normal(*two(encoder, x)))


# A ladder of three latents.
up2, up3 = network(LATENT, 2 * LATENT, 13), network(LATENT, 2 * LATENT, 14)
down2, down1 = network(LATENT, 2 * LATENT, 15), network(LATENT, 2 * LATENT, 16)


def ladder_model(x: Tensor) -> None:
    for name, each in (("down2", down2), ("down1", down1)):
        pyro.module(name, each)
    with pyro.plate("data", len(x)):
        z3 = pyro.sample("z3", standard(len(x)))
        z2 = pyro.sample("z2", normal(*two(down2, z3)))
        observed(pyro.sample("z1", normal(*two(down1, z2))), x)


def ladder_guide(x: Tensor) -> None:
    for name, each in (("encoder", encoder), ("up2", up2), ("up3", up3)):
        pyro.module(name, each)
    with pyro.plate("data", len(x)):
        z1 = pyro.sample("z1", normal(*two(encoder, x)))
        z2 = pyro.sample("z2", normal(*two(up2, z1)))
        pyro.sample("z3", normal(*two(up3, z2)))


def ladder_loss(x: Tensor, *, third: float = 1.0) -> Tensor:
    q1 = two(encoder, x)
    z1 = drawn(*q1)
    q2 = two(up2, z1)
    z2 = drawn(*q2)
    q3 = two(up3, z2)
    z3 = drawn(*q3)
    k1 = log_normal(z1, *q1) - log_normal(z1, *two(down1, z2))
    k2 = log_normal(z2, *q2) - log_normal(z2, *two(down2, z3))
    k3 = log_normal(z3, *q3) - log_normal(z3)
    return (cross_entropy(decoder, z1, x) + k1 + k2 + third * k3).mean()


def ladder_without_z3(x: Tensor) -> Tensor:
    return ladder_loss(x, third=0.0)


# A Markov chain of latents.
step, emission, filter_net = network(LATENT, 2 * LATENT, 17), network(LATENT, 2, 18), network(2, 2 * LATENT, 19)


def chain_model(x: Tensor) -> None:
    pyro.module("step", step)
    pyro.module("emission", emission)
    with pyro.plate("data", len(x)):
        z = torch.zeros(len(x), LATENT)
        for t in range(STEPS):
            z = pyro.sample(f"z_{t}", normal(*two(step, z)))
            law = dist.Bernoulli(logits=emission(z), validate_args=False).to_event(1)
            pyro.sample(f"x_{t}", law, obs=x[:, 2 * t : 2 * t + 2])


def chain_guide(x: Tensor) -> None:
    pyro.module("filter_net", filter_net)
    with pyro.plate("data", len(x)):
        for t in range(STEPS):
            pyro.sample(f"z_{t}", normal(*two(filter_net, x[:, 2 * t : 2 * t + 2])))


def chain_loss(x: Tensor, *, forgotten: int = -1) -> Tensor:
    z, total = torch.zeros(len(x), LATENT), torch.zeros(())
    for t in range(STEPS):
        now = x[:, 2 * t : 2 * t + 2]
        p, q = two(step, z), two(filter_net, now)
        z = drawn(*q)
        prior = log_normal(z) if t == forgotten else log_normal(z, *p)
        total = total + (cross_entropy(emission, z, now) + log_normal(z, *q) - prior).sum()
    return total


def chain_forgets(x: Tensor) -> Tensor:
    return chain_loss(x, forgotten=1)


# A global weight, and mini-batches of a data set of 500 rows.
weight_mean, weight_log_var = nn.Parameter(torch.full((DATA,), 0.3)), nn.Parameter(torch.full((DATA,), -1.0))


def regression_model(x: Tensor, y: Tensor) -> None:
    w = pyro.sample("w", dist.Normal(torch.zeros(DATA), 1.0).to_event(1))
    with pyro.plate("data", SIZE, subsample=x):
        pyro.sample("y", dist.Bernoulli(logits=x @ w), obs=y)


def regression_guide(x: Tensor, y: Tensor) -> None:
    mean, log_var = pyro.param("weight_mean", weight_mean), pyro.param("weight_log_var", weight_log_var)
    pyro.sample("w", normal(mean, log_var))


def regression_loss(x: Tensor, y: Tensor, *, whole: bool = True) -> Tensor:
    w = drawn(weight_mean, weight_log_var)
    nll = F.binary_cross_entropy_with_logits(x @ w, y)
    return nll + kl(weight_mean, weight_log_var) / (SIZE if whole else 1)


def regression_undivided(x: Tensor, y: Tensor) -> Tensor:
    return regression_loss(x, y, whole=False)


# Local latents in mini-batches.


def mini_model(x: Tensor) -> None:
    with pyro.plate("data", SIZE, subsample=x):
        observed(pyro.sample("z", standard(len(x))), x)


def mini_guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", SIZE, subsample=x):
        pyro.sample("z", normal(*two(encoder, x)))


def mini_loss(x: Tensor, *, scaled: bool = True) -> Tensor:
    q = two(encoder, x)
    whole = SIZE / len(x)
    return whole * cross_entropy(decoder, drawn(*q), x).sum() + (whole if scaled else 1.0) * kl(*q).sum()


def mini_unscaled(x: Tensor) -> Tensor:
    return mini_loss(x, scaled=False)


# Annealing by a scale on both sides.


def annealed_model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        with poutine.scale(scale=0.25):
            z = pyro.sample("z", standard(len(x)))
        observed(z, x)


def annealed_guide(x: Tensor) -> None:
    poutine.scale(guide, 0.25)(x)


def annealed_loss(x: Tensor, *, annealed: bool = True) -> Tensor:
    q = two(encoder, x)
    return (cross_entropy(decoder, drawn(*q), x) + (0.25 if annealed else 1.0) * kl(*q)).mean()


def not_annealed(x: Tensor) -> Tensor:
    return annealed_loss(x, annealed=False)


# Rows without a label: a mask over the batch.
labeller = network(LATENT, 3, 20)


def seen_model(x: Tensor, y: Tensor, seen: Tensor) -> None:
    pyro.module("labeller", labeller)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        observed(z, x)
        with poutine.mask(mask=seen.bool()):
            pyro.sample("y", dist.Categorical(logits=labeller(z)), obs=y)


def seen_loss(x: Tensor, y: Tensor, seen: Tensor, *, masked: bool = True) -> Tensor:
    q = two(encoder, x)
    z = drawn(*q)
    labels = F.cross_entropy(labeller(z), y, reduction="none") * (seen.to(x.dtype) if masked else 1.0)
    return (cross_entropy(decoder, z, x) + labels + kl(*q)).sum()


def all_labels(x: Tensor, y: Tensor, seen: Tensor) -> Tensor:
    return seen_loss(x, y, seen, masked=False)


# A prior that hangs on a condition (CVAE).
prior_net, conditioned = network(3, 2 * LATENT, 21), network(LATENT + 3, DATA, 22)


def given_model(x: Tensor, c: Tensor) -> None:
    pyro.module("prior_net", prior_net)
    pyro.module("conditioned", conditioned)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", normal(*two(prior_net, c)))
        law = dist.Bernoulli(logits=conditioned(torch.cat([z, c], -1)), validate_args=False)
        pyro.sample("x", law.to_event(1), obs=x)


def given_loss(x: Tensor, c: Tensor, *, learned: bool = True) -> Tensor:
    q = two(encoder, x)
    z = torch.cat([drawn(*q), c], -1)
    divergence = kl_between(q, two(prior_net, c)) if learned else kl(*q)
    return (cross_entropy(conditioned, z, x) + divergence).mean()


def given_standard(x: Tensor, c: Tensor) -> Tensor:
    return given_loss(x, c, learned=False)


# A wider prior in the pair; a wider one in the loss alone.


def wide_model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        observed(pyro.sample("z", dist.Normal(torch.zeros(len(x), LATENT), 2.0).to_event(1)), x)


def narrow_model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        observed(pyro.sample("z", standard(len(x))), x)


def wide_loss(x: Tensor, *, width: float = 2.0) -> Tensor:
    q = two(encoder, x)
    wide = torch.full_like(q[0], 2 * math.log(width))
    return (cross_entropy(decoder, drawn(*q), x) + kl_between(q, (torch.zeros_like(wide), wide))).sum()


def narrow_loss(x: Tensor) -> Tensor:
    return wide_loss(x, width=1.0)


# A mixture as the prior.
places, mixture_logits = (
    nn.Parameter(torch.tensor([[-1.0, 0.5], [1.0, 0.0], [0.3, -1.2]])),
    torch.tensor([0.2, 0.5, -0.3]),
)


def mixture() -> dist.MixtureSameFamily:
    component = dist.Normal(pyro.param("places", places), 0.8).to_event(1)
    return dist.MixtureSameFamily(dist.Categorical(logits=mixture_logits.to(places.dtype)), component)


def mixture_model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        observed(pyro.sample("z", mixture()), x)


def mixture_loss(x: Tensor, *, again: bool = False) -> Tensor:
    q = two(encoder, x)
    z = drawn(*q)
    scored = drawn(*q) if again else z
    component = log_normal(scored[:, None, :], places, 2 * math.log(0.8))
    log_p = torch.logsumexp(mixture_logits.to(z.dtype).log_softmax(-1) + component, -1)
    return (cross_entropy(decoder, z, x) + log_normal(z, *q) - log_p).sum()


def mixture_second_draw(x: Tensor) -> Tensor:
    return mixture_loss(x, again=True)


# Before and after a rewrite of one pair.


def before_guide(x: Tensor) -> None:
    guide(x)


def rewritten_guide(x: Tensor) -> None:
    """exp(log variance) as the standard deviation."""
    pyro.module("encoder", encoder)
    mean, log_var = two(encoder, x)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(mean, log_var.exp()).to_event(1))


def rewritten_model(x: Tensor) -> None:
    """The likelihood lies in a plate of the whole data set, the latents do not."""
    with pyro.plate("latents", len(x)):
        z = pyro.sample("z", standard(len(x)))
    with pyro.plate("pixels", SIZE, subsample=x):
        observed(z, x)
