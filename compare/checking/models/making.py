"""From a class or a factory to an instance: its arguments from --init, else none."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.constructing import (
    as_its_file_makes_it,
    weights_of_its_file,
    with_configurations,
)
from elbo_compare.compare.checking.models.lacking import lacks
from elbo_compare.compare.checking.models.settings import (
    JsonObject,
    MissingError,
    asked_for,
    told_what_it_reads,
    with_all,
)
from elbo_compare.suites.roster import BY_NAME, TORCH
from elbo_compare.suites.semantics.case import Library

PAIRED = (Library.NUMPYRO, Library.PYRO)  # whose models and guides are entered; the first one that a file knows

TREES = frozenset(("params", "variables", "weights", "theta", "parameters"))  # what JAX code calls a tree of weights
KEYED = re.compile(r"rng|key|seed")
EXAMPLES = {  # what a size of this name may be, for the line that asks for it
    ("latent", "z_dim", "zdim", "n_z", "code", "z_size", "z1", "z2"): 8,
    ("hidden", "h_dim", "units", "width"): 32,
    ("channel", "in_c"): 1,
    ("size", "dim", "input", "feature", "x_dim"): 784,
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A model and a guide of one file, and whose they are."""

    library: Library
    model: Callable[..., Any]
    guide: Callable[..., Any]


def is_model(found: Any) -> str:
    """The framework of a class or object that is a whole model: `torch`, `flax`, `equinox`, `keras`, `functions` (a JAX
    function with its weights); "" for another."""
    if isinstance(found, Pair):
        return "torch" if BY_NAME[found.library].framework is TORCH else "functions"
    if hasattr(type(found), "train_state"):
        return "functions"
    owner = found if isinstance(found, type) else type(found)
    roots = [base.__module__.split(".")[0] for base in owner.__mro__ if base.__name__ in {"Module", "Model", "Layer"}]
    frameworks = ("torch", "flax", "equinox", "keras")  # a Keras model on torch is a torch module
    return next((each for each in frameworks if each in roots), "")


def instance(found: Any, label: str, init: Any, names: Mapping[str, Any]) -> tuple[Any, str]:
    """(the model itself, how it was made where that is not plain). init: a mapping of keyword arguments or a list of
    positional ones, None where there are none.

    Raises TargetError where arguments are missing, with what to give.
    """
    if takes_weights(found):
        return _with_weights(found, label, init, names)
    if isinstance(found, type) and init is None and _lacking(found, 0, {}):
        made = as_its_file_makes_it(found, names)
        if made is not None:
            return made[0], f"made {made[1]}"
    return _made(found, label, init, names), ""


def _beside_data(pair: Pair, label: str, init: Any) -> Mapping[str, Any]:
    """What --init gives a pair beside the data: arguments by name, that its model and its guide take."""
    given = _readable(init) or {}
    if not isinstance(given, Mapping):
        raise TargetError(f'{label} is a model and a guide: --init names their arguments, as in {{"beta": 4}}.')
    for part in (pair.model, pair.guide):
        try:
            inspect.signature(part).bind_partial(None, **given)  # what else it takes is found when it is called
        except TypeError as error:
            raise TargetError(f"{label}: --init does not fit {part.__name__} beside the data: {error}.") from error
    return given


