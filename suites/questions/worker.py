"""`python -m elbo_compare.suites.questions.worker SECONDS ID...`: measures in turn, prints a JSON line for each."""

import faulthandler
import json
import sys
import time
import traceback
from dataclasses import asdict
from typing import Any

from elbo_compare.suites.questions.catalogue import BY_ID


def run_one(identifier: str) -> dict[str, Any]:
    """A question's rows, or the traceback of what it raised, and the seconds that it took."""
    line: dict[str, Any] = {"question": identifier, "rows": [], "error": ""}
    started = time.perf_counter()
    try:
        line["rows"] = [asdict(row) for row in BY_ID[identifier].measure()]
    except Exception:
        line["error"] = traceback.format_exc(limit=-4)
    line["elapsed_s"] = time.perf_counter() - started
    return line


def main(timeout_s: float, identifiers: list[str]) -> None:
    """Print each question as soon as it is done; one that takes longer than `timeout_s` ends the process."""
    out = sys.stdout
    sys.stdout = sys.stderr  # whatever prints must not break the protocol
    for identifier in identifiers:
        faulthandler.dump_traceback_later(timeout_s, exit=True)
        out.write(json.dumps(run_one(identifier)) + "\n")
        out.flush()
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
