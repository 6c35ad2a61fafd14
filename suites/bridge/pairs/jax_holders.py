"""Where a hand-written JAX loss has its weights, and how they are put there: arguments, globals, closures.

JAX has no leaf that says of itself that it learns. A weight is an array of floats in a tree that is bound by `partial`,
that a parameter names (`params`) and the file has or makes, or that the code names. Framework code is not looked into.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp

from elbo_compare.suites.bridge.jax_views import KEYS, TRAINS, a_key
from elbo_compare.suites.bridge.pairs.jax_weights import leaves_of, mapped
from elbo_compare.suites.bridge.pairs.reaching import is_own, names_in
from elbo_compare.suites.bridge.pairs.records import ProgramError

TREES = frozenset(("params", "variables", "weights", "theta", "parameters", "model", "net", "vae"))
DEPTH = 6


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One tree. put: sets another one in its place, None where it is an argument."""

    name: str
    tree: Any
    put: Callable[[Any], None] | None = None


class Held:
    """A loss with its weights: by path, and called with others in their place.

    Raises ProgramError where a parameter wants weights and the file has none.
    """

    def __init__(self, loss: Callable[..., Any]):
        self.loss, bound = loss, ()
        while isinstance(self.loss, partial):
            bound, self.named = (*self.loss.args, *bound), {**self.loss.keywords, **getattr(self, "named", {})}
            self.loss = self.loss.func
        self.named = getattr(self, "named", {})
        self.loss = inspect.unwrap(self.loss)  # a compiled function would keep the weights that it was traced with
        parameters = list(inspect.signature(self.loss).parameters.values())
        self.parameters = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.named = {**dict(zip(self.parameters, bound, strict=False)), **self.named}
        optional = {p.name for p in parameters if p.default is not p.empty}
        self.arguments = {name: Holder(name=name, tree=tree) for name, tree in self._arguments(optional)}
        self.outside = {holder.name: holder for holder in _outside(self.loss, set(), 0)}
        self.wanted = [name for name in self.parameters if name not in self.named and name not in self.arguments
                       and (name not in optional or KEYS.search(name))]  # fmt: skip

    def _arguments(self, optional: set[str]) -> Iterator[tuple[str, Any]]:
        names = getattr(self.loss, "__globals__", {})
        for name in self.parameters:
            if name in self.named:
                if is_tree(self.named[name]):
                    yield name, self.named[name]
            elif name not in optional and not KEYS.search(name):
                if name in names and is_tree(names[name]):
                    yield name, names[name]
                elif name in TREES:
                    yield name, _made(name, names)

    @property
    def weights(self) -> dict[str, Any]:
        """path -> array, in order."""
        holders = {**self.arguments, **self.outside}
        return {
            path: leaf for name, holder in holders.items() for path, leaf in leaves_of(holder.tree, name)
            if jnp.issubdtype(leaf.dtype, jnp.floating)
        }  # fmt: skip

    def call(self, weights: Mapping[str, Any], rows: list[Any], key: Any) -> Any:
        """The loss at other weights; what it calls elsewhere sees them too. Raises ProgramError for a wrong count."""
        given = iter(rows)
        values: dict[str, Any] = dict(self.named)
        for name, holder in self.arguments.items():
            values[name] = _filled(holder, weights)
        for name in self.wanted:
            if KEYS.search(name):
                values[name] = key
                continue
            row = next(given, None)
            if row is None:
                raise ProgramError(f"the loss takes {', '.join(self.wanted)}; the data are {len(rows)} arrays")
            values[name] = row
        values |= {name: TRAINS[name] for name in self.wanted if name in TRAINS}
        with self._put(weights):
            return self.loss(**values)

    @contextmanager
    def _put(self, weights: Mapping[str, Any]) -> Iterator[None]:
        holders = [each for each in self.outside.values() if each.put is not None]
        if holders:
            jax.clear_caches()  # a compiled function within keeps the weights that it was traced with
        try:
            for each in holders:
                _set(each, _filled(each, weights))
            yield
        finally:
            for each in holders:
                _set(each, each.tree)
            if holders:
                jax.clear_caches()


def is_tree(thing: Any) -> bool:
    """An array of floats, or a container (a dict, a list, a module that JAX knows) with one in it and no other data."""
    if isinstance(thing, (str, bytes, int, float, type, FunctionType)) or thing is None:
        return False
    if isinstance(thing, jax.Array):
        return thing.ndim > 0 and jnp.issubdtype(thing.dtype, jnp.floating)
    try:
        leaves = jax.tree.leaves(thing)
    except (TypeError, ValueError):
        return False
    return leaves != [thing] and any(isinstance(each, jax.Array) and each.dtype.kind == "f" for each in leaves)


def _set(holder: Holder, tree: Any) -> None:
    if holder.put is not None:
        holder.put(tree)


def _filled(holder: Holder, weights: Mapping[str, Any]) -> Any:
    return mapped(holder.tree, lambda path, leaf: weights.get(path, leaf), holder.name)


def _made(name: str, names: Mapping[str, Any]) -> Any:
    """The weights that a function of the file makes from a key alone."""
    makers = {
        each: found for each, found in names.items() if "init" in each.lower() and isinstance(found, FunctionType)
    }
    for maker in makers.values():
        wanted = [p.name for p in inspect.signature(maker).parameters.values() if p.default is p.empty]
        if len(wanted) <= 1:
            return maker(*[a_key() for _ in wanted])
    raise ProgramError(
        f"the loss takes its weights as {name!r}, and its file has neither {name} nor a function with init in its name "
        f"that makes them from a key: bind them, as in functools.partial(loss, {name})"
    )


def _outside(function: Any, seen: set[int], depth: int) -> Iterator[Holder]:
    """Trees in the globals and closures that the code names, its own functions' too."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    if not isinstance(function, FunctionType) or id(function) in seen or depth > DEPTH or not is_own(function):
        return
    seen.add(id(function))
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    places: list[tuple[str, Any, Callable[[Any], None]]] = []
    for name, cell in cells.items():
        try:
            places.append((name, cell.cell_contents, partial(setattr, cell, "cell_contents")))
        except ValueError:  # not yet filled
            continue
    names = function.__globals__
    places += [(name, names[name], partial(names.__setitem__, name)) for name in names_in(function) if name in names]
    for name, value, put in places:
        if id(value) in seen:
            continue
        if is_tree(value):
            seen.add(id(value))
            yield Holder(name=name, tree=value, put=put)
        else:
            yield from _outside(value, seen, depth + 1)
