"""Resident memory of a process and of all that it started, and how much memory this machine has.

Address-space limits are no use here: frameworks reserve far more than they touch.
"""

import os
import re
import subprocess
from pathlib import Path

from elbo_compare.compare.errors import UsageError

MIB = 2**20
SHARE = 0.9  # of this machine's memory for one worker, where no limit was asked for: the harness must survive a leak


def resident_bytes(pid: int) -> int:
    """Resident set size of a process and its descendants, in bytes; 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return 0 if Path("/proc/self").exists() else _by_ps(pid)
    except (ProcessLookupError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(resident_bytes, children))


def default_limit() -> int:
    """What one worker may hold where nothing was asked for: `SHARE` of the memory of this machine or its container."""
    return int(SHARE * min(_physical_bytes(), _container_bytes()))


def parse_size(text: str) -> int:
    """Bytes in `800M`, `4G`, `1.5GiB`: powers of 1024. Raises UsageError for what is no size of at least 1 MiB."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?\s*", text, re.IGNORECASE)
    size = float(match[1]) * 1024 ** ("KMGT".index(match[2].upper()) + 1) if match else 0.0
    if not MIB <= size < 2**60:
        raise UsageError(f"--cell-memory must be a size of at least 1M, such as 800M or 4G, not {text!r}.")
    return int(size)


def in_words(size: int) -> str:
    """`512 MiB`."""
    return f"{size / MIB:.0f} MiB"


def _physical_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _container_bytes() -> float:
    try:
        return float(Path("/sys/fs/cgroup/memory.max").read_text().replace("max", "inf"))
    except (OSError, ValueError):
        return float("inf")


def _by_ps(pid: int) -> int:
    """For systems without /proc: the process alone."""
    done = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return 1024 * int(done.stdout.strip() or 0)
