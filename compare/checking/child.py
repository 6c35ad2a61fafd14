"""Runs a user's code: reads `request.json` in a folder, writes `stage` as it goes, then `result.json`."""

import json
import sys
from pathlib import Path

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.checking.target import load


def main(folder: Path) -> None:
    """One check, from `request.json` to `result.json` ({"exit_code", "text", "json"})."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    target = request["target"]
    try:
        (folder / "stage").write_text("importing it", encoding="utf-8")
        function = load(target)
        (folder / "stage").write_text("calling it", encoding="utf-8")
        result = check_function(
            function,
            kind=request["kind"],
            mapping=request["mapping"],
            framework=request["framework"],
            likelihood=request["likelihood"],
            target=target,
        )
    except TargetError as error:
        result = CheckResult(target=target, verdict=CheckVerdict.NOT_LOADED, message=str(error))
    answer = {"exit_code": result.exit_code, "text": result.as_text(), "json": result.as_json()}
    unfinished = folder / "result.json.part"
    unfinished.write_text(json.dumps(answer), encoding="utf-8")
    unfinished.rename(folder / "result.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
