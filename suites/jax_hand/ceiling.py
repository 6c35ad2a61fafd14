"""How fast JAX multiplies matrices here: the ceiling of a training step. For the clock."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from elbo_compare.suites.bridge.jax_arrays import open_device
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.forms import Precision
from elbo_compare.suites.jax_hand.scanned import Scanned

STEPS = 10  # in one program of the layers' products: what starting it costs is then nothing, as in an epoch


def products(
    shapes: Sequence[tuple[int, int, int]], device: Device, dtype: DType, precision: str = Precision.FULL
) -> Callable[[], None]:
    """A call that multiplies (m, k) by (k, n) for every (m, k, n), all in one program, synchronised.

    In one program, as a compiled step has them: a program of each own pays for its start and lets no two run together,
    and steps came out faster than their own products.

    Raises ValueError for a reduced precision: no JAX form has one.
    """
    uniform = _uniform(device, dtype, precision)
    multiply = jax.jit(lambda factors: [jnp.matmul(left, right) for left, right in factors])
    factors = [(uniform(m, k), uniform(k, n)) for m, k, n in shapes]

    def run() -> None:
        jax.block_until_ready(multiply(factors))

    return run


def layer_products(
    layers: Sequence[tuple[int, int, bool]], batch: int, device: Device, dtype: DType, precision: str = Precision.FULL
) -> tuple[Callable[[], None], int]:
    """A call that makes the products of affine layers again and again under one scan, in the layouts of a step and into
    the same memory, synchronised; and the number of steps in it.

    Layers: (in, out, whether the input is data, by which no derivative is asked for). Weights are (in, out).

    Raises ValueError for a reduced precision: no JAX form has one.
    """
    uniform = _uniform(device, dtype, precision)
    read = [(uniform(batch, width), uniform(width, out), uniform(batch, out)) for width, out, _ in layers]

    def made(read: Any) -> list[jax.Array]:
        found = []
        for (given, weight, slope), (_, _, of_data) in zip(read, layers, strict=True):
            found += [given @ weight, given.T @ slope]
            if not of_data:
                found.append(slope @ weight.T)
        return found

    def body(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        read, _made = carry
        return (read, made(read)), None

    run = Scanned(body, (read, made(read)), None, STEPS)
    return partial(run, STEPS), STEPS


def _uniform(device: Device, dtype: DType, precision: str) -> Callable[[int, int], jax.Array]:
    """What fills a matrix."""
    if precision != Precision.FULL:
        raise ValueError(f"JAX products are made in full precision here; {precision} arrived")
    where = open_device(device, dtype)

    def uniform(m: int, n: int) -> jax.Array:
        return jax.device_put(jax.random.uniform(jax.random.key(m + n), (m, n), str(dtype)), where)

    return uniform
