"""Runs programs in turn and prints one JSON line for each: `python -m ... SECONDS CODE...`; CODE as in `Program`.

Batching shares the seconds that importing a framework costs. A program that kills the process costs its own line only:
`programs` starts a new worker behind it. Standard input is the lifeline: where it ends, the starting process is gone.
"""

import faulthandler
import json
import os
import runpy
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Any


def run_one(code: str) -> dict[str, Any]:
    """Its numbers or rows, its warnings (each text once) or its traceback, and the seconds of the function."""
    line: dict[str, Any] = {"code": code, "measured": {}, "rows": [], "warnings": [], "error": ""}
    started = time.perf_counter()
    try:
        measure = _function(code)
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
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


def main(timeout_s: float, codes: list[str]) -> None:
    """Print each line as soon as it is there, so that nothing is lost when a later program crashes.

    A program that takes longer than `timeout_s` ends the process, inside compiled code too.
    """
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    out = sys.stdout
    sys.stdout = sys.stderr  # a program that prints must not break the protocol
    for code in codes:
        faulthandler.dump_traceback_later(timeout_s, exit=True)
        out.write(json.dumps(run_one(code)) + "\n")
        out.flush()
    faulthandler.cancel_dump_traceback_later()


def _end_with_the_starter() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
