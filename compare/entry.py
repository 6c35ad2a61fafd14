"""Where `compare` starts: standard streams that can be written to, signals heeded before anything heavy is imported."""

import os
import sys
from contextlib import suppress

from elbo_compare.compare.launching import ending, interruption


def main() -> None:
    """The commands `compare` and `elbo-compare`, and `python -m elbo_compare`."""
    open_streams()
    with interruption.listening():
        code = ending.of(_command)
    sys.exit(code)


def _command() -> int | None:
    from elbo_compare.compare.cli import command

    return command()


def open_streams() -> None:
    """Put the null device where a standard stream was closed: the next file opened would else get its number, and be
    written to. A character that the terminal's encoding lacks is written as its escape."""
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
