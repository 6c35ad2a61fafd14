"""This process's resident high-water mark, reset and read by /proc (Linux); None where that can't be done truly."""

from pathlib import Path

_SELF = Path("/proc/self")


def reset_peak() -> bool:
    """Set the high-water mark to what is resident now; False where the system does not let one. proc(5), clear_refs."""
    try:
        (_SELF / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def read(field: str) -> float | None:
    """VmHWM (high-water mark) or VmRSS (resident now), in bytes."""
    try:
        lines = (_SELF / "status").read_text().splitlines()
    except OSError:
        return None
    found = next((line.split() for line in lines if line.startswith(f"{field}:")), None)
    return float(found[1]) * 1024 if found else None
