"""Programs of JAX that run a few dozen times on a CPU: compiled quickly, since compiling is most of their time.

Timed programs are no such ones, nor are trainings of hundreds of steps; on a GPU everything is compiled as JAX does.
Seconds here: of one core of an AMD EPYC at load, jaxlib 0.10.2, float64.
"""

from collections.abc import Callable, Hashable
from functools import cache
from math import inf
from typing import Any

import jax

from elbo_compare.suites.bridge.jax_arrays import JaxDevice
from elbo_compare.suites.tracing.compiling import HALF_AS_LONG, QUICK_TO_COMPILE

# Numbers in a layer as wide as the data, up to which a program is compiled at a tenth of the cost (0.1 s for 0.9) and
# its loops may take five times as long: a call of this size takes about a millisecond more.
SMALL = 10_000
FEW_STEPS = 100  # of a training: of the small VAE they run for 0.1 s, and its program takes 1.5 s to compile, or 0.8


class Rarely:
    """A function that JAX compiles once for each of its forms, quickly on a CPU. `static`: as of `jax.jit`.

    Values differ in the order of sums at most: at half of XLA's effort 8 of 9 programs gave the same bits as at all of
    it, one differed by 6e-16. Calls are no slower there: 18 ms for 1,000 draws of the VAE of MNIST, and 20.
    """

    def __init__(self, function: Callable[..., Any], static: tuple[str, ...]) -> None:
        self.function, self.static = function, static

    def on(self, device: JaxDevice, *, numbers: float = inf) -> jax.stages.Wrapped:
        """Compiled for this device, for calls that make so many numbers in a layer."""
        if device.platform != "cpu":
            return _compiled(self.function, self.static, ())
        options = QUICK_TO_COMPILE if numbers <= SMALL else HALF_AS_LONG
        return _compiled(self.function, self.static, tuple(options.items()))


def rarely(*static: str) -> Callable[[Callable[..., Any]], Rarely]:
    """Decorate a function that is called a few dozen times at most."""
    return lambda function: Rarely(function, static)


@cache
def _compiled(
    function: Callable[..., Any], static: tuple[str, ...], options: tuple[tuple[str, Hashable], ...]
) -> jax.stages.Wrapped:
    return jax.jit(function, static_argnames=static, compiler_options=dict(options) or None)
