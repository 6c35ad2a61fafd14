"""log N(z; 0, I) as a function of z alone: judged as what it is, whatever constant it drops and whatever it adds up."""

from math import isclose

import numpy as np

from elbo_compare.compare.checking.fitting import EXACT, SINGLE, solve
from elbo_compare.compare.checking.judging import JudgedReading, Subject, judged
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction, reductions


def log_prior(subject: Subject) -> tuple[JudgedReading | None, str]:
    """The battery under log N(z; 0, I) up to a constant for each latent, and the fitted `a z^2 + c` where a is not 1/2;
    None where it is no function of sum z^2."""
    one = subject.neutral[0]
    value = one.terms[subject.position].value
    latent = one.inputs[Role.Z].shape[1]
    same = [each for each in subject.neutral if each.inputs[Role.Z].shape == one.inputs[Role.Z].shape]
    for reduction in reductions(value, one):
        columns, values = [], []
        for each in same:
            square = each.inputs[Role.Z] ** 2
            reduced = {
                Reduction.ELEMENTS: square.ravel(),
                Reduction.NONE: square.sum(1),
                Reduction.SUM: square.sum(keepdims=True).ravel(),
                Reduction.MEAN: square.sum(1).mean(keepdims=True),
            }[reduction]
            columns.append(np.stack([reduced, np.ones_like(reduced)], axis=1))
            values.append(each.terms[subject.position].value.ravel())
        fitted = solve(np.concatenate(columns), np.concatenate(values), EXACT)
        if fitted is None:
            continue
        factor, constant = float(fitted[0]), float(fitted[1])
        if abs(abs(factor) - 0.5) > 1e-7 and reduction is Reduction.SUM:
            continue  # a mean has the same shape
        sign = -1 if factor > 0 else 1
        rows = one.batch if reduction is Reduction.SUM else 1
        each = sign * constant / (rows * (1 if reduction is Reduction.ELEMENTS else latent))
        reading = Reading(quantity=Quantity.LOG_PRIOR, sampled=True, sign=sign, constant=_normaliser(each))
        text = (
            f"{factor:.6g} z^2{constant:+.6g}"
            if reduction is Reduction.ELEMENTS
            else f"{factor:.6g} sum z^2{constant:+.6g}"
        )
        one = judged(subject, reading, reduction, EXACT)
        if not isclose(abs(factor), 0.5, rel_tol=1e-7):
            return one, text
        return (one if one.right else judged(subject, reading, reduction, SINGLE)), ""  # parameters may be float32
    return None, ""


def _normaliser(constant: float) -> float:
    exact = -0.5 * float(np.log(2 * np.pi))
    return exact if abs(constant - exact) < 1e-7 else 0.0 if abs(constant) < 1e-9 else constant
