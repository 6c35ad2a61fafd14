"""The joined training step of the hand-written torch VAE taken apart, for the clock: without one part, and parts alone.

All work on arrays of the step's shapes and layouts, and allocate as the step does: products are asked of autograd,
which makes the same ones as in the step, whatever lies between them.
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
FIRST = "encoder.0"  # its input is data: nobody asks for the derivative by it


def prepare(name: str, case: Workload) -> Parts:
    """The form `joined` or `compiled joined` in its parts. Raises KeyError for any other."""
    wrap = {"joined": None, "compiled joined": compiled}[name]

    def trainer() -> TorchTrainer:
        return TorchTrainer(case, joined=True, adam={"fused": True}, wrap=wrap)

    apart = _Apart(trainer(), wrap or (lambda passes: passes))
    without = {Part.OPTIMISER: apart.without_optimiser, Part.PASSES: apart.without_passes}
    alone = {
        Part.PRODUCTS: lambda: apart.products(apart.inputs[FIRST]),
        Part.PASSES: apart.passes,
        Part.OPTIMISER: apart.optimiser,
        Part.NOISE: apart.trainer.noise,
        Part.DATA: apart.data,
    }
    return Parts(
        whole=trainer().step,
        without={part: apart.repeated(one) for part, one in without.items()},
        alone={part: apart.repeated(one) for part, one in alone.items()},
    )


class _Apart:
    """A trainer of its own and arrays of the step's shapes, filled once."""

    def __init__(self, trainer: TorchTrainer, wrap: Callable[[Any], Any]) -> None:
        self.trainer, self.form = trainer, trainer.form
        like = {"dtype": trainer.dtype, "device": trainer.device}
        rows = trainer.batches.shape[1]
        layers = [name.removesuffix(".weight") for name in trainer.weights if name.endswith(".weight")]
        self.weight = {name: trainer.weights[f"{name}.weight"] for name in layers}
        self.bias = {name: trainer.weights[f"{name}.bias"].detach() for name in layers}
        self.inputs = {name: torch.rand(rows, weight.shape[1], **like) for name, weight in self.weight.items()}
        self.slopes = {name: torch.rand(rows, weight.shape[0], **like) for name, weight in self.weight.items()}
        for name in layers:
            self.inputs[name].requires_grad_(name != FIRST)
        self.raw = {name: torch.rand_like(slope).requires_grad_() for name, slope in self.slopes.items()}
        self.by_bias = {name: torch.rand_like(bias) for name, bias in self.bias.items()}
        self.now = trainer.noise()
        self.forward, self.between = wrap(forward), wrap(between)
        with torch.no_grad():
            self.arriving = [torch.rand_like(out) for out in between(self.raw, self.form, trainer.batches[0], self.now)]
        self.own = {name: weight.detach().clone().requires_grad_() for name, weight in trainer.weights.items()}
        for weight in self.own.values():
            weight.grad = torch.rand_like(weight)
        self.adam = torch.optim.Adam(self.own.values(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, fused=True)

    def repeated(self, one: Callable[[], object]) -> Callable[[int], None]:
        """k calls, then the device is waited for."""

        def run(k: int) -> None:
            for _ in range(k):
                one()
            synchronise(self.trainer.device)

        return run

    def data(self) -> Tensor:
        """The next batch."""
        self.trainer.done += 1
        return self.trainer.batches[self.trainer.done % len(self.trainer.batches)]

    def without_optimiser(self) -> None:
        """The step up to its gradient."""
        self.trainer.optimiser.zero_grad()
        self.trainer.loss(self.trainer.weights, self.form, self.data(), self.trainer.noise()).backward()

    def without_passes(self) -> None:
        """The products take in what is there, noise is drawn for nobody, and Adam takes what the products leave; the
        biases' derivatives, sums that belong to the passes, are there."""
        self.trainer.noise()
        self.products(self.data())
        for name, slope in self.by_bias.items():
            self.trainer.weights[f"{name}.bias"].grad = slope
        self.trainer.optimiser.step()

    def products(self, x: Tensor) -> None:
        """Forward with the bias, by the weight, and by the input where that is no data."""
        self.trainer.optimiser.zero_grad()
        outputs = self.forward(self.inputs | {FIRST: x}, self.weight, self.bias)
        torch.autograd.backward(list(outputs.values()), [self.slopes[name] for name in outputs])
        for array in self.inputs.values():
            array.grad = None

    def passes(self) -> None:
        """Everything between the products, forward and backward, and the biases' derivatives."""
        outputs = self.between(self.raw, self.form, self.trainer.batches[0], self.now)
        for slope in torch.autograd.grad(outputs, list(self.raw.values()), self.arriving):
            slope.sum(0)

    def optimiser(self) -> None:
        """Adam on gradients that are there."""
        self.adam.step()


def forward(inputs: Arrays, weights: Arrays, biases: Arrays) -> Arrays:
    """Every layer's own output H W' + b, of inputs that are there."""
    return {name: functional.linear(inputs[name], weights[name], biases[name]) for name in inputs}


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
