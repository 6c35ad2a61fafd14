"""Runs a match in a process of its own, or in two where the frameworks differ; each with a time limit."""

from collections.abc import Mapping, Sequence
from typing import Any

from elbo_compare.compare.checking.process import Answer, program_of
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.launching.target import IMPORTING, IMPORTS_S, Limits, run_target
from elbo_compare.compare.matching.child import frameworks_named
from elbo_compare.compare.matching.result import MatchResult, MatchVerdict

CHILD = "elbo_compare.compare.matching.child:answer"
TIMEOUT_S = 120.0


def sides_of(targets: Sequence[str]) -> list[list[str]]:
    """[LOSS, MODEL, GUIDE] or [MODEL, GUIDE, MODEL2, GUIDE2] as two sides. Raises UsageError."""
    if len(targets) not in (3, 4):
        raise UsageError(
            f"match wants LOSS MODEL GUIDE, or MODEL GUIDE -- MODEL2 GUIDE2; {len(targets)} targets arrived."
        )
    cut = len(targets) - 2
    return [list(targets[:cut]), list(targets[cut:])]


def match_targets(
    targets: Sequence[str],
    *,
    ties: Sequence[str] = (),
    data: str = "",
    timeout_s: float = TIMEOUT_S,
    imports_s: float = IMPORTS_S,
    verbose: bool = False,
) -> Answer:
    """The answer of one match. Torch and JAX run in a process each: the first side's weights, state, data and values
    travel to the second as arrays; the tape is the same seed."""
    sides = sides_of(targets)
    request: dict[str, Any] = {"sides": sides, "ties": list(ties), "data": data, "verbose": verbose, "part": "both"}
    limits = Limits(calls_s=timeout_s, imports_s=imports_s)
    frameworks = [frameworks_named(side[0]) for side in sides]
    if not all(frameworks) or frameworks[0] == frameworks[1]:
        return _asked(request, sides[0], sides, limits)
    first = run_target(CHILD, request | {"part": 0}, program_of(sides[0][0]), limits)
    if first.answer is None or "observed" not in first.answer:
        return _answer(first, sides)
    return _asked(request | {"part": 1} | dict(first.answer), sides[1], sides, limits)


def _asked(request: Mapping[str, Any], side: Sequence[str], sides: Sequence[Sequence[str]], limits: Limits) -> Answer:
    return _answer(run_target(CHILD, request, program_of(side[0]), limits), sides)


def _answer(returned: Any, sides: Sequence[Sequence[str]]) -> Answer:
    if returned.answer is not None:
        return Answer(**returned.answer)
    not_loaded = returned.stage == IMPORTING and not returned.hung
    result = MatchResult(
        first=" ".join(sides[0]),
        second=" ".join(sides[1]),
        verdict=MatchVerdict.NOT_LOADED if not_loaded else MatchVerdict.FAILED,
        message=returned.reason,
    )
    return Answer(exit_code=result.exit_code, text=result.as_text(), json=result.as_json())
