"""In torch and Pyro what `numpyro_models` has in JAX, on weights of its own: for matches across the frameworks."""

import pyro
import pyro.distributions as dist
import torch
from gaussian import drawn, kl, standard
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

DATA, HIDDEN, LATENT = 6, 5, 2


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.mean, self.log_var = (
            nn.Linear(DATA, HIDDEN),
            nn.Linear(HIDDEN, LATENT),
            nn.Linear(HIDDEN, LATENT),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.encoder(x))
        return self.mean(h), self.log_var(h)


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.decoder, self.output = nn.Linear(LATENT, HIDDEN), nn.Linear(HIDDEN, DATA)

    def forward(self, z: Tensor) -> Tensor:
        return self.output(torch.tanh(self.decoder(z)))


torch.manual_seed(51)
encoder, decoder, upper, lower = Encoder(), Decoder(), nn.Linear(LATENT, 2 * LATENT), nn.Linear(LATENT, 2 * LATENT)


def normal(mean: Tensor, log_var: Tensor) -> dist.TorchDistribution:
    return dist.Normal(mean, (0.5 * log_var).exp()).to_event(1)


def guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    with pyro.plate("data", len(x)):
        pyro.sample("z", normal(*encoder(x)))


def bernoulli_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Bernoulli(logits=decoder(z), validate_args=False).to_event(1), obs=x)


def loose_model(x: Tensor) -> None:
    """A normal likelihood of standard deviation 0.2."""
    pyro.module("decoder", decoder)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", standard(len(x)))
        pyro.sample("x", dist.Normal(decoder(z), 0.2).to_event(1), obs=x)


def deep_model(x: Tensor) -> None:
    pyro.module("decoder", decoder)
    pyro.module("lower", lower)
    with pyro.plate("data", len(x)):
        z2 = pyro.sample("z2", standard(len(x)))
        mean, log_var = lower(z2).chunk(2, -1)
        z1 = pyro.sample("z1", normal(mean, log_var))
        pyro.sample("x", dist.Bernoulli(logits=decoder(z1), validate_args=False).to_event(1), obs=x)


def deep_guide(x: Tensor) -> None:
    pyro.module("encoder", encoder)
    pyro.module("upper", upper)
    with pyro.plate("data", len(x)):
        z1 = pyro.sample("z1", normal(*encoder(x)))
        mean, log_var = upper(z1).chunk(2, -1)
        pyro.sample("z2", normal(mean, log_var))


def loss(x: Tensor) -> Tensor:
    q = encoder(x)
    return F.binary_cross_entropy_with_logits(decoder(drawn(*q)), x, reduction="sum") + kl(*q).sum()


def log_var_absent(x: Tensor) -> Tensor:
    mean, log_var = encoder(x)
    logits = decoder(drawn(mean, log_var))
    divergence = -0.5 * (1 - mean**2 - log_var.exp()).sum()
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") + divergence


def at_the_mean(x: Tensor) -> Tensor:
    """Decoded at the mean: no noise, as in evaluation."""
    q = encoder(x)
    torch.randn_like(q[0])
    return F.binary_cross_entropy_with_logits(decoder(q[0]), x, reduction="sum") + kl(*q).sum()
