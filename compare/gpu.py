"""An NVIDIA GPU and its CUDA libraries as they are known before any framework is imported.

Sources: the kernel's device files, /proc/driver/nvidia, nvidia-smi where there is one (a container often has none),
package metadata. No host names, no paths.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

DEVICES = Path("/dev")
DRIVER = Path("/proc/driver/nvidia")
# nvidia0, ...: a card; nvidiactl alone is the driver's without one; dxg: Windows' GPU inside WSL 2; nvhost: Jetson.
DEVICE_FILES = ("nvidia[0-9]*", "dxg", "nvhost-gpu")
# cuBLAS, cuDNN, the CUDA runtime and compilers as packages (`nvidia-cublas`, `nvidia-cublas-cu12`), JAX's plugins.
PACKAGE = re.compile(
    r"^(nvidia-(cublas|cudnn|cuda-runtime|cuda-nvcc|cuda-nvrtc|cusolver)(-cu\d+)?|jax-cuda\d+-.*|triton)$"
)
# Variables that change which kernels run, hence the last bits; workers set NVIDIA_TF32_OVERRIDE themselves.
SETTINGS = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_LAUNCH_BLOCKING",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "NVIDIA_TF32_OVERRIDE",
    "PYTORCH_TUNABLEOP_ENABLED",
    "TF_CUDNN_DETERMINISTIC",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCH_BLAS_PREFER_CUBLASLT",
    "XLA_FLAGS",
)


def present() -> bool:
    """Whether this machine shows an NVIDIA GPU at all. Whether a framework can use it, only the framework knows."""
    return name_and_driver() is not None


@cache
def name_and_driver() -> str | None:
    """The first GPU, as `NVIDIA H200, 580.159.04 (name, driver)`; `unknown` for what can't be read; None: no GPU."""
    if (found := _from_smi()) is not None:
        return f"{found} (name, driver)"
    named = _named_by_driver()
    if named is None and not any(path for pattern in DEVICE_FILES for path in DEVICES.glob(pattern)):
        return None
    return f"{named or 'unknown'}, {driver_version() or 'unknown'} (name, driver)"


def _from_smi() -> str | None:
    command = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.strip().splitlines()), None)


def _named_by_driver() -> str | None:
    """`Model:` of the first card that the driver lists."""
    for path in sorted(DRIVER.glob("gpus/*/information")):
        found = re.search(r"^Model:\s*(.+?)\s*$", _text(path), re.MULTILINE)
        return found[1] if found else "unknown"
    return None


def driver_version() -> str | None:
    """The kernel module's version, from `NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  ...`."""
    found = re.search(r"^NVRM version:.*?\s(\d+(?:\.\d+)+)\s", _text(DRIVER / "version"), re.MULTILINE)
    return found[1] if found else None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def libraries() -> dict[str, str]:
    """Versions of the CUDA libraries and JAX's plugins that are installed as packages, and the CUDA torch was built
    for: name -> version. A system's own cuBLAS or cuDNN can't be read here and is left out."""
    found = {}
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if PACKAGE.match(name):
            found[name] = distribution.version
    if (built_for := _torch_cuda()) is not None:
        found["torch's CUDA"] = built_for
    return dict(sorted(found.items()))


def _torch_cuda() -> str | None:
    """What `torch.version.cuda` says, read from its file: nothing is imported."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    found = re.search(
        r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]", _text(Path(spec.origin).parent / "version.py"), re.MULTILINE
    )
    return found[1] if found else None


def settings(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables that choose kernels or precision, as far as they are set; no flag that holds a path."""
    variables = os.environ if variables is None else variables
    kept = {name: " ".join(word for word in variables.get(name, "").split() if "/" not in word) for name in SETTINGS}
    return {name: value for name, value in kept.items() if value}
