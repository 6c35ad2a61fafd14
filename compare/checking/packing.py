"""Parameters that hold several arrays: `recon, mu, logvar = outputs`, `outputs["mu"]`, `outputs.mu`, `chunk(h, 2)`.

The source says what is in them; a call packs the parts again.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from elbo_compare.compare.checking.names import read_name
from elbo_compare.compare.checking.source import own_nodes
from elbo_compare.suites.bridge.user_arrays import side_by_side

HALVES = frozenset({"chunk", "split", "array_split", "tensor_split"})
DISTRIBUTION = frozenset({"loc", "scale"})  # what is asked for these is a distribution, not a record of arrays
UNUSED = "_"


class Way(StrEnum):
    """How the body takes a parameter apart."""

    TUPLE = "unpacked in order"
    KEYS = "by key or attribute"
    HALVES = "cut along the last axis of latents"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """One parameter that holds several: the names of its parts, in order."""

    name: str
    way: Way
    parts: tuple[str, ...]

    def pack(self, values: Mapping[str, Any]) -> Any:
        """The argument, from the values of its parts (None for a part that the body throws away)."""
        given = [values.get(part) for part in self.parts]
        if self.way is Way.HALVES:
            return side_by_side(given)
        return tuple(given) if self.way is Way.TUPLE else Parts(zip(self.parts, given, strict=True))


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
    taken = set(names)
    for name in names:
        one = _packed(own_nodes(function), name)
        parts = [part for part in one.parts if part != UNUSED] if one else []
        if one and len(set(parts)) == len(parts) >= 2 and not taken & set(parts) and all(map(read_name, parts)):
            found.append(one)
            taken |= set(parts)
    return tuple(found)


def _packed(nodes: Sequence[ast.AST], name: str) -> Packed | None:
    keys: dict[str, None] = {}
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if isinstance(node, ast.Assign) and isinstance(target, (ast.Tuple, ast.List)):
            parts = tuple(part.id if isinstance(part, ast.Name) else UNUSED for part in target.elts)
            if _is(node.value, name):
                return Packed(name=name, way=Way.TUPLE, parts=parts)
            if _halves(node.value, name) and len(parts) == 2:
                return Packed(name=name, way=Way.HALVES, parts=parts)
        if isinstance(node, ast.Subscript) and _is(node.value, name):
            key = getattr(node.slice, "value", None)
            keys |= {key: None} if isinstance(key, str) else {}
        if isinstance(node, ast.Attribute) and _is(node.value, name) and id(node) not in called:
            keys |= {} if hasattr(np.ndarray, node.attr) else {node.attr: None}
    return Packed(name=name, way=Way.KEYS, parts=tuple(keys)) if keys and not DISTRIBUTION & set(keys) else None


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _halves(node: ast.AST, name: str) -> bool:
    """`torch.chunk(h, 2, 1)`, `h.chunk(2)`, `jnp.split(h, 2, axis=-1)`."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in HALVES):
        return False
    return _is(node.func.value, name) or any(_is(argument, name) for argument in node.args[:1])
