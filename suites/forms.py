"""Training forms for the clock: ways to compute one and the same training step, by name. Imports no framework.

A form is honest when its weights after some steps, from the same weights, batches and seed, are those of its plain
form; `compare bench` checks that before it times a form. The module of a form has `prepare(name, case) -> Trainer`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from typing import Any

import numpy as np

from elbo_compare.suites import roster
from elbo_compare.suites.contract import Array, Device, DType, Estimator, Kind, Params, Problem


class Check(StrEnum):
    """What of a form is compared with its plain form before it is timed."""

    WEIGHTS = "weights"  # after some steps: the very same training step
    LOSS = "loss"  # the first step's loss: a peer that sums over the batch where the plain form averages
    NONE = "none"  # another estimator and its own shuffling: not the same step, timed all the same and said so


class Need(StrEnum):
    """What a form cannot do without, besides its framework."""

    NOTHING = "nothing"
    COMPILER = "a C++ compiler"
    CUDA = "a CUDA device"
    PYTHAE = "the package pythae (extra [peers])"
    TFP = "the package tfp-nightly (extra [tfp])"


class Precision(StrEnum):
    """In which numbers a form multiplies matrices; weights, sums and Adam are always in the case's dtype."""

    FULL = "full"  # that of the dtype
    TF32 = "TF32"  # 10 bits of each factor's significand
    BFLOAT16 = "bfloat16"  # 7 bits


@dataclass(frozen=True, kw_only=True)
class TrainingForm:
    """One way to write the step. `plain`: the form that it must agree with; `framework`: whose ceiling bounds it."""

    name: str
    implementation: str
    framework: str
    module: str
    plain: str
    words: str
    kind: Kind
    need: Need = Need.NOTHING
    check: Check = Check.WEIGHTS
    precision: Precision = Precision.FULL  # reduced ones give other numbers, so only the first loss is compared

    @property
    def is_plain(self) -> bool:
        """Whether others are compared with it."""
        return self.name == self.plain


@dataclass(frozen=True, kw_only=True)
class SeededWeights:
    """Initial weights that each form makes on its own device, the same for all of one framework: normal with variance
    2 / (in + out), zero biases (Glorot and Bengio 2010). `moved`: each at the next larger number of its dtype."""

    seed: int
    moved: bool = False


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is trained. `batches`: shape (batch number, batch, observed); steps go through them again and again.

    `seeded`: not None where the problem's own weights are an outline only, too large to travel.
    """

    problem: Problem
    estimator: Estimator
    batches: Array
    seed: int
    device: Device = Device.CPU
    dtype: DType = DType.FLOAT32
    learning_rate: float = 1e-3
    seeded: SeededWeights | None = None


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """A prepared form. `step(k)` runs k steps, k a multiple of `quantum`, and returns the last one's loss (nats per
    datum, before its update) once the device has finished. `weights()`: as in the contract, whatever the form's layout.

    `count()`: numbers that no clock gives, by name: operations dispatched, kernels launched, bytes, compilations.
    """

    step: Callable[[int], float]
    weights: Callable[[], Params]
    compile: Callable[[], None] | None = None
    quantum: int = 1
    count: Callable[[], Mapping[str, float]] = field(default=dict)


class Part(StrEnum):
    """What a training step is made of."""

    PRODUCTS = "matrix products"
    PASSES = "element-wise passes"  # activations, the loss, their derivatives, biases and the sums over them
    OPTIMISER = "optimiser"
    NOISE = "noise"
    DATA = "data"  # the next batch out of all of them


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A joined form taken apart. Each runs k steps' worth and waits for the device.

    `without`: the step with one part left out, what it would have given being there already; `alone`: one part and
    nothing else, on arrays that are there. The products alone are the step with everything else left out.
    """

    whole: Callable[[int], object]
    without: Mapping[Part, Callable[[int], object]]
    alone: Mapping[Part, Callable[[int], object]]
    quantum: int = 1  # k is a multiple of it


def _ours(name: str, plain: str, *rows: tuple) -> tuple:
    row = roster.BY_NAME[name]
    return _family(name, row.framework.module, row.module("forms"), row.kind, plain, *rows)


def _peer(name: str, framework: str, module: str, plain: str, *rows: tuple) -> tuple:
    return _family(name, framework, f"{__package__}.peers.{module}", Kind.PEER, plain, *rows)


def _family(implementation: str, framework: str, module: str, kind: Kind, plain: str, *rows: tuple) -> tuple:
    return tuple(
        TrainingForm(
            name=f"{implementation} {name}",
            implementation=implementation,
            framework=framework,
            module=module,
            plain=f"{implementation} {plain}",
            words=words,
            kind=kind,
            **dict(further),
        )
        for name, words, *further in rows
    )


