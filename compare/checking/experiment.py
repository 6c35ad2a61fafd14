"""Calls of a user's function: the framework, dtype and layout it can be called with, and what came out of each call."""

import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from elbo_compare.compare.checking.attributes import missing_of
from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.checking.inputs import (
    FAR_OUTPUT,
    FITTED,
    ORDINARY,
    Inputs,
    Layout,
    Shapes,
    Sizes,
    Trial,
    neutral,
    ordinary,
)
from elbo_compare.compare.checking.likelihoods import Domain
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.signature import Signature
from elbo_compare.compare.checking.source import surface
from elbo_compare.suites.bridge.user_arrays import ADAPTERS, Call, Term, UserArrays, installed, open_arrays
from elbo_compare.suites.contract import DType

Opened = TypeVar("Opened")
LARGEST_LATENT = 1024
LONG, FITTED_LONG = 20_000, 5  # observed dimensions from which a call is dear, and how many calls are made then
MOST_SIZES = 6  # of the sizes that a source names

# What a function raises that got another framework's arrays (None: it returned another framework's). Anything else is
# the function's own, and no further framework is imported to see it again.
WRONG_ARRAYS = (AttributeError, TypeError, NotImplementedError, type(None))


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One call and its terms. `inputs`: the very numbers that went in, (batch, axis), by role."""

    label: str
    inputs: Inputs
    terms: tuple[Term, ...]
    dtype: DType

    @property
    def batch(self) -> int:
        """Rows of the batch."""
        return len(next(array for array in self.inputs.values() if array.ndim))


@dataclass(kw_only=True)
class Experiment:
    """One function, and how it is called. Every call gets fresh arrays and a fresh random key.

    `domain`: where x and the output live, None while it is not known what the output is.
    """

    function: Callable[..., Any]
    signature: Signature
    arrays: UserArrays
    dtype: DType
    shapes: Shapes = field(default_factory=Shapes)
    domain: Domain | None = None
    together: tuple[int, int, float] | None = None  # two terms returned apart: the second + factor * the first
    calls: int = field(default=0)
    far_output: float = FAR_OUTPUT  # of the battery's extreme logits

    def sizes(self, sizes: Sizes) -> Sizes:
        """The sizes that the shapes allow."""
        return self.shapes.sizes(sizes)

    def ordinary(self, sizes: Sizes, replicate: int = 0) -> Trial:
        """An ordinary case of these sizes."""
        return ordinary(self.sizes(sizes), self.domain, replicate)

    def neutral(self) -> tuple[Observation, ...]:
        """Values alone, at inputs that any form of spread and output may hold."""
        long = self.sizes(ORDINARY[0]).observed > LONG
        calls = FITTED_LONG if long else FITTED
        cases = [neutral(self.sizes(sizes), replicate) for sizes in ORDINARY for replicate in range(calls)]
        return tuple(self.observe(case, differentiate=False) for case in cases)

    def observe(self, case: Trial, *, dtype: DType | None = None, differentiate: bool = True) -> Observation:
        """Call the function on a case. Raises FunctionError for whatever the function raises."""
        dtype = dtype or self.dtype
        differentiate = differentiate or self.arrays.name == "jax"  # one compiled program for each shape, not two
        inputs = case.inputs(self.signature, dtype)
        arrays = {
            a.name: self.shapes.shaped(a.role, (-1 if a.form is WrittenAs.LOG_LIKELIHOOD else 1) * inputs[a.role])
            for a in self.signature.arguments
            if a.role in inputs
        }
        minus = frozenset(a.name for a in self.signature.arguments if a.form is WrittenAs.LOG_LIKELIHOOD)
        roles = {a.name: a.role for a in self.signature.arguments if a.role not in (Role.X, Role.KEY)}
        keys = tuple(a.name for a in self.signature.arguments if a.role is Role.KEY)
        self.calls += 1
        call = Call(
            arrays=arrays,
            dtype=dtype,
            differentiate=tuple(roles) if differentiate else (),
            keys=keys,
            seed=self.calls,
        )
        found = called(self.function, call, self.arrays, self.signature.name, f"at {case.label} inputs, ")
        terms = tuple(map(_flat_gradients(roles, minus, self.shapes), found))
        if not terms:
            raise FunctionError(f"{self.signature.name} returned no floating-point number or array.")
        if self.together is not None:
            terms = (*terms, _sum(terms[self.together[0]], terms[self.together[1]], self.together[2]))
        return Observation(label=case.label, inputs=inputs, dtype=dtype, terms=terms)


def called(
    function: Callable[..., Any], call: Call, arrays: UserArrays, label: str, inputs: str = ""
) -> tuple[Term, ...]:
    """What a call returns. Raises FunctionError for whatever the function raises; `inputs`: where, in words."""
    where = inputs + ", ".join(f"{name} {array.shape}" for name, array in call.arrays.items())
    try:
        # A warning is no verdict, not even where the caller turns warnings into errors.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return arrays.call(function, call)
    except Exception as error:
        text = f"{type(error).__name__}: {_one_line(error)}{_place(error, function)}"
        raise FunctionError(f"{label} raises {text} ({where}; {arrays.name}, {call.dtype}).") from error
    except SystemExit as error:
        raise FunctionError(f"{label} ends the process: sys.exit({error.code!r}) {where}.") from error


def _flat_gradients(roles: dict[str, Role], minus: frozenset[str], shapes: Shapes) -> Callable[[Term], Term]:
    def flat(term: Term) -> Term:
        if term.gradients is None:
            return term
        parts = {n: -part if n in minus else part for n, part in term.gradients.items()}
        by_role = {roles[n]: shapes.flat(part) for n, part in parts.items()}
        return replace(term, gradients=by_role)

    return flat


def _sum(one: Term, other: Term, factor: float) -> Term:
    """other + factor * one, as a term of its own."""
    gradients = None
    if one.gradients is not None and other.gradients is not None:
        gradients = {role: part + factor * one.gradients[role] for role, part in other.gradients.items()}
    why = "" if gradients else one.no_gradient or other.no_gradient
    value = other.value.squeeze() + factor * one.value.squeeze()
    return Term(name="sum", value=value, dtype=other.dtype, gradients=gradients, no_gradient=why)


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "no message")[:300]


def _place(error: BaseException, function: Callable[..., Any]) -> str:
    """Where in the user's file the error arose."""
    inner = surface(getattr(function, "function", function))
    file = getattr(getattr(inner, "__code__", None), "co_filename", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if file and frame.filename == file]
    return f" in line {lines[-1]} of {Path(file).name}" if file and lines else ""


