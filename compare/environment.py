"""What a measurement depends on besides its cell: versions, device, threads, code. No host names, no paths.

`fingerprint` is a digest of what may change a number. Nothing is imported to find a version out.
"""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from elbo_compare.compare import gpu
from elbo_compare.compare.launching import environments
from elbo_compare.compare.records import SCHEMA_VERSION
from elbo_compare.suites.registry import OURS, named, third_parties
from elbo_compare.suites.roster import GUESTS, Row, distributions

# What may change a number: NumPy and SciPy for everybody, and what our implementations are made of.
NUMERIC = tuple(dict.fromkeys(("numpy", "scipy", *distributions())))
OPTIONAL = distributions(optional=True)
PACKAGES = (*NUMERIC, "funsor", "pandas", OURS)
CODE = (
    "suites/**/*.py",
    "suites/**/*.npz",
    "compare/procedures/*.py",
    "compare/running/worker.py",
    "compare/running/program_worker.py",
)
LATER = ("cuda", "settings")  # fields that older records lack; where they are empty a fingerprint is as it was
JUDGED = {"NVIDIA_TF32_OVERRIDE": "0"}  # TF32 is off in judged cells, whatever a library would choose
ROOT = Path(__file__).resolve().parent.parent


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(*, device: str, jobs: int, threads: int) -> dict[str, Any]:
    """The environment record of a run, for people and for `fingerprint`."""
    return {
        "schema": SCHEMA_VERSION,
        "python": platform.python_version(),
        "packages": versions(),
        "implementations": third_party_versions(),
        "code": code_digest(),
        "commit": commit(),
        "os": f"{platform.system()} {platform.release().partition('-')[0]}",
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cores": cores(),
        "gpu": gpu.name_and_driver(),
        "cuda": gpu.libraries() if device != "cpu" else {},
        "device": device,
        "jobs": jobs,
        "threads": threads,
        "settings": gpu.settings(dict(os.environ) | JUDGED),
        "tf32": False,
        "x64": "on in float64 workers, off in float32 workers",
    }


def relevant(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What of the environment may change a number: the fields behind the fingerprint."""
    recorded = environment["packages"]
    packages = {name: recorded.get(name) for name in (*NUMERIC, *filter(recorded.get, OPTIONAL))}
    fields = ("python", "implementations", "code", "machine", "cpu", "gpu", "device", "jobs", "threads")
    later = {name: found for name in LATER if (found := environment.get(name))}
    return packages | {name: environment[name] for name in fields} | later


def fingerprint(environment: Mapping[str, Any]) -> str:
    """16 hex digits of the SHA-256 of `relevant`."""
    return hashlib.sha256(repr(sorted(relevant(environment).items())).encode()).hexdigest()[:16]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What changed between two environments, in a few words: `torch 2.12 -> 2.13, code a1 -> b2`."""
    before, after = relevant(old), relevant(new)
    names = [name for name in before | after if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {before.get(name)} -> {after.get(name)}" for name in names) or "nothing that was recorded"


def versions() -> dict[str, str | None]:
    """Version of each package that matters; None where it is not installed, an optional one only where it is."""
    return {name: installed_version(name) for name in (*PACKAGES, *filter(installed_version, OPTIONAL))}


def installed_version(name: str) -> str | None:
    """A distribution's version, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def third_party_versions() -> dict[str, str]:
    """Plug-ins: name -> distribution and version; of a guest, its library's in the environment that it runs in."""
    theirs = {entry.name: named(entry.dist, version=True) for entry in third_parties() if entry.dist is not None}
    return theirs | {row.name: _guest(row) for row in GUESTS if not environments.of(row.environment).lacking()}


def _guest(row: Row) -> str:
    found = environments.of(row.environment).versions()
    return ", ".join(f"{name} {found.get(name, 'not installed')}" for name in row.distributions)


@cache
def code_digest() -> str:
    """16 hex digits over the code and weights that make the numbers (not over how they are judged or drawn)."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in CODE for path in ROOT.glob(pattern)}):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def commit() -> str | None:
    """The code's git commit, with `+changes` where tracked files differ from it; None outside a checkout."""
    head = _output("git", "-C", str(ROOT), "rev-parse", "HEAD")
    if head is None or not (ROOT / ".git").exists():
        return None
    # Only read: `git status` would else rewrite the index, and a kill at that moment would leave it locked.
    dirty = _output("git", "--no-optional-locks", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return head[:12] + ("+changes" if dirty else "")


def cpu_model() -> str:
    """The CPU's name as the kernel gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def worker_environment(*, device: str, dtype: str, threads: int, compile_cache: bool) -> dict[str, str]:
    """Environment variables of a worker, set before any framework is imported."""
    chosen = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    chosen |= {"NPROC": str(threads), "PJRT_NPROC": str(threads)}  # XLA sizes its thread pools by these
    chosen["JAX_ENABLE_X64"] = "1" if dtype == "float64" else "0"
    chosen["JAX_PLATFORMS"] = "cpu" if device == "cpu" else "cuda,cpu"
    chosen |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | JUDGED
    chosen |= {"PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", "TF_CPP_MIN_LOG_LEVEL": "2"}
    if device == "cpu":
        chosen["CUDA_VISIBLE_DEVICES"] = ""
    if compile_cache:
        chosen |= kept_programs()
    else:
        chosen["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    return dict(os.environ) | chosen


def kept_programs() -> dict[str, str]:
    """Variables by which JAX keeps what it compiles, however small, and finds it again."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(compile_cache_folder()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def compile_cache_folder() -> Path:
    """Where JAX keeps compiled programs between runs: in the user's cache, apart for each CPU model and jaxlib."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    kind = hashlib.sha256(f"{cpu_model()} {installed_version('jaxlib')}".encode()).hexdigest()[:12]
    return Path(root) / "elbo-compare" / "jax" / kind


def compiled_programs() -> int:
    """How many programs XLA's cache holds, whatever they are of: none, and a run compiles all that it needs anew."""
    try:
        with os.scandir(compile_cache_folder()) as entries:
            return sum(entry.name.endswith("-cache") for entry in entries)
    except OSError:
        return 0


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def executable() -> str:
    """The interpreter's version in the form that a command line shows; used by `doctor`."""
    return f"Python {platform.python_version()} ({sys.implementation.name})"
