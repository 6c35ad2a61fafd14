"""The child's side of a check: imports a user's code and judges it."""

from typing import Any

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.checking.target import load
from elbo_compare.compare.launching.target import CALLING, IMPORTING
from elbo_compare.compare.launching.target_child import Tell


def answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """One check: {"exit_code", "text", "json"}."""
    target = request["target"]
    try:
        tell(IMPORTING)
        function = load(target)
        tell(CALLING)
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
    return {"exit_code": result.exit_code, "text": result.as_text(), "json": result.as_json()}
