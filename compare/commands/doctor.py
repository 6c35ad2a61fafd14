"""`compare doctor`: what is installed, which devices there are, what will not run and why."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint

from elbo_compare.compare import environment, gpu
from elbo_compare.compare.planning.availability import (
    PROBES,
    framework_of,
    importable,
    lacking_environment,
    placement,
    sees_cuda,
    without_cuda,
)
from elbo_compare.suites import registry
from elbo_compare.suites.contract import Device
from elbo_compare.suites.roster import BY_NAME, GUEST


def diagnose() -> Iterator[str]:
    """Lines about this machine: versions, cores, devices, each implementation and the reason if it will not run."""
    yield f"{environment.executable()}, {environment.cores()} cores, {environment.cpu_model()}"
    for name, version in environment.versions().items():
        yield f"  {name:<14} {version or 'not installed'}"
    yield f"GPU: {gpu.name_and_driver() or 'none (no device file or driver of NVIDIA, and nvidia-smi names none)'}"
    if gpu.present():
        yield from _cuda()
    yield f"Compile cache: JAX's, for {environment.cpu_model()}, in the user's cache folder"
    yield "Implementations:"
    for name, entry in registry.installed().items():
        yield f"  {name:<14} {_standing(name, entry, gpu.present())}"
    yield from (f"  refused: {line}" for line in registry.refused())
    yield from (f"  not seen: {line}" for line in registry.unreadable())


def _cuda() -> Iterator[str]:
    """What the frameworks see of the GPU, what `--device auto` makes of it, and the libraries that decide last bits."""
    for framework in filter(importable, PROBES):
        yield f"  {f'{framework} sees CUDA' if sees_cuda(framework) else without_cuda(framework)}"
    yield f"  --device auto: {placement('auto').in_words()}"
    for name, version in (gpu.libraries() | gpu.settings()).items():
        yield f"  {name} {version}"


def _standing(name: str, entry: EntryPoint, has_gpu: bool) -> str:
    row = BY_NAME.get(name)
    if row is not None and (lacking := [package for package in row.modules if not importable(package)]):
        return f"will not run: {', '.join(lacking)} not installed: pip install 'elbo-compare[{row.extra}]'"
    if name in GUEST and (lacks := lacking_environment(GUEST[name].environment)):
        return f"will not run: {lacks}"
    if (why := registry.malformed(entry)) is not None:
        return f"will not run: {why} ({registry.origin(entry)})"
    if not importable(entry.module.partition(".")[0]):
        return f"will not run: its module {entry.module} is not installed"
    framework = framework_of(name)
    devices = [str(Device.CPU)] + ([str(Device.CUDA)] if has_gpu and framework and sees_cuda(framework) else [])
    return f"runs on {', '.join(devices)}"
