"""NumPy arrays to JAX arrays and back; device, dtype, the x64 switch. No maths."""

from collections.abc import Iterable, Mapping
from math import inf, sqrt
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from elbo_compare.suites.contract import Array, Device, DType, Params
from elbo_compare.suites.forms import Workload

JaxDevice: TypeAlias = Any  # jax.Device, which JAX exports as a variable that type checkers refuse


def open_device(device: Device, dtype: DType) -> JaxDevice:
    """The JAX device, after setting the process-wide x64 switch and full float32 precision in matrix products.

    Raises RuntimeError for float32 in a process that already computes in float64 (one process has one dtype, because
    JAX's own random numbers follow the switch), and where the device is missing.
    """
    if dtype is DType.FLOAT64:
        jax.config.update("jax_enable_x64", True)
    elif jax.config.read("jax_enable_x64"):
        raise RuntimeError("float32 was asked for, but this process has JAX's x64 switched on; use a fresh process")
    jax.config.update("jax_default_matmul_precision", "highest")
    return jax.devices(str(device))[0]


def to_device(array: Array, device: JaxDevice, dtype: DType) -> jax.Array:
    """The array in `dtype`, committed to `device`."""
    return jax.device_put(np.asarray(array, dtype=str(dtype)), device)


def to_devices(params: Params, device: JaxDevice, dtype: DType) -> dict[str, jax.Array]:
    """`to_device` for every parameter, under the same names."""
    return {name: to_device(array, device, dtype) for name, array in params.items()}


def initial_weights(case: Workload, device: JaxDevice) -> dict[str, jax.Array]:
    """The case's weights on the device under their names; seeded ones are made there and never travel."""
    params, seeded = case.problem.params, case.seeded
    if seeded is None:
        return to_devices(params, device, case.dtype)
    dtype, key = str(case.dtype), random_key(seeded.seed, device)

    def made(index: int, shape: tuple[int, ...]) -> jax.Array:
        if len(shape) == 1:
            array = jnp.zeros(shape, dtype, device=device)
        else:
            array = sqrt(2.0 / sum(shape)) * jax.random.normal(jax.random.fold_in(key, index), shape, dtype)
        return jnp.nextafter(array, jnp.asarray(inf, dtype)) if seeded.moved else array

    return {name: made(i, outline.shape) for i, (name, outline) in enumerate(params.items())}


def random_key(seed: int, device: JaxDevice) -> jax.Array:
    """A random key committed to `device`."""
    return jax.device_put(jax.random.key(seed), device)


def to_array(array: jax.Array) -> Array:
    """A float64 copy on the host (exact for float32 too; the dtype that was computed in is `dtype_of`)."""
    return np.array(array, dtype=np.float64)


def to_arrays(arrays: Mapping[str, jax.Array]) -> dict[str, Array]:
    """`to_array` for every array, under the same names."""
    return {name: to_array(array) for name, array in arrays.items()}


def joined(pairs: Iterable[tuple[jax.Array, jax.Array]], n: int) -> tuple[Array, Array, DType]:
    """The first n rows of two columns of blocks, float64 on the host, and the dtype that was computed in.

    Joined and cut here: on the device every number of blocks would be a program of its own to compile.
    """
    blocks = list(pairs)  # all are under way before the first is waited for
    first, second = (np.concatenate([to_array(block) for block in column])[:n] for column in zip(*blocks, strict=True))
    return first, second, dtype_of(blocks[0][0])


def dtype_of(array: jax.Array) -> DType:
    """The dtype that an array actually has."""
    return DType(array.dtype.name)
