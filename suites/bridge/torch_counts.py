"""What one torch step does, counted and not timed: operations dispatched, matrix-product FLOPs, bytes. No maths."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


def count_step(step: Callable[[], Any], weights: Iterable[Tensor]) -> dict[str, float]:
    """`operations`: leaf operators of one step as the profiler sees them (a compiled kernel is none); `bytes`: weights
    and their gradients; on a GPU also `kernels`."""
    events = profiled(step)
    leaves = [each for each in events if each.name.startswith("aten::") and not each.cpu_children]
    return {"operations": float(len(leaves)), "bytes": float(bytes_of(weights))} | kernels(events)


def kernels(events: Iterable[Any]) -> dict[str, float]:
    """`launches`: kernels and copies that ran on the GPU; nothing where there is none."""
    if not torch.cuda.is_available():
        return {}
    return {"launches": float(sum(str(each.device_type).endswith("CUDA") for each in events))}


def profiled(step: Callable[[], Any]) -> list[Any]:
    """What torch's profiler sees of one step, on the CPU and on a GPU."""
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as found:
        step()
    return list(found.events() or [])


def bytes_of(weights: Iterable[Tensor]) -> int:
    """Bytes of the weights and of the gradients that the last step left on them."""
    tensors = list(weights)
    tensors += [weight.grad for weight in tensors if weight.grad is not None]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def dispatched(step: Callable[[], Any]) -> Counter[str]:
    """Every operator that one step dispatches, backward and optimiser included, by name."""
    counter = _Dispatched()
    with counter:
        step()
    return counter.found


def matrix_product_flops(step: Callable[[], Any]) -> int:
    """Floating-point operations of one step's matrix products, as torch's own counter has them."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


class _Dispatched(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found[func.name()] += 1
        return func(*args, **(kwargs or {}))
