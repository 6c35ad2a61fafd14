"""How fast torch multiplies matrices here: the ceiling of a training step. For the clock."""

from collections.abc import Callable, Sequence

import torch

from suites.bridge.torch_arrays import TORCH_DTYPES, open_device, synchronise
from suites.contract import Device, DType


def products(shapes: Sequence[tuple[int, int, int]], device: Device, dtype: DType) -> Callable[[], None]:
    """A call that multiplies (m, k) by (k, n) for every (m, k, n), synchronised, into memory allocated beforehand."""
    where = open_device(device)
    kind = {"dtype": TORCH_DTYPES[dtype], "device": where}
    factors = [(torch.rand(m, k, **kind), torch.rand(k, n, **kind), torch.empty(m, n, **kind)) for m, k, n in shapes]

    def run() -> None:
        for left, right, out in factors:
            torch.mm(left, right, out=out)
        synchronise(where)

    return run
