"""A match of program objects in this process: what `assert_same_objective` asks."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from math import isfinite
from types import ModuleType
from typing import Any

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.matching.data import as_rows, made_up, named_data
from elbo_compare.compare.matching.result import MatchResult
from elbo_compare.compare.matching.session import Plan, Side, called, match_sides, opened, set_up
from elbo_compare.suites.bridge.pairs.records import Total
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.contract import DType

FRAMEWORKS = {"torch": ("torch", "pyro"), "jax": ("jax", "numpyro", "flax", "equinox", "haiku", "optax")}


def match_programs(
    programs: Sequence[Callable[..., Any]], *, data: Any = None, tie: Mapping[str, str] | None = None
) -> MatchResult:
    """(LOSS, MODEL, GUIDE) or (MODEL, GUIDE, MODEL2, GUIDE2) as one match; data: rows first, as an array, a tuple of
    arrays, or what `--data` takes. Raises TargetError for what can't be run or tied."""
    if len(programs) not in (3, 4):
        raise TargetError(
            f"match wants (loss, model, guide) or (model, guide, model2, guide2); {len(programs)} programs arrived."
        )
    cut = len(programs) - 2
    sides = [_side(each) for each in (programs[:cut], programs[cut:])]
    result: MatchResult = match_sides(sides[0], sides[1], Plan(data=_rows(sides, data)), tie or {})
    return result


def _rows(sides: Sequence[Side], data: Any) -> Any:
    if isinstance(data, str):
        return named_data(data)
    if data is not None:
        return as_rows(data if isinstance(data, (tuple, list)) else [data], "data")
    places = [inspect.getsourcefile(_function(each)) or "" for side in sides for each in side.programs]
    return rows_for(sides, places)


def rows_for(sides: Sequence[Side], places: Sequence[str]) -> Any:
    """Rows that every side here takes; zeros and ones where another process runs a side, which may want them."""
    with ExitStack() as stack:
        open_ = [stack.enter_context(opened(side, DType.FLOAT64)) for side in sides]
        weights = [weight for side in open_ for weight in side.weights()]

        def runs(rows: Any) -> str:
            plan = Plan(data=rows)
            try:
                for side, described in zip(open_, sides, strict=True):
                    set_up(side, described, plan)
                    with called(described.label):
                        run = side.run(plan.rows(plan.sizes[0], 0), Tape(0))
                    if not all(isfinite(run.values.get(each.value, 0.0)) for each in Total):
                        return f"{described.label} is not finite there"
            except FunctionError as error:
                return str(error)[:200]
            return ""

        return made_up(weights, places, runs, binary=len(sides) == 1)


def _side(programs: Sequence[Callable[..., Any]]) -> Side:
    names = " ".join(getattr(_function(each), "__qualname__", type(each).__name__) for each in programs)
    return Side(programs=tuple(programs), framework=framework_of(programs[-1]), label=names)


def framework_of(program: Callable[..., Any]) -> str:
    """The framework whose names the program's own module holds. Raises TargetError for neither."""
    names = getattr(_function(program), "__globals__", None)
    if names is None:
        names = vars(sys.modules.get(type(program).__module__, sys))
    roots = set()
    for each in names.values():
        place = each.__name__ if isinstance(each, ModuleType) else getattr(each, "__module__", None)
        roots.add(str(place).partition(".")[0])
    for name, packages in FRAMEWORKS.items():
        if roots & set(packages):
            return name
    raise TargetError(f"{getattr(program, '__name__', program)!r}: its module holds neither torch nor JAX.")


def _function(program: Any) -> Any:
    """The Python function under partials and methods; of an object, its class."""
    while True:
        if isinstance(program, partial):
            program = program.func
        elif inspect.ismethod(program):
            program = program.__func__
        elif inspect.isfunction(program):
            return inspect.unwrap(program)
        else:
            return type(program)
