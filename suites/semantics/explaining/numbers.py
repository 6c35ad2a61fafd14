"""Python numbers that a model or guide reads from outside: globals, closures and attributes of its object."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

CHANGE = 1.5  # what a number is multiplied by to see whether a compiled loss follows


@dataclass(frozen=True, kw_only=True)
class Number:
    """A float under its name. `holder`: the mapping or object that holds it."""

    name: str
    value: float
    holder: Any

    def put(self, value: float) -> None:
        """Let the holder hold `value`."""
        if isinstance(self.holder, dict):
            self.holder[self.name] = value
        elif inspect.isfunction(self.holder):
            _cells(self.holder)[self.name].cell_contents = value
        else:
            setattr(self.holder, self.name, value)


def numbers_of(*functions: Callable) -> tuple[Number, ...]:
    """The floats that the functions themselves read: not those of what they call, and no integers, which are sizes.

    >>> [each.name for each in numbers_of(lambda: CHANGE)]
    ['CHANGE']
    """
    found = [each for function in functions for each in _numbers(function)]
    return tuple({(each.name, id(each.holder)): each for each in found}.values())


@contextmanager
def changed(number: Number) -> Iterator[float]:
    """The number is another one meanwhile."""
    other = number.value * CHANGE if number.value else 1.0
    number.put(other)
    try:
        yield other
    finally:
        number.put(number.value)


def _numbers(function: Callable) -> Iterator[Number]:
    owner, inner = _code_of(function)
    if inner is None:
        return
    for name in inner.__code__.co_names:
        for holder, values in ((inner.__globals__, inner.__globals__), (owner, getattr(owner, "__dict__", {}))):
            if type(values.get(name)) is float:
                yield Number(name=name, value=values[name], holder=holder)
    for name, cell in _cells(inner).items():
        try:
            value = cell.cell_contents
        except ValueError:  # not bound yet
            continue
        if type(value) is float:
            yield Number(name=name, value=value, holder=inner)
        elif inspect.isfunction(value) and value is not inner:  # what a decorator or a handler wraps
            yield from _numbers(value)


def _code_of(function: Any) -> tuple[Any, Any]:
    """(the object whose method runs, the function that runs); None for a function where it has no Python code."""
    while isinstance(function, partial):
        function = function.func
    owner, inner = getattr(function, "__self__", None), inspect.unwrap(getattr(function, "__func__", function))
    if not inspect.isfunction(inner):
        owner = inner
        inner = getattr(type(owner), "forward", None) or getattr(type(owner), "__call__", None)  # noqa: B004
    return owner, inner if inspect.isfunction(inner) else None


def _cells(function: Any) -> dict[str, Any]:
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
