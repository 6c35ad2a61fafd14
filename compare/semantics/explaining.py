"""`compare explain`: runs a person's model and guide in a process of its own and says what each ELBO class does."""

import json
from collections.abc import Mapping
from typing import Any

from elbo_compare.compare.checking.process import Answer, program_of
from elbo_compare.compare.launching.target import IMPORTS_S, Limits, run_target
from elbo_compare.compare.semantics.explain_text import text
from elbo_compare.suites.semantics.explaining.named import parsed

DRAWING_S = 5.0


def explain_pair(
    model: str,
    guide: str,
    args: str,
    library: str | None,
    timeout_s: float,
    imports_s: float = IMPORTS_S,
    *,
    elbo: str | None = None,
    seconds: float = DRAWING_S,
) -> Answer:
    """The explanation of MODULE:MODEL and MODULE:GUIDE on arguments, of one ELBO class or of every public one.

    seconds: of drawing, at most. Exit code 0: explained, 1: the class that `elbo` names is seen to be off, 2: can't be
    loaded, 3: raises or hangs.
    """
    if elbo is not None and ":" not in elbo:
        try:
            parsed(elbo)
        except ValueError as error:
            return _message(2, str(error))
    request = {"model": model, "guide": guide, "args": args, "library": library, "elbo": elbo, "seconds": seconds}
    limits = Limits(calls_s=timeout_s, imports_s=imports_s)
    returned = run_target("elbo_compare.compare.semantics.explain_child:answer", request, program_of(model), limits)
    content = returned.answer or {"message": returned.reason, "loaded": True}
    if "explanation" not in content:
        return _message(3 if content["loaded"] else 2, content["message"])
    explanation = content["explanation"]
    code = exit_code(explanation, named=elbo is not None)
    return Answer(exit_code=code, text="\n".join(text(explanation)), json=json.dumps(explanation, indent=1))


def exit_code(explanation: Mapping[str, Any], *, named: bool) -> int:
    """0: explained, 1: the class that was named is seen to be off, 3: every class raises."""
    if all(each["error"] for each in explanation["classes"]):
        return 3
    return 1 if named and explanation["wrong"] else 0


def _message(code: int, message: str) -> Answer:
    return Answer(exit_code=code, text=message, json=json.dumps({"message": message}))
