"""Where a worker's time goes: spans of calls into an implementation and of the oracle's reference computations.

The clock is `time.monotonic`, which all processes of a machine share, so that the harness can take the union of the
spans of workers that run side by side.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from elbo_compare.suites.contract import Session

IMPORT, CALL, ORACLE = "import", "call", "oracle"
METERED = frozenset({"evaluate", "draw", "draw_gradients", "fit", "fit_replicas", "stepper"})

_spans: list[tuple[str, float, float]] = []


@contextmanager
def span(kind: str) -> Iterator[None]:
    """Record how long the block takes, whether it raises or not."""
    start = monotonic()
    try:
        yield
    finally:
        _spans.append((kind, start, monotonic()))


def take() -> list[tuple[str, float, float]]:
    """The spans recorded since the last call."""
    taken, _spans[:] = list(_spans), []
    return taken


class MeteredSession:
    """A session whose verbs are recorded as CALL spans; everything else passes through."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str):
        attribute = getattr(self._session, name)
        if name not in METERED:
            return attribute

        def metered(*args, **kwargs):
            with span(CALL):
                return attribute(*args, **kwargs)

        return metered
