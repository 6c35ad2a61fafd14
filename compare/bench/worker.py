"""A bench worker: one clock (a form, a framework's ceiling, draws, a curve, replicas) in a fresh process.

Started by `process.BenchWorker`; requests arrive on a socket, each is answered with one message.
"""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from math import isfinite
from typing import Any

from elbo_compare.compare.errors import WorkerError
from elbo_compare.compare.launching.connected import connected

CLOCKS = {  # what a request asks for -> page of `clocks`, class; imported only then, since a form times its imports
    "form": ("forms", "FormClock"),
    "account": ("account", "AccountClock"),
    "ceiling": ("ceilings", "CeilingClock"),
    "draws": ("draws", "DrawClock"),
    "curve": ("curves", "CurveClock"),
    "replicas": ("replicas", "ReplicaClock"),
}


def clock_of(request: Mapping[str, Any]) -> Any:
    """What the first request asks for."""
    page, name = CLOCKS[request["what"]]
    return getattr(import_module(f"elbo_compare.compare.bench.clocks.{page}"), name)(request)


def answer(state: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one request; an error becomes its reason."""
    try:
        if request["do"] == "start":
            state["clock"] = clock_of(request)
        reply = getattr(state["clock"], request["do"])()
    except Exception as error:  # whatever a form raises becomes a reason in the report
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return {"failed": text[:300]}
    return {name: value if not isinstance(value, float) or isfinite(value) else None for name, value in reply.items()}


def main(descriptor: str) -> None:
    """Answer until the harness closes the connection."""
    channel, state = connected(descriptor), {}
    while True:
        try:
            request = channel.receive()
        except WorkerError:
            return
        channel.send(answer(state, request))


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)  # nothing is left to tidy up, and frameworks take their time at it
