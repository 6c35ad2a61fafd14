"""A small number of the source as a cause: what keeps a term from a reading is gone where the number is made tiny."""

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.claims import judge
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import EXACT, SINGLE
from elbo_compare.compare.checking.guards import LARGEST_EPSILON
from elbo_compare.compare.checking.judging import JudgedReading, Subject, judged
from elbo_compare.compare.checking.readings import Reading, Reduction
from elbo_compare.compare.records import Outcome

MOVED = 1e-4  # relative to the terms of a value: what an epsilon may move, times the steps of `rounding_steps`
TINY = (
    2.0**-60
)  # times: 1e-5 becomes 1e-23, below every rounding beside a variance of 1e-6, and log and 1/x stay finite


def within_an_epsilon(subject: Subject, reading: Reading, reduction: Reduction) -> JudgedReading | None:
    """A term that an epsilon of the source moves by `MOVED` at most, and nothing else; None otherwise.

    The size alone proves nothing: a gradient 0.1% too large is as small. So the function is called once more with its
    small numbers 2^-60 times as large, and must then meet every claim to its own rounding.
    """
    small = [n for n in subject.numbers if 0 < abs(n) <= LARGEST_EPSILON]
    tiny = without(subject.callee) if small and subject.experiment.function is subject.callee else None
    if tiny is None:
        return None
    one = judged(subject, reading, reduction, SINGLE)
    term = replace(one.term, roundoff=MOVED)
    with np.errstate(all="ignore"):
        single = term.values((*one.record.single, *one.record.single_extreme)).ratio <= 1  # judged to float32 else
        claims = tuple(replace(c, outcome=Outcome.AGREES) if c.name == "float32" and single else c for c in judge(term))
        trial = replace(one, term=term, claims=claims)
        off = one.term.values((*one.record.ordinary, *one.record.extreme))
    if not trial.right or not _right_without(subject, tiny, reading, reduction):
        return None
    text = f"right but for an epsilon, {min(small, key=abs):g}: it moves the value by {off.difference:.2g} nats"
    return replace(trial, note=f"{text} at {off.where}")


def _right_without(subject: Subject, tiny: Callee, reading: Reading, reduction: Reduction) -> bool:
    experiment = replace(subject.experiment, function=tiny)
    try:
        return judged(replace(subject, experiment=experiment, callee=tiny), reading, reduction, EXACT).right
    except FunctionError:
        return False


def without(callee: Callee) -> Callee | None:
    """The same call with every number up to `LARGEST_EPSILON` 2^-60 times as large: in the body, the functions of its
    file, their defaults, globals, plain attributes of `self`, and what --set gives. None where the function can't be
    made again from its code (a module's forward, what a decorator or a compiler holds)."""
    bound = callee.function
    plain = bound.__func__ if inspect.ismethod(bound) else bound
    if not inspect.isfunction(plain) or hasattr(plain, "__wrapped__") or callee.fresh:
        return None
    own = {name: each for name, each in plain.__globals__.items() if _beside(each, plain)}
    scope = {name: _tiny(value) for name, value in plain.__globals__.items()}
    scope |= {name: _again(each, scope) for name, each in own.items()}
    function: Callable[..., Any] = _again(plain, scope)
    if inspect.ismethod(bound):
        function = MethodType(function, _holder(bound.__self__))
    return replace(callee, function=function, constants=_all_tiny(callee.constants))


def _beside(value: Any, function: FunctionType) -> bool:
    """Whether it is a plain function of the same file."""
    return inspect.isfunction(value) and value.__globals__ is function.__globals__ and not hasattr(value, "__wrapped__")


def _again(function: FunctionType, scope: dict[str, Any]) -> FunctionType:
    made = FunctionType(_code(function.__code__), scope, function.__name__, None, function.__closure__)
    made.__defaults__ = tuple(map(_tiny, function.__defaults__ or ())) or None
    made.__kwdefaults__ = _all_tiny(function.__kwdefaults__ or {}) or None
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    return made


def _code(code: CodeType) -> CodeType:
    return code.replace(co_consts=tuple(_code(c) if isinstance(c, CodeType) else _tiny(c) for c in code.co_consts))


def _holder(holder: Any) -> Any:
    """The object of a bound method, its plain numbers small; a class (of a class method) as it is."""
    if isinstance(holder, type) or not hasattr(holder, "__dict__"):
        return holder
    made = copy.copy(holder)
    made.__dict__.update(_all_tiny({k: v for k, v in vars(holder).items() if isinstance(v, float)}))
    return made


def _all_tiny(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tiny(value) for name, value in values.items()}


def _tiny(value: Any) -> Any:
    return value * TINY if isinstance(value, float) and 0 < abs(value) <= LARGEST_EPSILON else value
