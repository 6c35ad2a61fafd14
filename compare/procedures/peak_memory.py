"""Peak memory of a call, where it can be read truly: the resident high-water mark, or what a GPU's allocator held."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elbo_compare.suites.contract import Device

_SELF = Path("/proc/self")


def peak_bytes(call: Callable[[], Any], device: Device) -> float | None:
    """What this process held at most during the call, in bytes; None where that can't be read.

    CPU: the resident high-water mark, reset before the call: frameworks and all that lay there already are in it. GPU:
    what torch's allocator held of the device (`max_memory_reserved`), what it kept for nobody given back before the
    call. What was in use (`max_memory_allocated`) would leave out the pool of a captured graph, in which a replay works
    without asking the allocator. JAX's own peak can't be reset, so it would be that of the whole process.
    """
    if device is Device.CUDA:
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_initialized():  # another framework's process that merely imported it
            return None
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        call()
        return float(torch.cuda.max_memory_reserved())
    if not reset_peak():
        return None
    call()
    return resident("VmHWM")


def reset_peak() -> bool:
    """Set the high-water mark to what is resident now; False where the system does not let one. proc(5), clear_refs."""
    try:
        (_SELF / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def resident(field: str) -> float | None:
    """VmHWM (high-water mark) or VmRSS (resident now), in bytes."""
    try:
        lines = (_SELF / "status").read_text().splitlines()
    except OSError:
        return None
    found = next((line.split() for line in lines if line.startswith(f"{field}:")), None)
    return float(found[1]) * 1024 if found else None
