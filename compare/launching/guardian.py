"""Ends what a process has started once that process is gone, however it went: `python -I -S guardian.py MARK`.

Standard input is the lifeline. Each line is JSON, [holds, kind, name]: `true, "group", "123"` when a child's process
group begins, `false` when it has ended, and likewise "folder" for temporary folders. The end of the input means that
the other end is closed: by its process, or by the kernel because the process is dead. Then every group is killed, and
on Linux whatever bears MARK in its environment (a process that left its group), and the folders are removed.

It is a process of its own since a child can't be trusted with this: it may be stopped, deep in compiled code, or gone
while what it started lives on. Nothing but the standard library is imported.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress

MARK = "ELBO_COMPARE_CHILD_OF"  # the environment variable that children inherit; marks are separated by spaces
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PASSES = 5  # over the processes: one that is being started while they are read is found the next time


def bearers(mark: str) -> Iterator[int]:
    """Processes with `mark` in the environment that they were started with, this one aside; none without /proc."""
    names = os.listdir("/proc") if os.path.isdir("/proc/self") else []  # noqa: PTH208, PTH112
    for pid in (int(name) for name in names if name.isdigit()):
        with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            values = [part for part in file.read().split(b"\0") if part.startswith(f"{MARK}=".encode())]
            if values and mark.encode() in values[0].partition(b"=")[2].split() and pid != os.getpid():
                yield pid


def kill_group(group: int) -> None:
    """SIGKILL to every process of a group; harmless where there is none left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def kill_bearers(mark: str) -> None:
    """SIGKILL to every process that bears a mark, and to those that these are starting meanwhile."""
    for _ in range(PASSES):
        found = list(bearers(mark))
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def main(mark: str) -> None:
    """Follow the lifeline to its end, then end what is left."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    held: dict[str, set[str]] = {"group": set(), "folder": set()}
    for line in sys.stdin.buffer:
        holds, kind, name = json.loads(line)
        (held[kind].add if holds else held[kind].discard)(name)
    for group in held["group"]:
        kill_group(int(group))
    kill_bearers(mark)
    for folder in held["folder"]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
