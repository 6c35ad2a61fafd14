"""A child with a connection to it: messages over a socket, the end of what it prints, how it ended."""

import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import IO

from elbo_compare.compare.launching.channel import Channel
from elbo_compare.compare.launching.child import Child, ending
from elbo_compare.compare.launching.interpreter import HERE, Interpreter

LOG_BYTES = 64 * 2**10  # what is kept of a child's output: its end
TAIL_CHARACTERS = 300  # what of it goes into a reason
READER_ENDS_S = 2.0  # a process that outlives its group may hold the pipe open


class Connected:
    """A Python process whose last argument is its end of a socket. One thread's, but `kill` may come from any.

    Its standard output and error are read as they come and their end alone is kept, however much it prints.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], where: Interpreter = HERE) -> None:
        """Start `python -P ARGUMENTS... DESCRIPTOR`: a compare.py in the working folder is not taken for ours.

        Where the interpreter is gone, the process says so as its last words: it costs what was to run in it.
        """
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self._log: deque[bytes] = deque()
        try:
            self.process = Child(
                [*_begun(where), *arguments, str(theirs.fileno())],
                environment={**environment, **where.surroundings},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._keep_tail, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def printed(self) -> str:
        """The end of what it has printed, as it is: it may hold whatever steers a terminal."""
        return b"".join(self._log).decode("utf-8", "replace")

    def epitaph(self) -> str:
        """How the process ended, and the end of what it printed, on one line. It is given a moment to end by itself."""
        code = self.wait(5.0)
        self._reader.join(READER_ENDS_S)
        tail = " ".join(self.printed().split())[-TAIL_CHARACTERS:]
        return f"the worker process ended with {ending(code)}" + (f"; it last printed: {tail}" if tail else "")

    def wait(self, timeout_s: float) -> int:
        """Its exit status, negative for a signal; it is killed where it does not end in time."""
        try:
            return self.process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self) -> None:
        """End it and whatever it started, at once; `close` is still due."""
        self.process.kill()
        self.process.wait()

    def close(self, patience_s: float = 0.0) -> None:
        """Close the connection, give it `patience_s` to end by itself, end what is left, free the descriptors."""
        self.channel.close()
        if patience_s:
            self.wait(patience_s)
        self.process.end()
        self._reader.join(READER_ENDS_S)
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()

    def _keep_tail(self, stream: IO[bytes]) -> None:
        kept = 0
        while part := os.read(stream.fileno(), 2**16):
            self._log.append(part)
            kept += len(part)
            while kept - len(self._log[0]) > LOG_BYTES:
                kept -= len(self._log.popleft())


def _begun(where: Interpreter) -> list[str]:
    """How a command in an interpreter begins."""
    if os.access(where.python, os.X_OK):
        return [where.python, "-P"]
    return [sys.executable, "-c", "import sys; sys.exit('the environment is broken: it has no Python any more')"]


def connected(descriptor: str) -> Channel:
    """In the child: its end of the connection, kept from what it starts itself."""
    os.set_inheritable(int(descriptor), False)
    return Channel(socket.socket(fileno=int(descriptor)))
