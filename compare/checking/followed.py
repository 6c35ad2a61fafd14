"""What a parameter is asked for, in the body and in the functions of the user's that it is handed on to."""

import ast
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from elbo_compare.compare.checking.source import handed_to, methods_called, own_nodes, surface

DEPTH = 2  # calls that are followed
FRAMEWORKS = frozenset(["torch", "jax", "numpy", "tensorflow", "keras", "pyro", "numpyro", "distrax", "flax"])


def asked_through(function: Callable[..., Any], name: str, depth: int = DEPTH) -> tuple[set[str], set[str]]:
    """(attributes that are read of it, names of the functions that it is handed to)."""
    asked, given = set(methods_called(function, name)) - _reduced(function, name), set(handed_to(function, name))
    for other, parameter in _handed_on(function, name) if depth else ():
        more, further = asked_through(other, parameter, depth - 1)
        asked, given = asked | more, given | further
    return asked, given


def _reduced(function: Callable[..., Any], name: str) -> set[str]:
    """`mean` where the body calls it, `kappa.mean()`: an array's, where a distribution's is read."""
    called = [node.func for node in own_nodes(function) if isinstance(node, ast.Call)]
    named = {f.attr for f in called if isinstance(f, ast.Attribute) and getattr(f.value, "id", "") == name}
    return named & {"mean", "variance"}


def _handed_on(function: Callable[..., Any], name: str) -> Iterator[tuple[Callable[..., Any], str]]:
    """The user's own functions that get it, each with the parameter that it becomes there."""
    for node in own_nodes(function):
        if isinstance(node, ast.Call):
            places = [i for i, argument in enumerate(node.args) if getattr(argument, "id", "") == name]
            keys = [k.arg for k in node.keywords if k.arg and getattr(k.value, "id", "") == name]
            other = _resolved(function, node.func) if places or keys else None
            if other is None:
                continue
            try:
                parameters = list(inspect.signature(other).parameters)
            except (TypeError, ValueError):
                continue
            yield from ((other, key) for key in keys)
            yield from ((other, parameters[i]) for i in places if i < len(parameters))


def _resolved(function: Callable[..., Any], called: ast.expr) -> Callable[..., Any] | None:
    """`helper` of the module, `self.helper` of the object; None for a framework's and for what can't be told."""
    found = None
    if isinstance(called, ast.Name):
        found = getattr(surface(function), "__globals__", {}).get(called.id)
    elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "self":
        holder = getattr(surface(function), "__self__", None)
        found = getattr(holder, called.attr, None) if holder is not None else None
    own = inspect.isfunction(found) or inspect.ismethod(found)
    module = str(getattr(found, "__module__", "")).split(".")[0]
    return found if own and module not in FRAMEWORKS else None
