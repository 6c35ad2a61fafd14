"""What the verbs print: every line is printed here, so that no name or message of a third party steers the terminal."""

import sys

from elbo_compare.compare.errors import printable_lines


def say(text: object) -> None:
    """A verb's answer, on standard output."""
    print(printable_lines(str(text)))


def note(text: object) -> None:
    """What goes beside it (progress, what failed, what to do), on standard error."""
    print(printable_lines(str(text)), file=sys.stderr, flush=True)
