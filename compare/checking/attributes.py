"""What a method reads of its own object: numbers that nothing gave it, and arrays of a layer, `self.weight_mu`.

Each becomes a parameter called `self.NAME`, which --set gives, which an array's size answers, or which is fed.
"""

import ast
import copy
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from elbo_compare.compare.checking.names import OWN, Role, read_name, words_of
from elbo_compare.compare.checking.objects import takes_arrays
from elbo_compare.compare.checking.source import own_nodes, surface

GAUSSIAN = (Role.MEAN, Role.SPREAD, Role.PRIOR_MEAN, Role.PRIOR_SPREAD)
ARRAYS = (*GAUSSIAN, Role.X, Role.OUTPUT, Role.Z, Role.DATA_TERM)
DEPTH = 2  # methods of the same object that are followed
ATTRIBUTE = re.compile(r"'(?P<owner>\w+)' object has no attribute '(?P<name>\w+)'")


class Held:
    """A method as a function of what it reads of its object too. `attributes`: their names, without `self.`."""

    def __init__(self, method: Callable[..., Any], attributes: tuple[str, ...]) -> None:
        self.method, self.attributes = method, attributes
        self.__wrapped__ = method  # its parameters and its body
        self.__name__ = method.__name__
        self.__self__: Any = method.__self__  # type: ignore[attr-defined]

    def __call__(self, *args: Any, **values: Any) -> Any:
        """Set the attributes on a copy of the object, and call the method."""
        made = copy.copy(self.__self__)
        for part in ("_parameters", "_buffers"):  # of a torch module: a plain array takes a parameter's place
            if part in vars(made):
                made.__dict__[part] = {k: v for k, v in vars(made)[part].items() if k not in self.attributes}
        for name in self.attributes:
            if OWN + name in values:
                made.__dict__[name] = values.pop(OWN + name)
        return getattr(made, self.method.__name__)(*args, **values)


def with_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method that takes no array and reads a mean and a spread of its object, as a function of these; else itself."""
    if not inspect.ismethod(function) or inspect.isclass(function.__self__):
        return function
    try:
        wanted = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    except (TypeError, ValueError):
        return function
    if takes_arrays(type(function.__self__)) or any((p := read_name(name)) and p[0] in ARRAYS for name in wanted):
        return function
    holder = function.__self__
    names = [name for name in read_of(function) if not (_is_number(holder, name) or _is_made(holder, name))]
    roles = {name: pair[0] for name in names if (pair := read_name(name)) and pair[0] in GAUSSIAN}
    means, spreads = ({part_of(name) for name, each in roles.items() if each is role} for role in GAUSSIAN[:2])
    return Held(function, tuple(roles)) if means and means == spreads else function


def read_of(function: Callable[..., Any], depth: int = DEPTH) -> tuple[str, ...]:
    """The attributes of self that a method reads and does not call, those of the methods that it calls too."""
    found: dict[str, None] = {}
    nodes = own_nodes(function)
    called = {id(node.func): node.func for node in nodes if isinstance(node, ast.Call)}
    for name, node in _of_self(nodes):
        if id(node) not in called:
            found[name] = None
        elif depth and inspect.ismethod(other := getattr(surface(function).__self__, name, None)):  # type: ignore[attr-defined]
            found |= dict.fromkeys(read_of(other, depth - 1))
    return tuple(found)


def _of_self(nodes: tuple[ast.AST, ...]) -> Iterator[tuple[str, ast.Attribute]]:
    for node in nodes:
        if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)):
            continue
        if getattr(node.value, "id", "") == "self":
            yield node.attr, node


def _is_number(holder: Any, name: str) -> bool:
    value = getattr(holder, name, None)
    return isinstance(value, (bool, int, float, str))


def _is_made(holder: Any, name: str) -> bool:
    """Whether an array can't be put there: a property makes it anew, or it is a layer of its own."""
    return isinstance(inspect.getattr_static(type(holder), name, None), property) or callable(
        getattr(holder, name, None)
    )


def prior_held(function: Callable[..., Any]) -> list[str]:
    """The arrays of its object that a method reads and that are called like a prior's mean or spread: `self.var2`."""
    names = _held_by(function)
    called = [name for name in names if (pair := read_name(name)) and pair[0] in GAUSSIAN[2:]]
    return [name for name in called if axes_of(getattr(holder_of(function), name, None)) is not None]


def varying_held(function: Callable[..., Any]) -> list[str]:
    """The arrays of its object that a method reads as they stand, and whose entries are not one number."""
    fed = function.attributes if isinstance(function, Held) else ()
    names = [name for name in _held_by(function) if name not in fed]
    return [name for name in names if _varies(getattr(holder_of(function), name, None))]


def _held_by(function: Callable[..., Any]) -> list[str]:
    """What a method reads of its object that is no number and no layer."""
    method = function.method if isinstance(function, Held) else surface(function)
    if not inspect.ismethod(method) or inspect.isclass(method.__self__):
        return []
    holder = method.__self__
    return [name for name in read_of(method) if not (_is_number(holder, name) or _is_made(holder, name))]


def _varies(value: Any) -> bool:
    if not axes_of(value):
        return False
    first = value.reshape(-1)[0]
    return bool((value != first).any())


def axes_of(value: Any) -> tuple[int, ...] | None:
    """The shape of an array; None of anything else, a configuration that raises for every name among them."""
    try:
        return tuple(int(n) for n in value.shape)
    except Exception:  # whatever its own attributes raise
        return None


def part_of(name: str) -> str:
    """Of a layer: the mean of its weights and the spread of its bias are no Gaussian."""
    words = set(words_of(name))
    return "bias" if words & {"bias", "b"} else "weight" if words & {"weight", "weights", "w"} else ""


def missing_of(function: Callable[..., Any], error: BaseException | None) -> str:
    """The attribute that an object never got, where that is what a call raised; "" for any other error."""
    holder = holder_of(function)
    if holder is None or not isinstance(error, AttributeError):
        return ""
    said = ATTRIBUTE.search(str(error))  # torch's modules name no object with the error
    return said["name"] if said and said["owner"] == type(holder).__name__ else ""


def holder_of(function: Callable[..., Any]) -> Any:
    """The object whose method it is; None of a plain function."""
    found = getattr(function, "__self__", None) or getattr(surface(function), "__self__", None)
    return None if inspect.ismodule(found) or inspect.isclass(found) else found


def with_attributes(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    """The same, with further attributes as parameters; as it is where it has no object."""
    method = function.method if isinstance(function, Held) else surface(function)
    known = function.attributes if isinstance(function, Held) else ()
    new = tuple(dict.fromkeys((*known, *names)))
    return Held(method, new) if new != known and inspect.ismethod(method) else function
