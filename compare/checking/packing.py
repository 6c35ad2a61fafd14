"""Parameters that hold several arrays: `recon, mu, logvar = outputs`, `outputs["mu"]`, `outputs.mu`, `chunk(h, 2)`.

The source says what is in them; a call packs the parts again.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import permutations
from typing import Any

import numpy as np

from elbo_compare.compare.checking.axis_names import ROW_NAMES
from elbo_compare.compare.checking.names import CONFIGURATION, WEIGHTS, Role, promises_kl, read_name
from elbo_compare.compare.checking.source import own_nodes, positions
from elbo_compare.suites.bridge.user_arrays import logarithm, side_by_side

HALVES = frozenset({"chunk", "split", "array_split", "tensor_split"})
DISTRIBUTION = frozenset({"loc", "scale"})  # what is asked for these is a distribution, not a record of arrays
MEANS = frozenset({"mean", "mu"})
GAUSSIAN = MEANS | {"std", "stddev", "sigma", "var", "variance", "logvar", "log_var", "logstd", "log_std", "log_sigma"}
UNUSED = "_"
OF_A_SPREAD = frozenset(["exp", "log", "sqrt", "softplus"])
SQUARES = frozenset(["pow", "square", "power"])
IN_ORDER = {2: ("mean", "spread"), 3: ("recon", "mean", "spread")}  # of what is used by its index alone


class Way(StrEnum):
    """How the body takes a parameter apart."""

    TUPLE = "unpacked in order"
    KEYS = "by key or attribute"
    HALVES = "cut along the last axis of latents"
    GAUSSIAN = "a Gaussian with its mean and its spread in several forms"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """One parameter that holds several: the names of its parts, in order."""

    name: str
    way: Way
    parts: tuple[str, ...]
    nest: Any = None  # of nested tuples: the names as they are nested
    keyed: bool = False  # asked for by string keys, so that it is no array
    keys: tuple[str, ...] = ()  # where two records have the same: what the parts are asked for by
    guessed: bool = False  # the order of the parts is the usual one: nothing in the source says so

    @property
    def other_orders(self) -> tuple["Packed", ...]:
        """The same in every other order of its parts, where the order is a guess."""
        orders = permutations(self.parts) if self.guessed else ()
        return tuple(replace(self, parts=order) for order in orders if order != self.parts)

    def pack(self, values: Mapping[str, Any]) -> Any:
        """The argument, from the values of its parts (None for a part that the body throws away)."""
        given = [values.get(part) for part in self.parts]
        if self.nest is not None:
            return _nested(self.nest, values)
        if self.way is Way.HALVES:
            return side_by_side(given)
        if self.way is Way.GAUSSIAN:
            return Gaussian(*given)
        return tuple(given) if self.way is Way.TUPLE else Parts(zip(self.keys or self.parts, given, strict=True))


class Gaussian:
    """What people keep a Gaussian in: its mean and standard deviation, and what follows from them by any name."""

    def __init__(self, mean: Any, std: Any) -> None:
        self.mean = self.mu = self.loc = mean
        self.std = self.stddev = self.sigma = std
        self.var = self.variance = std * std
        self.logvar = self.log_var = logarithm(self.var)
        self.logstd = self.log_std = self.log_sigma = self.logvar / 2


class Parts(dict[str, Any]):
    """A dict whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        """The value of a key."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def packed_in(function: Callable[..., Any], names: Sequence[str]) -> tuple[Packed, ...]:
    """The parameters among `names` that the body takes apart into parts that we can read and that no other holds."""
    found: list[Packed] = []
    taken, nodes = set(names), own_nodes(function)
    of_a_kl = [name for name in names if (pair := read_name(name)) and pair[0] is Role.X] if _kl(function) else []
    called = dict(zip(of_a_kl, ("first", "second"), strict=False)) if len(of_a_kl) == 2 else {}
    read = {n: None if _written(nodes, n) else _taken_apart(nodes, n, called.get(n, "")) for n in names}
    asked = [key for one in read.values() if one and one.way is Way.KEYS for key in one.parts]
    for name, one in read.items():
        if one and one.way is Way.KEYS and any(asked.count(key) > 1 for key in one.parts):  # q["mu"] beside p["mu"]
            one = replace(one, keys=one.parts, parts=tuple(f"{name}.{part}" for part in one.parts))
        parts = [part for part in one.parts if part != UNUSED] if one else []
        configured = bool(CONFIGURATION.search(name.lower())) and all(map(_number, parts))
        enough = len(parts) >= 2 or (one is not None and (one.keyed or configured) and parts)
        readable = configured or all(map(read_name, parts))
        if one and enough and len(set(parts)) == len(parts) and not taken & set(parts) and readable:
            found.append(one)
            taken |= set(parts)
    return tuple(found)


def _kl(function: Callable[..., Any]) -> bool:
    """Whether its name says that it is a KL: then `x1[0]` and `x1[1]` are a mean and a spread, and no rows of data."""
    return promises_kl(getattr(function, "__name__", ""))


def _taken_apart(nodes: Sequence[ast.AST], name: str, called: str) -> Packed | None:
    return _packed(nodes, name) or _sliced(nodes, name) or _by_index(nodes, name) or _in_place(nodes, name, called)


def _in_place(nodes: Sequence[ast.AST], name: str, called: str) -> Packed | None:
    """`q[0]` and `q[1]` where they are used, and nothing else of q: a mean and a spread, an output in front of three.
    What is squared is the mean, what has an exponential or a logarithm the spread; else in the usual order. called:
    what a Gaussian is called that is named like data."""
    subscripts = {id(n.value): n for n in nodes if isinstance(n, ast.Subscript) and _is(n.value, name)}
    uses = [node for node in nodes if _is(node, name)]
    places = {getattr(subscripts[id(use)].slice, "value", None) for use in uses if id(use) in subscripts}
    order = IN_ORDER.get(len(places), ())
    pair = read_name(name)
    whole = bool(order) and all(id(use) in subscripts for use in uses) and places == set(range(len(order)))
    if not whole or (pair is not None and pair[0] is Role.X and not called):
        return None
    squared, exponentiated = _used_as(nodes, name, SQUARES), _used_as(nodes, name, OF_A_SPREAD)
    guessed = not (len(squared) == len(exponentiated) == 1 and squared != exponentiated)
    if not guessed:
        known = {squared.pop(): "mean", exponentiated.pop(): "spread"}
        order = tuple(known.get(place, "recon") for place in range(len(order)))
    owner = f"{called or name}_" if len(order) == 2 else ""
    return Packed(name=name, way=Way.TUPLE, parts=tuple(f"{owner}{part}" for part in order), guessed=guessed)


def _used_as(nodes: Sequence[ast.AST], name: str, methods: Set[str]) -> set[int]:
    """The places i of `name[i].exp()`, `torch.exp(name[i])`, `name[i] ** 2`."""
    found: set[int] = set()
    for node in nodes:
        inner: list[ast.AST] = []
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in methods:
            inner = [getattr(node.func, "value", node.func), *node.args[:1]]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and methods is SQUARES:
            inner = [node.left]
        for one in inner:
            place = getattr(one.slice, "value", None) if isinstance(one, ast.Subscript) else None
            if isinstance(one, ast.Subscript) and _is(one.value, name) and isinstance(place, int):
                found.add(place)
    return found


def _by_index(nodes: Sequence[ast.AST], name: str) -> Packed | None:
    """`y_true, y_pred = values[0], values[1]`, line by line or at once: every element is given a name."""
    names: dict[int, str] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            names |= positions(node.targets[0], node.value, name)
    parts = tuple(names.get(position, "") for position in range(max(names, default=-1) + 1))
    return Packed(name=name, way=Way.TUPLE, parts=parts) if len(parts) > 1 and all(parts) else None


def _number(part: str) -> bool:
    """Whether a field of a configuration is called like a size or a weight: `args.batch_size`, `cfg.beta`."""
    return part in ROW_NAMES or (read_name(part) is None and bool(WEIGHTS.search(part.lower())))


def _packed(nodes: Sequence[ast.AST], name: str) -> Packed | None:
    keys: dict[str, None] = {}
    keyed = False
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if isinstance(node, ast.Assign) and isinstance(target, (ast.Tuple, ast.List)):
            parts = tuple(_called(part) for part in target.elts)
            if _is(node.value, name) and any(isinstance(part, (ast.Tuple, ast.List)) for part in target.elts):
                nest = _nest(target)
                return Packed(name=name, way=Way.TUPLE, parts=tuple(_flat(nest)), nest=nest)
            if _is(node.value, name):
                return Packed(name=name, way=Way.TUPLE, parts=parts)
            if _halves(node.value, name) and len(parts) == 2:
                return Packed(name=name, way=Way.HALVES, parts=parts)
        if isinstance(node, ast.Subscript) and _is(node.value, name):
            key = getattr(node.slice, "value", None)
            keys |= {key: None} if isinstance(key, str) else {}
            keyed = keyed or isinstance(key, str)
        if isinstance(node, ast.Attribute) and _is(node.value, name) and id(node) not in called:
            is_data = hasattr(np.ndarray, node.attr) and not callable(getattr(np.ndarray, node.attr))
            keys |= {} if is_data else {node.attr: None}
    if not keys or DISTRIBUTION & set(keys):
        return None
    if not keyed and set(keys) <= GAUSSIAN and MEANS & set(keys) and len(keys) > 1:
        return Packed(name=name, way=Way.GAUSSIAN, parts=(f"{name}_mean", f"{name}_std"))
    return Packed(name=name, way=Way.KEYS, parts=tuple(keys), keyed=keyed)


def _sliced(nodes: Sequence[ast.AST], name: str) -> Packed | None:
    """Two halves that the body cuts by hand: `h[:, :k]` and `h[:, k:]`."""
    found: dict[str, dict[str, str]] = {}
    for target, value in (pair for node in nodes if isinstance(node, ast.Assign) for pair in _each(node)):
        if isinstance(value, ast.Subscript) and _is(value.value, name):
            cut = ast.unparse(value.slice).removeprefix("(").removesuffix(")")
            where = re.fullmatch(r"(?::|\.\.\.), (?P<front>[^:]*):(?P<back>[^:]*)", cut)
            if where and bool(where["front"]) is not bool(where["back"]):
                side = "first" if where["back"] else "second"
                found.setdefault(where["front"] or where["back"], {})[side] = _called(target)
    halves = [(one["first"], one["second"]) for one in found.values() if len(one) == 2]
    return Packed(name=name, way=Way.HALVES, parts=halves[0]) if halves else None


def _each(node: ast.Assign) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each name with what it is given, of `a = x` and of `a, b = x, y`."""
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        yield from zip(target.elts, value.elts, strict=True)
    elif len(node.targets) == 1:
        yield target, value


