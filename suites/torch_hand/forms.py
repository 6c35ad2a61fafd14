"""Named training forms of the hand-written torch VAE, for the clock; see `suites.forms` for what each one is."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from elbo_compare.suites.bridge.form import Form, form_of
from elbo_compare.suites.bridge.torch_arrays import (
    TORCH_DTYPES,
    initial_weights,
    multiplying,
    open_device,
    synchronise,
    to_arrays,
    to_tensor,
)
from elbo_compare.suites.bridge.torch_counts import count_step, kernels, profiled
from elbo_compare.suites.contract import Device, Params
from elbo_compare.suites.forms import Precision, Trainer, Workload
from elbo_compare.suites.torch_hand.joined import join, joined_loss, refuse_other_forms, split
from elbo_compare.suites.torch_hand.vae import batch_loss

Weights = dict[str, Tensor]
Loss = Callable[[Weights, Form, Tensor, Tensor], Tensor]
ADAM: dict[str, dict[str, bool]] = {"eager": {"foreach": False}, "foreach": {"foreach": True}}
BACKEND = "inductor"  # tests count recompilations under a backend that compiles at once
WARM_UP = 3  # steps before a capture, as CUDA graphs ask for


def plain_loss(weights: Weights, form: Form, x: Tensor, noise: Tensor) -> Tensor:
    """The loss as `vae.py` computes it, in nats per datum. x (batch, observed), noise (1, batch, latent)."""
    return batch_loss(weights, form, x, noise)[0]


class TorchTrainer:
    """Weights, optimiser and a loss; one step after another over the batches, on noise from a generator of its own."""

    def __init__(self, case: Workload, *, joined: bool, adam: Mapping[str, bool], wrap: Callable[[Loss], Loss] | None):
        self.form, self.device = form_of(case.problem, case.estimator), open_device(case.device)
        self.dtype = TORCH_DTYPES[case.dtype]
        self.joined = joined
        if joined:
            refuse_other_forms(self.form)
        weights = initial_weights(case, self.device)
        self.weights = join(self.form, weights) if joined else {n: w.requires_grad_() for n, w in weights.items()}
        self.batches = to_tensor(case.batches, self.device, case.dtype)
        self.generator = torch.Generator(self.device).manual_seed(case.seed)
        loss = joined_loss if joined else plain_loss
        self.loss = loss if wrap is None else wrap(loss)
        options: dict[str, Any] = {"lr": case.learning_rate, "betas": (0.9, 0.999), "eps": 1e-8} | dict(adam)
        self.optimiser = torch.optim.Adam(self.weights.values(), **options)
        self.done = 0

    @property
    def noise_shape(self) -> tuple[int, int, int]:
        """(1, batch, latent)."""
        return (1, self.batches.shape[1], self.form.latent)

    def noise(self) -> Tensor:
        """Base noise of one step."""
        return torch.randn(self.noise_shape, generator=self.generator, dtype=self.dtype, device=self.device)

    def one_step(self) -> Tensor:
        """Forward, backward and Adam on the next batch; the loss before the update."""
        self.optimiser.zero_grad()
        loss = self.loss(self.weights, self.form, self.batches[self.done % len(self.batches)], self.noise())
        loss.backward()
        self.optimiser.step()
        self.done += 1
        return loss.detach()

    def step(self, k: int) -> float:
        """k steps; returns the last loss after the device has finished."""
        loss = torch.zeros(())
        for _ in range(k):
            loss = self.one_step()
        synchronise(self.device)
        return loss.item()

    def current(self) -> Params:
        """The weights by their canonical names."""
        return to_arrays(split(self.form, self.weights) if self.joined else self.weights)

    def count(self) -> dict[str, float]:
        """Operations and bytes of one step."""
        return count_step(self.one_step, self.weights.values())


def compiled(loss: Loss) -> Loss:
    """`torch.compile` of a loss, once per process: forms prepared again share what was compiled."""
    if loss not in _COMPILED:
        _COMPILED[loss] = torch.compile(loss, backend=BACKEND, fullgraph=True)
    return _COMPILED[loss]


_COMPILED: dict[Loss, Loss] = {}


@cache
def in_bfloat16(loss: Loss) -> Loss:
    """The loss with its matrix products in bfloat16 (autocast); weights, sums and Adam stay as they are.

    One function per loss: what is compiled is found again by it.
    """

    def run(weights: Weights, form: Form, x: Tensor, noise: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return loss(weights, form, x, noise)

    return run


class GraphTrainer(TorchTrainer):
    """The step captured once as a CUDA graph and replayed. Batch and noise are copied into buffers that it reads.

    Which products a graph holds is decided while it is captured: that is where `precision` acts.
    """

    def __init__(self, case: Workload, precision: Precision = Precision.FULL):
        if case.device is not Device.CUDA:
            raise RuntimeError("CUDA graphs need a CUDA device")
        super().__init__(case, joined=True, adam={"fused": True, "capturable": True}, wrap=None)
        self.precision = precision
        self.x = self.batches[0].clone()
        self.now = torch.zeros(self.noise_shape, dtype=self.dtype, device=self.device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.captured_loss = torch.zeros((), dtype=self.dtype, device=self.device)

    def capture(self) -> None:
        """Warm up on a side stream, put weights and optimiser back, capture one step."""
        kept = {name: weight.detach().clone() for name, weight in self.weights.items()}
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._work()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self._work()
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(kept[name])
            for state in self.optimiser.state.values():
                for value in state.values():
                    value.zero_()

    def _work(self) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        with multiplying(self.precision):
            loss = self.loss(self.weights, self.form, self.x, self.now)
            loss.backward()
        self.optimiser.step()
        self.captured_loss.copy_(loss.detach())

    def one_step(self) -> Tensor:
        """Copy batch and noise in, replay."""
        if self.graph is None:
            self.capture()
        assert self.graph is not None
        self._feed()
        self.graph.replay()
        return self.captured_loss

    def _feed(self) -> None:
        self.x.copy_(self.batches[self.done % len(self.batches)])
        self.now.copy_(self.noise())
        self.done += 1

    def count(self) -> dict[str, float]:
        """As any form's; kernels are counted where the captured work runs once more outside of its graph.

        A profiler that starts after a capture may see a replay as one launch, or not at all.
        """

        def uncaptured() -> None:
            self._feed()
            self._work()

        return super().count() | kernels(profiled(uncaptured))


def prepare(name: str, case: Workload) -> Trainer:
    """The form of that name. Raises RuntimeError where its device is missing, KeyError for an unknown name."""
    trainer = _make(name, case)
    ahead = None
    if isinstance(trainer, GraphTrainer):
        ahead = trainer.capture
    elif "compiled" in name or name == "bfloat16":
        ahead = _compile_ahead(trainer)
    return Trainer(step=trainer.step, weights=trainer.current, compile=ahead, count=trainer.count)


def _make(name: str, case: Workload) -> TorchTrainer:
    fused = {"fused": True}
    if name in ADAM:
        return TorchTrainer(case, joined=False, adam=ADAM[name], wrap=None)
    if name in ("CUDA graph", "TF32"):
        return GraphTrainer(case, Precision.TF32 if name == "TF32" else Precision.FULL)
    if name == "bfloat16":
        return TorchTrainer(case, joined=True, adam=fused, wrap=lambda loss: compiled(in_bfloat16(loss)))
    wraps = {"fused Adam": None, "joined": None, "compiled": compiled, "compiled joined": compiled}
    return TorchTrainer(case, joined="joined" in name, adam=fused, wrap=wraps[name])


def _compile_ahead(trainer: TorchTrainer) -> Callable[[], None]:
    """Compile forward and backward on zero noise: neither weights nor generator move."""

    def run() -> None:
        noise = torch.zeros(trainer.noise_shape, dtype=trainer.dtype, device=trainer.device)
        trainer.loss(trainer.weights, trainer.form, trainer.batches[0], noise).backward()
        trainer.optimiser.zero_grad()

    return run
