"""The child's side of a match: loads the programs, runs them, judges; or observes one side for another process."""

import importlib.util
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.errors import CompareError
from elbo_compare.compare.launching.target import CALLING, IMPORTING
from elbo_compare.compare.launching.target_child import Tell
from elbo_compare.compare.matching.data import named_data
from elbo_compare.compare.matching.loading import load_programs
from elbo_compare.compare.matching.programs import FRAMEWORKS
from elbo_compare.compare.matching.result import MatchResult, MatchVerdict
from elbo_compare.compare.matching.session import (
    Plan,
    Side,
    against,
    match_sides,
    observe,
    opened,
    with_data,
    with_spare,
)
from elbo_compare.compare.matching.travelling import from_json, packed, to_json, unpacked
from elbo_compare.compare.matching.tying import read_ties
from elbo_compare.suites.contract import DType

# Compiling is most of what JAX costs here: as little of it as can be. IEEE arithmetic stays what it is.
QUICK_TO_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """{"exit_code", "text", "json"}, or {"observed", "data"} where only the first side is asked for."""
    labels = [" ".join(each) for each in request["sides"]]
    try:
        return _answer(request, tell)
    except TargetError as error:
        result = MatchResult(first=labels[0], second=labels[-1], verdict=MatchVerdict.NOT_LOADED, message=str(error))
    except CompareError as error:
        result = MatchResult(first=labels[0], second=labels[-1], verdict=MatchVerdict.FAILED, message=str(error))
    return _told(result, request)


def _answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    tell(IMPORTING)
    os.environ.setdefault("XLA_FLAGS", QUICK_TO_COMPILE)
    ties = read_ties(request["ties"])
    here = request["sides"] if request["part"] == "both" else [request["sides"][request["part"]]]
    made: dict[type, Any] = {}
    sides = [_side(targets, made) for targets in here]
    data = named_data(request["data"]) if request["data"] and request["part"] != 1 else None
    places = [each.rpartition(":")[0] for targets in here for each in targets]
    tell(CALLING)
    if request["part"] == 1:
        plan = Plan(data=[unpacked(each) for each in request["rows"]])
        with opened(sides[0], DType.FLOAT64) as other:
            result = against(from_json(request["observed"]), other, sides[0], plan, ties)
        return _told(result, request)
    plan = Plan(data=data or (), places=places)
    if request["part"] == "both":
        return _told(match_sides(sides[0], sides[1], plan, ties), request)
    with opened(sides[0], DType.FLOAT64) as one:
        plan = with_data(plan, sides, [one])
        observed = with_spare(observe(one, sides[0], plan), one, sides[0], plan)
        return {"observed": to_json(observed), "rows": [packed(each) for each in plan.data]}


def _told(result: MatchResult, request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "exit_code": result.exit_code,
        "text": result.as_text(verbose=request["verbose"]),
        "json": result.as_json(),
    }


def _side(targets: Sequence[str], made: dict[type, Any]) -> Side:
    return Side(programs=load_programs(targets, made), framework=_framework(targets), label=" ".join(targets))


def _framework(targets: Sequence[str]) -> str:
    """The framework that the file names, else the one that it has imported. Raises TargetError for neither."""
    imported = [name for name, modules in FRAMEWORKS.items() if any(each in sys.modules for each in modules)]
    found = frameworks_named(targets[0]) or imported
    if not found:
        raise TargetError(f"{targets[0]} imports neither torch nor JAX: there is nothing to run.")
    return found[0]


def frameworks_named(target: str) -> list[str]:
    """The frameworks that a target's own file imports, read and not run; empty where it names none."""
    place = target.rpartition(":")[0]
    path = Path(place)
    if not place.endswith(".py"):
        try:
            spec = importlib.util.find_spec(place)
        except (ImportError, ValueError):
            return []
        path = Path(spec.origin or "") if spec else Path()
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    named = set(re.findall(r"^\s*(?:import|from)\s+(\w+)", text, re.MULTILINE))
    return [name for name, all_ in FRAMEWORKS.items() if named & set(all_)]