_COMPILER, _CUDA = ("need", Need.COMPILER), ("need", Need.CUDA)
_TFP = ("need", Need.TFP)
_LOSS = ("check", Check.LOSS)
_TF32, _BFLOAT16 = ("precision", Precision.TF32), ("precision", Precision.BFLOAT16)

FORMS: tuple[TrainingForm, ...] = (
    *_ours(
        *("torch-hand", "eager"),
        ("eager", "as `torch_hand/vae.py` has it: one operation after another, Adam in a loop over tensors"),
        ("foreach", "eager, Adam over lists of tensors (foreach=True)"),
        ("fused Adam", "eager, one Adam kernel per tensor (fused=True)"),
        ("joined", "each gated layer one product with both weights stacked, the heads too; fused Adam"),
        ("compiled", "torch.compile of the loss; fused Adam", _COMPILER),
        ("compiled joined", "torch.compile of the joined loss; fused Adam", _COMPILER),
        ("CUDA graph", "the joined step captured once and replayed; capturable fused Adam", _CUDA),
        ("TF32", "the CUDA graph with TF32 products", _CUDA, _LOSS, _TF32),
        ("bfloat16", "the compiled joined step under autocast to bfloat16", _CUDA, _LOSS, _BFLOAT16),
    ),
    *_ours(
        *("jax-hand", "loop"),
        ("loop", "as `jax_hand/training.py` has it: one compiled step, called in a Python loop"),
        ("donated", "the loop, the state's buffers donated"),
        ("scan", "one lax.scan per epoch, buffers donated"),
        (
            "joined",
            "each gated layer one product with both weights stacked (in, out), its derivative and the cross entropy's "
            "written out; buffers donated",
        ),
        ("joined scan", "the joined step under one lax.scan per epoch"),
    ),
    *_ours(
        *("pyro", "SVI.step"),
        ("SVI.step", "Trace_ELBO with Pyro's defaults: validation on"),
        ("without validation", "SVI.step under pyro.validation_enabled(False)"),
        ("Jit", "JitTrace_ELBO, validation on"),
        ("Jit without validation", "JitTrace_ELBO, validation off"),
    ),
    *_ours(
        *("numpyro", "update loop"),
        ("update loop", "jax.jit(svi.update), called in a Python loop"),
        ("update scan", "svi.update under one lax.scan per epoch"),
    ),
    *_ours(
        *("tfp", "loop"),
        ("loop", "the gradient of the library's loss and JAX's own Adam, compiled, in a Python loop", _TFP),
        ("scan", "the same step under one lax.scan per epoch", _TFP),
    ),
    *_peer(
        *("pyro tutorial", "torch", "pyro_tutorial", "loop"),
        ("loop", "modules, pyro.module and a DataLoader, as Pyro's VAE tutorial writes its training loop", _LOSS),
    ),
    *_peer(
        *("numpyro example", "jax", "numpyro_example", "fori_loop"),
        ("fori_loop", "numpyro.module and one jitted lax.fori_loop per epoch, as NumPyro's VAE example has it", _LOSS),
    ),
    *_peer(
        *("pythae", "torch", "pythae_trainer", "trainer"),
        (
            "trainer",
            "Pythae's VAE (analytic KL, its own shuffling) on the same networks, under BaseTrainer without its bars",
            ("check", Check.NONE),
            ("need", Need.PYTHAE),
        ),
    ),
)

# A peer's own plain form is itself; its first loss is compared with that of its library's, or of the hand-written one.
REFERENCE: dict[str, str] = {
    "pyro tutorial loop": "pyro SVI.step",
    "numpyro example fori_loop": "numpyro update loop",
    "pythae trainer": "torch-hand eager",
}


def reference_of(form: TrainingForm) -> str:
    """The name of the form that `form` is compared with; its own for a plain form of ours."""
    return REFERENCE.get(form.name, form.plain)


def prepare(form: TrainingForm, case: Workload) -> Trainer:
    """The form, ready to train. Imports its framework. Raises RuntimeError where the device is missing."""
    module: Any = import_module(form.module)
    return module.prepare(form.name.removeprefix(f"{form.implementation} "), case)


def moved_by_one_ulp(case: Workload) -> Workload:
    """Every weight at the next larger number of its dtype: what the smallest possible disturbance does to a path."""
    if case.seeded is not None:
        return replace(case, seeded=replace(case.seeded, moved=True))
    kind = np.dtype(str(case.dtype)).type
    params = case.problem.params
    moved = {name: np.nextafter(value.astype(kind), kind(np.inf)).astype(np.float64) for name, value in params.items()}
    return replace(case, problem=replace(case.problem, params=moved))
