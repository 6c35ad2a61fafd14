"""What an object's decoder ends in: the last call of what its `decode` returns, else the last layer of `decoder`."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from elbo_compare.compare.checking.followed import FRAMEWORKS
from elbo_compare.compare.checking.source import own_nodes

DECODES = re.compile(r"^_?(decode|decoder|reconstruct)(?!_?(label|class|latent))")
SOFTMAXES = frozenset(["softmax", "Softmax"])
KEEPS = frozenset(["clamp", "clamp_min", "clip", "view", "reshape", "squeeze", "float"])
DEPTH = 4  # calls and layers that are followed
Bound = Callable[..., Any]


def decoders_of(holder: Any) -> list[Any]:
    """The methods of an object that give p by their names, else such layers; [] where there is no object."""
    if holder is None:
        return []
    methods = [name for name in dir(type(holder)) if DECODES.search(name) and inspect.isfunction(_of(holder, name))]
    layers = [layer for name, layer in _layers(holder).items() if DECODES.search(name)]
    return [getattr(holder, name) for name in methods] or layers


def _of(holder: Any, name: str) -> Any:
    found = inspect.getattr_static(type(holder), name, None)
    return getattr(found, "__func__", found)


def _layers(holder: Any) -> dict[str, Any]:
    held = getattr(holder, "__dict__", {})
    layers = held.get("_modules") or {}
    return {str(name): layer for name, layer in {**held, **layers}.items() if _is_layer(layer)}


def _is_layer(value: Any) -> bool:
    return all(callable(inspect.getattr_static(value, name, None)) for name in ("modules", "forward"))


def text_of(decoder: Any) -> str:
    """The calls and quotients that a decoder makes, and the names of the layers that it reads, in lower case."""
    if _is_layer(decoder):
        own = [type(each).__name__ for each in decoder.modules()]
        return " ".join([*own, *(_code(each.forward) for each in decoder.modules() if _is_own(each))]).lower()
    read = {getattr(node, "attr", "") for node in own_nodes(decoder)}
    layers = [layer for name, layer in _layers(decoder.__self__).items() if name in read]
    return " ".join([_code(decoder), *map(text_of, layers)]).lower()


def _code(function: Bound) -> str:
    return " ".join(ast.unparse(node) for node in own_nodes(function) if isinstance(node, (ast.Call, ast.BinOp)))


def _is_own(layer: Any) -> bool:
    return type(layer).__module__.split(".")[0] not in FRAMEWORKS


def ends_of(decoder: Any, depth: int = DEPTH) -> Iterator[str]:
    """For each thing that is returned, "softmax" if one over the dimensions of a datum made it, else "other"."""
    if not depth:
        yield "other"
    elif not _is_layer(decoder):
        yield from _returned(decoder, depth)
    elif _is_own(decoder):
        yield from _returned(decoder.forward, depth)
    elif type(decoder).__name__ == "Sequential" and len(decoder):
        yield from ends_of(decoder[-1], depth - 1)
    else:
        softmax = type(decoder).__name__ in SOFTMAXES and getattr(decoder, "dim", None) != 0
        yield "softmax" if softmax else "other"


def _returned(function: Bound, depth: int) -> Iterator[str]:
    nodes = own_nodes(function)
    given = {
        target.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        if isinstance(node, ast.Return) and node.value is not None:
            yield from _end(node.value, given, function, depth)


def _end(node: ast.expr, given: dict[str, ast.expr], function: Bound, depth: int) -> Iterator[str]:
    """What made one returned expression, followed through variables, branches and what keeps a sum of one."""
    if isinstance(node, ast.Name) and node.id in given:
        rest = {name: value for name, value in given.items() if name != node.id}
        yield from _end(given[node.id], rest, function, depth)
    elif isinstance(node, ast.IfExp):
        for branch in (node.body, node.orelse):
            yield from _end(branch, given, function, depth)
    elif isinstance(node, ast.Tuple) and node.elts:
        yield from _end(node.elts[0], given, function, depth)
    elif isinstance(node, ast.Subscript) and getattr(node.slice, "value", None) == 0:
        yield from _end(node.value, given, function, depth)
    elif isinstance(node, ast.Call):
        yield from _of_call(node, given, function, depth)
    else:
        yield "other"


def _of_call(node: ast.Call, given: dict[str, ast.expr], function: Bound, depth: int) -> Iterator[str]:
    called = getattr(node.func, "attr", getattr(node.func, "id", ""))
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    holder = getattr(function, "__self__", None)
    if called in SOFTMAXES:
        axes = [*node.args, *(keyword.value for keyword in node.keywords)]
        yield "other" if any(getattr(axis, "value", None) == 0 for axis in axes) else "softmax"
    elif getattr(owner, "id", "") == "self" and holder is not None:
        inner = _layers(holder).get(called) or (
            getattr(holder, called) if inspect.isfunction(_of(holder, called)) else None
        )
        yield from ends_of(inner, depth - 1) if inner is not None else ("other",)
    elif called in KEEPS and isinstance(owner, (ast.Call, ast.Name)) and getattr(owner, "id", "") not in FRAMEWORKS:
        yield from _end(owner, given, function, depth)
    elif called in KEEPS and node.args:
        yield from _end(node.args[0], given, function, depth)
    else:
        yield "other"
