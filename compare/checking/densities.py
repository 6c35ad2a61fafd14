"""log N(z; mean, sigma^2) by value: in every form of the spread, per datum or element, whatever constant it drops."""

from dataclasses import dataclass

import numpy as np

from elbo_compare.compare.checking.by_design import accepted
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import EXACT, SINGLE, solve
from elbo_compare.compare.checking.identify import candidate_readings
from elbo_compare.compare.checking.judging import JudgedReading, Subject, judged
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.oracle import HALF_LOG_2PI, log_density
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction, reductions


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
