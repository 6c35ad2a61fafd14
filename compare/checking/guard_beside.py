"""A guard together with a weight, an average or a misread spread: the numbers of the source are tried as its size.

A scan (`scanning`) reads a guard off a term whose weights are right; here the weights are fitted under each guard that
a number of the source may be, and both count only where they hold at every input of the battery, gradients included.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from elbo_compare.compare.checking.by_design import accepted
from elbo_compare.compare.checking.claims import Record
from elbo_compare.compare.checking.elsewhere import off_somewhere
from elbo_compare.compare.checking.fitting import EXACT
from elbo_compare.compare.checking.guards import Bound, Guard, has_edge
from elbo_compare.compare.checking.identify import Identified, identify
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.readings import Quantity, Reading

LARGEST = 0.02  # a number of the source above it is a floor that somebody chose, not a guard
MOST = 3  # numbers that are tried


def guard_beside(subject: Subject, quantity: Quantity, record: Record) -> tuple[Identified, Guard] | None:
    """The weights and the guard that explain the term at every input of the battery; None where there are none."""
    small = sorted({abs(n) for n in subject.numbers if 0 < abs(n) <= LARGEST})[:MOST]
    readings = [r for r in subject.readings(quantity) if not (r.given or r.joint or r.relative)] if small else []
    for reading in sorted(readings, key=lambda each: not accepted(subject, each)):
        for guard in _guards(reading, small):
            with np.errstate(all="ignore"):
                tried = (replace(reading, guard=guard),)
                found = identify(subject.columns, subject.position, subject.signature, tried, (EXACT,))
                if found is not None and not off_somewhere(record, subject.position, found):
                    return found, guard
    return None


def _guards(reading: Reading, sizes: Sequence[float]) -> Iterator[Guard]:
    """Guards of the spread, of the probabilities, of both: a clamp or an epsilon of each size."""
    spreads, data = [Guard()], [Guard()]
    for size, clamped in product(sizes, (False, True)):
        bound = Bound(clamped=clamped, size=size)
        if reading.has_kl and has_edge(reading.spread):
            everywhere = (False,) if reading.sampled else (False, True)
            spreads += [Guard(spread=bound, of_sigma=s, everywhere=e) for s, e in product((False, True), everywhere)]
        if reading.data is not None and reading.data.name == "Bernoulli cross-entropy of probabilities":
            data += [Guard(ones=bound, zeros=bound)] + ([] if clamped else [Guard(ones=bound)])
    for one, other in product(spreads, data):
        if one != other:  # not the guard of nothing
            yield replace(one, ones=other.ones, zeros=other.zeros)
