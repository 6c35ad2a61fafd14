"""NumPy arrays to torch tensors and back; device, dtype, synchronisation. No maths."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import inf, sqrt

import numpy as np
import torch

from elbo_compare.suites.contract import Array, Device, DType, Params
from elbo_compare.suites.forms import Precision, Workload

TORCH_DTYPES = {DType.FLOAT32: torch.float32, DType.FLOAT64: torch.float64}


def open_device(device: Device) -> torch.device:
    """The torch device, with TF32 off for the whole process. Raises RuntimeError where CUDA is missing."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if device is Device.CUDA and not torch.cuda.is_available():
        raise RuntimeError(f"CUDA was asked for, but torch {torch.__version__} sees no CUDA device")
    return torch.device(str(device))


@contextmanager
def multiplying(precision: str) -> Iterator[None]:
    """Within: float32 matrix products on a GPU in TF32, or in full. Goes around the products themselves: a flag set
    earlier is reset by whoever opens the device next. Afterwards the flag is what it was.
    """
    flags = torch.backends.cuda.matmul
    before, flags.allow_tf32 = flags.allow_tf32, precision == Precision.TF32
    try:
        yield
    finally:
        flags.allow_tf32 = before


@contextmanager
def numbers_drawn_again(device: torch.device) -> Iterator[None]:
    """Afterwards torch's generators, the CPU's and the device's own, stand where they stood before."""
    on_device = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(on_device, device_type=on_device[0].type if on_device else "cuda"):
        yield


def to_tensor(array: Array, device: torch.device, dtype: DType) -> torch.Tensor:
    """A new tensor in `dtype` on `device` that shares no memory with `array`."""
    return torch.tensor(np.asarray(array), dtype=TORCH_DTYPES[dtype], device=device)


def to_tensors(params: Params, device: torch.device, dtype: DType) -> dict[str, torch.Tensor]:
    """`to_tensor` for every parameter, under the same names."""
    return {name: to_tensor(array, device, dtype) for name, array in params.items()}


def initial_weights(case: Workload, device: torch.device) -> dict[str, torch.Tensor]:
    """The case's weights on the device under their names; seeded ones are made there and never travel."""
    params, seeded = case.problem.params, case.seeded
    if seeded is None:
        return to_tensors(params, device, case.dtype)
    where = {"dtype": TORCH_DTYPES[case.dtype], "device": device}
    generator = torch.Generator(device).manual_seed(seeded.seed)

    def made(shape: tuple[int, ...]) -> torch.Tensor:
        if len(shape) == 1:
            tensor = torch.zeros(shape, **where)
        else:
            tensor = sqrt(2.0 / sum(shape)) * torch.randn(shape, generator=generator, **where)
        return torch.nextafter(tensor, torch.full_like(tensor, inf)) if seeded.moved else tensor

    return {name: made(outline.shape) for name, outline in params.items()}


def to_array(tensor: torch.Tensor) -> Array:
    """A float64 copy on the host (exact for float32 too; the dtype that was computed in is `dtype_of`)."""
    return tensor.detach().to("cpu", torch.float64).numpy().copy()


def to_arrays(tensors: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    """`to_array` for every tensor, under the same names."""
    return {name: to_array(tensor) for name, tensor in tensors.items()}


def dtype_of(tensor: torch.Tensor) -> DType:
    """The dtype that a tensor actually has."""
    return DType(str(tensor.dtype).removeprefix("torch."))


def synchronise(device: torch.device) -> None:
    """Return after all work queued on `device` has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
