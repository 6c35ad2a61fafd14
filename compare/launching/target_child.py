"""The child of `target.run_target`: one of our functions, on a person's code, in a process of its own."""

import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from elbo_compare.compare.launching.connected import connected

Tell = Callable[[str], None]


def main(descriptor: str) -> None:
    """Take the request, call the function, send its answer, end at once: nothing that the target left behind is run."""
    channel = connected(descriptor)
    opening = channel.receive()
    secret = opening.pop("secret")
    sys.argv = [opening["program"]]  # a target that reads its arguments finds none, as an import would

    def tell(stage: str) -> None:
        channel.send({"secret": secret, "stage": stage})

    try:
        channel.send({"secret": secret, "answer": _answer(opening, tell)})
    except Exception as error:  # the target's own are caught where it is called
        channel.send({"secret": secret, "fault": _told(error)})
    os._exit(0)


def _told(error: Exception) -> str:
    """What was raised and where, on one line."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:400]
    return f"{type(error).__name__}: {text} ({Path(last.filename).name}, line {last.lineno})"


def _answer(opening: dict[str, Any], tell: Tell) -> dict[str, Any]:
    module, _, name = opening["function"].partition(":")
    function: Callable[[dict[str, Any], Tell], dict[str, Any]] = getattr(import_module(module), name)
    return function(opening["request"], tell)
