"""How fast JAX multiplies matrices here: the ceiling of a training step. For the clock."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from elbo_compare.suites.bridge.jax_arrays import open_device
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.forms import Precision


def products(
    shapes: Sequence[tuple[int, int, int]], device: Device, dtype: DType, precision: str = Precision.FULL
) -> Callable[[], None]:
    """A call that multiplies (m, k) by (k, n) for every (m, k, n), each in a program of its own, synchronised.

    Raises ValueError for a reduced precision: no JAX form has one.
    """
    if precision != Precision.FULL:
        raise ValueError(f"JAX products are made in full precision here; {precision} arrived")
    where, multiply = open_device(device, dtype), jax.jit(jnp.matmul)

    def uniform(m: int, n: int) -> jax.Array:
        return jax.device_put(jax.random.uniform(jax.random.key(m + n), (m, n), str(dtype)), where)

    factors = [(uniform(m, k), uniform(k, n)) for m, k, n in shapes]

    def run() -> None:
        jax.block_until_ready([multiply(left, right) for left, right in factors])

    return run
