"""NumPy arrays to torch tensors and back; device, dtype, synchronisation. No maths."""

from collections.abc import Mapping

import numpy as np
import torch

from elbo_compare.suites.contract import Array, Device, DType, Params

TORCH_DTYPES = {DType.FLOAT32: torch.float32, DType.FLOAT64: torch.float64}


def open_device(device: Device) -> torch.device:
    """The torch device, with TF32 off for the whole process. Raises RuntimeError where CUDA is missing."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if device is Device.CUDA and not torch.cuda.is_available():
        raise RuntimeError(f"CUDA was asked for, but torch {torch.__version__} sees no CUDA device")
    return torch.device(str(device))


def to_tensor(array: Array, device: torch.device, dtype: DType) -> torch.Tensor:
    """A new tensor in `dtype` on `device` that shares no memory with `array`."""
    return torch.tensor(np.asarray(array), dtype=TORCH_DTYPES[dtype], device=device)


def to_tensors(params: Params, device: torch.device, dtype: DType) -> dict[str, torch.Tensor]:
    """`to_tensor` for every parameter, under the same names."""
    return {name: to_tensor(array, device, dtype) for name, array in params.items()}


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
