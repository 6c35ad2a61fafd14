"""How fast torch multiplies matrices here, and starts kernels: the ceilings of a training step. For the clock."""

from collections.abc import Callable, Sequence

import torch

from elbo_compare.suites.bridge.torch_arrays import TORCH_DTYPES, multiplying, open_device, synchronise
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.forms import Precision

WARM_UP = 3  # calls before a capture, as CUDA graphs ask for


def products(
    shapes: Sequence[tuple[int, int, int]], device: Device, dtype: DType, precision: str = Precision.FULL
) -> Callable[[], None]:
    """A call that multiplies (m, k) by (k, n) for every (m, k, n), synchronised, into memory allocated beforehand."""
    where = open_device(device)
    kind = {"dtype": torch.bfloat16 if precision == Precision.BFLOAT16 else TORCH_DTYPES[dtype], "device": where}
    factors = [(torch.rand(m, k, **kind), torch.rand(k, n, **kind), torch.empty(m, n, **kind)) for m, k, n in shapes]

    def run() -> None:
        with multiplying(precision):
            for left, right, out in factors:
                torch.mm(left, right, out=out)
        synchronise(where)

    return run


def layer_products(
    layers: Sequence[tuple[int, int, bool]], batch: int, device: Device, dtype: DType, precision: str = Precision.FULL
) -> tuple[Callable[[], None], int]:
    """A call that makes one step's products of affine layers, in the layouts of a step, into memory allocated
    beforehand, synchronised; and the number of steps in it.

    Layers: (in, out, whether the input is data, by which no derivative is asked for). Weights are (out, in).
    """
    where = open_device(device)
    kind = {"dtype": torch.bfloat16 if precision == Precision.BFLOAT16 else TORCH_DTYPES[dtype], "device": where}
    made = []
    for width, out, of_data in layers:
        weight, given, slope = (torch.rand(*shape, **kind) for shape in ((out, width), (batch, width), (batch, out)))
        made += [(given, weight.t(), torch.empty_like(slope)), (slope.t(), given, torch.empty_like(weight))]
        if not of_data:
            made.append((slope, weight, torch.empty_like(given)))

    def run() -> None:
        with multiplying(precision):
            for left, right, into in made:
                torch.mm(left, right, out=into)
        synchronise(where)

    return run, 1


def launches(count: int, device: Device) -> Callable[[], None]:
    """A call that replays a CUDA graph of `count` kernels on one number each: what starting kernels costs, no more."""
    where = open_device(device)
    number = torch.zeros(1, device=where)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            number.add_(1.0)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(count):
            number.add_(1.0)

    def run() -> None:
        graph.replay()
        synchronise(where)

    return run
