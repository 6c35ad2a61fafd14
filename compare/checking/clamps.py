"""Clamps as causes: where a term that is right at ordinary inputs stops following its spread, mean or own value.

A place is named by what is seen there: beyond it the argument moves nothing (a clamp of the argument), or nothing at
all moves the value (a clamp of the value), or it is another function. A number of the source that stands at the place
is given as the source has it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import exp, isclose

import numpy as np

from elbo_compare.compare.checking.claims import TermRecord
from elbo_compare.compare.checking.experiment import Experiment
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import short
from elbo_compare.compare.checking.inputs import ORDINARY, Trial, signs
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.readings import value_distance
from elbo_compare.suites.contract import Array

OUTWARDS = tuple(0.5 * n for n in range(1, 33))  # of log sigma^2, either way; sigma from 0.0003 to 3000
MEANS = (2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0)
BISECTIONS = 36
STILL = 1e-9  # relative: what two calls differ by where an argument moves nothing
NEAR = 1e-4  # relative: a number of the source at a place that was found by bisection, rounding of the claims included
Case = Callable[[float], Trial]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a term leaves its right value: the size that was moved, and what it does beyond."""

    at: float
    flat: bool  # the argument moves nothing any more
    value: float | None  # that the term keeps, whatever is moved


def clamps_of(experiment: Experiment, term: TermRecord, numbers: Sequence[float]) -> str:
    """`its log_var is clamped to [-4, 3], its value is cut at 1000`; "" where no place is found."""
    if not (term.reading.has_kl or experiment.signature.find(Role.SPREAD)):
        return ""
    with np.errstate(all="ignore"):
        case = experiment.ordinary(ORDINARY[0])

        def spread(log_var: float) -> Trial:
            return replace(case, log_var=np.full_like(case.log_var, log_var))

        def mean(size: float) -> Trial:
            return replace(case, mean=size * signs(case.mean), z=case.z - case.mean + size * signs(case.mean))

        try:
            low = _place(experiment, term, spread, [-n for n in OUTWARDS])
            high = _place(experiment, term, spread, OUTWARDS)
            far = _place(experiment, term, mean, MEANS)
        except FunctionError:
            return ""
    said = [*_of_the_spread(experiment, low, high, numbers), *_of_the_value(far, low, high, numbers)]
    if far is not None and far.value is None and far.flat:
        said.append(f"|mean| is clamped at {short(float(f'{far.at:.4g}'))}")
    return ", ".join(said)


def _place(experiment: Experiment, term: TermRecord, at: Case, outwards: Sequence[float]) -> Place | None:
    good = 0.0
    for size in outwards:
        if not _off(experiment, term, at(size)):
            good = size
            continue
        if not good:  # off from the start: no place, but a slope
            return None
        bad = size
        for _ in range(BISECTIONS):
            middle = (good + bad) / 2
            good, bad = (good, middle) if _off(experiment, term, at(middle)) else (middle, bad)
        out = 1.0 if bad > 0 else -1.0
        first, second = (_values(experiment, term, at(bad + step * out)) for step in (0.5, 1.5))
        other = replace(at(bad + 1.5 * out), mean=at(bad).mean * 1.25 + 0.5)
        elsewhere = _values(experiment, term, other)
        flat = _still(first, second)
        kept = flat and _still(second, elsewhere) and np.ptp(second) == 0
        return Place(at=bad, flat=flat, value=float(second.ravel()[0]) if kept else None)
    return None


def _off(experiment: Experiment, term: TermRecord, case: Trial) -> bool:
    one = experiment.observe(case, differentiate=False)
    return value_distance(term.reading, term.reduction, term.term(one), one, term.roundoff).ratio > 1


def _values(experiment: Experiment, term: TermRecord, case: Trial) -> Array:
    return term.term(experiment.observe(case, differentiate=False)).value


def _still(one: Array, other: Array) -> bool:
    return bool(np.all(np.abs(one - other) <= STILL * (np.abs(one) + 1)))


def _of_the_spread(
    experiment: Experiment, low: Place | None, high: Place | None, numbers: Sequence[float]
) -> list[str]:
    argument = experiment.signature.find(Role.SPREAD)
    places = [place for place in (low, high) if place is not None and place.value is None]
    if argument is None or not places:
        return []
    if all(place.flat for place in places):
        ends = [_named(argument.form, place.at, numbers) if place else None for place in (low, high)]
        inside = f"[{ends[0]}, {ends[1]}]" if None not in ends else f"{ends[0]} from below" if ends[0] else ""
        return [f"{argument.name} is clamped to {inside or f'{ends[1]} from above'}"]
    known = {short(abs(n)) for n in numbers}
    named = [(place, _named(argument.form, place.at, numbers)) for place in places]
    return [
        f"it is another function where {argument.name} is {'below' if place is low else 'above'} {name}"
        for place, name in named
        if name.removeprefix("-") in known  # a number that nobody wrote is where a slope leaves the tolerance
    ]


def _named(form: WrittenAs, log_var: float, numbers: Sequence[float]) -> str:
    """The edge in the argument's own form, by a number of the source where one is there."""
    of_log_var = {
        WrittenAs.LOG_VAR: lambda v: v,
        WrittenAs.LOG_SIGMA: lambda v: v / 2,
        WrittenAs.SIGMA: lambda v: exp(v / 2),
        WrittenAs.VAR: exp,
    }.get(form)
    if of_log_var is None:
        return f"log sigma^2 = {short(float(f'{log_var:.4g}'))}"
    at = of_log_var(log_var)
    near = [n for n in chain(numbers, (-n for n in numbers)) if n and isclose(n, at, rel_tol=NEAR, abs_tol=NEAR)]
    return short(near[0] if near else float(f"{at:.4g}"))


def _of_the_value(far: Place | None, low: Place | None, high: Place | None, numbers: Sequence[float]) -> list[str]:
    values = dict.fromkeys(place.value for place in (far, low, high) if place is not None and place.value is not None)
    near = {value: next((n for n in numbers if isclose(abs(n), abs(value), rel_tol=NEAR)), value) for value in values}
    return [f"its value is cut at {short(n)}" for n in near.values()]
