"""Runs a user's code: reads `request.json` in a folder, holds the target against the vectors, writes `result.json`."""

import json
from pathlib import Path

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.checking.target import load
from elbo_compare.compare.vectors.held import held
from elbo_compare.compare.vectors.reading import read
from elbo_compare.compare.vectors.report import Report


def main(folder: Path) -> None:
    """From `request.json` to `result.json` ({"exit_code", "text", "json"})."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    target = request["target"]
    try:
        function = load(target)
        readings = read(function, request["kind"], request["mapping"])
        report = Report(target=target, held=held(function, readings, request["framework"], target))
    except (TargetError, FunctionError) as error:
        report = Report(target=target, message=str(error), failure=error.exit_code)
    answer = {"exit_code": report.exit_code, "text": report.as_text(), "json": report.as_json()}
    unfinished = folder / "result.json.part"
    unfinished.write_text(json.dumps(answer), encoding="utf-8")
    unfinished.rename(folder / "result.json")
