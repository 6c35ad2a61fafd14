"""The child's side of a check: imports a user's code and judges it."""

import time
from dataclasses import replace
from typing import Any

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.checking.target import load
from elbo_compare.compare.launching.target import CALLING, IMPORTING
from elbo_compare.compare.launching.target_child import Tell


def answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """One check: {"exit_code", "text", "json"}."""
    target, started = request["target"], time.perf_counter()
    try:
        tell(IMPORTING)
        function = load(target)
        loaded = time.perf_counter()
        tell(CALLING)
        result = check_function(function, target=target, **request["options"])
        result = replace(result, timings={"importing it": loaded - started, **result.timings})
    except TargetError as error:
        result = CheckResult(target=target, verdict=CheckVerdict.NOT_LOADED, message=str(error))
    text = result.as_text(verbose=request["verbose"])
    return {"exit_code": result.exit_code, "text": text, "json": result.as_json()}
