"""What is called: a function, method, module or callable object behind one keyword call, its parameters and numbers."""

import copy
import functools
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from elbo_compare.compare.checking.asking import is_number
from elbo_compare.compare.checking.attributes import Held, axes_of, holder_of
from elbo_compare.compare.checking.axis_names import BATCH_NAMES, ROW_NAMES, width
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.names import CONFIGURATION, OWN
from elbo_compare.compare.checking.objects import MadeWith
from elbo_compare.compare.checking.packing import UNUSED, Packed, Way, packed_in
from elbo_compare.compare.checking.source import surface, unpacked, unpacked_first
from elbo_compare.compare.checking.tied import Tie
from elbo_compare.compare.errors import unknown

NORMALS = {  # the normal distribution of each library, by the framework of its arrays; loc and scale come first in all
    "torch": ("torch.distributions",),
    "tensorflow": ("tensorflow_probability.python.distributions.normal",),
    "jax": ("numpyro.distributions", "tensorflow_probability.substrates.jax.distributions", "distrax"),
    "jaxlib": ("numpyro.distributions", "tensorflow_probability.substrates.jax.distributions", "distrax"),
}
PLAIN = (int, float, list, dict)
FIRST = "args[0]"  # of `*args`, a tuple that the body takes apart by index


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter. `required`: it has no default; `default` is None then too."""

    name: str
    required: bool = True
    default: Any = None
    number: bool = False  # the body gives it a name that a number has


@dataclass(frozen=True, kw_only=True, eq=False)
class Callee:
    """A keyword call of what was named. `constants`: values given by --set; `positional`: passed by position;
    `distributions`: parameters that get a normal made of two arrays, `NAME.loc` and `NAME.scale`; `joint`: over the
    last axis; `fresh`: called on a copy each time, since it keeps count of its calls."""

    function: Callable[..., Any]
    label: str
    parameters: tuple[Parameter, ...]
    positional: tuple[str, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    distributions: tuple[str, ...] = ()
    joint: bool = False
    fresh: bool = False
    pristine: Any = None  # a copy of a callable object from before its first call
    packed: tuple[Packed, ...] = ()  # parameters that hold several arrays
    counters: Mapping[str, Any] = field(default_factory=dict)  # plain globals that the body names, from before it
    sized: Mapping[str, str] = field(default_factory=dict)  # sizes of an axis that it asks for: the array that has it
    ties: tuple[Tie, ...] = ()  # parameters that are another one's spread in another form
    squared: tuple[str, ...] = ()  # parameters that take a mean's square: fed the mean, so that gradients are by it

    @property
    def __globals__(self) -> dict[str, Any]:
        """The names that the body sees: which framework it is written in."""
        return getattr(surface(self.function), "__globals__", {})

    @property
    def _named(self) -> dict[str, Any]:
        """The module's names that the body itself uses."""
        used = getattr(getattr(surface(self.function), "__code__", None), "co_names", ())
        return {name: value for name, value in self.__globals__.items() if name in used}

    @property
    def __name__(self) -> str:
        """The function's own name."""
        return self.label

    def __call__(self, **values: Any) -> Any:
        """Call it."""
        values |= {tie.name: tie.made(values[tie.of]) for tie in self.ties}
        values |= {name: values[name] * values[name] for name in self.squared}
        for name in self.distributions:
            normal = _normal(values.pop(f"{name}.loc"), values.pop(f"{name}.scale"), self._named)
            values[name] = over_the_last_axis(normal) if self.joint else normal
        rows = next((len(v) for v in values.values() if getattr(v, "ndim", 0)), 0)
        sizes = {p.name: rows for p in self.parameters if p.required and p.name in ROW_NAMES}
        sizes |= {name: width(values.get(of)) for name, of in self.sized.items()}
        values = {**sizes, **self.constants, **values}
        function = copy.deepcopy(self.pristine) if self.fresh else self.function
        if self.fresh:
            self.__globals__.update(copy.deepcopy(dict(self.counters)))
        if hasattr(function, "init_with_output") and "jax" in sys.modules:  # a flax module without parameters
            function = _applied(function)
        for packed in self.packed:
            values[packed.name] = packed.pack({part: values.pop(part, None) for part in packed.parts})
        by_position = [values.pop(name) for name in self.positional]  # first: a call copies **values before it reads *
        return function(*by_position, **values)

    def given(self, /, **constants: Any) -> "Callee":  # a constant may be called self: a bare method has one
        """The same with further constants."""
        return replace(self, constants={**self.constants, **constants})

    @property
    def held_sizes(self) -> list[int]:
        """Of shapes that its object holds, and of its arrays, a torch module's parameters and buffers too."""
        held = vars(holder_of(self.function)) if hasattr(holder_of(self.function), "__dict__") else {}
        values = [*held.values(), *held.get("_parameters", {}).values(), *held.get("_buffers", {}).values()]
        return [n for value in values for n in _sizes_of(value)]

    @property
    def scalars(self) -> dict[str, float]:
        """Numbers that the function takes by name or holds as an attribute, with their values."""
        found = {p.name: p.default for p in self.parameters if not p.required} | dict(self.constants)
        holder = getattr(self.function, "__self__", self.function)
        held = {} if inspect.isroutine(holder) or inspect.ismodule(holder) else _held(holder)
        found = {f"self.{name}": value for name, value in held.items()} | _nested(held) | found
        if isinstance(self.function, functools.partial):
            found |= self.function.keywords
        return {k: float(v) for k, v in found.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def rows_guessed(callee: Callee) -> list[str]:
    """Required numbers that get the rows of the batch though their names don't say batch: `n_data`, `num_samples`."""
    asked = [p.name for p in callee.parameters if p.required and p.name not in callee.constants]
    return [name for name in asked if name in ROW_NAMES - BATCH_NAMES]


def _sizes_of(value: Any) -> list[int]:
    """The axes of a shape, or of a vector or row, and their product."""
    shape = axes_of(value)
    value = shape if shape and math.prod(shape) == shape[-1] else value
    whole = isinstance(value, (tuple, list)) and 0 < len(value) <= 4 and all(type(n) is int for n in value)
    return [*value, math.prod(value)] if whole else []


def _held(holder: Any) -> dict[str, Any]:
    """The attributes of an object, those of its class too where they are numbers or a configuration."""
    of_class = {
        name: value
        for base in reversed(type(holder).__mro__)
        for name, value in vars(base).items()
        if not name.startswith("_") and (isinstance(value, (int, float)) or CONFIGURATION.search(name.lower()))
    }
    return of_class | dict(getattr(holder, "__dict__", {}))


def _nested(held: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of a configuration that is held: `self.config.kl_weight`, `self.params["beta"]`, one level deep."""
    found: dict[str, Any] = {}
    for name, value in held.items():
        if isinstance(value, Mapping):
            found |= {f"self.{name}.{key}": each for key, each in value.items() if isinstance(key, str)}
        elif CONFIGURATION.search(name.lower()):
            inner = {key: getattr(value, key, None) for key in dir(value) if not key.startswith("_")}
            found |= {f"self.{name}.{key}": each for key, each in inner.items()}
    return found


def _applied(module: Any) -> Callable[..., Any]:
    key = import_module("jax").random.PRNGKey(0)
    return lambda *args, **kwargs: module.init_with_output(key, *args, **kwargs)[0]


def _normal(loc: Any, scale: Any, scope: Mapping[str, Any]) -> Any:
    """A normal of the library that the function names, else of the first that is installed."""
    root = type(loc).__module__.split(".")[0]
    modules = [getattr(value, "__name__", None) or getattr(value, "__module__", None) for value in scope.values()]
    named = {module.split(".")[0] for module in modules if isinstance(module, str)}
    places = NORMALS.get(root, ("numpyro.distributions",))
    for place in sorted(places, key=lambda place: place.split(".")[0] not in named):
        try:
            return import_module(place).Normal(loc, scale)
        except ImportError:
            continue
    raise TypeError(f"no library of distributions is installed for {root} arrays")


def over_the_last_axis(normal: Any) -> Any:
    """One event for each datum: its KL is a sum over the latents."""
    if hasattr(normal, "to_event"):
        return normal.to_event(1)
    return import_module(type(normal).__module__.rsplit(".", 1)[0]).Independent(normal, 1)


def callee_of(function: Callable[..., Any], constants: Mapping[str, Any], positional: tuple[str, ...] = ()) -> Callee:
    """Read what can be called. constants: `--set`; positional: `--args`, the names of what `*args` takes.

    Raises TargetError where the parameters can't be read or a constant is no parameter.
    """
    if getattr(surface(function), "__name__", "") == "call":  # a Keras layer's own call wants arrays by position
        function = surface(function)
    label = getattr(function, "__name__", None) or getattr(surface(function), "__name__", "forward")
    label = type(function).__name__ if label in ("forward", "__call__") else label
    try:
        shown = inspect.signature(surface(function) if not isinstance(function, functools.partial) else function)
    except (TypeError, ValueError) as error:
        raise TargetError(f"{label}: its parameters can't be read ({error}).") from error
    found, by_position, keyed = [], [], False
    made = function.parameters if isinstance(function, MadeWith) else None
    found += [Parameter(name=name) for name in made or ()]
    for parameter in shown.parameters.values() if made is None else ():
        if parameter.kind is parameter.VAR_POSITIONAL:
            names, places = _of_star(function, positional)
            by_position += places
            found += [Parameter(name=name) for name in names]
        elif parameter.kind is parameter.VAR_KEYWORD:
            keyed = True
            keys = unpacked(function)[1]
            found += [Parameter(name=key, number=is_number(name)) for key, name in keys.items()]
        else:
            required = parameter.default is parameter.empty
            found.append(
                Parameter(name=parameter.name, required=required, default=None if required else parameter.default)
            )
            if parameter.kind is parameter.POSITIONAL_ONLY:
                by_position.append(parameter.name)
    found += [Parameter(name=f"{OWN}{name}") for name in (function.attributes if isinstance(function, Held) else ())]
    if not found and any(p.kind is p.VAR_POSITIONAL for p in shown.parameters.values()):
        raise TargetError(f"{label} takes *args: say what they are, in order, with --args recon_x,x,mu,logvar.")
    by_position = _with_what_stands_before(by_position, shown)
    packed = _taken_apart(function, found, constants, by_position)
    known = [parameter.name for parameter in found]
    constants = {**_device(found), **constants}
    for name in constants:
        if name not in known and not keyed:
            raise TargetError(f"{label}: {unknown('parameter', name, known)}")
    return Callee(
        function=function,
        label=label,
        parameters=tuple(found),
        positional=tuple(by_position),
        constants=dict(constants),
        pristine=_copied(function),
        packed=packed,
        counters=_counters(function),
    )


def _device(found: list[Parameter]) -> dict[str, Any]:
    return {p.name: "cpu" for p in found if p.required and p.name == "device"}


def _taken_apart(
    function: Callable[..., Any], found: list[Parameter], constants: Mapping[str, Any], by_position: Sequence[str]
) -> tuple[Packed, ...]:
    """The parameters that hold several arrays; in `found` their parts take their places."""
    optional = {p.name for p in found if not p.required and p.default is None}
    named = [p.name for p in found if (p.required or p.name in optional) and p.name not in constants]
    packed = tuple(one for one in packed_in(function, named) if one.keyed or one.name not in optional)
    for one in packed:
        place = [p.name for p in found].index(one.name)
        found[place : place + 1] = [Parameter(name=part) for part in one.parts if part != UNUSED]
    if FIRST in by_position:
        packed = (*packed, Packed(name=FIRST, way=Way.TUPLE, parts=unpacked_first(function)))
    return packed


def _of_star(function: Callable[..., Any], given: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What `*args` takes: the names of the arrays, and what is passed by position (one tuple of them, or each)."""
    names = given or unpacked(function)[0]
    inner = () if names else unpacked_first(function)
    return (inner, (FIRST,)) if inner else (names, names)


def _with_what_stands_before(by_position: list[str], shown: inspect.Signature) -> list[str]:
    """What stands before *args has to go by position too."""
    if not by_position:
        return []
    star = next((n for n, p in shown.parameters.items() if p.kind is p.VAR_POSITIONAL), None)
    before = list(shown.parameters)[: list(shown.parameters).index(star)] if star else []
    return list(dict.fromkeys([*before, *by_position]))


def _counters(function: Callable[..., Any]) -> dict[str, Any]:
    """Numbers, lists and dicts of the module that the body names: where a function may keep count of its calls."""
    code, scope = getattr(surface(function), "__code__", None), getattr(surface(function), "__globals__", {})
    plain = {name: scope[name] for name in getattr(code, "co_names", ()) if isinstance(scope.get(name), PLAIN)}
    try:
        return copy.deepcopy(plain)
    except Exception:  # a list of what can't be copied keeps its count
        return {}


def _copied(function: Callable[..., Any]) -> Any:
    try:
        return copy.deepcopy(function)
    except Exception:  # an object that can't be copied keeps its count
        return function
