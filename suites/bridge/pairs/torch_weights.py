"""The weights of torch programs: found, tied, held in float64 for a while, and put back as they were."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elbo_compare.suites.bridge.pairs.reaching import reached
from elbo_compare.suites.bridge.pairs.records import Gradient, Weight, directions
from elbo_compare.suites.contract import Array


def is_weight(thing: Any) -> bool:
    """A leaf that learns, or a module of them."""
    return isinstance(thing, nn.Module) or (isinstance(thing, Tensor) and thing.is_leaf and thing.requires_grad)


def weights_of(roots: Iterable[Any]) -> dict[str, Tensor]:
    """Name -> leaf of every weight that the programs reach, each once, in the order in which their code names them."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, thing in reached(roots, is_weight):
        prefix = name.rpartition(".")[2] if isinstance(thing, nn.Module) else name
        parts = thing.named_parameters() if isinstance(thing, nn.Module) else [("", thing)]
        for part, tensor in parts:
            full = ".".join(each for each in (prefix, part) if each) or "weight"
            if id(tensor) not in seen:
                seen.add(id(tensor))
                found[full if full not in found else f"{full}#{len(found)}"] = tensor
    return found


def modules_of(roots: Iterable[Any]) -> list[nn.Module]:
    """Every module that the programs reach."""
    return [thing for _, thing in reached(roots, is_weight) if isinstance(thing, nn.Module)]


def described(weights: dict[str, Tensor]) -> list[Weight]:
    """As records."""
    return [Weight(name=name, shape=tuple(each.shape), identity=id(each)) for name, each in weights.items()]


@contextmanager
def held(tensors: Callable[[], Iterable[Tensor]], dtype: torch.dtype) -> Iterator[None]:
    """Within: `dtype` is the default and that of every weight and buffer; afterwards all are as they were, bit by bit.

    tensors: asked again at the end; a weight that has come to life within gets the default dtype.
    """
    default, kept = torch.get_default_dtype(), {}
    torch.set_default_dtype(dtype)
    try:
        for tensor in tensors():
            kept[id(tensor)] = (tensor, tensor.data, tensor.grad)
            tensor.grad = None
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(dtype, copy=True)
        yield
    finally:
        torch.set_default_dtype(default)
        for tensor in tensors():
            if id(tensor) not in kept and tensor.is_floating_point():
                tensor.grad = None
                tensor.data = tensor.data.to(default)
        for tensor, data, gradient in kept.values():
            tensor.data = data
            tensor.grad = gradient


@contextmanager
def state_kept(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Within, a program may move its buffers; the next one starts from the same ones."""
    buffers = [each for module in modules for each in module.buffers()]
    before = [each.data.clone() for each in buffers]
    try:
        yield
    finally:
        for buffer, data in zip(buffers, before, strict=True):
            buffer.data = data


def to_numpy(tensor: Tensor) -> Array:
    """A float64 copy."""
    return tensor.detach().to("cpu", torch.float64).numpy().copy()


class Gradients:
    """Gradients by the weights, as records: projections of d value / d weight onto seeded directions.

    turned: matrices that the other side keeps the other way round; they are projected as it has them.
    """

    def __init__(self, weights: dict[str, Tensor], turned: Collection[str] = ()):
        self.weights, self.turned = weights, turned
        self._directions: dict[str, Tensor] = {}

    def of(self, value: Tensor) -> dict[str, Gradient]:
        """By weight; a weight that the value does not depend on has the gradient 0."""
        tensors = list(self.weights.values())
        if not tensors:
            return {}
        if not value.requires_grad:
            return {name: _none() for name in self.weights}
        found = torch.autograd.grad(value, tensors, retain_graph=True, allow_unused=True)
        return {name: self._record(name, each) for name, each in zip(self.weights, found, strict=True)}

    def _record(self, name: str, gradient: Tensor | None) -> Gradient:
        if gradient is None:
            return _none()
        gradient = gradient.T if name in self.turned else gradient
        if name not in self._directions:
            self._directions[name] = torch.from_numpy(directions(name, tuple(gradient.shape)))
        flat = gradient.detach().to("cpu", torch.float64).reshape(-1)
        return Gradient(norm=float(flat.norm()), projections=tuple((self._directions[name] @ flat).tolist()))


def _none() -> Gradient:
    return Gradient(norm=0.0, projections=tuple(np.zeros(len(directions("", ())))))
