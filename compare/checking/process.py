"""Runs one check in a process of its own, with a time limit, so that a function that hangs or exits costs nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.launching.target import IMPORTING, IMPORTS_S, Limits, run_target

TIMEOUT_S = 30.0  # of the calls alone: a slow machine is no function that hangs


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the command prints, and its exit code."""

    exit_code: int
    text: str
    json: str


def check_target(
    target: str,
    *,
    timeout_s: float = TIMEOUT_S,
    imports_s: float = IMPORTS_S,
    verbose: bool = False,
    model: Mapping[str, Any] | None = None,
    **options: Any,
) -> Answer:
    """`check_function(**options)` on a target, in a fresh interpreter that is killed `timeout_s` seconds after its
    imports; of a whole model `check_model`, which takes `model` (init, loss, data) beside."""
    given = {name: value for name, value in (model or {}).items() if value is not None}
    request = {"target": target, "verbose": verbose, "options": options, "model": given}
    limits = Limits(calls_s=timeout_s, imports_s=imports_s)
    returned = run_target("elbo_compare.compare.checking.child:answer", request, program_of(target), limits)
    if returned.answer is not None:
        return Answer(**returned.answer)
    not_loaded = returned.stage == IMPORTING and not returned.hung
    verdict = CheckVerdict.NOT_LOADED if not_loaded else CheckVerdict.FAILED
    result = CheckResult(target=target, verdict=verdict, message=returned.reason)
    return Answer(exit_code=result.exit_code, text=result.as_text(), json=result.as_json())


def program_of(target: str) -> str:
    """The file or module of FILE.py:FUNCTION or MODULE:FUNCTION: what `sys.argv` holds, alone."""
    return target.rpartition(":")[0] or target
