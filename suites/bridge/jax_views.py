"""A person's JAX model as something that is called with data: flax linen and nnx, equinox, or functions of a tree.

A view holds the weights and the key of the moment, so that whatever enters the model writes `model(x)`.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbo_compare.suites.tracing.compiling import QUICK_TO_COMPILE

KEYS = re.compile(r"(^|_)(key|rng|rngs|keys|prng|seed)s?$|^(rng|key)")
TRAINS = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "inference": False,
    "eval": False,
}


class View:
    """The common part. owner: the class whose methods a loss may be; called: what a call of it runs."""

    owner: Any
    called: Callable[..., Any]
    alone = False  # what is called is the loss

    def __init__(self) -> None:
        self.weights: Any = None
        self.state: Any = None
        self.key: Any = jax.random.PRNGKey(0)
        self.training = True
        self.made_for: tuple[int, ...] = ()

    @property
    def moded(self) -> bool:
        """Whether training and evaluation may differ."""
        return bool(self.state) or bool(set(TRAINS) & set(inspect.signature(self.called).parameters))

    def begin(self, x: Any, key: Any) -> None:
        """Make the weights where that wants data."""

    def extra(self, function: Any, given: Mapping[str, Any], skip: int) -> dict[str, Any]:
        """What a call wants beside the data: keys and the mode, by name."""
        try:
            parameters = list(inspect.signature(function).parameters.values())[skip:]
        except (TypeError, ValueError):
            return {}
        found: dict[str, Any] = {}
        for parameter in parameters:
            name = parameter.name
            if name in given or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if KEYS.search(name) and name != "rngs":
                found[name] = self.key
            elif name in TRAINS:
                found[name] = TRAINS[name] is self.training
        return found

    @property
    def train_state(self) -> Any:
        """What a loss takes for a `TrainState`: its weights and how they are applied."""
        raise NotImplementedError

    @staticmethod
    def captured(step: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        """The value of what a training step differentiates first, with what it would be called with. Raises TypeError
        where it differentiates nothing."""
        with _capturing():
            try:
                step(*arguments)
            except _Captured as one:
                return one.value
        raise TypeError("it differentiates nothing")


class _Captured(BaseException):
    """The value of a loss."""

    def __init__(self, value: Any):
        super().__init__()
        self.value = value


def _capture(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise _Captured(function(*args, **kwargs))

    return call


DIFFERENTIATING = {
    "jax": ("grad", "value_and_grad"),
    "equinox": ("filter_grad", "filter_value_and_grad"),
    "flax.nnx": ("grad", "value_and_grad"),
}


@contextmanager
def _capturing() -> Iterator[None]:
    """Within, whatever would be differentiated is called, and its value raised as `_Captured`."""
    found = [
        (sys.modules[owner], name) for owner, names in DIFFERENTIATING.items() if owner in sys.modules for name in names
    ]
    before = [getattr(owner, name) for owner, name in found]
    try:
        for owner, name in found:
            setattr(owner, name, _capture)
        yield
    finally:
        for (owner, name), one in zip(found, before, strict=True):
            setattr(owner, name, one)


class Linen(View):
    """A flax linen module: `init` with the first data, then `apply`."""

    def __init__(self, module: Any):
        super().__init__()
        self.module, self.owner, self.called = module, type(module), type(module).__call__
        source = _source(type(module))
        self.streams = tuple(dict.fromkeys([*re.findall(r"make_rng\(\s*['\"](\w+)['\"]", source), "dropout"]))

    def begin(self, x: Any, key: Any) -> None:
        """See `View`."""
        if self.weights is None or self.made_for != x.shape[1:]:
            self.key, self.made_for = key, x.shape[1:]
            variables = dict(self._variables({"params": key, **self._streams()}, x))
            self.weights = variables.pop("params", {})
            self.state = variables

    def _variables(self, streams: dict[str, Any], x: Any) -> Any:
        """What init makes, compiled as one program where the module lets it be traced: no value read, arrays alone."""

        def init(streams: dict[str, Any], x: Any) -> Any:
            return self.module.init(streams, x, **self.extra(self.called, {}, 2))

        try:
            return jax.jit(init, compiler_options=QUICK_TO_COMPILE)(streams, x)
        except Exception:  # whatever it is, it comes again below if it is the module's own
            return init(streams, x)

    def _streams(self) -> dict[str, Any]:
        return {name: jax.random.fold_in(self.key, place) for place, name in enumerate(self.streams)}

    def __call__(self, x: Any, **given: Any) -> Any:
        """apply, in the mode of the moment."""
        variables = {"params": self.weights, **self.state}
        extra = {**self.extra(self.called, given, 2), **given}
        mutable = list(self.state) if self.training and self.state else False
        out = self.module.apply(variables, x, **extra, rngs=self._streams(), mutable=mutable)
        return out[0] if mutable else out

    def __getattr__(self, name: str) -> Any:
        method = getattr(type(self.module), name)
        if not inspect.isfunction(method):
            return getattr(self.module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            variables = {"params": self.weights, **self.state}
            return self.module.apply(variables, *args, **kwargs, rngs=self._streams(), method=method)

        call.__wrapped__ = method  # type: ignore[attr-defined]
        return call

    @property
    def train_state(self) -> Any:
        """See `View`."""
        return SimpleNamespace(params=self.weights, apply_fn=self.module.apply, step=0, **self.state)


class Tree(View):
    """An equinox or nnx module, split into its weights and the rest."""

    def __init__(self, module: Any, split: Callable[[Any], tuple[Any, Callable[[Any], Any]]]):
        super().__init__()
        self.module, self.owner, self.called = module, type(module), type(module).__call__
        self.weights, self.merge = split(module)

    @property
    def whole(self) -> Any:
        """The module with the weights of the moment."""
        return self.merge(self.weights)

    def __call__(self, x: Any, **given: Any) -> Any:
        """A call with the batch; where that fails, datum by datum, each with a key of its own."""
        module, extra = self.whole, {**self.extra(self.called, given, 2), **given}
        try:
            return module(x, **extra)
        except Exception:
            keys = [name for name, value in extra.items() if value is self.key]
            rest = {name: value for name, value in extra.items() if name not in keys}
            split = jax.random.split(self.key, len(x))
            return jax.vmap(lambda row, key: module(row, **rest, **dict.fromkeys(keys, key)))(x, split)

    def __getattr__(self, name: str) -> Any:
        if name in ("merge", "weights", "module"):
            raise AttributeError(name)
        return getattr(self.whole, name)


class Functions(View):
    """A function of (weights, x, key) beside one that makes the weights. tree: how it calls the weights, its first
    parameter where nothing is said."""

    alone = True

    def __init__(self, weights: Any, called: Callable[..., Any], tree: str = ""):
        super().__init__()
        self.weights, self.called, self.owner, self.tree = weights, called, type(self), tree

    def __call__(self, x: Any, **given: Any) -> Any:
        """called(weights, x, key), in whichever order it takes them."""
        parameters = list(inspect.signature(self.called).parameters.values())
        tree = self.tree or parameters[0].name
        wanted = [p.name for p in parameters if p.default is p.empty and p.name not in given and p.name != tree]
        values = {name: self.key if KEYS.search(name) else x for name in wanted}
        if tree == parameters[0].name:
            return self.called(self.weights, **values, **given)
        return self.called(**{tree: self.weights}, **values, **given)


def a_key() -> Any:
    """The key that weights are made with."""
    return jax.random.PRNGKey(0)


def _source(owner: Any) -> str:
    try:
        return inspect.getsource(inspect.getmodule(owner) or owner)
    except (OSError, TypeError):
        return ""


def view_of(model: Any) -> View:
    """The view of a module."""
    if isinstance(model, View):
        return model
    roots = {base.__module__.split(".")[0] for base in type(model).__mro__}
    if "equinox" in roots:
        eqx = import_module("equinox")

        def split_equinox(module: Any) -> tuple[Any, Callable[[Any], Any]]:
            weights, rest = eqx.partition(module, eqx.is_inexact_array)
            return weights, lambda each: eqx.combine(each, rest)

        return Tree(model, split_equinox)
    if any(base.__module__.startswith("flax.nnx") for base in type(model).__mro__):
        nnx = import_module("flax.nnx")

        def split_nnx(module: Any) -> tuple[Any, Callable[[Any], Any]]:
            graph, weights, rest = nnx.split(module, nnx.Param, ...)
            return weights, lambda each: nnx.merge(graph, each, rest, copy=True)  # keys may be counted inside a trace

        return Tree(model, split_nnx)
    return Linen(model)


def as_float(tree: Any, dtype: Any) -> Any:
    """Every float of a tree in one dtype."""
    return jax.tree_util.tree_map(
        lambda each: np.asarray(each).astype(dtype) if jnp.issubdtype(jnp.result_type(each), jnp.floating) else each,
        tree,
    )
