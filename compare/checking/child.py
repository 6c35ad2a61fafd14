"""The child's side of a check: imports a user's code and judges it."""

import time
from dataclasses import replace
from typing import Any

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.check import check_model, read_init
from elbo_compare.compare.checking.models.loading import Loaded, whole
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.checking.target import load, names_a_loss, names_a_method
from elbo_compare.compare.launching.seeding import seeded_imports
from elbo_compare.compare.launching.target import CALLING, IMPORTING
from elbo_compare.compare.launching.target_child import Tell


def answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """One check: {"exit_code", "text", "json"}."""
    target, started = request["target"], time.perf_counter()
    options, whole_alone = request["options"], request.get("model") or {}
    seeded_imports()  # a model's weights are the same in every run
    try:
        tell(IMPORTING)
        made = set(whole_alone) == {"init"} and (names_a_method(target) or names_a_loss(target))
        model = None if made else whole(target, asked=bool(whole_alone))
        init = read_init(whole_alone["init"]) if made else None
        function = load(target, init) if model is None else None
        loaded = time.perf_counter()
        tell(CALLING)
        if model is not None:
            result = _of_model(model, target, options, whole_alone)
        else:
            assert function is not None
            result = check_function(function, target=target, **options)
        result = replace(result, timings={"importing it": loaded - started, **result.timings})
    except TargetError as error:
        result = CheckResult(target=target, verdict=CheckVerdict.NOT_LOADED, message=str(error))
    text = result.as_text(verbose=request["verbose"])
    return {"exit_code": result.exit_code, "text": text, "json": result.as_json()}


def _of_model(model: Loaded, target: str, options: dict[str, Any], whole_alone: dict[str, Any]) -> CheckResult:
    """A whole model: of the options those that it has a use for."""
    shared = {name: options[name] for name in ("likelihood", "objective", "constants", "batch") if options.get(name)}
    result = check_model(model.found, names=model.names, target=target, **shared, **whole_alone)
    return replace(result, notes=(*result.notes, model.note)) if model.note else result
