"""Another reading of the same values, where the first one that fits is not right on the whole battery."""

from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.identify import Identified, Standing, identify
from elbo_compare.compare.checking.judging import JudgedReading, Subject, judged

WRITTEN = 1e-6  # relative: log(2 pi) to six digits


def as_written(subject: Subject, found: Identified) -> tuple[Identified, JudgedReading] | None:
    """The same with the normaliser as the source writes it, rounded to some digits, if that is right."""
    constant = found.reading.constant
    near = [
        k * n for n in subject.numbers for k in (1.0, 0.5) if abs(k * abs(n) - abs(constant)) < 1e-6 * abs(constant)
    ]
    for number in near:
        reading = replace(found.reading, constant=float(np.copysign(number, constant)))
        one = judged(subject, reading, found.reduction, found.fit.tier)
        if one.right:
            return replace(found, reading=reading), one
    return None


def alike(subject: Subject, found: Identified) -> tuple[Identified, JudgedReading] | None:
    """Another likelihood of the same values where they were first compared (Huber is a square up to 1), if right."""
    if found.reading.data is None:
        return None
    others = tuple(r for r in subject.readings(found.reading.quantity) if r.data is not found.reading.data)
    with np.errstate(all="ignore"):
        other = identify(subject.columns, subject.position, subject.signature, others, (found.fit.tier,))
    if other is None or other.standing is not Standing.RIGHT:
        return None
    try:
        one = judged(subject, other.reading, other.reduction, other.fit.tier)
    except FunctionError:
        return None
    return (other, one) if one.right else None
