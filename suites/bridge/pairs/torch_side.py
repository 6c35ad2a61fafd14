"""One side of a comparison in torch: a hand-written loss or a Pyro pair, its weights, its runs at a tape.

The side is open within its context: everything is in one dtype there, and afterwards as it was.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elbo_compare.suites.bridge.pairs.records import OWN_ONLY, Asked, Run, SiteFacts, Weight
from elbo_compare.suites.bridge.pairs.torch_loss import run_loss
from elbo_compare.suites.bridge.pairs.torch_weights import (
    Gradients,
    described,
    held,
    modules_of,
    state_kept,
    to_numpy,
    weights_of,
)
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.contract import Array, DType


@dataclass(kw_only=True)
class TorchSide:
    """programs: (LOSS,) or (MODEL, GUIDE). names: of their weights, as the other side knows them."""

    programs: tuple[Callable[..., Any], ...]
    dtype: torch.dtype
    names: dict[str, str] = field(default_factory=dict)
    turned: set[str] = field(default_factory=set)
    _pair: Any = None

    def weights(self) -> list[Weight]:
        """In the order of the code, a pair's guide first."""
        return described(self._weights())

    def values(self) -> dict[str, Array]:
        """Name -> value of every weight."""
        return {name: to_numpy(each) for name, each in self._weights().items()}

    def take(self, tied: Mapping[str, str], values: Mapping[str, Array], kernels: Collection[str] = ()) -> None:
        """Give the weights named by `tied` (ours -> the other side's) the other side's values.

        kernels: the other side's matrices that are (in, out): they are turned.
        """
        self.names = dict(tied)
        weights = self._weights()
        for ours, theirs in tied.items():
            value = values.get(theirs)
            if value is not None:
                if theirs in kernels:
                    value = value.T
                    self.turned.add(theirs)
                weights[ours].data = torch.tensor(np.array(value, order="C"), dtype=self.dtype)  # a number stays one

    def buffers(self) -> list[Array]:
        """The state of the modules (running means of a batch norm), in order."""
        return [to_numpy(each) for each in self._buffers()]

    def take_buffers(self, values: Sequence[Array]) -> bool:
        """The other side's state, where it fits in order and shape; whether it did."""
        ours = self._buffers()
        if [tuple(each.shape) for each in ours] != [each.shape for each in values]:
            return False
        for buffer, value in zip(ours, values, strict=True):
            buffer.data = torch.tensor(value).to(buffer.dtype)
        return True

    def set_up(self, rows: Sequence[Array]) -> None:
        """Run once, so that weights made on a first call exist."""
        if self._pair is not None:
            with state_kept(self._modules()):
                self._pair.set_up(self.arguments(rows))

    def facts(self, rows: Sequence[Array]) -> list[SiteFacts]:
        """The pair's sites; none for a loss."""
        with state_kept(self._modules()):
            return [] if self._pair is None else self._pair.facts(self.arguments(rows))

    def run(self, rows: Sequence[Array], tape: Tape, *, gradients: bool = False, asked: Asked = OWN_ONLY) -> Run:
        """Values of the program at the tape, with `gradients` by the weights under the other side's names."""
        wanted = Gradients(self._named(), self.turned) if gradients else None
        arguments = self.arguments(rows)
        with state_kept(self._modules()):
            if self._pair is None:
                return run_loss(self.programs[0], arguments, tape, wanted)
            return self._pair.run(arguments, tape, wanted, asked)

    def exact(self, rows: Sequence[Array]) -> Run | None:
        """Trace_ELBO's expected loss, summed over every state of discrete latents, with its gradient; None without."""
        with state_kept(self._modules()):
            return self._pair.exact(self.arguments(rows), Gradients(self._named(), self.turned)) if self._pair else None

    def arguments(self, rows: Sequence[Array]) -> list[Any]:
        """Tensors: numbers in the side's dtype, labels as they are."""
        tensors = [torch.from_numpy(np.ascontiguousarray(each)) for each in rows]
        return [each.to(self.dtype) if each.is_floating_point() else each for each in tensors]

    def _roots(self) -> Iterable[Any]:
        return reversed(self.programs)

    def _modules(self) -> list[Any]:
        return modules_of(self._roots())

    def _buffers(self) -> list[Tensor]:
        seen, found = set(), []
        for each in (buffer for module in self._modules() for buffer in module.buffers()):
            if id(each) not in seen:
                seen.add(id(each))
                found.append(each)
        return found

    def _weights(self) -> dict[str, Tensor]:
        found = weights_of(self._roots())
        if self._pair is not None:
            known = {id(each) for each in found.values()}
            found |= {name: each for name, each in stored().items() if id(each) not in known}
        return found

    def _named(self) -> dict[str, Tensor]:
        """Tied weights under the other side's names, the rest under their own."""
        return {self.names.get(name, name): each for name, each in self._weights().items()}

    def _tensors(self) -> list[Tensor]:
        return [*self._weights().values(), *self._buffers()]


@contextmanager
def opened(programs: Sequence[Callable[..., Any]], dtype: DType) -> Iterator[TorchSide]:
    """A side whose weights and buffers have `dtype` within."""
    side = TorchSide(programs=tuple(programs), dtype=getattr(torch, dtype.value))
    if len(programs) > 1:
        module = import_module("elbo_compare.suites.bridge.pairs.pyro_pair")
        side._pair = module.PyroPair(model=programs[0], guide=programs[1])
    before = set(stored())
    with held(side._tensors, side.dtype):
        try:
            yield side
        finally:
            for name in set(stored()) - before:
                del sys.modules["pyro"].get_param_store()[name]


def stored() -> dict[str, Tensor]:
    """Unconstrained leaves of Pyro's parameter store, by name; none where Pyro was not imported."""
    if "pyro" not in sys.modules:
        return {}
    return dict(sys.modules["pyro"].get_param_store()._params)