@contextmanager
def open_experiment(
    function: Callable[..., Any],
    signature: Signature,
    framework: str | None = None,
    shapes: Sequence[Shapes] = (Shapes(),),
) -> Iterator[Experiment]:
    """Find the framework, the dtype and the shapes by calling the function, and yield the experiment that works.

    On leaving, the framework's global random numbers and switches are put back.
    Raises FunctionError (what the likeliest framework's call raised) where no call succeeds.
    """

    def attempt(arrays: UserArrays) -> Experiment:
        first: FunctionError | None = None
        for shape in shapes:
            for dtype in (DType.FLOAT64, DType.FLOAT32):
                experiment = Experiment(
                    function=function, signature=signature, arrays=arrays, dtype=dtype, shapes=shape
                )
                try:
                    for sizes in ORDINARY[:2]:
                        experiment.observe(experiment.ordinary(sizes))
                    return experiment
                except FunctionError as error:
                    if _at_once(function, error):
                        raise
                    first = first or error
        raise first or FunctionError(f"{signature.name} can't be called.")

    with open_framework(function, framework, attempt) as experiment:
        yield experiment


@contextmanager
def open_framework(
    function: Callable[..., Any], framework: str | None, attempt: Callable[[UserArrays], Opened]
) -> Iterator[Opened]:
    """Yield what `attempt` gives with the first framework whose arrays it succeeds with.

    On leaving, the framework's global random numbers and switches are put back.
    Raises FunctionError (what the likeliest framework's attempt raised) where none succeeds.
    """
    first: FunctionError | None = None
    for name in candidates(function, framework):
        if first and name not in sys.modules and not isinstance(first.__cause__, WRONG_ARRAYS):
            continue
        arrays = _open(name)
        with arrays.seeded(0):
            try:
                opened = attempt(arrays)
            except FunctionError as error:
                if _at_once(function, error):
                    raise
                first = first or error
                continue
            yield opened
            return
    raise first or FunctionError("It can't be called.")


