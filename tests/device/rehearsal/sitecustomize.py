"""A process with this on its path finds the pretend device where it asks for CUDA: for a rehearsal of the GPU's day.

`benchmarks/gpu_day.sh OUT --device pretend` puts this folder first on PYTHONPATH and on PATH (`nvidia-smi`). A worker
for the CPU, whose CUDA_VISIBLE_DEVICES is empty, stays as it is; JAX sees no device here. What the bench asks of a
large GPU (products, widths, trainings) is as small here as two cores need it: the same code, other sizes.
"""

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


def torch_sees_cuda() -> None:
    import torch

    torch.cuda.is_available = lambda: True


def open_the_pretend_device() -> None:
    import pretend_device
    import pretend_graphs

    pretend_device.install()
    pretend_graphs.install()
    pretend_device.Pretending().__enter__()  # until the process ends


def counted_by_the_pretend_device() -> None:
    import pretend_graphs

    counts: Any = sys.modules["elbo_compare.suites.bridge.torch_counts"]
    counts.profiled = pretend_graphs.profiled


def small_products() -> None:
    module: Any = sys.modules[f"{BENCH}.clocks.ceilings"]
    module.SIDE = dict.fromkeys(module.SIDE, 256)


def short_trainings() -> None:
    replicas: Any = sys.modules[f"{BENCH}.clocks.replicas"]
    replicas.STEPS, replicas.BATCH = 2, 20


def few_draws() -> None:
    draws: Any = sys.modules[f"{BENCH}.clocks.draws"]
    draws.CHUNKS = dict.fromkeys(draws.CHUNKS, 50)


def a_small_large_model() -> None:
    run: Any = sys.modules[f"{BENCH}.run"]
    run.LARGE = {"hidden": 64, "batch": 32, "batches": 2}


BENCH = "elbo_compare.compare.bench"
AFTER = {
    "torch": torch_sees_cuda,
    "elbo_compare.suites.bridge.torch_arrays": open_the_pretend_device,
    "elbo_compare.suites.bridge.torch_counts": counted_by_the_pretend_device,
    f"{BENCH}.clocks.ceilings": small_products,
    f"{BENCH}.clocks.replicas": short_trainings,
    f"{BENCH}.clocks.draws": few_draws,
    f"{BENCH}.run": a_small_large_model,
}


class Following(Loader):
    """A module's own loader, and then something more."""

    def __init__(self, own: Any, name: str) -> None:
        self.own, self.name = own, name

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.own.exec_module(module)
        AFTER.pop(self.name, lambda: None)()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


class Finder(MetaPathFinder):
    """Finds the modules named in `AFTER` where they are."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in AFTER else None
        if spec is not None and spec.loader is not None:
            spec.loader = Following(spec.loader, fullname)
        return spec


if os.environ.get("CUDA_VISIBLE_DEVICES") != "":
    sys.path.append(str(Path(__file__).parents[1]))
    sys.meta_path.insert(0, Finder())
