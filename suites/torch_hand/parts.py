"""The joined training step of the hand-written torch VAE taken apart, for the clock: every part done by itself.

Each part does what the step does of it, on arrays of the step's shapes and layouts, and allocates as the step does.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from elbo_compare.suites.bridge.torch_arrays import synchronise
from elbo_compare.suites.forms import Part, Parts, Workload
from elbo_compare.suites.torch_hand.forms import TorchTrainer, compiled

Arrays = dict[str, Tensor]


def prepare(name: str, case: Workload) -> Parts:
    """The form `joined` or `compiled joined` in its parts. Raises KeyError for any other."""
    wrap = {"joined": None, "compiled joined": compiled}[name]
    parts = _Parts(TorchTrainer(case, joined=True, adam={"fused": True}, wrap=wrap), wrap or (lambda passes: passes))
    alone = {
        Part.PRODUCTS: parts.products,
        Part.PASSES: parts.passes,
        Part.OPTIMISER: parts.optimiser,
        Part.NOISE: parts.trainer.noise,
        Part.DATA: parts.data,
    }
    return Parts(whole=parts.trainer.step, alone={part: parts.repeated(one) for part, one in alone.items()})


class _Parts:
    """Arrays of the step's shapes, filled once."""

    def __init__(self, trainer: TorchTrainer, wrap: Callable[[Any], Any]) -> None:
        self.trainer, self.form = trainer, trainer.form
        like = {"dtype": trainer.dtype, "device": trainer.device}
        rows = trainer.batches.shape[1]
        layers = [name.removesuffix(".weight") for name in trainer.weights if name.endswith(".weight")]
        self.weight = {name: trainer.weights[f"{name}.weight"].detach() for name in layers}
        self.bias = {name: trainer.weights[f"{name}.bias"].detach() for name in layers}
        self.inputs = {name: torch.rand(rows, weight.shape[1], **like) for name, weight in self.weight.items()}
        self.slopes = {name: torch.rand(rows, weight.shape[0], **like) for name, weight in self.weight.items()}
        self.raw = {name: torch.rand_like(slope).requires_grad_() for name, slope in self.slopes.items()}
        self.now = trainer.noise()
        self.between = wrap(between)
        with torch.no_grad():
            self.arriving = [torch.rand_like(out) for out in between(self.raw, self.form, trainer.batches[0], self.now)]
        self.own = {name: weight.detach().clone().requires_grad_() for name, weight in trainer.weights.items()}
        for weight in self.own.values():
            weight.grad = torch.rand_like(weight)
        self.adam = torch.optim.Adam(self.own.values(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, fused=True)
        self.done = 0

    def repeated(self, one: Callable[[], object]) -> Callable[[int], None]:
        """k calls, then the device is waited for."""

        def run(k: int) -> None:
            for _ in range(k):
                one()
            synchronise(self.trainer.device)

        return run

    def products(self) -> None:
        """Forward with the bias, by the weight, and by the input where that is no data."""
        for name, weight in self.weight.items():
            functional.linear(self.inputs[name], weight, self.bias[name])
            torch.matmul(self.slopes[name].t(), self.inputs[name])
            if name != "encoder.0":
                torch.matmul(self.slopes[name], weight)

    def passes(self) -> None:
        """Everything between the products, forward and backward, and the biases' derivatives."""
        outputs = self.between(self.raw, self.form, self.trainer.batches[0], self.now)
        for slope in torch.autograd.grad(outputs, list(self.raw.values()), self.arriving):
            slope.sum(0)

    def optimiser(self) -> None:
        """Adam on gradients that are there."""
        self.adam.step()

    def data(self) -> Tensor:
        """The next batch."""
        self.done += 1
        return self.trainer.batches[self.done % len(self.trainer.batches)]


def between(raw: Arrays, form: Any, x: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
    """What `joined_loss` computes between its products, from every layer's own output H W' + b: what each product takes
    in, in order, and the loss. Raw shapes: (batch, out) by layer."""
    found = [functional.glu(raw[f"encoder.{i}"], -1) for i in range(form.gated_layers)]
    mean, log_var = raw["heads"].chunk(2, -1)
    z = mean + torch.exp(0.5 * log_var) * noise[0]
    kl = 0.5 * torch.sum(z**2 - log_var - noise[0] ** 2, -1)
    found.append(z)
    found += [functional.glu(raw[f"decoder.{i}"], -1) for i in range(form.gated_layers)]
    logits = raw["output"]
    return (*found, torch.mean(kl - torch.sum(x * logits - functional.softplus(logits), -1)))
