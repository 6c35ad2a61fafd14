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
    while isinstance(function, partial):
        function = function.func
    owner = getattr(function, "__self__", None)
    inner: Any = inspect.unwrap(getattr(function, "__func__", function))
    if not inspect.isfunction(inner):
        owner, inner = inner, getattr(type(inner), "forward", None) or getattr(type(inner), "__call__", None)
        if not inspect.isfunction(inner):
            return
    names = inner.__code__.co_names
    for name in names:
        if type(inner.__globals__.get(name)) is float:
            yield Number(name=name, value=inner.__globals__[name], holder=inner.__globals__)
        if owner is not None and type(vars(owner).get(name) if hasattr(owner, "__dict__") else None) is float:
            yield Number(name=name, value=getattr(owner, name), holder=owner)
    for name, cell in _cells(inner).items():
        try:
            value = cell.cell_contents
        except ValueError:  # not bound yet
            continue
        if type(value) is float:
            yield Number(name=name, value=value, holder=inner)
        elif inspect.isfunction(value) and value is not inner:  # what a decorator or a handler wraps
            yield from _numbers(value)


def _cells(function: Any) -> dict[str, Any]:
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
