"""Which weights a program holds: everything that can be reached from its functions, in the order in which it is named.

A function leads to its object, its closure, its defaults and the globals that its code names; functions, objects and
containers are walked through, a library's own code is not. Framework-free: `is_weight` and `is_model` say what to take.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

DEPTH = 6  # of nested containers and objects


def reached(roots: Iterable[Any], wanted: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    """(name, object) of everything wanted, each once; nothing is looked for inside of what is wanted."""
    seen: set[int] = set()
    for root in roots:
        yield from _from(root, "", wanted, seen, 0)


def _from(
    thing: Any, name: str, wanted: Callable[[Any], bool], seen: set[int], depth: int
) -> Iterator[tuple[str, Any]]:
    if id(thing) in seen or depth > DEPTH or isinstance(thing, (str, bytes, int, float, bool, type(None))):
        return
    seen.add(id(thing))
    if wanted(thing):
        yield name, thing
        return
    for part, each in _parts(thing):
        yield from _from(each, part if not name or part.startswith(name) else f"{name}.{part}", wanted, seen, depth + 1)


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, MethodType):
        yield "", thing.__self__
        yield "", thing.__func__
    elif isinstance(thing, partial):
        yield "", thing.func
        yield from ((str(key), value) for key, value in [*enumerate(thing.args), *thing.keywords.items()])
    elif isinstance(thing, FunctionType):
        yield from _of_function(thing)
    elif isinstance(thing, Mapping):
        yield from ((str(key), value) for key, value in thing.items())
    elif isinstance(thing, (list, tuple)):
        yield from ((str(place), value) for place, value in enumerate(thing))
    elif not isinstance(thing, (type, ModuleType)) and hasattr(thing, "__dict__") and is_own(type(thing)):
        yield from vars(thing).items()
        call = vars(type(thing)).get("__call__")
        if isinstance(call, FunctionType):
            yield "", call


def names_in(function: FunctionType) -> list[str]:
    """The globals that a function's code names, and the functions within it, in order."""
    names: list[str] = []
    code = [function.__code__]
    while code:
        one = code.pop(0)
        names += [each for each in one.co_names if each not in names]
        code += [each for each in one.co_consts if isinstance(each, CodeType)]
    return names


def _of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    if not is_own(function):
        return
    names = names_in(function)
    for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield free, cell.cell_contents
        except ValueError:  # not yet filled
            continue
    yield from ((name, function.__globals__[name]) for name in names if name in function.__globals__)
    yield from (("", each) for each in function.__defaults__ or ())
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None:
        yield "", wrapped


def is_own(thing: Any) -> bool:
    """Whether it is the person's: of no installed library."""
    import sys

    if isinstance(thing, FunctionType):
        place = thing.__code__.co_filename
    else:
        place = getattr(sys.modules.get(thing.__module__), "__file__", None) or ""
    return "site-packages" not in Path(place).parts and not place.startswith("<frozen")
