"""torch reads a tape: every random operator, whoever calls it, is answered from one `Tape` while the context is open.

`randn`, `randn_like`, `normal_`, `torch.normal`, `rsample`, `FloatTensor(...).normal_()`, `rand`, `bernoulli`, Pyro's
sample sites: below torch's Python they are a handful of operators, caught by a dispatch mode. Dropout is drawn apart,
so that a model in training mode meets one in evaluation at the same latents.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from elbo_compare.suites.bridge.tape import Drawn, Tape

DROPOUT = "dropout"  # what the Python functions that drop out are called


class TorchTape(ExitStack):
    """A context in which torch draws from `tape`. torch's own generators stand afterwards where they stood.

    >>> with TorchTape(Tape(0)) as tape:
    ...     e = torch.randn_like(torch.ones(2, 3))
    >>> tape.drawn[0].kind.value, tape.drawn[0].shape, bool((e.double().numpy() == tape.drawn[0].noise).all())
    ('normal', (2, 3), True)
    """

    def __init__(self, tape: Tape):
        super().__init__()
        self.tape = tape

    def __enter__(self) -> Tape:
        """Open it: the tape, whose `drawn` grows."""
        super().__enter__()
        self.enter_context(_Answering(self.tape))
        return self.tape


class _Answering(TorchDispatchMode):
    def __init__(self, tape: Tape):
        super().__init__()
        self.tape = tape

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch's compiler is not imported for this (a second); a compiled function runs eagerly below any mode."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        kwargs.pop("generator", None)
        out = kwargs.pop("out", None)
        answer = ANSWERS.get(func.overloadpacket._qualified_op_name.removeprefix("aten::"))
        made = answer(self, func, args, kwargs) if answer else self._by_torch(func, args, kwargs)
        return made if out is None else out.resize_(made.shape).copy_(made)

    def normal(self, like: Tensor, by: Any) -> Tensor:
        return _filled(like, self.tape.normal(like.shape, str(by)))

    def uniform(self, like: Tensor, by: Any, kind: Drawn = Drawn.UNIFORM) -> Tensor:
        kind = Drawn.DROPOUT if _within_dropout() else kind
        return _filled(like, self.tape.uniform(like.shape, kind, str(by)))

    def _by_torch(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What no base noise is known for: torch's own operator under the tape's seed."""
        first = next((arg for arg in args if isinstance(arg, Tensor)), None)
        seed = self.tape.seed_of(() if first is None else first.shape, str(func))
        with torch.random.fork_rng(_devices(first), enabled=True):
            torch.manual_seed(seed)
            return func(*args, **kwargs)


def _within_dropout() -> bool:
    """Whether one of torch's dropout functions asks: below Python nothing tells its mask from a Bernoulli draw."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if DROPOUT in code.co_name and code.co_filename == functional.__file__:
            return True
        frame = frame.f_back
    return False


def _devices(tensor: Tensor | None) -> Iterable[torch.device]:
    return [] if tensor is None or tensor.device.type == "cpu" else [tensor.device]


def _filled(like: Tensor, noise: Any) -> Tensor:
    return torch.from_numpy(noise).to(like.device, like.dtype)


def _empty(args: Any, kwargs: Any) -> Tensor:
    """What `randn(*args, **kwargs)` would fill."""
    return torch.ops.aten.empty.memory_format(*args, **kwargs)


def _bernoulli(mode: _Answering, like: Tensor, probability: Any, by: Any) -> Tensor:
    kind = Drawn.DROPOUT if _within_dropout() else Drawn.BERNOULLI
    noise = torch.from_numpy(mode.tape.uniform(like.shape, kind, str(by)))
    return (noise.to(like.device) < probability).to(like.dtype)


def _normal(mode: _Answering, func: Any, args: Any, kwargs: Any) -> Tensor:
    """`torch.normal` in its four forms."""
    mean, std, *size = args if len(args) > 1 else (*args, kwargs.pop("std", 1.0))
    if not (isinstance(mean, Tensor) or isinstance(std, Tensor)):
        return mean + std * mode.normal(_empty(size or [kwargs.pop("size")], kwargs), func)
    shape = torch.broadcast_shapes(*(each.shape for each in (mean, std) if isinstance(each, Tensor)))
    like = mean if isinstance(mean, Tensor) else std
    return mean + std * mode.normal(like.new_empty(shape), func)


def _normal_(mode: _Answering, func: Any, args: Any, kwargs: Any) -> Tensor:
    self, mean, std = _with(args, kwargs, mean=0.0, std=1.0)
    return self.copy_(mean + std * mode.normal(self, func))


def _uniform_(mode: _Answering, func: Any, args: Any, kwargs: Any) -> Tensor:
    start, end = (*args[1:], *(0.0, 1.0)[len(args) - 1 :])
    start, end = kwargs.get("from", start), kwargs.get("to", end)
    return args[0].copy_(start + (end - start) * mode.uniform(args[0], func))


def _exponential_(mode: _Answering, func: Any, args: Any, kwargs: Any) -> Tensor:
    self, rate = _with(args, kwargs, lambd=1.0)
    return self.copy_(-mode.uniform(self, func).log() / rate)


def _bernoulli_(mode: _Answering, func: Any, args: Any, kwargs: Any) -> Tensor:
    self, probability = _with(args, kwargs, p=0.5)
    return self.copy_(_bernoulli(mode, self, probability, func))


def _bernoulli_of(mode: _Answering, func: Any, args: Any, kwargs: Any) -> Tensor:
    """`torch.bernoulli(probabilities)`, or one probability for a whole shape."""
    self, probability = _with(args, kwargs, p=args[0])
    return _bernoulli(mode, self, probability, func)


def _dropout(mode: _Answering, func: Any, args: Any, kwargs: Any) -> tuple[Tensor, Tensor]:
    self, probability, train = args
    if train is False or probability == 0:
        return self.clone(), torch.ones_like(self, dtype=torch.bool)
    noise = torch.from_numpy(mode.tape.uniform(self.shape, Drawn.DROPOUT, str(func))).to(self.device)
    kept = noise >= probability
    return self * kept / (1.0 - probability if probability < 1 else 1.0), kept


def _with(args: Any, kwargs: Any, **defaults: Any) -> list[Any]:
    """self and the further arguments, positional, by name or by default."""
    names = list(defaults)[len(args) - 1 :]
    return [*args, *(kwargs.get(name, defaults[name]) for name in names)]


ANSWERS: dict[str, Callable[[_Answering, Any, Any, Any], Any]] = {
    "randn": lambda mode, func, args, kwargs: mode.normal(_empty(args, kwargs), func),
    "randn_like": lambda mode, func, args, kwargs: mode.normal(torch.empty_like(*args, **kwargs), func),
    "normal": _normal,
    "normal_": _normal_,
    "normal_functional": lambda mode, func, args, kwargs: _normal_(mode, func, (args[0].clone(), *args[1:]), kwargs),
    "rand": lambda mode, func, args, kwargs: mode.uniform(_empty(args, kwargs), func),
    "rand_like": lambda mode, func, args, kwargs: mode.uniform(torch.empty_like(*args, **kwargs), func),
    "uniform_": _uniform_,
    "exponential_": _exponential_,
    "bernoulli": _bernoulli_of,
    "bernoulli_": _bernoulli_,
    "native_dropout": _dropout,
}
