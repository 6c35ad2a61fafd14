"""The child's side of `vectors run`: imports a user's code and holds it against the vectors."""

from typing import Any

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.checking.target import load
from elbo_compare.compare.launching.target import CALLING, IMPORTING
from elbo_compare.compare.launching.target_child import Tell
from elbo_compare.compare.vectors.comparing import compare_with_vectors
from elbo_compare.compare.vectors.reading import read
from elbo_compare.compare.vectors.report import Report


def answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """One target against its vectors: {"exit_code", "text", "json"}."""
    target = request["target"]
    try:
        tell(IMPORTING)
        function = load(target)
        tell(CALLING)
        readings = read(function, request["kind"], request["mapping"])
        report = Report(target=target, comparison=compare_with_vectors(readings, request["framework"]))
    except (TargetError, FunctionError) as error:
        report = Report(target=target, message=str(error), failure=error.exit_code)
    return {"exit_code": report.exit_code, "text": report.as_text(), "json": report.as_json()}
