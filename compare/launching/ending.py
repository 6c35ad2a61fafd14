"""How a command ends: its exit code, and one line on standard error for whatever went wrong.

0 to 3 are the verbs' own (1: a claim differs, and nothing else); 70 a fault of this package; 130 interrupted; 141 the
reader of the output has closed it.
"""

import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from elbo_compare.compare.errors import CompareError, InternalError, printable
from elbo_compare.compare.launching import interruption, lifeline

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED_PIPE = 141  # 128 + SIGPIPE
USAGE = CompareError.exit_code
LONGEST = 1_200  # characters of a message


def of(command: Callable[[], Any]) -> int:
    """Run a command, which returns its exit code (None is 0). Whatever it raises becomes a code and a line."""
    try:
        code = int(command() or 0)
        sys.stdout.flush()  # else a closed pipe is found when nobody is there to catch it
    except SystemExit as error:  # the parser's own way out of a closed pipe is an exit with 1
        return _told(error.__context__) if isinstance(error.__context__, OSError) else _said(str(error.code), USAGE)
    except (Exception, KeyboardInterrupt) as error:
        return _told(error)
    # As the version has it, typer makes an exit code of a KeyboardInterrupt.
    return _interrupted() if code == interruption.EXIT_CODE or interruption.arrived() else code


def _told(error: BaseException) -> int:
    # click and typer, whose own copy of click it may be, make an Abort of a KeyboardInterrupt.
    if interruption.arrived() or isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return _interrupted()
    if isinstance(error, BrokenPipeError):
        _close_output()
        return CLOSED_PIPE
    if isinstance(error, CompareError):
        return _said(str(error), error.exit_code)
    if isinstance(error, OSError):
        name = f" ({error.filename})" if error.filename else ""
        more = f". Free some space; then: {interruption.advice()}" if error.errno in FULL else ""
        return _said(f"{error.strerror or error}{name}{more}", USAGE)
    message = getattr(error, "format_message", None)  # what the parser raises for a bad argument
    if message is not None:
        return _said(f"{message() or 'a command is missing.'} See compare --help.", USAGE)
    interruption.tell("".join(traceback.format_exception(error)))
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    report = "Please report it with what stands above."
    return _said(f"a fault of elbo-compare itself: {text}. {report}", InternalError.exit_code)


def _interrupted() -> int:
    lifeline.end_all()
    interruption.tell(interruption.message())
    # A KeyboardInterrupt that passed through an exec or eval of text (a dataclass being made, say) leaves a mark in
    # the interpreter, which `python -m` then obeys: it kills itself by SIGINT, whatever the exit code. Text that runs
    # to its end takes the mark away.
    exec("")
    return interruption.EXIT_CODE


def _said(text: str, code: int) -> int:
    line = printable(text)
    if len(line) > LONGEST:  # somebody's input, quoted whole
        line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 4 :]}"
    interruption.tell(f"compare: {line}")
    return code


def _close_output() -> None:
    """What is still to be written to standard output goes nowhere, so that the interpreter's own end stays quiet."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)
