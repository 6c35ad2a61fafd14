"""What bounds a step: one framework's matrix products, and on a GPU how fast kernels follow one another."""

from collections.abc import Callable, Mapping
from importlib import import_module
from time import perf_counter
from typing import Any

from elbo_compare.compare.bench.clocks.turns import TURN_S
from elbo_compare.compare.procedures.turns import seconds
from elbo_compare.suites.contract import Device, DType

SIDE = {Device.CPU: 2048, Device.CUDA: 8192}  # of the large product
KERNELS = 200  # in the graph whose replay gives the launch floor


class CeilingClock:
    """A large square product, those of the model's own step, and on a GPU a graph of kernels that do next to nothing.

    The products are made in the precision of the forms that they bound. Those of the step in every way that a form
    could make them: all of one step as they come, and again and again in one program, in the layouts of the step, each
    layer for itself or those of one input joined. The fastest way of the turn counts, so that no step is faster than
    its own products.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        start = perf_counter()
        module: Any = import_module(request["module"])
        device, dtype, precision = Device(request["device"]), DType(request["dtype"]), request["precision"]
        self.import_s = perf_counter() - start
        side = SIDE[device]
        shapes, batch = [tuple(shape) for shape in request["shapes"]], request["batch"]
        square, step = 2.0 * side**3, sum(2.0 * m * k * n for m, k, n in shapes)
        self.calls: dict[str, list[tuple[Callable[[], None], float]]] = {  # and what one call is worth
            "square": [(module.products([(side, side, side)], device, dtype, precision), square)],
            "model": [(module.products(shapes, device, dtype, precision), step)],
        }
        for layers in request["layers"]:
            call, steps = module.layer_products([tuple(layer) for layer in layers], batch, device, dtype, precision)
            self.calls["model"].append((call, steps * step))
        if device is Device.CUDA and hasattr(module, "launches"):
            self.calls["launches"] = [(module.launches(KERNELS, device), float(KERNELS))]

    def start(self) -> dict[str, Any]:
        """Compile and warm up."""
        for call, _ in (each for ways in self.calls.values() for each in ways):
            call()
            call()
        return {"import_s": self.import_s}

    def turn(self) -> dict[str, Any]:
        """Operations (kernels) per second of each, the fastest way's."""
        return {"rates": {name: max(rate(*way) for way in ways) for name, ways in self.calls.items()}}

    def finish(self) -> dict[str, Any]:
        """Nothing is left to report."""
        return {}


def rate(call: Callable[[], None], work: float) -> float:
    """`work` a second, over half a turn."""
    call()
    repeats = max(1, round(TURN_S / 2 / seconds(call)))
    return repeats * work / seconds(lambda: [call() for _ in range(repeats)])
