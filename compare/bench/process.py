"""One bench worker process and the connection to it."""

import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elbo_compare.compare.bench.box import Box
from elbo_compare.compare.errors import WorkerError
from elbo_compare.compare.running.channel import Channel

START_TIMEOUT_S = 900.0  # imports and compilation on a busy machine
TURN_TIMEOUT_S = 300.0


class BenchWorker:
    """A process that serves one clock. What it prints goes to `log`, of which only the end is ever shown."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        ours, theirs = socket.socketpair()
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "elbo_compare.compare.bench.worker", str(theirs.fileno())],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
            )
        theirs.close()
        self.channel = Channel(ours)

    def start(self, request: Mapping[str, Any], box: Box, share: float = 1.0) -> dict[str, Any]:
        """Imports, check, compilation, within a share of the box. The reply has `failed`, a reason, where there is no
        clock."""
        return self._ask({"do": "start"} | dict(request), START_TIMEOUT_S, box, share)

    def turn(self, box: Box) -> dict[str, Any]:
        """One turn."""
        return self._ask({"do": "turn"}, TURN_TIMEOUT_S, box)

    def finish(self, box: Box) -> dict[str, Any]:
        """What is reported once."""
        return self._ask({"do": "finish"}, START_TIMEOUT_S, box)

    def _ask(self, request: dict[str, Any], timeout_s: float, box: Box, share: float = 1.0) -> dict[str, Any]:
        try:
            if (left := box.left(share)) <= 0:
                return {"failed": box.words}
            self.channel.send(request)
            return self.channel.receive(min(timeout_s, left))
        except WorkerError as error:
            self.process.kill()
            if box.left(share) <= 0:
                return {"failed": box.words}
            tail = " ".join(self.log.read_text("utf-8", "replace").split())[-200:]
            return {"failed": f"the worker process is gone ({error}); it last printed: {tail or 'nothing'}"}

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """Let it end; kill it after a moment."""
        self.channel.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
