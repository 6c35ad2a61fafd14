"""For tests of processes: which ones live, and waiting that a loaded machine cannot miss."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

GENEROUS_S = 300.0  # for what takes a second or a few: no machine is so loaded that it needs more


def processes_with(word: str) -> list[int]:
    """Living processes with `word` among the words of their command line."""
    return [pid for pid, words in _read("cmdline") if word.encode() in words]


def bearing(variable: str) -> list[int]:
    """Living processes that were started with the environment variable NAME=VALUE."""
    return [pid for pid, words in _read("environ") if variable.encode() in words]


def _read(name: str):
    for path in Path("/proc").glob(f"[0-9]*/{name}"):
        try:
            yield int(path.parent.name), path.read_bytes().split(b"\0")
        except OSError:
            continue


def wait_until(holds: Callable[[], bool], limit_s: float = GENEROUS_S) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + limit_s
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


HEEDING = (
    "import os, signal, sys\n"
    "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_DFL)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def heedful(*arguments: object) -> list[str]:
    """The command of a Python that heeds the three signals: whoever runs the tests may ignore one (nohup does), and a
    child inherits that. It is not undone by `preexec_fn`, which forks a process that JAX may have threads in."""
    return [sys.executable, "-I", "-S", "-c", HEEDING, *map(str, arguments)]
