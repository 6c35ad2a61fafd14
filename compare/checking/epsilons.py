"""A small number of the source as a cause: what keeps a term from a reading is gone where the number is made tiny."""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from elbo_compare.compare.checking.attributes import Held
from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.claims import judge
from elbo_compare.compare.checking.epsilon_use import are_epsilons
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import EXACT, SINGLE
from elbo_compare.compare.checking.followed import FRAMEWORKS
from elbo_compare.compare.checking.guards import LARGEST_EPSILON
from elbo_compare.compare.checking.judging import JudgedReading, Subject, judged
from elbo_compare.compare.checking.readings import UNIT_ROUNDOFF, Reading, Reduction
from elbo_compare.compare.checking.source import surface
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.contract import DType

MOVED = 1e-4  # relative to the terms of a value: what an epsilon may move, times the steps of `rounding_steps`
TINY = (
    2.0**-60
)  # times: 1e-5 becomes 1e-23, below every rounding beside a variance of 1e-6, and log and 1/x stay finite
NOT_THEIRS = FRAMEWORKS | {"builtins", "math", "typing", "abc", "functools", "dataclasses", "elbo_compare", "scipy"}


def within_an_epsilon(subject: Subject, reading: Reading, reduction: Reduction) -> JudgedReading | None:
    """A term that an epsilon of the source moves by `MOVED` at most, and nothing else; None otherwise.

    The size alone proves nothing: a gradient 0.1% too large is as small. So the function is called once more with its
    small numbers 2^-60 times as large, and must then meet every claim to its own rounding.
    """
    small = small_numbers(subject)
    if not small or caused_by_epsilons(subject, reading, reduction) is not True:
        return None
    one = judged(subject, reading, reduction, SINGLE)
    term = replace(one.term, roundoff=MOVED)
    with np.errstate(all="ignore"):
        single = term.values((*one.record.single, *one.record.single_extreme)).ratio <= 1  # judged to float32 else
        claims = tuple(replace(c, outcome=Outcome.AGREES) if c.name == "float32" and single else c for c in judge(term))
        trial = replace(one, term=term, claims=claims)
        off = one.term.values((*one.record.ordinary, *one.record.extreme))
    if not trial.right:
        return None
    text = f"right but for an epsilon, {min(small, key=abs):g}: it moves the value by {off.difference:.2g} nats"
    return replace(trial, note=f"{text} at {off.where}")


def more_than_epsilons(subject: Subject, one: JudgedReading) -> bool:
    """Whether a term that is right to float32's rounding alone has epsilons in its source that don't account for it."""
    if not one.note or one.experiment.dtype is not DType.FLOAT64 or not small_numbers(subject):
        return False
    if one.term.term(one.record.ordinary[0]).dtype == "float32":
        return False
    return caused_by_epsilons(subject, one.term.reading, one.term.reduction) is False


def small_numbers(subject: Subject) -> list[float]:
    """The numbers of the source that may be epsilons."""
    return [n for n in subject.numbers if 0 < abs(n) <= LARGEST_EPSILON]