def _at_once(function: Callable[..., Any], error: FunctionError) -> bool:
    """Whether no other shape or framework can mend it: the process was ended, or the object lacks an attribute."""
    inner = getattr(function, "function", function)
    return isinstance(error.__cause__, SystemExit) or bool(missing_of(inner, error.__cause__))


def _open(name: str) -> UserArrays:
    try:
        return open_arrays(name)
    except KeyError as error:
        raise TargetError(f"No framework {name!r}. Known: {', '.join(ADAPTERS)}.") from error
    except ImportError as error:
        raise TargetError(f"{name} is asked for, but it is not installed here ({error}).") from error


def shapes_of(
    signature: Signature, given: Shapes, named: Sequence[int] = (), *, time_first: bool = False
) -> tuple[Shapes, ...]:
    """Shapes to try, simplest first. given: --batch, --latent, --observed; named: sizes in the source, tried last;
    time_first: the source names the first of three axes as the one of time."""
    seldom = (Layout.SIGNAL, Layout.STEPS)
    layouts = tuple(each for each in Layout if each not in seldom) if signature.find(Role.X) else (Layout.FLAT,)
    layouts = layouts if given.observed is None else (Layout.FLAT,)
    simple = [replace(given, layout=layout) for layout in layouts]
    maps = [replace(shape, latent_map=True) for shape in simple if shape.layout is not Layout.MNIST]
    wide = [replace(given, observed=size) for size in named] if signature.find(Role.X) and not given.observed else []
    deep = [replace(given, latent=size) for size in named if size <= LARGEST_LATENT] if not given.latent else []
    both = [replace(w, latent=d.latent) for w in wide for d in deep if w.observed != d.latent]
    latent = signature.find(Role.MEAN) or signature.find(Role.Z)
    given_steps = replace(given, time_first=time_first)
    observed_steps = [Layout.STEPS] if signature.find(Role.X) or signature.find(Role.OUTPUT) else []
    steps = [
        replace(given_steps, layout=layout, latent_steps=deep_too)
        for layout in (*observed_steps, Layout.FLAT)
        for deep_too in (True, False)
        if layout is Layout.STEPS or deep_too
    ]
    sized = (*wide[:MOST_SIZES], *deep[:MOST_SIZES], *both[: 2 * MOST_SIZES])
    return (*(steps if time_first else ()), *simple, *(maps if latent else ()), *sized, *steps)


def candidates(function: Callable[..., Any], framework: str | None = None) -> tuple[str, ...]:
    """Frameworks to try, likeliest first: those that the function's own globals name, NumPy, those already imported.

    Others that are installed come last, so that a framework is imported only for a function that no other one runs.
    """
    if framework is not None:
        return (framework,)
    names = getattr(function, "__globals__", {}).values()
    modules = [getattr(value, "__name__", None) or getattr(value, "__module__", None) or "" for value in names]
    roots = {module.split(".")[0] for module in modules if isinstance(module, str)}
    if "keras" in roots and "keras" in sys.modules:
        roots.add(str(sys.modules["keras"].backend.backend()))  # Keras 3 computes with another framework's arrays
    used = [name for name in ADAPTERS if name in roots]
    loaded = [name for name in ADAPTERS if name in sys.modules]
    return tuple(dict.fromkeys([*used, "numpy", *loaded, *installed()]))