def _written(nodes: Sequence[ast.AST], name: str) -> bool:
    """Whether the body writes into it, `log["loss"].append(...)`, `log["loss"] = ...`: a record, and no input."""
    for node in nodes:
        grown = isinstance(node, ast.Attribute) and node.attr in ("append", "extend", "update")
        part = node.value if isinstance(node, ast.Attribute) and grown else node
        if isinstance(part, ast.Subscript) and _is(part.value, name) and (grown or isinstance(part.ctx, ast.Store)):
            return True
    return False


def _nest(target: ast.AST) -> Any:
    """`(mu, logvar), recon` as nested tuples of names."""
    return tuple(map(_nest, target.elts)) if isinstance(target, (ast.Tuple, ast.List)) else _called(target)


def _flat(nest: Any) -> Iterator[str]:
    for part in nest:
        if isinstance(part, tuple):
            yield from _flat(part)
        else:
            yield part


def _nested(nest: Any, values: Mapping[str, Any]) -> Any:
    return tuple(_nested(part, values) if isinstance(part, tuple) else values.get(part) for part in nest)


def _called(part: ast.AST) -> str:
    """`mu`, or `self.mu`, of a target that is assigned to."""
    if isinstance(part, ast.Attribute):
        return part.attr
    return part.id if isinstance(part, ast.Name) else UNUSED


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _halves(node: ast.AST, name: str) -> bool:
    """`torch.chunk(h, 2, 1)`, `h.chunk(2)`, `jnp.split(h, 2, axis=-1)`."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in HALVES):
        return False
    return _is(node.func.value, name) or any(_is(argument, name) for argument in node.args[:1])
