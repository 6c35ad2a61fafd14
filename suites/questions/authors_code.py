"""What the authors' own code gave beside the NumPy oracle at the same weights, rows and noise: a published measurement.

That code is not ours to ship: `benchmarks/questioned_code.py` runs it from a checkout and writes the record that is
read here. Its rows are shown with their origin and judge nothing in a run.
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from elbo_compare.suites.questions.question import Row

RECORD = "authors_code.json"
AUTHORS = "the authors' own code"


@cache
def record() -> dict[str, Any]:
    """The published measurement: commit, environment, date, and one entry per model and quantity."""
    return json.loads(files("elbo_compare.suites.questions").joinpath(RECORD).read_text("utf-8"))


def rows() -> Iterator[Row]:
    """One row per model and quantity, judged by nothing."""
    for each in record()["measured"]:
        yield Row(
            claim="",
            case=f"{each['model']}, {AUTHORS}",
            quantity=each["quantity"],
            value=each["value"],
            n=each["n"],
            unit=each["unit"],
            group=f"published {record()['date']}, commit {record()['commit']}",
        )
