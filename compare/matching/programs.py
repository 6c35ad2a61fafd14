"""A match of program objects in this process: what `assert_same_objective` asks."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.matching.data import as_rows, named_data
from elbo_compare.compare.matching.result import MatchResult
from elbo_compare.compare.matching.session import Plan, Side, match_sides
from elbo_compare.suites.contract import Array

FRAMEWORKS = {
    "torch": ("torch", "pyro"),
    "jax": ("jax", "numpyro", "flax", "equinox", "haiku", "optax", "tensorflow_probability"),
}


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
    places = [inspect.getsourcefile(_function(each)) or "" for each in programs]
    return match_sides(sides[0], sides[1], Plan(data=_rows(data), places=places), tie or {})


def _rows(data: Any) -> Sequence[Array]:
    if isinstance(data, str):
        return named_data(data)
    return () if data is None else as_rows(data if isinstance(data, (tuple, list)) else [data], "data")


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
        elif hasattr(program, "__wrapped__"):
            program = inspect.unwrap(program)
        elif inspect.isfunction(program):
            return program
        else:
            return type(program)
