"""Where `compare` starts: standard streams that can be written to, signals heeded before anything heavy is imported.

What is imported here at the top is loaded before `main` can catch anything: `os` and `sys`, which Python has by then.
"""

import os
import sys


def main() -> None:
    """The commands `compare` and `elbo-compare`, and `python -m elbo_compare`."""
    try:
        code = _heeded()
    except KeyboardInterrupt:  # while the modules that heed a signal were imported, or when the command had ended
        code = _interrupted()
    sys.exit(code)


def _heeded() -> int:
    from elbo_compare.compare.launching import ending, interruption

    open_streams()
    with interruption.listening(to_the_end=True):
        return ending.of(_command)


def _command() -> int | None:
    from elbo_compare.compare.cli import command

    return command()


def _interrupted() -> int:
    """Say so without another import: one may have been cut off halfway. What `ending` says, and its code."""
    try:  # noqa: SIM105  # contextlib may be what was cut off
        os.write(2, b"\nInterrupted (SIGINT). Nothing is left half done; give the same command again.\n")
    except OSError:  # nobody reads it any more
        pass
    exec("")  # see `ending`: takes the mark of a KeyboardInterrupt away
    return 130


def open_streams() -> None:
    """Put the null device where a standard stream was closed: the next file opened would else get its number, and be
    written to. A character that the terminal's encoding lacks is written as its escape."""
    from contextlib import suppress

    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
