"""What can run here, found out without importing a framework: the reason why a cell will not run, if there is one."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from elbo_compare.compare import environment, gpu
from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.launching import environments
from elbo_compare.compare.launching.child import printed_by
from elbo_compare.compare.launching.interpreter import Interpreter
from elbo_compare.compare.records import Cell
from elbo_compare.suites import datasets, registry
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.roster import BY_NAME, FRAMEWORKS, GUEST, GUESTS, ORACLE, Row

PROBE_S = 180.0  # a framework on a cold, slow disk
PROBES = {name: framework.sees_cuda for name, framework in FRAMEWORKS.items()}
# The last line is ours, whatever a plug-in prints while it is imported.
KIND = """
import sys
from elbo_compare.suites import registry
name = sys.argv[1]
print("\\nlibrary", registry.library_of(name, registry.load(name)), end="")
"""


def implementations(chosen: Iterable[str]) -> list[str]:
    """The registered names that `chosen` means ("all": every one, an optional one only where it is installed).

    Raises UsageError for an unknown name, and where a plug-in has a name that is taken: it would be left out unsaid.
    """
    if refused := registry.refused():
        raise UsageError(refused[0])
    known, names = registry.installed(), []
    for name in chosen:
        if name != "all" and name not in known:
            raise UsageError(" ".join([unknown("implementation", name, known), *registry.unreadable()]))
        names += [other for other in (filter(of_all, known) if name == "all" else (name,)) if other not in names]
    return names


def of_all(name: str) -> bool:
    """Whether "all" means an implementation: an optional one of ours only where it is installed, a guest only where its
    environment is, broken or not: its cells say what mends it."""
    if name in GUEST:
        return environments.of(GUEST[name].environment).folder.is_dir()
    row = BY_NAME.get(name)
    return row is None or not row.optional or present(row)


@cache
def present(row: Row) -> bool:
    """Whether the very distributions of a row are installed: another one may bring modules of the same name."""
    return all(map(environment.installed_version, row.distributions))


def offers(implementation: str, dtype: str, device: str) -> bool:
    """Whether the cell is worth planning: the oracle has one dtype and one device, others say so when they are run."""
    return implementation != ORACLE or (dtype == DType.FLOAT64 and device == Device.CPU)


def reason_not_to_run(cell: Cell) -> str | None:
    """None, or why the cell will end as NOT_RUN here: a package, data file or device that it needs is missing."""
    row = BY_NAME.get(cell.implementation)  # a third party's needs are its own
    if row is not None and (lacking := [package for package in row.modules if not importable(package)]):
        return f"{lacking[0]} is not installed: pip install 'elbo-compare[{row.extra}]'"
    guest = GUEST.get(cell.implementation)
    if guest is not None and (lacks := lacking_environment(guest.environment)):
        return lacks
    if (absent := datasets.missing(cell.dataset)) is not None:
        return absent
    framework = framework_of(cell.implementation)
    if cell.device == Device.CUDA and framework and not sees_cuda(framework):
        return without_cuda(framework)
    return None


def lacking_environment(name: str) -> str:
    """Why nothing can run in a named environment, with the command that makes it; empty where it is there."""
    return environments.of(name).lacking()


def interpreters() -> dict[str, Interpreter]:
    """Where the guests run whose environment is there."""
    return {
        row.name: environments.interpreter(row.environment)
        for row in GUESTS
        if not lacking_environment(row.environment)
    }


@cache
def framework_of(implementation: str) -> str:
    """Which of the frameworks with devices an implementation computes with, "" for none.

    A third party's is the first one that its distribution requires.
    """
    if (row := BY_NAME.get(implementation) or GUEST.get(implementation)) is not None:
        framework = row.framework.module
        return framework if framework in FRAMEWORKS else ""
    required = (line for line in registry.requires(implementation) if "extra ==" not in line)
    names = (re.split(r"[^\w.-]", line.strip(), maxsplit=1)[0].lower() for line in required)
    return next((name for name in names if name in PROBES), "")


@cache
def library_of(name: str) -> str:
    """Through which library's public ELBO objects a plug-in goes, asked in a process of its own; "" by hand, for ours,
    and where that can't be found out: what can't be loaded says so in its cells."""
    if name in GUEST:
        library = GUEST[name].library
        return library.module if library else ""
    if name in BY_NAME:
        return ""
    said = printed_by(KIND, name, timeout_s=PROBE_S) or ""
    return said.rpartition("\n")[2].removeprefix("library ")


@cache
def importable(package: str) -> bool:
    """Whether a top-level package is installed; it is not imported."""
    return find_spec(package) is not None


@cache
def sees_cuda(framework: str) -> bool:
    """Whether torch or jax finds a CUDA device, asked in a process of its own, with a worker's environment (JAX must
    not take the memory that it probes); quickly False where there is no GPU."""
    if not gpu.present() or not importable(framework):
        return False
    surroundings = environment.worker_environment(
        device=Device.CUDA, dtype=DType.FLOAT32, threads=1, compile_cache=False
    )
    said = printed_by(PROBES[framework], environment=surroundings, timeout_s=PROBE_S) or ""
    return said.strip().endswith("True")


def without_cuda(framework: str) -> str:
    """Why a framework that sees no CUDA device sees none, and the command that mends it."""
    if not gpu.present():
        return f"{framework} sees no CUDA device: this machine shows no NVIDIA GPU"
    remedy = FRAMEWORKS[framework].remedy
    return f"{framework} sees no CUDA device: its installed build has no CUDA, or not this driver's; {remedy}"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where cells are planned: on `device`, but those of the frameworks `on_cpu`, which under `auto` see no CUDA."""

    device: Device
    on_cpu: tuple[str, ...] = ()

    def of(self, implementation: str) -> Device:
        """The device of an implementation's cells."""
        return Device.CPU if self.on_cpu and framework_of(implementation) in self.on_cpu else self.device

    def in_words(self) -> str:
        """One line: which framework computes where, and why one stays on the CPU."""
        if self.device is Device.CPU:
            return "all on cpu"
        parts = [
            f"{name} on {Device.CPU if name in self.on_cpu else self.device}" for name in filter(importable, PROBES)
        ]
        return "; ".join([", ".join(parts), *map(without_cuda, self.on_cpu)])


def placement(asked: str) -> Placement:
    """Where cells run. `auto`, framework by framework: cuda where it sees one, else cpu; `cuda`: all there, and what
    sees none is not run; `cpu`. Raises UsageError for cuda where no framework sees it."""
    if asked not in ("auto", *Device):
        raise UsageError(unknown("device", asked, ("auto", *map(str, Device))))
    if asked == Device.CPU:
        return Placement(device=Device.CPU)
    names = list(filter(importable, PROBES))
    with ThreadPoolExecutor(max(1, len(names))) as crew:  # each imports a framework, in a process of its own
        seen = dict(zip(names, crew.map(sees_cuda, names), strict=True))
    blind = tuple(name for name in names if not seen[name])
    if any(seen.values()):
        return Placement(device=Device.CUDA, on_cpu=blind if asked == "auto" else ())
    if asked == Device.CUDA:
        why = "; ".join(map(without_cuda, blind)) or "neither torch nor jax is installed"
        raise UsageError(f"--device cuda: no installed framework sees a CUDA device ({why}). Use --device cpu.")
    return Placement(device=Device.CPU)
