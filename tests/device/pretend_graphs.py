"""CUDA graphs on the pretend device: a capture records and does not run; a replay runs what was recorded.

A synchronisation, an upload or a random number in a capture raises, as on a GPU where the generator is not registered
with the graph. What a capture makes lies in a pool of the graph's own: `torch.cuda`'s memory counts are patched so that
it is held by the allocator (reserved) and, while a replay runs, in use by nobody that asks the allocator (allocated).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pretend_device
import torch
from nested import tensors_in
from pretend_device import RANDOM, Watching, watched, where


class Capture:
    """The operations of a graph, in order, with the tensors that they read and write."""

    def __init__(self) -> None:
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.made: dict[int, torch.Tensor] = {}  # by address of the storage: in the graph's pool
        self.written: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # storages from before, and what lay there

    @property
    def pool_bytes(self) -> int:
        """What the graph's pool holds."""
        return sum(each.untyped_storage().nbytes() for each in self.made.values())

    def before(self, func: Any, name: str, args: Any) -> None:
        """Keep what an operation is about to overwrite."""
        if name in RANDOM:
            raise RuntimeError(f"{name} at {where()}: a random number in a capture, the generator is not registered")
        for value, argument in zip(args, func._schema.arguments, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                for tensor in tensors_in(value):
                    self._keep(tensor)

    def _keep(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.made and storage.data_ptr() not in self.written:
            flat = torch.empty(0, dtype=torch.uint8).set_(storage)
            self.written[storage.data_ptr()] = flat, flat.clone()

    def after(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        """Record the operation; what it made and no argument holds is the graph's."""
        self.operations.append((func, args, kwargs, out))
        given = {each.untyped_storage().data_ptr() for each in tensors_in((args, kwargs))}
        for tensor in tensors_in(out):
            address = tensor.untyped_storage().data_ptr()
            if address not in given and address not in self.written:
                self.made[address] = tensor

    def end(self) -> None:
        """As if nothing had run: what was overwritten is back, what was made is no number."""
        for flat, was in self.written.values():
            flat.copy_(was)
        for tensor in self.made.values():
            if tensor.is_floating_point():
                tensor.fill_(float("nan"))


class Graph:
    """In place of torch.cuda.CUDAGraph."""

    pools = 0  # bytes in the pools of all graphs
    replays = 0

    capture: Capture

    def replay(self) -> None:
        """Run the recorded operations again, into the very memory that they wrote when they were recorded."""
        Graph.replays += 1
        for func, args, kwargs, out in self.capture.operations:
            new = func(*args, **kwargs)
            olds, news = ([each] if not isinstance(each, (tuple, list)) else each for each in (out, new))
            for old, now, returned in zip(olds, news, func._schema.returns, strict=False):
                if returned.alias_info is None and isinstance(old, torch.Tensor) and old.data_ptr() != now.data_ptr():
                    old.copy_(now)


@contextmanager
def graph(made: Graph, **_: Any) -> Iterator[None]:
    """In place of torch.cuda.graph."""
    assert Watching.capture is None
    Watching.capture = made.capture = Capture()
    try:
        yield
    finally:
        Watching.capture = None
    made.capture.end()
    Graph.pools += made.capture.pool_bytes


def profiled(step: Callable[[], Any]) -> list[Any]:
    """In place of the bridge's profiler: with the blind spot of a real one, a graph captured before is one launch.

    torch's own wants CUDA's events and complains, at length, at every operation."""
    before = Graph.replays
    _, ledger = watched(step)
    count = ledger.operations.total() + Graph.replays - before
    return [SimpleNamespace(name="aten::any", device_type="DeviceType.CUDA", cpu_children=())] * count


class Stream:
    """In place of torch.cuda.Stream: there is one."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def wait_stream(self, other: "Stream") -> None: ...


class Memory:
    """What the pretend allocator has handed out since the last reset (nothing is ever freed), and holds."""

    start = 0

    @staticmethod
    def reset() -> None:
        Memory.start = Watching.ledger.made_bytes

    @staticmethod
    def allocated() -> int:
        return Watching.ledger.made_bytes - Memory.start

    @staticmethod
    def reserved() -> int:
        return Memory.allocated() + Graph.pools


def install() -> None:
    """Patch torch.cuda; after `pretend_device.install()`."""
    assert pretend_device.DEVICE.type == pretend_device.NAME
    cuda: Any = torch.cuda
    cuda.Stream, cuda.CUDAGraph, cuda.graph = Stream, Graph, graph
    cuda.current_stream = lambda *_: Stream()
    cuda.stream = lambda stream: nullcontext()
    cuda.is_initialized = lambda: True
    cuda.empty_cache = lambda: None
    cuda.reset_peak_memory_stats = Memory.reset
    cuda.max_memory_allocated, cuda.max_memory_reserved = Memory.allocated, Memory.reserved
