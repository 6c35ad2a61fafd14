"""A coefficient that is off by little, told from rounding: 1.0000005 x sigma^2 fits a formula, rounding fits none.

What is off has one slope in one term of the formula, however small it is; what float32 rounds has none. So a term that
is right to float32's rounding only is fitted once more in float64. Where a formula leaves nothing over, its
coefficients are the function's own, and those that no float32 number of the source explains are not right.
"""

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
    off = [c for c in formula.coefficients if _off(c)] if formula else []
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
