"""Runs programs in turn and sends one JSON line for each: `python -m … SECONDS CODE… DESCRIPTOR`; CODE: see `Program`.

Batching shares the seconds that importing a framework costs. A program that kills the process costs its own line only:
`programs` starts a new worker behind it.
"""

import faulthandler
import json
import runpy
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Any

from elbo_compare.compare.launching.connected import connected

OF_THE_CACHE = "Error (reading|writing) persistent compilation cache"  # a full disk's, and no word of the program


def run_one(code: str) -> dict[str, Any]:
    """Its numbers or rows, its warnings (each text once) or its traceback, and the seconds of the function."""
    line: dict[str, Any] = {"code": code, "measured": {}, "rows": [], "warnings": [], "error": ""}
    started = time.perf_counter()
    try:
        measure = _function(code)
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.filterwarnings("ignore", OF_THE_CACHE)
            found = measure()
            if isinstance(found, Mapping):
                line["measured"] = {str(name): float(value) for name, value in found.items()}
            else:
                line["rows"] = [asdict(row) for row in found]
        line["warnings"] = list(dict.fromkeys(f"{each.category.__name__}: {each.message}" for each in caught))
    except Exception:
        line["error"] = traceback.format_exc(limit=-4)
    line["elapsed_s"] = time.perf_counter() - started
    return line


def _function(code: str) -> Callable[[], Any]:
    if code.endswith(".py"):
        return runpy.run_path(code)["measure"]
    module, _, name = code.partition(":")
    return getattr(import_module(module), name)


def main(timeout_s: float, codes: list[str], descriptor: str) -> None:
    """Send each line as soon as it is there, so that nothing is lost when a later program crashes.

    A program that takes longer than `timeout_s` ends the process, inside compiled code too.
    """
    channel = connected(descriptor)
    for code in codes:
        faulthandler.dump_traceback_later(timeout_s, exit=True)
        channel.send({"line": json.dumps(run_one(code))})  # as text: it may hold what is no number
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:-1], sys.argv[-1])
