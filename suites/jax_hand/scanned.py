"""A piece of work done again and again within one compiled program, as a training step is. For the clock."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Body = Callable[[Any, Any], tuple[Any, Any]]  # what is carried, the step's own -> what is carried on, what it gives


class Scanned:
    """`steps` times one body under a scan, compiled once; what is carried is donated, as an epoch's state is.

    It passes a barrier before each time, and some of it is another array each time, so that nothing leaves the loop.
    """

    def __init__(self, body: Body, carry: Any, own: Any, steps: int) -> None:
        self.steps, self.carry, self.own = steps, jax.tree.map(jnp.copy, carry), own

        def run(carry: Any, own: Any) -> tuple[Any, Any]:
            return jax.lax.scan(lambda now, x: body(jax.lax.optimization_barrier(now), x), carry, own, steps)

        self.program = jax.jit(run, donate_argnums=0)

    def __call__(self, k: int) -> None:
        """k times, k a multiple of `steps`; then the device is waited for."""
        for _ in range(k // self.steps):
            self.carry, _ = self.program(self.carry, self.own)
        jax.block_until_ready(self.carry)
