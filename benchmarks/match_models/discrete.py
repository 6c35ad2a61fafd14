"""Pyro pairs with discrete latents that are summed over; losses by hand, one difference each."""

import pyro
import pyro.distributions as dist
import torch
from gaussian import LATENT, drawn, kl_between, log_normal, network, normal, standard, two
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

DATA, LABELS = 6, 3


def joined(a: Tensor, b: Tensor) -> Tensor:
    shape = torch.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    return torch.cat([a.expand(*shape, a.shape[-1]), b.expand(*shape, b.shape[-1])], -1)


def one_hot(k: int, rows: int, labels: int = LABELS) -> Tensor:
    return F.one_hot(torch.full((rows,), k), labels).to(torch.get_default_dtype())


def cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


# Semi-supervised: a label and a style (Kingma et al. 2014, M2), without labels seen.
torch.manual_seed(41)
classifier = nn.Linear(DATA, LABELS)
encoder, decoder = network(DATA + LABELS, 2 * LATENT, 42), network(LATENT + LABELS, DATA, 43)
share = torch.tensor([0.5, 0.3, 0.2])


def label_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.OneHotCategorical(probs=share.to(x.dtype)))
        z = pyro.sample("z", standard(len(x)))
        law = dist.Bernoulli(logits=decoder(joined(z, y)), validate_args=False)
        pyro.sample("x", law.to_event(1), obs=x)


def label_guide(x: Tensor) -> None:
    pyro.module("classifier", classifier)
    pyro.module("encoder", encoder)
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.OneHotCategorical(logits=classifier(x)))
        pyro.sample("z", normal(*two(encoder, joined(x, y))))


def label_loss(x: Tensor, *, label: float = 1.0, style: float = 1.0) -> Tensor:
    log_q, total = classifier(x).log_softmax(-1), torch.zeros(())
    for k in range(LABELS):
        y = one_hot(k, len(x))
        q = two(encoder, joined(x, y))
        z = drawn(*q)
        cost = cross_entropy(decoder(joined(z, y)), x) + style * (log_normal(z, *q) - log_normal(z))
        cost = cost + label * (log_q[:, k] - share[k].to(x.dtype).log())
        total = total + (log_q[:, k].exp() * cost).sum()
    return total


def label_without_its_kl(x: Tensor) -> Tensor:
    return label_loss(x, label=0.0)


def label_half_style(x: Tensor) -> Tensor:
    return label_loss(x, style=0.5)


# Two discrete latents, independent in the guide.
first, second, of_both = nn.Linear(DATA, 3), nn.Linear(DATA, 1), network(3 + 1, DATA, 44)


def both_model(x: Tensor) -> None:
    pyro.module("of_both", of_both)
    with pyro.plate("data", len(x)):
        c = pyro.sample("c", dist.OneHotCategorical(probs=share.to(x.dtype)))
        b = pyro.sample("b", dist.Bernoulli(0.3))
        law = dist.Bernoulli(logits=of_both(joined(c, b.unsqueeze(-1))), validate_args=False)
        pyro.sample("x", law.to_event(1), obs=x)


def both_guide(x: Tensor) -> None:
    pyro.module("first", first)
    pyro.module("second", second)
    with pyro.plate("data", len(x)):
        pyro.sample("c", dist.OneHotCategorical(logits=first(x)))
        pyro.sample("b", dist.Bernoulli(logits=second(x).squeeze(-1)))


def both_loss(x: Tensor, *, prior_of_b: bool = True) -> Tensor:
    log_c, logit, total = first(x).log_softmax(-1), second(x).squeeze(-1), torch.zeros(())
    for k in range(3):
        for b, log_b, p in ((1.0, F.logsigmoid(logit), 0.3), (0.0, F.logsigmoid(-logit), 0.7)):
            code = joined(one_hot(k, len(x)), torch.full((len(x), 1), b))
            cost = cross_entropy(of_both(code), x) + log_c[:, k] + log_b - share[k].to(x.dtype).log()
            cost = cost - (torch.tensor(p).log() if prior_of_b else 0.0)
            total = total + ((log_c[:, k] + log_b).exp() * cost).sum()
    return total / len(x)


def both_without_prior_of_b(x: Tensor) -> Tensor:
    return both_loss(x, prior_of_b=False)


# A mixture whose component is summed over in the model; the guide has the continuous latent alone.
recognition, centres = network(DATA, 2 * LATENT, 45), nn.Parameter(torch.tensor([[-1.0, 0.5], [1.2, 0.0], [0.3, -1.0]]))
generator = network(LATENT, DATA, 46)


def cluster_model(x: Tensor) -> None:
    pyro.module("generator", generator)
    means = pyro.param("centres", centres)
    with pyro.plate("data", len(x)):
        c = pyro.sample("c", dist.Categorical(probs=share.to(x.dtype)), infer={"enumerate": "parallel"})
        z = pyro.sample("z", dist.Normal(means[c], 0.8).to_event(1))
        pyro.sample("x", dist.Bernoulli(logits=generator(z), validate_args=False).to_event(1), obs=x)


def cluster_guide(x: Tensor) -> None:
    pyro.module("recognition", recognition)
    with pyro.plate("data", len(x)):
        pyro.sample("z", normal(*two(recognition, x)))


def cluster_loss(x: Tensor, *, pixels: int = 1) -> Tensor:
    q = two(recognition, x)
    z = drawn(*q)
    wide = 2 * torch.tensor(0.8).log()
    component = log_normal(z[:, None, :], centres, wide)
    log_p = torch.logsumexp(share.to(x.dtype).log() + component, -1)
    return (cross_entropy(generator(z), x) / pixels + log_normal(z, *q) - log_p).mean()


def cluster_over_pixels(x: Tensor) -> Tensor:
    return cluster_loss(x, pixels=DATA)


# A label that is seen, in the model alone: its law enters the analytic KL's prior.
prior_of_label = network(LABELS, 2 * LATENT, 47)


def seen_model(x: Tensor, y: Tensor) -> None:
    pyro.module("prior_of_label", prior_of_label)
    pyro.module("decoder", decoder)
    code = F.one_hot(y, LABELS).to(x.dtype)
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Categorical(probs=share.to(x.dtype)), obs=y)
        z = pyro.sample("z", normal(*two(prior_of_label, code)))
        law = dist.Bernoulli(logits=decoder(joined(z, code)), validate_args=False)
        pyro.sample("x", law.to_event(1), obs=x)


def seen_guide(x: Tensor, y: Tensor) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", len(x)):
        pyro.sample("z", normal(*two(encoder, joined(x, F.one_hot(y, LABELS).to(x.dtype)))))


def seen_loss(x: Tensor, y: Tensor, *, label: bool = True) -> Tensor:
    code = F.one_hot(y, LABELS).to(x.dtype)
    q = two(encoder, joined(x, code))
    cost = cross_entropy(decoder(joined(drawn(*q), code)), x) + kl_between(q, two(prior_of_label, code))
    return (cost - (share.to(x.dtype).log()[y] if label else 0.0)).mean()


def seen_label_unscored(x: Tensor, y: Tensor) -> Tensor:
    return seen_loss(x, y, label=False)
