"""A likelihood of counts that is right for data of 0 and 1: called with larger counts too.

x and x > 0 are the same for 0 and 1, and so are x and x^2. A normaliser of x alone, log(x!), may be dropped: so it is
the difference that two outputs make, at the same counts, which has to be right.
"""

from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.claims import TermRecord
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Experiment
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.inputs import ORDINARY
from elbo_compare.compare.checking.readings import Reduction, reduced, target

SMALL, LARGEST = 6, 300  # most counts are below the first, some far above it, where a clamp would be
SAME = {"float32": 1e-4}  # relative to the terms; float64 below
EXACT = 1e-8


def at_counts(experiment: Experiment, term: TermRecord) -> Diagnosis | None:
    """Why a Poisson term that is right for 0 and 1 is not for larger counts; None where it is, or refuses them.

    A multinomial is left alone: clicks are 0 or 1.
    """
    data = term.reading.data
    if data is None or data.likelihood != "poisson" or not _differs(experiment, term):
        return None
    text = f"is right where x is 0 or 1 alone: at counts up to {LARGEST - 1} it is another function of the rate"
    return Diagnosis(
        form=DifferenceForm.EXTREME, text=text, advice="rate - x log rate, with x as it is, at every count"
    )


def _differs(experiment: Experiment, term: TermRecord) -> bool:
    rng, changes, sizes = np.random.default_rng(LARGEST), [], []
    first, second = (experiment.ordinary(ORDINARY[0], replicate) for replicate in (0, 1))
    x = rng.integers(0, SMALL, size=first.x.shape).astype(float)
    x = np.where(rng.random(x.shape) < 0.25, rng.integers(LARGEST // 2, LARGEST, size=x.shape), x)
    try:
        cases = [replace(first, x=x, output=one.output) for one in (first, second)]
        calls = [experiment.observe(case, differentiate=False) for case in cases]
    except FunctionError:
        return False
    for one in calls:
        right = target(term.reading, one.inputs, term.reduction)
        by_element = right.elements if term.reduction is Reduction.ELEMENTS else None
        wanted = by_element.value if by_element else reduced(right.value, term.reduction)
        changes.append(term.term(one).value.ravel() - np.ravel(wanted))
        sizes.append(np.max(right.scale) * one.batch)
    if not all(np.isfinite(change).all() for change in changes):
        return False
    allowed = SAME.get(term.term(calls[0]).dtype, EXACT) * max(sizes)
    return bool(np.abs(changes[0] - changes[1]).max() > allowed)