def _made(found: Any, label: str, init: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(found, Pair):
        bridge = import_module(f"elbo_compare.suites.bridge.{found.library}_networks")
        return bridge.holder(found.model, found.guide, names, _beside_data(found, label, init))
    if not (isinstance(found, type) or inspect.isfunction(found)):
        if init is not None:
            raise TargetError(f"{label} is an instance; --init has no use for it.")
        return found
    init = _readable(init)
    args, kwargs = (init, {}) if isinstance(init, list) else ((), init or {})
    if init is not None and not isinstance(init, (list, Mapping)):
        raise TargetError(
            f"--init wants a JSON object or list, as in --init '{{\"latent_dim\": 8}}'; {init!r} arrived."
        )
    lacking = _lacking(found, len(args), kwargs)
    if lacking:
        raise TargetError(asked_for(label, found, lacking, kwargs, _number))
    told_what_it_reads(found, kwargs)
    try:
        return found(*args, **with_configurations(found, kwargs))
    except MissingError as error:
        raise TargetError(with_all(label, found, kwargs, _number)) from error
    except Exception as error:
        text = (str(error).strip().splitlines() or ["no message"])[0][:200]
        hint = "" if init is None else f" with --init {init!r}"
        raise TargetError(f"{label} can't be made{hint}: {type(error).__name__}: {text}{lacks(str(error))}.") from error


def _readable(init: Any) -> Any:
    """The same, objects within objects being `JsonObject`."""
    if isinstance(init, Mapping):
        return {name: JsonObject(_readable(each)) if isinstance(each, Mapping) else each for name, each in init.items()}
    return init


def takes_weights(found: Any) -> bool:
    """Whether it is a JAX function of a tree of weights: f(params, x, ...) or f(key, params, x, ...)."""
    return inspect.isfunction(found) and bool(tree_of(found))


def tree_of(found: Any) -> str:
    """The name of that parameter; "" where there is none."""
    return tree_among(list(inspect.signature(found).parameters))


def tree_among(names: Sequence[str]) -> str:
    """The same of parameters' names: the first, or the second behind a key."""
    first = names[:2] if names and KEYED.search(names[0]) else names[:1]
    return next((name for name in first if name in TREES), "")


def _with_weights(found: Any, label: str, init: Any, names: Mapping[str, Any]) -> tuple[Any, str]:
    """A function of (weights, x, key) with weights that another function of its file makes.

    init: that function's name, or its arguments beside the key, as a mapping or a list.
    """
    makers = {name: each for name, each in names.items() if inspect.isfunction(each) and "init" in name.lower()}
    chosen = init if isinstance(init, str) else next(iter(makers), "")
    views = import_module("elbo_compare.suites.bridge.jax_views")
    if init is None and (chosen not in makers or _unkeyed(makers[chosen], views)):
        made = weights_of_its_file(names)
        if made is not None:
            return views.Functions(made[0], found, tree_of(found)), f"weights made {made[1]}"
    if chosen not in makers:
        known = ", ".join(makers) or "none"
        raise TargetError(
            f"{label} takes its weights as {tree_of(found)!r}; name the function that "
            f"makes them, as in --init '\"init\"' (functions with init in their name: {known})."
        )
    args, kwargs = (init, {}) if isinstance(init, list) else ((), init if isinstance(init, Mapping) else {})
    maker = makers[chosen]
    keyed = [p for p in inspect.signature(maker).parameters if views.KEYS.search(p)]
    lacking = [name for name in _lacking(maker, len(args), kwargs) if name not in keyed][: None if keyed else 99]
    if lacking:
        raise TargetError(f"{chosen} needs {', '.join(lacking)}; give them, as in --init '{_example(lacking)}'.")
    try:
        with import_module("elbo_compare.suites.bridge.jax_program").quickly_compiled():
            weights = maker(*args, **kwargs, **{name: views.a_key() for name in keyed})
    except Exception as error:
        text = (str(error).strip().splitlines() or ["no message"])[0][:200]
        raise TargetError(f"{chosen} can't make the weights of {label}: {type(error).__name__}: {text}.") from error
    return views.Functions(weights, found, tree_of(found)), ""


def _unkeyed(maker: Any, views: Any) -> bool:
    """Whether it wants more than a key."""
    keyed = [name for name in inspect.signature(maker).parameters if views.KEYS.search(name)]
    return bool([name for name in _lacking(maker, 0, {}) if name not in keyed])


def _lacking(found: Any, given: int, kwargs: Mapping[str, Any]) -> list[str]:
    try:
        parameters = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return []
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [p.name for p in plain[given:] if p.default is p.empty and p.name not in kwargs]


def _example(names: list[str]) -> str:
    """A JSON object with a plausible number for each name."""
    return "{" + ", ".join(f'"{name}": {_number(name)}' for name in names) + "}"


def _number(name: str) -> int:
    return next((n for words, n in EXAMPLES.items() if any(word in name.lower() for word in words)), 1)
