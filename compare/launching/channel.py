"""Length-prefixed JSON over a socket: how the harness and a worker talk. Nothing is ever unpickled or executed."""

import json
import socket
import struct
from time import monotonic
from typing import Any

from elbo_compare.compare.errors import WorkerError, WorkerTimeoutError

LARGEST = 256 * 2**20  # a message beyond this is no message of ours
SEND_TIMEOUT_S = 60.0  # for an other end that does not read
_HEADER = struct.Struct("!Q")


class Channel:
    """One end of the connection. Messages are JSON objects of at most `largest` bytes."""

    def __init__(self, connection: socket.socket, largest: int = LARGEST) -> None:
        self.connection = connection
        self.largest = largest

    def send(self, message: dict[str, Any]) -> None:
        """Send one message. Raises WorkerError where the other end is gone."""
        body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
        try:
            self.connection.settimeout(SEND_TIMEOUT_S)
            self.connection.sendall(_HEADER.pack(len(body)) + body)
        except OSError as error:
            raise WorkerError(f"the connection is closed ({error})") from error

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The next message. Raises WorkerTimeoutError after `timeout_s`, WorkerError where the other end is gone or
        sent what is not a message."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        (length,) = _HEADER.unpack(self._exactly(_HEADER.size, deadline))
        if length > self.largest:
            raise WorkerError(f"a message of {length} bytes was announced; at most {self.largest} are allowed")
        try:
            message = json.loads(self._exactly(length, deadline))
        except ValueError as error:
            raise WorkerError(f"a message that is not JSON arrived ({error})") from error
        if not isinstance(message, dict):
            raise WorkerError(f"a message that is not an object arrived: {message!r:.80}")
        return message

    def close(self) -> None:
        """Close this end; the other end then sees an end of file."""
        self.connection.close()

    def _exactly(self, length: int, deadline: float | None) -> bytes:
        parts: list[bytes] = []
        while length:
            try:
                self.connection.settimeout(None if deadline is None else max(deadline - monotonic(), 1e-3))
                part = self.connection.recv(min(length, 2**20))
            except TimeoutError as error:
                raise WorkerTimeoutError("no answer in time") from error
            except OSError as error:
                raise WorkerError(f"the connection is closed ({error})") from error
            if not part:
                raise WorkerError("the connection is closed")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)
