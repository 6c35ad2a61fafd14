"""What can run here, found out without importing a framework: the reason why a cell will not run, if there is one."""

import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec

from elbo_compare.compare import environment
from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.records import Cell
from elbo_compare.suites import datasets, registry
from elbo_compare.suites.contract import Device, DType

# The packages that our own implementations need, and the extra that brings them. A third party's needs are its own.
NEEDS = {
    "torch-hand": ("torch", ("torch",)),
    "pyro": ("torch", ("torch", "pyro")),
    "jax-hand": ("jax", ("jax",)),
    "numpyro": ("jax", ("jax", "numpyro")),
}
ORACLE = "numpy-oracle"  # the reference: float64 on the CPU, whatever the others are compared in
PROBES = {
    "torch": "import torch; print(torch.cuda.is_available())",
    "jax": "import jax; print(any(d.platform == 'gpu' for d in jax.devices()))",
}


def implementations(chosen: Iterable[str]) -> list[str]:
    """The registered names that `chosen` means ("all": every one). Raises UsageError for an unknown name."""
    known, names = registry.installed(), []
    for name in chosen:
        if name != "all" and name not in known:
            raise UsageError(unknown("implementation", name, known))
        names += [other for other in (known if name == "all" else (name,)) if other not in names]
    return names


def offers(implementation: str, dtype: str, device: str) -> bool:
    """Whether the cell is worth planning: the oracle has one dtype and one device, others say so when they are run."""
    return implementation != ORACLE or (dtype == DType.FLOAT64 and device == Device.CPU)


def reason_not_to_run(cell: Cell) -> str | None:
    """None, or why the cell will end as NOT_RUN here: a package, data file or device that it needs is missing."""
    extra, packages = NEEDS.get(cell.implementation, ("", ()))
    for package in packages:
        if not importable(package):
            return f"{package} is not installed: pip install 'elbo-compare[{extra}]'"
    if (absent := datasets.missing(cell.dataset)) is not None:
        return absent
    if cell.device == Device.CUDA and extra and not sees_cuda(extra):
        return f"{extra} sees no CUDA device: its installed build has no CUDA support"
    return None


@cache
def importable(package: str) -> bool:
    """Whether a top-level package is installed; it is not imported."""
    return find_spec(package) is not None


@cache
def sees_cuda(framework: str) -> bool:
    """Whether torch or jax finds a CUDA device, asked in a process of its own; quickly False where there is no GPU."""
    if environment.gpu() is None or not importable(framework):
        return False
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROBES[framework]], capture_output=True, text=True, timeout=180, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.stdout.strip().endswith("True")


def resolve_device(asked: str) -> Device:
    """`auto` -> cuda where a framework sees one, else cpu. Raises UsageError for cuda without CUDA."""
    if asked not in ("auto", *Device):
        raise UsageError(unknown("device", asked, ("auto", *map(str, Device))))
    if asked == Device.CPU:
        return Device.CPU
    if any(sees_cuda(framework) for framework in PROBES):
        return Device.CUDA
    if asked == Device.CUDA:
        raise UsageError("--device cuda: no installed framework sees a CUDA device. Use --device cpu, or see `doctor`.")
    return Device.CPU
