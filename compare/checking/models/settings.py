"""What a class wants of its arguments, read from its source: attributes of a settings object, things that it calls.

`VAE(args)` that reads `args.z_size`, `self.args.cuda` and hands `args` on to its encoder is told all of these at once,
and not one at each try.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_CALLS = 4  # constructors that hand their settings on to others
LIBRARIES = frozenset(("torch", "flax", "equinox", "keras", "builtins", "pytorch_lightning", "lightning"))


@dataclass(kw_only=True)
class Wanted:
    """Of one argument: the attributes (or string keys) that are read, those of them that are only asked whether they
    are true, and whether it is called or its methods are."""

    read: dict[str, None] = field(default_factory=dict)
    tested: set[str] = field(default_factory=set)
    called: bool = False

    def add(self, other: "Wanted") -> None:
        """Take what is wanted elsewhere of the same argument."""
        self.read |= other.read
        self.tested |= other.tested
        self.called |= other.called


class MissingError(AttributeError, KeyError):
    """An attribute or key of a settings object that --init does not give; the message has all that are read of it."""

    def __str__(self) -> str:
        return str(self.args[0])


class JsonObject(dict):
    """A JSON object as an argument: `args.z1_size` and `args["z1_size"]` are the same. wanted: what is read of it."""

    wanted: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what pickle and copy ask for
            raise AttributeError(name)
        return self[name]

    def __missing__(self, name: str) -> Any:
        raise MissingError(self.lacking(name))

    def lacking(self, name: str) -> str:
        """`--init gives no 'cuda', 'warmup'`: that one first, then whatever else is read of it."""
        names = dict.fromkeys([name, *(each for each in self.wanted if each not in self)])
        return f"--init gives no {', '.join(map(repr, names))}"


def wanted_of(found: Any, name: str, depth: int = MOST_CALLS) -> Wanted:
    """What a class or function wants of its parameter `name`: in its body, its other methods, the classes that it is
    derived from or hands it on to. Empty where there is no source."""
    made = Wanted()
    for owner, parameter in _owners(found, name):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
        except (OSError, TypeError, SyntaxError):
            continue
        own = _Reading(parameter, whole=isinstance(owner, type))
        own.visit(tree)
        made.add(own.found)
        around = getattr(inspect.unwrap(_function(owner)), "__globals__", {})
        for callee, place in own.handed if depth else ():
            target = around.get(callee)
            inner = _parameter(target, place) if _is_own(target) and target is not found else ""
            if inner:
                made.add(wanted_of(target, inner, depth - 1))
    return made


def _owners(found: Any, name: str) -> Iterator[tuple[Any, str]]:
    """(class or function, what it calls the parameter), the bases with those that pass it on."""
    if not isinstance(found, type):
        yield found, name
        return
    for base in found.__mro__:
        if _is_own(base):
            yield base, name


def _is_own(found: Any) -> bool:
    module = (getattr(found, "__module__", "") or "").split(".")[0]
    return (isinstance(found, type) or inspect.isfunction(found)) and module not in LIBRARIES


def _function(owner: Any) -> Callable[..., Any]:
    return vars(owner).get("__init__") or owner if isinstance(owner, type) else owner


def _parameter(found: Any, place: int | str) -> str:
    """The parameter to which a positional or named argument goes."""
    if isinstance(place, str):
        return place
    try:
        names = list(inspect.signature(found).parameters)
    except (TypeError, ValueError):
        return ""
    return names[place] if place < len(names) else ""


class _Reading(ast.NodeVisitor):
    """Reads `args.a`, `args["a"]`, `self.args.a` under each name that the argument is given; tested: within an `if`."""

    def __init__(self, parameter: str, *, whole: bool):
        self.found, self.handed = Wanted(), []
        self.names, self.attributes = {parameter}, {parameter} if whole else set()

    def visit_Assign(self, node: ast.Assign) -> None:
        """`self.hparams = args` gives it another name."""
        if self._is_it(node.value):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.names.add(target.id)
                elif isinstance(target, ast.Attribute) and _is_self(target.value):
                    self.attributes.add(target.attr)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        """What is only asked whether it is true."""
        for each in ast.walk(node.test):
            if isinstance(each, ast.Attribute) and self._is_it(each.value) and not _compared(node.test, each):
                self.found.tested.add(each.attr)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """It is called, or handed on."""
        if self._is_it(node.func) or (isinstance(node.func, ast.Attribute) and self._is_it(node.func.value)):
            self.found.called = True
            for each in (*node.args, *(each.value for each in node.keywords)):
                self.visit(each)
            return
        name = getattr(node.func, "id", "")
        if name == "getattr" and node.args and self._is_it(node.args[0]):
            if len(node.args) == 2 and isinstance(node.args[1], ast.Constant):
                self.found.read[str(node.args[1].value)] = None
            return
        if name != "hasattr":
            self.handed += [(name, n) for n, each in enumerate(node.args) if self._is_it(each)]
            self.handed += [(name, str(each.arg)) for each in node.keywords if each.arg and self._is_it(each.value)]
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """`args.a`."""
        if self._is_it(node.value) and isinstance(node.ctx, ast.Load):
            self.found.read[node.attr] = None
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """`args["a"]`."""
        key = node.slice
        if self._is_it(node.value) and isinstance(key, ast.Constant) and isinstance(key.value, str):
            self.found.read[key.value] = None
        self.generic_visit(node)

    def _is_it(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self.names
        return isinstance(node, ast.Attribute) and _is_self(node.value) and node.attr in self.attributes


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _compared(test: ast.expr, inner: ast.AST) -> bool:
    return any(isinstance(each, ast.Compare) and inner in ast.walk(each) for each in ast.walk(test))


def asked_for(
    label: str, found: Any, lacking: Iterable[str], given: Mapping[str, Any], number: Callable[[str], Any]
) -> str:
    """The line that asks for all arguments that are missing, and for all that is read of them.

    number: a plausible number for a name. An object that is called is made by no JSON: a function that makes the model
    is asked for.
    """
    wanted = {name: wanted_of(found, name) for name in lacking}
    objects = [name for name, each in wanted.items() if each.called]
    words = [
        f"{name} (of which it reads {', '.join(each.read)})" if each.read and not each.called else name
        for name, each in wanted.items()
    ]
    if objects:
        kind = getattr(found, "__name__", label.rpartition(":")[2])
        one = "an object that it calls" if len(objects) == 1 else "objects that it calls"
        return (
            f"{label} needs {', '.join(words)}; {', '.join(objects)}: {one}, which no JSON gives: write a function "
            f"without arguments that returns {kind}({', '.join(wanted)}), and name that."
        )
    values = {name: _values(each, number) if each.read else number(name) for name, each in wanted.items()}
    return f"{label} needs {', '.join(words)}; give them, as in --init '{json.dumps(dict(given) | values)}'."


def with_all(label: str, found: Any, given: Mapping[str, Any], number: Callable[[str], Any]) -> str:
    """The line that asks for what settings objects lack, with an example that has all of it."""
    values, lacking = dict(given), []
    for name, value in given.items():
        if isinstance(value, JsonObject):
            each = wanted_of(found, name)
            lacking += [f"{name}.{one}" for one in each.read if one not in value]
            values[name] = _values(each, number) | dict(value)
    return f"{label} needs {', '.join(lacking)}; give them, as in --init '{json.dumps(values)}'."


def _values(each: Wanted, number: Callable[[str], Any]) -> dict[str, Any]:
    return {name: False if name in each.tested else number(name) for name in each.read}


def told_what_it_reads(found: Any, given: Mapping[str, Any]) -> None:
    """Let each settings object know what is read of it: the first that is missing tells the others."""
    for name, value in given.items():
        if isinstance(value, JsonObject):
            value.__dict__["wanted"] = tuple(wanted_of(found, name).read)
