"""A coefficient that is off by little, told from rounding: 1.0000005 x sigma^2 fits a formula, rounding fits none.

What is off has one slope in one term of the formula, however small it is; what float32 rounds has none. So a term that
is right to float32's rounding only is fitted once more in float64. Where a formula leaves nothing over, its
coefficients are the function's own, and those that no float32 number of the source explains are not right.
"""

import math
from collections.abc import Iterator, Sequence
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
EIGHT_DIGITS = 1e-8  # relative
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
    """Whether it is off by what a constant of the source is."""
    factor = coefficient.law.factor / coefficient.right if coefficient.law else 1.0
    ratios = [number / exact for number, exact in _written_out(numbers)]
    return any(isclose(factor, ratio**power, rel_tol=FITTED) for ratio in ratios for power in (1, -1, 2, -2))


def _written_out(numbers: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Constants of the source beside the exact ones that they are rounded from, to the digits they have: 0.693147 for
    ln 2. One of other digits, 0.693148, is another number."""
    for number in (number * times for number in numbers for times in (1, 2)):  # 0.5 * 0.693147 is one number
        digits = len(f"{number!r}".partition(".")[2])
        yield from ((number, exact) for exact in WRITTEN_OUT if round(exact, digits) == number)


def lost_digits(numbers: Sequence[float]) -> float:
    """The relative error of the coarsest constant of the source that has eight digits or more, 0.69314718 for ln 2; 0
    where there is none."""
    errors = [abs(number / exact - 1) for number, exact in _written_out(numbers)]
    return max((error for error in errors if error < EIGHT_DIGITS), default=0.0)
