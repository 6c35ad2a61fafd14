"""What bounds a step: one framework's matrix products, and on a GPU how fast kernels follow one another."""

from collections.abc import Mapping
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

    The products are made in the precision of the forms that they bound.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        start = perf_counter()
        module: Any = import_module(request["module"])
        device, dtype, precision = Device(request["device"]), DType(request["dtype"]), request["precision"]
        self.import_s = perf_counter() - start
        side = SIDE[device]
        shapes = [tuple(shape) for shape in request["shapes"]]
        self.calls = {
            "square": module.products([(side, side, side)], device, dtype, precision),
            "model": module.products(shapes, device, dtype, precision),
        }
        self.work = {"square": 2.0 * side**3, "model": sum(2.0 * m * k * n for m, k, n in shapes)}
        if device is Device.CUDA and hasattr(module, "launches"):
            self.calls["launches"], self.work["launches"] = module.launches(KERNELS, device), float(KERNELS)

    def start(self) -> dict[str, Any]:
        """Compile and warm up."""
        for call in self.calls.values():
            call()
            call()
        return {"import_s": self.import_s}

    def turn(self) -> dict[str, Any]:
        """Operations (kernels) per second of each."""
        rates = {}
        for name, call in self.calls.items():
            call()
            repeats = max(1, round(TURN_S / 2 / seconds(call)))
            rates[name] = repeats * self.work[name] / seconds(lambda call=call, n=repeats: [call() for _ in range(n)])
        return {"rates": rates}

    def finish(self) -> dict[str, Any]:
        """Nothing is left to report."""
        return {}
