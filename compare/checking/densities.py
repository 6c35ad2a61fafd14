"""log N(z; mean, sigma^2) by value: in every form of the spread, per datum or element, whatever constant it drops."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isclose

import numpy as np

from elbo_compare.compare.checking.by_design import accepted
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import EXACT, SINGLE, Law, solve
from elbo_compare.compare.checking.formula import Formula
from elbo_compare.compare.checking.identify import candidate_readings
from elbo_compare.compare.checking.inputs import Inputs
from elbo_compare.compare.checking.judging import JudgedReading, Subject, judged
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.oracle import HALF_LOG_2PI, log_density
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction, reductions
from elbo_compare.compare.checking.sides import probes_of, weights_of
from elbo_compare.suites.contract import Array


@dataclass(frozen=True, kw_only=True)
class Density:
    """A judged log density. `as_named`: the spread is what its name says."""

    judged: JudgedReading
    as_named: bool


def log_density_of(subject: Subject) -> Density | None:
    """The battery under log N(z; mean, sigma^2), the forms that the name allows first; None where it is none."""
    if any(subject.signature.find(role) is None for role in (Role.Z, Role.MEAN, Role.SPREAD)):
        return None
    readings = [r for r in candidate_readings(subject.signature, (Quantity.KL,)) if r.prior is None and r.sampled]
    first: Density | None = None
    for named in (True, False):
        for tier in (EXACT, SINGLE):
            for reading in readings:
                found = _judged(subject, reading, tier) if accepted(subject, reading) is named else None
                if found is not None and found.right:
                    return Density(judged=found, as_named=named)
                first = first or (Density(judged=found, as_named=named) if found is not None else None)
    return first


def weighed_density(subject: Subject) -> JudgedReading | None:
    """A log density with a weight that it should not have, an average over the dimensions of a datum; None where it is
    none. Its constant is left open."""
    if any(subject.signature.find(role) is None for role in (Role.Z, Role.MEAN, Role.SPREAD)):
        return None
    readings = [r for r in candidate_readings(subject.signature, (Quantity.KL,)) if r.prior is None and r.sampled]
    one = subject.neutral[0]
    allowed = reductions(one.terms[subject.position].value, one)
    try:
        probes = probes_of(subject)
        for reading in readings if allowed else ():
            with np.errstate(all="ignore"):
                laws = weights_of(subject, probes, [_log_q(reading)]) if accepted(subject, reading) else None
            if laws and not (laws[0].plain and abs(laws[0].factor) == 1):
                changed = Reading(quantity=Quantity.LOG_Q, sampled=True, spread=reading.spread)
                return replace(judged(subject, changed, allowed[0], EXACT), diagnosis=_weight(laws[0]))
    except FunctionError:
        return None
    return None


def _log_q(reading: Reading) -> Callable[[Inputs], Array]:
    return lambda i: log_density(i[Role.Z], i[Role.MEAN], i[Role.SPREAD], reading.spread).value


def _weight(law: Law) -> Diagnosis:
    size, sign = abs(law.factor), "-" if law.factor < 0 else ""
    names = ("the batch", "the dimensions of a datum")
    axes = [axis for axis, power in zip(names, law.powers[:2], strict=True) if power < 0]
    over = f", averaged over {' and '.join(axes)}" if axes else ""
    factor = "" if isclose(size, 1, rel_tol=1e-6) else f"{size:.4g} x "
    text = f"equals {sign}{factor}log N(z; mean, sigma^2){over}, up to a constant"
    whole = "sum over the dimensions of a datum; sum or average over the batch only"
    advice = whole if law.powers[1] else "drop the factor"
    return Diagnosis(form=DifferenceForm.LINEAR, text=text, advice=advice)


def mistaken_density(formula: Formula) -> Diagnosis | None:
    """A formula of e and log sigma^2 that is no log N(z; mean, sigma^2), term by term; None for one of other terms."""
    laws = {c.name: c.law for c in formula.coefficients if c.law}
    if not laws or not set(laws) <= {"log sigma^2", "e^2", "e^2 sigma", "e^2 sigma^4", "(z - mean)^2"}:
        return None
    first = laws.get("e^2") or next(iter(laws.values()))
    right = -0.5 if first.factor < 0 else 0.5
    off = [
        f"{name} has {law.text} where {right:g} is right"
        for name in ("e^2", "log sigma^2")
        if (law := laws.get(name)) is not None and not (law.plain and isclose(law.factor, right, rel_tol=1e-6))
    ]
    off += [f"{name} is missing" for name in ("e^2", "log sigma^2") if name not in laws]
    off += [f"{name} does not belong there" for name in laws if name not in ("e^2", "log sigma^2")]
    text = f"is no log N(z; mean, sigma^2); it equals {formula.text}, e = (z - mean)/sigma"
    return Diagnosis(form=DifferenceForm.FORMULA, text=text, advice="; ".join(off)) if off else None


def _judged(subject: Subject, reading: Reading, tier: float) -> JudgedReading | None:
    one = subject.neutral[0]
    same = [each for each in subject.neutral if each.inputs[Role.Z].shape == one.inputs[Role.Z].shape]
    for reduction in reductions(one.terms[subject.position].value, one):
        columns, values = [], []
        for each in same:
            with np.errstate(all="ignore"):
                part = log_density(
                    each.inputs[Role.Z], each.inputs[Role.MEAN], each.inputs[Role.SPREAD], reading.spread
                ).value
            column = part.ravel() if reduction is Reduction.ELEMENTS else part.sum(1)
            column = {Reduction.SUM: np.sum, Reduction.MEAN: np.mean}.get(reduction, np.ravel)(column)
            columns.append(np.stack([np.atleast_1d(column), np.ones(np.size(column))], axis=1))
            values.append(each.terms[subject.position].value.ravel())
        fitted = solve(np.concatenate(columns), np.concatenate(values), tier)
        if fitted is None or abs(abs(fitted[0]) - 1) > 30 * tier + 1e-7:
            continue
        sign = 1 if fitted[0] > 0 else -1
        width = (1 if reduction is Reduction.ELEMENTS else one.inputs[Role.Z].shape[1]) * (
            one.batch if reduction is Reduction.SUM else 1
        )
        changed = Reading(
            quantity=Quantity.LOG_Q,
            sampled=True,
            sign=sign,
            spread=reading.spread,
            constant=_normaliser(sign * float(fitted[1]) / width, tier),
        )
        try:
            return judged(subject, changed, reduction, tier)
        except FunctionError:
            continue
    return None


def _normaliser(constant: float, tier: float) -> float:
    near = max(1e-7, 30 * tier)
    return -HALF_LOG_2PI if abs(constant + HALF_LOG_2PI) < near else 0.0 if abs(constant) < near else constant
