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
    """A call that multiplies (m, k) by (k, n) for every (m, k, n), all in one program, synchronised.

    In one program, as a compiled step has them: a program of each own pays for its start and lets no two run together,
    and steps came out faster than their own products.

    Raises ValueError for a reduced precision: no JAX form has one.
    """
    if precision != Precision.FULL:
        raise ValueError(f"JAX products are made in full precision here; {precision} arrived")
    where = open_device(device, dtype)
    multiply = jax.jit(lambda factors: [jnp.matmul(left, right) for left, right in factors])

    def uniform(m: int, n: int) -> jax.Array:
        return jax.device_put(jax.random.uniform(jax.random.key(m + n), (m, n), str(dtype)), where)

    factors = [(uniform(m, k), uniform(k, n)) for m, k, n in shapes]

    def run() -> None:
        jax.block_until_ready(multiply(factors))

    return run
