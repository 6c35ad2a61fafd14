"""SIGINT, SIGTERM and SIGHUP: stop as Ctrl-C does, and end in time whatever else happens.

The first signal raises KeyboardInterrupt in the main thread, so that every block can put its things in order. A thread
learns of it at once, also while the main thread is deep in compiled code; where this process has not ended
`GRACE_S` later, that thread ends it: the children are killed, and the user is told how to go on; the guardian removes
what temporary folders there are. Files are whole at any moment, since they are written beside and renamed.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from elbo_compare.compare.launching import lifeline

EXIT_CODE = 130  # 128 + SIGINT, as shells have it; one code for all three
GRACE_S = 4.0
SOON_S = 0.01  # until a signal that came in the midst of a destructor is sent again
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RESUME = "What has finished is kept; go on with the same command and --resume."
REPEAT = "Nothing is left half done; give the same command again."


class Interruption:
    """What has arrived, and what the user is told. `advice`: how to go on, set by the verb that is at work."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.advice = REPEAT
        self.ended = threading.Event()

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, once: a second signal must not disturb the tidying up that the first one began.

        What is raised within a destructor Python prints, as a traceback, and forgets: the signal is then sent again.
        """
        if self.number is not None:
            return
        if _is_within_destructor(frame):
            (again := threading.Timer(SOON_S, os.kill, (os.getpid(), number))).daemon = True
            again.start()
            return
        self.number = number
        raise KeyboardInterrupt

    @property
    def message(self) -> str:
        """The line for the user."""
        name = "" if self.number is None else f" ({signal.Signals(self.number).name})"
        return f"\nInterrupted{name}. {self.advice}"

    def watch(self, arriving: socket.socket) -> None:
        """The thread's body: wait for a signal of ours, then for the end, then end."""
        with arriving:
            while number := arriving.recv(1):
                if number[0] in SIGNALS and not self.ended.wait(GRACE_S):
                    self.number = self.number or number[0]
                    self.force()

    def force(self) -> None:
        """End this process now, with all that it has started; its guardian then removes its temporary folders."""
        lifeline.end_all()
        tell(self.message)
        os._exit(EXIT_CODE)


def _is_within_destructor(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


_current = Interruption()


def tell(text: str) -> None:
    """Say it on standard error, if that is still there: after SIGHUP the terminal is not."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()  # what was printed before stands before it
    with suppress(OSError, ValueError, AttributeError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201  # nothing may be imported here that ends late


def advise(text: str) -> None:
    """From now on an interrupted user is told this."""
    _current.advice = text


def advice() -> str:
    """How to go on, as the verb at work has it: for an interruption, and for a full disk."""
    return _current.advice


def arrived() -> bool:
    """Whether a signal has arrived: whatever is raised afterwards comes of it."""
    return _current.number is not None


def message() -> str:
    """What an interrupted user is told."""
    return _current.message


@contextmanager
def listening(*, to_the_end: bool = False) -> Iterator[None]:
    """Within the block the three signals interrupt as described above; in another thread than the main one, nothing
    changes. A signal that is ignored already (nohup) stays so. `to_the_end`: the process ends after the block, and a
    signal ends it at once, in silence: Python's own handler would print a traceback of whatever is tidied up there."""
    global _current
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) == _current.handle:
        yield
        return
    _current = Interruption()
    arriving, wakened = socket.socketpair()
    wakened.setblocking(False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    earlier = signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _current.handle)
    threading.Thread(target=_current.watch, args=(arriving,), daemon=True).start()
    try:
        yield
    finally:
        if _current.number is None:  # else the thread watches over the interpreter's own end too
            _current.ended.set()
            signal.set_wakeup_fd(earlier)
            for number, handler in before.items():
                ends = to_the_end and handler is not signal.SIG_IGN
                signal.signal(number, signal.SIG_DFL if ends else handler)
            wakened.close()
