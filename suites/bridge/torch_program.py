"""Runs a person's torch model as it stands: each operation recorded, noise from a tape, gradients by torch.autograd.

Nothing of the model is changed: a function mode sees what Python asks of torch, a dispatch mode answers the draws
(`torch_tape`). A reference needs the gradient where the model cuts it off: `Setting.restored` undoes cuts, by number.
"""

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from elbo_compare.suites.bridge.program import Cut, Run, Setting, Step
from elbo_compare.suites.bridge.tape import Drawn, Tape
from elbo_compare.suites.bridge.torch_tape import TorchTape
from elbo_compare.suites.bridge.user_arrays import leaves
from elbo_compare.suites.contract import Array

OURS = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "compare"))
LAYERS = str(Path(torch.__file__).parent / "nn")
DETACHING = ("detach", "detach_")
NUMBERS = ("item", "tolist", "numpy", "__float__")  # a Python number carries no gradient: seen, and not to be undone
Enter = Callable[[Any], Any]


class _Noise(Tape):
    """A tape all of whose normal draws may be one number: 0 gives the mean, a large one the spread."""

    def __init__(self, setting: Setting):
        super().__init__(setting.seed, given=setting.given)
        self.filled = setting.filled
        for place, kind in enumerate((Drawn.DROPOUT, Drawn.OTHER)):
            self._streams[kind] = np.random.default_rng([setting.masks, place])

    def normal(self, shape: Any, by: str = "") -> Array:
        """Its noise, or that number everywhere."""
        return self._filled(super().normal(shape, by))

    def uniform(self, shape: Any, kind: Drawn = Drawn.UNIFORM, by: str = "") -> Array:
        """The same of uniform noise, which some take for normal noise; dropout is left as it is."""
        noise = super().uniform(shape, kind, by)
        return self._filled(noise) if kind is Drawn.UNIFORM else noise

    def _filled(self, noise: Array) -> Array:
        if self.filled is None:
            return noise
        noise = np.full_like(noise, self.filled)
        self.drawn[-1] = replace(self.drawn[-1], noise=noise)
        return noise


class _Enough(BaseException):
    """The array that was wanted is there."""


class Recorder(TorchFunctionMode):
    """Every operation that Python asks of torch, with its arrays; cuts undone, CUDA left out, results replaced."""

    def __init__(self, run: Run, tape: Tape, setting: Setting, replaced: Mapping[int, Tensor]):
        super().__init__()
        self.run, self.tape, self.setting, self.replaced = run, tape, setting, replaced
        self.numbers: dict[int, int] = {}
        self.sampled = 0
        self.put_aside: list[Tensor] = []  # alive, so that no other tensor takes their identity

    def number(
        self, tensor: Tensor, draws: frozenset[int] = frozenset(), *, weighs: bool = False, of_x: bool = False
    ) -> int:
        """The tensor's number; a new one for a tensor that was not seen."""
        known = self.numbers.get(id(tensor))
        if known is None:
            known = self.numbers[id(tensor)] = len(self.run.arrays)
            self.run.arrays.append(tensor)
            self.run.draws.append(draws)
            self.run.weighs.append(weighs or isinstance(tensor, nn.Parameter))
            self.run.of_x.append(of_x)
        else:
            self.run.draws[known] |= draws
            self.run.of_x[known] |= of_x
        return known

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == "__get__":
            name = getattr(getattr(func, "__self__", None), "__name__", "")
        args, kwargs, kept = _on_the_cpu(name, args, kwargs or {})
        if kept is not None:
            return kept
        if func is torch._C._set_grad_enabled and not args[0] and not _of_a_layer() and self._undone(name):
            return None
        if name in NUMBERS and args[0].requires_grad:
            self._undone(name)
        cutting = (name in DETACHING or name == "data") and isinstance(args[0], Tensor)
        sampling = func is torch.normal and any(isinstance(each, Tensor) for each in args)
        if cutting and self._undone(name):
            result = args[0].view_as(args[0])
        elif sampling and self._undone("sample()"):
            result = _as_rsample(*args)
        else:
            result = func(*args, **kwargs)
        made = [each for _, each in leaves(result) if isinstance(each, Tensor)]
        return self._kept(name, args, kwargs, result, made) if made else result

    def _undone(self, name: str) -> bool:
        """Whether a cut is left out; each is counted."""
        number = len(self.run.cuts)
        self.run.cuts.append(Cut(number=number, op="no_grad" if "grad" in name else name.strip("_"), place=_place()))
        return self.setting.restored is None or number in self.setting.restored

    def _kept(self, name: str, args: Any, kwargs: Any, result: Any, made: list[Tensor]) -> Any:
        reads = [self.number(each) for _, each in leaves([args, list(kwargs.values())]) if isinstance(each, Tensor)]
        drawn = sum(draw.kind is not Drawn.DROPOUT for draw in self.tape.drawn)
        own = frozenset(range(self.sampled, drawn))
        self.sampled = drawn
        draws = own.union(*(self.run.draws[each] for each in reads))
        of_x = any(self.run.of_x[each] for each in reads)
        weighs = bool(reads) and not draws and not of_x and any(self.run.weighs[each] for each in reads)
        place = len(self.run.steps)
        if place in self.replaced:
            put = self.replaced[place].reshape(made[0].shape)
            number = self.number(made[0], draws, weighs=weighs, of_x=of_x)  # the numbers stay those of any other run
            self.numbers[id(put)], self.run.arrays[number] = number, put
            self.put_aside.append(made[0])
            result, made = put, [put]
        several = len(made) > 1  # what such an operation hands back unchanged is not made of the others
        numbers = tuple(
            self.numbers[id(each)]
            if several and self.numbers.get(id(each)) in reads
            else self.number(each, draws, weighs=weighs, of_x=of_x)
            for each in made
        )
        self.run.steps.append(
            Step(op=name, reads=tuple(reads), makes=numbers, place=_place() if name in DETACHING else "")
        )
        if self.setting.until == place:
            raise _Enough
        return result


