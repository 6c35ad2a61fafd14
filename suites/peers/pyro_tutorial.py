"""The training loop as Pyro's VAE tutorial writes it (pyro.ai/examples/vae.html), on the model that is compared here.

The tutorial's ways are kept: encoder and decoder are torch modules registered by `pyro.module`, the decoder ends in a
sigmoid and the pixels are `Bernoulli(probs)` with validation off, the batches come out of a DataLoader, Adam and
Trace_ELBO have their defaults (a sum over the batch), and each step's loss is added up as a Python number.
"""

from collections.abc import Iterator
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam  # pyright: ignore[reportAttributeAccessIssue]
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from elbo_compare.suites.bridge.torch_arrays import (
    TORCH_DTYPES,
    initial_weights,
    open_device,
    synchronise,
    to_arrays,
    to_tensor,
)
from elbo_compare.suites.bridge.torch_counts import count_step
from elbo_compare.suites.contract import Params, Problem
from elbo_compare.suites.forms import Trainer, Workload


class Gated(nn.Module):
    """Layers of (h A' + a) * sigmoid(h G' + g). Dauphin et al. 2016, eq. 1."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.gate = nn.Linear(inputs, outputs)
        self.sigmoid = nn.Sigmoid()

    def forward(self, h: Tensor) -> Tensor:
        """Shapes: (batch, inputs) -> (batch, outputs)."""
        return self.linear(h) * self.sigmoid(self.gate(h))


class Encoder(nn.Module):
    """x -> mean and scale of q(z|x)."""

    def __init__(self, problem: Problem, hidden: int):
        super().__init__()
        self.layers = nn.Sequential(Gated(problem.observed, hidden), Gated(hidden, hidden))
        self.mean = nn.Linear(hidden, problem.latent)
        self.log_var = nn.Linear(hidden, problem.latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes: (batch, observed) -> (batch, latent) twice."""
        h = self.layers(x)
        return self.mean(h), torch.exp(0.5 * self.log_var(h))


class Decoder(nn.Module):
    """z -> the pixels' probabilities."""

    def __init__(self, problem: Problem, hidden: int):
        super().__init__()
        self.layers = nn.Sequential(Gated(problem.latent, hidden), Gated(hidden, hidden))
        self.output = nn.Linear(hidden, problem.observed)
        self.sigmoid = nn.Sigmoid()

    def forward(self, z: Tensor) -> Tensor:
        """Shapes: (batch, latent) -> (batch, observed)."""
        return self.sigmoid(self.output(self.layers(z)))


class VAE(nn.Module):
    """Model and guide as methods of one module."""

    def __init__(self, problem: Problem):
        super().__init__()
        hidden = len(problem.params["encoder.0.linear.bias"])
        self.latent = problem.latent
        self.encoder, self.decoder = Encoder(problem, hidden), Decoder(problem, hidden)

    def model(self, x: Tensor) -> Tensor:
        """p(z) and p(x|z); returns the probabilities."""
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", x.shape[0]):
            z_loc = torch.zeros(x.shape[0], self.latent, dtype=x.dtype, device=x.device)
            z_scale = torch.ones(x.shape[0], self.latent, dtype=x.dtype, device=x.device)
            z = pyro.sample("latent", dist.Normal(z_loc, z_scale).to_event(1))
            probabilities = self.decoder(z)
            pyro.sample("obs", dist.Bernoulli(probabilities, validate_args=False).to_event(1), obs=x)
            return probabilities

    def guide(self, x: Tensor) -> None:
        """q(z|x)."""
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", x.shape[0]):
            z_loc, z_scale = self.encoder(x)
            pyro.sample("latent", dist.Normal(z_loc, z_scale).to_event(1))


def load(module: nn.Module, params: dict[str, Tensor]) -> None:
    """Put the case's weights into modules of the tutorial's make-up: `layers.` stands before a layer's index."""
    state = {}
    for name, value in params.items():
        side, *rest = name.split(".")
        state[".".join([side, *(["layers"] if rest[0].isdigit() else []), *rest])] = value
    module.load_state_dict(state)


def canonical(module: nn.Module) -> Params:
    """The weights by their canonical names."""
    return to_arrays({name.replace(".layers.", "."): value for name, value in module.named_parameters()})


def endless(loader: DataLoader) -> Iterator[Tensor]:
    """Epoch after epoch over the loader, as the tutorial's `for x, _ in train_loader` in a loop over epochs."""
    while True:
        for (x,) in loader:
            yield x


def prepare(name: str, case: Workload) -> Trainer:
    """The tutorial's loop; one name only."""
    del name
    device = open_device(case.device)
    pyro.clear_param_store()
    vae = VAE(case.problem).to(device, TORCH_DTYPES[case.dtype])
    load(vae, initial_weights(case, device))
    rows = to_tensor(case.batches.reshape(-1, case.batches.shape[-1]), torch.device("cpu"), case.dtype)
    batch = case.batches.shape[1]
    # Not shuffled, and with a generator of its own: everybody sees the same batches and draws the same noise.
    order = torch.Generator().manual_seed(case.seed)
    batches = endless(DataLoader(TensorDataset(rows), batch_size=batch, shuffle=False, generator=order))
    svi: Any = SVI(vae.model, vae.guide, Adam({"lr": case.learning_rate}), loss=Trace_ELBO())
    pyro.set_rng_seed(case.seed)

    def step(k: int) -> float:
        epoch_loss = loss = 0.0
        for _ in range(k):
            x = next(batches)
            if device.type != "cpu":
                x = x.to(device)
            loss = svi.step(x)
            epoch_loss += loss
        synchronise(device)
        return float(loss) / batch

    return Trainer(
        step=step, weights=lambda: canonical(vae), count=lambda: count_step(lambda: step(1), vae.parameters())
    )
