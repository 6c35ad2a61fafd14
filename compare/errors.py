"""The exceptions that reach a user. Each one is a single line that says what arrived and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class CompareError(Exception):
    """Anything that the command line reports in one line, without a traceback."""

    exit_code = 2


class UsageError(CompareError):
    """The request can't be met as it stands: an unknown name, a bad value, a folder of another specification."""


class SpecError(UsageError):
    """A profile that can't be read: an unknown key, a wrong type, an unknown name."""


class StoreError(UsageError):
    """A result folder that can't be used: not writable, held by another run, or of another specification."""


class DamagedRecordError(StoreError):
    """A run record that was truncated or altered."""


class IncompleteError(CompareError):
    """A run that could not be brought to its end by no mistake of the user's; what has finished is kept."""

    exit_code = 3


class InternalError(CompareError):
    """A fault of this package's own: neither what was judged nor what was asked for is to blame."""

    exit_code = 70  # EX_SOFTWARE of sysexits.h; 1 means that a claim differs, and nothing else


class WorkerError(CompareError):
    """A worker process that can't be talked to any longer (it died, or it sent what is not a message)."""


class WorkerTimeoutError(WorkerError):
    """A worker that did not answer within the time that a cell is given."""


def printable(text: str) -> str:
    r"""The text on one line without what steers a terminal: a control character becomes its escape, such as `\x1b`."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def printable_lines(text: str) -> str:
    """`printable` line by line."""
    return "\n".join(map(printable, text.splitlines()))


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line for an unknown name: the nearest known ones first, else all of them."""
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(repr(other) for other in near)}?" if near else f"Known: {', '.join(known)}."
    return f"No {kind} {name!r}. {hint}"