def epsilons_reached(function: Callable[..., Any]) -> tuple[float, ...]:
    """Small numbers in the person's own functions and methods that a body reaches by name, and in their defaults."""
    found: dict[float, None] = {}
    for one in _reached(function):
        values = [*one.__code__.co_consts, *(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values()]
        found |= {abs(v): None for v in values if isinstance(v, float) and _tiny(v) != v}
    return tuple(found)


def _reached(function: Callable[..., Any]) -> Iterator[FunctionType]:
    """The function itself, and those of the person's own that its body reaches by name."""
    seen: set[int] = set()
    inner = surface(function)
    waiting = [getattr(inner, "__func__", inner)]
    holder = getattr(inner, "__self__", None)
    while waiting:
        one = waiting.pop()
        if not inspect.isfunction(one) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        for name in one.__code__.co_names:
            each = one.__globals__.get(name) or getattr(type(holder), name, None)
            waiting += [each] if _own(each) else []


def caused_by_epsilons(subject: Subject, reading: Reading, reduction: Reduction) -> bool | None:
    """Whether the term is right to its own rounding without its small numbers, and they are epsilons by their use; None
    where it can't be made without, or the use can't be seen."""
    function = subject.callee.function
    holder = getattr(surface(function), "__self__", None)
    used = are_epsilons(_reached(function), holder, subject.callee.scalars)
    gone = False if used is False else _right_without(subject, reading, reduction)
    return None if gone and used is None else gone


def _right_without(subject: Subject, reading: Reading, reduction: Reduction) -> bool | None:
    """A constant in few digits may be left, which has no slope."""
    tiny = without(subject.callee) if subject.experiment.function is subject.callee else None
    if tiny is None:
        return None
    experiment = replace(subject.experiment, function=tiny)
    tier = SINGLE if subject.neutral[0].terms[subject.position].dtype == "float32" else EXACT  # whatever arrives
    try:
        one = judged(replace(subject, experiment=experiment, callee=tiny), reading, reduction, tier)
    except FunctionError:
        return False
    if one.right or any(claim.name == "gradient" and claim.outcome is Outcome.DIFFERS for claim in one.claims):
        return one.right
    with np.errstate(all="ignore"):
        term = replace(one.term, roundoff=UNIT_ROUNDOFF[DType.FLOAT32])
        return all(claim.outcome is not Outcome.DIFFERS for claim in judge(term))


def without(callee: Callee) -> Callee | None:
    """The same call with every number up to `LARGEST_EPSILON` 2^-60 times as large: in the body, in the person's own
    functions that it reaches by name, their defaults, globals, in the methods, class attributes and plain attributes of
    an object, and in what --set gives. None where the function can't be made again from its code (what a decorator or
    torch.jit holds)."""
    bound = callee.function
    if callee.fresh:
        return None
    if type(bound).__module__.startswith("jax") and inspect.isfunction(getattr(bound, "__wrapped__", None)):
        bound = bound.__wrapped__  # what jax.jit compiles
    made = _made_again(bound)
    return None if made is None else replace(callee, function=made, constants=_all_tiny(callee.constants))


def _made_again(bound: Callable[..., Any]) -> Callable[..., Any] | None:
    scopes: Scopes = {}
    if isinstance(bound, Held):
        method = _made_again(bound.method)
        return None if method is None else Held(method, bound.attributes)
    if inspect.isfunction(bound):
        return _again(bound, scopes) if _plain(bound) else None
    if inspect.ismethod(bound):
        holder, name = bound.__self__, bound.__func__.__name__
        if isinstance(holder, type):
            return getattr(_derived(holder, scopes), name, None)
        return getattr(_object(holder, scopes), name, None) if _plain(bound.__func__) else None
    if isinstance(bound, type) or not hasattr(bound, "__dict__") or not _own_class(type(bound)):
        return None
    return _object(bound, scopes)


Scopes = dict[int, dict[str, Any]]  # the globals of each file that is reached, made again once


def _plain(value: Any) -> bool:
    return inspect.isfunction(value) and not hasattr(value, "__wrapped__")


def _own(value: Any) -> bool:
    """Whether it is a plain function of the person's, and no framework's."""
    return _plain(value) and (value.__module__ or "").split(".")[0] not in NOT_THEIRS


def _own_class(kind: type) -> bool:
    return kind.__module__.split(".")[0] not in NOT_THEIRS


def _scope(function: FunctionType, scopes: Scopes) -> dict[str, Any]:
    names = function.__globals__
    if id(names) not in scopes:
        scopes[id(names)] = scope = {name: _tiny(value) for name, value in names.items()}
        scope |= {name: _again(each, scopes) for name, each in names.items() if _own(each)}
    return scopes[id(names)]


def _again(function: FunctionType, scopes: Scopes) -> FunctionType:
    scope = _scope(function, scopes)
    made = FunctionType(_code(function.__code__), scope, function.__name__, None, function.__closure__)
    made.__defaults__ = tuple(map(_tiny, function.__defaults__ or ())) or None
    made.__kwdefaults__ = _all_tiny(function.__kwdefaults__ or {}) or None
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    return made


def _code(code: CodeType) -> CodeType:
    return code.replace(co_consts=tuple(_code(c) if isinstance(c, CodeType) else _tiny(c) for c in code.co_consts))


def _class(kind: type, scopes: Scopes) -> type:
    """A subclass whose own methods and numbers are those of the person's classes above it, with small numbers."""
    again: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if _own_class(base):
            again |= {name: made for name, each in vars(base).items() if (made := _member(each, scopes)) is not None}
    return type(kind)(kind.__name__, (kind,), again)


def _member(each: Any, scopes: Scopes) -> Any:
    if isinstance(each, (staticmethod, classmethod)):
        return type(each)(_again(each.__func__, scopes)) if _plain(each.__func__) else None
    if _plain(each):
        return None if "__class__" in each.__code__.co_freevars else _again(each, scopes)
    return _tiny(each) if isinstance(each, float) else None


def _derived(kind: type, scopes: Scopes) -> type | None:
    """The class made again; None where it can't be (final, registered, of a metaclass that asks for more)."""
    try:
        return _class(kind, scopes)
    except Exception:  # whatever its metaclass or its bases raise
        return None


def _object(holder: Any, scopes: Scopes) -> Any:
    """A copy of an object, of the class made again, its plain numbers small; None where it can't be made so."""
    kind = _derived(type(holder), scopes)
    try:
        made = copy.copy(holder)
        made.__class__ = kind
        made.__dict__.update(_all_tiny({k: v for k, v in vars(holder).items() if isinstance(v, float)}))
    except Exception:  # a frozen object, or one without a __dict__
        return None
    return made


def _all_tiny(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tiny(value) for name, value in values.items()}


def _tiny(value: Any) -> Any:
    return value * TINY if isinstance(value, float) and 0 < abs(value) <= LARGEST_EPSILON else value
