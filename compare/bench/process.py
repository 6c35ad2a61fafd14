"""One bench worker process and the connection to it."""

from collections.abc import Mapping
from typing import Any

from elbo_compare.compare.bench.box import Box
from elbo_compare.compare.errors import WorkerError, WorkerTimeoutError
from elbo_compare.compare.launching.connected import Connected

START_TIMEOUT_S = 900.0  # imports and compilation on a busy machine
TURN_TIMEOUT_S = 300.0


class BenchWorker:
    """A process that serves one clock. Of what it prints only the end is kept."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._connected = Connected(["-m", "elbo_compare.compare.bench.worker"], environment)

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
        if (left := box.left(share)) <= 0:
            return {"failed": box.words}
        try:
            self._connected.channel.send(request)
            return self._connected.channel.receive(min(timeout_s, left))
        except WorkerTimeoutError:
            self._connected.kill()
            late = box.words if box.left(share) <= 0 else f"no answer within {timeout_s:g} s"
            return {"failed": late}
        except WorkerError:
            return {"failed": self._connected.epitaph()}

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._connected.close()

    def close(self) -> None:
        """Let it end; kill it after a moment."""
        self._connected.close(patience_s=5.0)
