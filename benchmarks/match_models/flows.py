"""Pyro pairs whose guide, prior or latent is transformed; losses by hand, one difference each."""

import pyro
import pyro.distributions as dist
import torch
from gaussian import LATENT, drawn, kl, log_normal, network, normal, standard, two
from pyro.distributions import transforms
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

DATA = 6
encoder, decoder = network(DATA, 2 * LATENT, 31), network(LATENT, DATA, 32)
torch.manual_seed(33)
coupling, coupling_2 = nn.Linear(1, 2), nn.Linear(1, 2)
EXP = transforms.ExpTransform()


class Coupling(torch.distributions.transforms.Transform):
    """y = (x1, x2 exp(s(x1)) + t(x1))."""

    domain = codomain = torch.distributions.constraints.real_vector
    bijective = True

    def __init__(self, net: nn.Linear) -> None:
        super().__init__(cache_size=1)
        self.net = net

    def _call(self, x: Tensor) -> Tensor:
        s, t = self.net(x[..., :1]).chunk(2, -1)
        return torch.cat([x[..., :1], x[..., 1:] * s.exp() + t], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        s, t = self.net(y[..., :1]).chunk(2, -1)
        return torch.cat([y[..., :1], (y[..., 1:] - t) * (-s).exp()], -1)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.net(x[..., :1])[..., 0]


def observed(z: Tensor, x: Tensor) -> None:
    pyro.module("decoder", decoder)
    pyro.sample("x", dist.Bernoulli(logits=decoder(z), validate_args=False).to_event(1), obs=x)


def cross_entropy(z: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(-1)


# A flow on the guide.


def model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        observed(pyro.sample("z", standard(len(x))), x)


def flow_guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    pyro.module("coupling", coupling)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.TransformedDistribution(normal(*two(encoder, x)), [Coupling(coupling)]))


def flow_loss(x: Tensor, *, determinant: float = 1.0) -> Tensor:
    q = two(encoder, x)
    z0 = drawn(*q)
    s, t = coupling(z0[:, :1]).chunk(2, -1)
    z = torch.cat([z0[:, :1], z0[:, 1:] * s.exp() + t], -1)
    log_q = log_normal(z0, *q) - determinant * s[:, 0]
    return (cross_entropy(z, x) + log_q - log_normal(z)).mean()


def flow_no_determinant(x: Tensor) -> Tensor:
    return flow_loss(x, determinant=0.0)


def flow_determinant_added(x: Tensor) -> Tensor:
    return flow_loss(x, determinant=-1.0)


# A flow on the prior.


def flow_prior_model(x: Tensor) -> None:
    pyro.module("coupling_2", coupling_2)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.TransformedDistribution(standard(len(x)), [Coupling(coupling_2)]))
        observed(z, x)


def guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", len(x)):
        pyro.sample("z", normal(*two(encoder, x)))


def flow_prior_loss(x: Tensor, *, through: bool = True) -> Tensor:
    q = two(encoder, x)
    z = drawn(*q)
    s, t = coupling_2(z[:, :1]).chunk(2, -1)
    base = torch.cat([z[:, :1], (z[:, 1:] - t) * (-s).exp()], -1)
    log_p = log_normal(base) - s[:, 0] if through else log_normal(z)
    return (cross_entropy(z, x) + log_normal(z, *q) - log_p).sum()


def flow_prior_standard(x: Tensor) -> Tensor:
    return flow_prior_loss(x, through=False)


# A positive latent: log-normal in the guide and in the model.


def positive_model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.LogNormal(torch.zeros(len(x), LATENT), 1.0).to_event(1))
        observed(z, x)


def positive_guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    mean, log_var = two(encoder, x)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.LogNormal(mean, (0.5 * log_var).exp()).to_event(1))


def positive_loss(x: Tensor, *, jacobian: float = 0.0) -> Tensor:
    """In log space, where both Jacobians cancel; jacobian: on log p alone."""
    q = two(encoder, x)
    u = drawn(*q)
    log_p = log_normal(u) - jacobian * u.sum(-1)
    return (cross_entropy(u.exp(), x) + log_normal(u, *q) - log_p).sum()


def positive_one_jacobian(x: Tensor) -> Tensor:
    return positive_loss(x, jacobian=1.0)


# A topic model: a logistic-normal latent, words counted.
topics, words = 3, 8
counter, betas = network(words, 2 * topics, 34), nn.Linear(topics, words, bias=False)


def topic_model(x: Tensor) -> None:
    pyro.module("betas", betas)
    with pyro.plate("documents", len(x)):
        theta = pyro.sample("theta", standard(len(x), topics)).softmax(-1)
        law = dist.Multinomial(int(x.sum(-1).max()), betas(theta).softmax(-1), validate_args=False)
        pyro.sample("x", law, obs=x)


def topic_guide(x: Tensor) -> None:
    pyro.module("counter", counter)
    with pyro.plate("documents", len(x)):
        pyro.sample("theta", normal(*two(counter, x)))


def topic_loss(x: Tensor, *, per_word: bool = False) -> Tensor:
    """Without the multinomial coefficient."""
    q = two(counter, x)
    log_words = betas(drawn(*q).softmax(-1)).log_softmax(-1)
    return (-(x * log_words).sum(-1) + kl(*q) / (words if per_word else 1)).mean()


def topic_kl_per_word(x: Tensor) -> Tensor:
    return topic_loss(x, per_word=True)
