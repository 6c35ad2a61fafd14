"""Runs programs of one library in turn and prints one JSON line for each: `python -m ... SECONDS FILE...`.

Batching shares the seconds that importing a framework costs. A program that kills the process costs its own line only:
`runner` starts a new worker behind it.
"""

import faulthandler
import json
import runpy
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any


def run_one(path: str) -> dict[str, Any]:
    """The program's numbers, its warnings (each text once) or its traceback, and the seconds of `measure()`."""
    row: dict[str, Any] = {"program": path, "measured": {}, "warnings": [], "error": ""}
    started = time.perf_counter()
    try:
        measure = runpy.run_path(path)["measure"]
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            row["measured"] = {name: float(value) for name, value in measure().items()}
        row["warnings"] = list(dict.fromkeys(f"{each.category.__name__}: {each.message}" for each in caught))
    except Exception:
        row["error"] = traceback.format_exc(limit=-4)
    row["elapsed_s"] = time.perf_counter() - started
    return row


def main(timeout_s: float, paths: list[str]) -> None:
    """Print one line per program as soon as it is done, so that nothing is lost when a later one crashes.

    A program that takes longer than `timeout_s` ends the process, inside compiled code too.
    """
    out = sys.stdout
    sys.stdout = sys.stderr  # a program that prints must not break the protocol
    for path in paths:
        faulthandler.dump_traceback_later(timeout_s, exit=True)
        out.write(json.dumps(run_one(str(Path(path)))) + "\n")
        out.flush()
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
