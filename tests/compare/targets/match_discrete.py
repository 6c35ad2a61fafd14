"""A pair with one binary latent per datum, and losses that draw it by other means than Pyro does."""

import pyro
import pyro.distributions as dist
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

DATA, DRAWS = 3, 64
torch.manual_seed(2)
classifier, decoder = nn.Linear(DATA, 1), nn.Linear(1, DATA)
with torch.no_grad():
    classifier.bias.fill_(2.5)  # far from the prior: KL(s) is of the order of the rest


def model(x):
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        s = pyro.sample("s", dist.Bernoulli(0.2))
        pyro.sample("x", dist.Bernoulli(logits=decoder(s.unsqueeze(-1)), validate_args=False).to_event(1), obs=x)


def guide(x):
    pyro.module("classifier", classifier)
    with pyro.plate("data", len(x)):
        pyro.sample("s", dist.Bernoulli(logits=classifier(x).squeeze(-1)))


def parts(x):
    logits = classifier(x).squeeze(-1)
    s = (torch.rand_like(logits) < torch.sigmoid(logits)).to(x.dtype)
    log_q = -F.binary_cross_entropy_with_logits(logits, s, reduction="none")
    log_p = s * torch.tensor(0.2, dtype=x.dtype).log() + (1 - s) * torch.tensor(0.8, dtype=x.dtype).log()
    nll = F.binary_cross_entropy_with_logits(decoder(s.unsqueeze(-1)), x, reduction="none").sum(-1)
    return nll, log_q, log_p


def without_score(x):
    nll, log_q, log_p = parts(x)
    return (nll + log_q - log_p).mean()


def with_score(x):
    """The right one: minus the ELBO at 64 drawn states, with its score-function gradient, less the others' mean."""
    nll, log_q, log_p = (each.reshape(DRAWS, -1) for each in parts(x.repeat(DRAWS, 1)))
    cost = nll + log_q - log_p
    others = (cost.sum(0) - cost) / (DRAWS - 1)
    score = (cost - others).detach() * (log_q - log_q.detach())
    return (cost + score).mean()


def twice_the_kl(x):
    nll, log_q, log_p = parts(x)
    return (nll + 2 * (log_q - log_p)).mean()


def over_states(x):
    logits = classifier(x).squeeze(-1)
    q = torch.sigmoid(logits)
    total = 0.0
    for s, share, prior in ((1.0, q, 0.2), (0.0, 1 - q, 0.8)):
        nll = F.binary_cross_entropy_with_logits(
            decoder(torch.full((len(x), 1), s, dtype=x.dtype)), x, reduction="none"
        ).sum(-1)
        total = total + (share * (nll + share.log() - torch.tensor(prior, dtype=x.dtype).log())).sum()
    return total