def _on_the_cpu(name: str, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any], Any]:
    """`.cuda()`, `.to("cuda")`, `device="cuda"` left out: the model runs where it is."""
    if name == "cuda":
        return args, kwargs, args[0]
    if "cuda" in str(kwargs.get("device", "")):
        kwargs = {key: value for key, value in kwargs.items() if key != "device"}
    if name == "to" and any(isinstance(a, (str, torch.device)) and "cuda" in str(a) for a in args[1:]):
        args = tuple(a for a in args if not (isinstance(a, (str, torch.device)) and "cuda" in str(a)))
        if len(args) == 1 and not kwargs:
            return args, kwargs, args[0]
    return args, kwargs, None


def _as_rsample(mean: Any, std: Any = 1.0, **_: Any) -> Tensor:
    """`torch.normal(mean, std)` with a gradient."""
    like = mean if isinstance(mean, Tensor) else std
    return mean + std * torch.randn(torch.broadcast_shapes(like.shape, getattr(std, "shape", ())), dtype=like.dtype)


def _of_a_layer() -> bool:
    """Whether a layer of torch's own asks for no gradient: spectral_norm's power iteration is no cut of the model."""
    frame = sys._getframe(2)
    while frame is not None and Path(frame.f_code.co_filename).name in ("grad_mode.py", "_contextlib.py"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(LAYERS)


def _place() -> str:
    """`file.py:12`: the innermost line outside of torch and of us."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(OURS) and not file.startswith("<"):
            return f"{Path(file).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


class TorchProgram:
    """A module and one way to its loss. enter: x -> everything that comes out, the loss under "loss".

    dtype: of the run; the module is put into it, and its weights, buffers and mode afterwards back.
    """

    framework = "torch"

    def __init__(self, module: nn.Module, enter: Enter, *, single: bool = False):
        self.module, self.enter = module, enter
        self.dtype = torch.float32 if single else torch.float64
        self.roundoff = 2.0**-24 if single else 2.0**-53
        module.to(self.dtype)
        self.as_made = {name: each.requires_grad for name, each in _weights(module)}
        self._elsewhere: dict[float, dict[str, Tensor]] = {}

    def weights(self) -> dict[str, bool]:
        """See `Program`."""
        return dict(self.as_made)

    def run(self, setting: Setting, replaced: Mapping[int, Any] | None = None) -> Run:
        """See `Program`."""
        run, tape = Run(restored=setting.restored is None), _Noise(setting)
        put = {
            n: each if isinstance(each, Tensor) else _tensor(each, self.dtype) for n, each in (replaced or {}).items()
        }
        with self._standing(setting), TorchTape(tape):
            x = _tensor(setting.x, self.dtype)
            recorder = Recorder(run, tape, setting, put)
            recorder.number(x, of_x=True)
            try:
                with recorder:
                    result = self.enter(x)
                self._outputs(run, recorder, result)
            except _Enough:
                pass
            except Exception as error:  # whatever the model raises is told, not raised
                run.error = told(error)
            run.held = {n: each.data for n, each in enumerate(run.arrays) if isinstance(each, nn.Parameter)}
        run.drawn = tape.drawn
        return run

    def _outputs(self, run: Run, recorder: Recorder, result: Mapping[str, Any]) -> None:
        for name, value in leaves(result):
            if isinstance(value, Tensor):
                run.outputs[name] = recorder.number(value)
        run.loss = run.outputs.get("loss")

    @contextmanager
    def _standing(self, setting: Setting) -> Iterator[None]:
        """The module in the run's mode, at its weights or moved ones; afterwards it is as it was."""
        module, before = self.module.to(self.dtype), torch.get_default_dtype()  # another program may have cast it
        modes = {each: each.training for each in module.modules()}
        buffers = {name: each.detach().clone() for name, each in module.named_buffers()}
        torch.set_default_dtype(self.dtype)
        plain = self._cast_plain()
        module.train(setting.training)
        if setting.restored is None:
            _train(module)
        own = {name: each.data for name, each in _weights(module)}
        if setting.moved:
            for name, each in _weights(module):
                each.data = self._moved(setting.moved)[name]
        try:
            yield
        finally:
            torch.set_default_dtype(before)
            for held, name, own_value, cast in plain:
                if held.get(name) is cast:
                    held[name] = own_value
            for name, each in module.named_buffers():
                if name in buffers:
                    each.data.copy_(buffers[name])
            for each, mode in modes.items():
                each.training = mode
            for name, each in _weights(module):
                each.requires_grad_(self.as_made[name])
                each.data = own[name]

    def _cast_plain(self) -> list[tuple[dict[str, Any], str, Tensor, Tensor]]:
        """Put tensors that a module holds as plain attributes, no buffers (pseudo-inputs), into the dtype of the run:
        (where, name, as it was, as it is now)."""
        found = []
        for held in map(vars, self.module.modules()):
            for name, each in list(held.items()):
                own = isinstance(each, Tensor) and each.is_floating_point() and not each.requires_grad
                if own and each.dtype != self.dtype:
                    held[name] = each.to(self.dtype)
                    found.append((held, name, each, held[name]))
        return found

    def _moved(self, by: float) -> dict[str, Tensor]:
        """Every weight moved by normal noise of that size over the root of its inputs, from a seed of its own."""
        if by not in self._elsewhere:
            stream = torch.Generator().manual_seed(1999)
            moved = {}
            for name, each in _weights(self.module):
                inputs = each[0].numel() if each.ndim > 1 else 1
                noise = torch.randn(each.shape, generator=stream, dtype=torch.float32).to(each.dtype)
                moved[name] = each.data + by * noise / max(1, inputs) ** 0.5 if each.is_floating_point() else each.data
            self._elsewhere[by] = moved
        return self._elsewhere[by]

    def value(self, run: Run, number: int) -> Array:
        """See `Program`."""
        held = run.held.get(number, run.arrays[number])  # a weight's own data are put back after a run
        return held.detach().to("cpu", torch.float64).numpy().copy()

    def shape(self, run: Run, number: int) -> tuple[int, ...]:
        """See `Program`."""
        return tuple(run.arrays[number].shape)

    def pull_back(self, run: Run, cotangents: Mapping[int, Array]) -> dict[str, Array]:
        """See `Program`."""
        if run.restored:  # its graph holds the weights that are not trained, too
            _train(self.module)
        try:
            return self._pulled_back(run, cotangents)
        finally:
            for name, each in _weights(self.module):
                each.requires_grad_(self.as_made[name])

    def _pulled_back(self, run: Run, cotangents: Mapping[int, Array]) -> dict[str, Array]:
        names, weights = zip(*_weights(self.module), strict=True)
        outputs = [run.arrays[number] for number in cotangents]
        pairs = [
            (each, _tensor(np.asarray(part).reshape(tuple(each.shape)), each.dtype))
            for each, part in zip(outputs, cotangents.values(), strict=True)
            if each.requires_grad
        ]
        found: Any = [None] * len(names)
        inputs = [each for each in weights if each.requires_grad]
        if pairs and inputs:
            parts = iter(
                torch.autograd.grad(
                    [each for each, _ in pairs],
                    inputs,
                    [part for _, part in pairs],
                    retain_graph=True,
                    allow_unused=True,
                )
            )
            found = [next(parts) if each.requires_grad else None for each in weights]
        return {
            name: np.zeros(tuple(each.shape)) if part is None else part.detach().to(torch.float64).numpy().copy()
            for name, each, part in zip(names, weights, found, strict=True)
        }


def _weights(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters that can be trained: the state of a seed of Keras is a parameter of whole numbers."""
    return [(name, each) for name, each in module.named_parameters() if each.is_floating_point()]


def _train(module: nn.Module) -> None:
    """Every weight is trained."""
    for _, each in _weights(module):
        each.requires_grad_(True)


def told(error: BaseException) -> str:
    """`ValueError: what it says, in line 12 of file.py`."""
    text = (str(error).strip().splitlines() or ["no message"])[0][:300]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((*OURS, "<"))]
    where = f", in line {frames[-1].lineno} of {Path(frames[-1].filename).name}" if frames else ""
    return f"{type(error).__name__}: {text}{where}"


def _tensor(array: Array, dtype: torch.dtype) -> Tensor:
    array = np.asarray(array)
    return torch.from_numpy(array.copy()).to(dtype) if array.dtype.kind == "f" else torch.from_numpy(array.copy())


@contextmanager
def kept(module: nn.Module) -> Iterator[None]:
    """Afterwards the module has the weights and buffers, and their dtype, that it had."""
    own = [(each, each.data, each.requires_grad) for each in module.parameters()]
    held = [(one, key, each) for one in module.modules() for key, each in one._buffers.items() if each is not None]
    copies = [each.clone() for _, _, each in held]
    try:
        yield
    finally:
        for each, data, was in own:
            each.data = data
            each.requires_grad_(was)
        for (one, key, each), copy in zip(held, copies, strict=True):
            each.data.copy_(copy)
            one._buffers[key] = each


def prepared(model: nn.Module) -> nn.Module:
    """What the ways to a loss call: the module itself."""
    return model


def layer_sizes(module: nn.Module) -> list[tuple[str, int, int]]:
    """(kind, in, out) of every layer that says how wide its input is, in the order of its making."""
    found: list[tuple[str, int, int]] = []
    layers: list[Any] = list(module.modules())
    for each in layers:
        if hasattr(each, "in_features") and hasattr(each, "out_features"):
            found.append(("linear", int(each.in_features), int(each.out_features)))
        elif hasattr(each, "in_channels") and hasattr(each, "kernel_size"):
            kind = f"conv{len(each.kernel_size)}"
            found.append((kind, int(each.in_channels), int(each.out_channels)))
        elif isinstance(each, (nn.LSTM, nn.GRU, nn.RNN)):
            found.append(("recurrent", int(each.input_size), int(each.hidden_size)))
    wide = [each.shape for each in module.parameters() if each.ndim == 2]  # the kernels of Keras are (in, out)
    kernels = [("linear", int(each[0]), int(each[1])) for each in wide]
    return found or sorted(kernels, key=lambda layer: -max(layer[1:]))


def open_program(model: nn.Module, enter: Enter, *, single: bool = False) -> TorchProgram:
    """A program of one model; in float32 where it can't be run in float64."""
    return TorchProgram(model, enter, single=single)
