"""A coefficient that is off by little, told from rounding: 1.0000005 x sigma^2 fits a formula, rounding fits none.

What is off has one slope in one term of the formula, however small it is; what float32 rounds has none. So a term that
is right to float32's rounding only is fitted once more in float64. Where a formula leaves nothing over, its
coefficients are the function's own, and those that no float32 number of the source explains are not right.
"""

import math
from collections.abc import Sequence
from math import isclose

import numpy as np

from elbo_compare.compare.checking.by_design import accepted
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.formula import Coefficient, fitted, fitted_by_element
from elbo_compare.compare.checking.judging import JudgedReading, Subject
from elbo_compare.compare.checking.readings import UNIT_ROUNDOFF, Reduction
from elbo_compare.suites.contract import DType

# Relative: a constant kept in float32 is off by one roundoff, a product of a few of them by a few.
OF_A_CONSTANT = 4 * UNIT_ROUNDOFF[DType.FLOAT32]
SHOWN = 3  # coefficients
WRITTEN_OUT = (math.log(2), 1 / math.log(2), math.log(10), math.pi, 2 * math.pi, math.sqrt(2), math.sqrt(2 * math.pi))
FITTED = 1e-9  # relative: what a coefficient that is fitted in float64 leaves over


def drifted(subject: Subject, one: JudgedReading) -> Diagnosis | None:
    """Which coefficients of a term that computes in float64 are off by more than a float32 constant is."""
    value = one.term.term(one.record.ordinary[0])
    if value.dtype == "float32" or one.experiment.dtype is not DType.FLOAT64:
        return None
    readings = [r for r in subject.readings(one.term.reading.quantity) if accepted(subject, r)]
    with np.errstate(all="ignore"):
        if one.term.reduction is Reduction.ELEMENTS:
            formula = fitted_by_element(subject.neutral, subject.position, readings)
        else:
            formula = fitted(subject.columns, subject.position, readings, strangers=((),))
    off = [c for c in formula.coefficients if _off(c) and not _rounded(c, subject.numbers)] if formula else []
    if not off:
        return None
    said = "; ".join(f"{c.name} has {c.law.factor:.9g} where {c.right:g} is right" for c in off[:SHOWN] if c.law)
    text = f"is off by little, and not by rounding: {said}"
    advice = "each is exact in float64: a factor or a weight of the source, however small"
    return Diagnosis(form=DifferenceForm.FORMULA, text=text, advice=advice)


def _off(coefficient: Coefficient) -> bool:
    law = coefficient.law
    known = law is not None and law.plain and coefficient.right
    return bool(known and law and not isclose(law.factor, coefficient.right, rel_tol=OF_A_CONSTANT))


def _rounded(coefficient: Coefficient, numbers: Sequence[float]) -> bool:
    """Whether it is off by what a constant of the source is, which is rounded to the digits it has: 0.693147 for ln 2.
    One of other digits, 0.693148, is another number."""
    factor = coefficient.law.factor / coefficient.right if coefficient.law else 1.0
    for number in (number * times for number in numbers for times in (1, 2)):  # 0.5 * 0.693147 is one number
        for exact in WRITTEN_OUT:
            rounded = round(exact, len(f"{number!r}".partition(".")[2])) == number
            if rounded and any(isclose(factor, (number / exact) ** power, rel_tol=FITTED) for power in (1, -1, 2, -2)):
                return True
    return False
