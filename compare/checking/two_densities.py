"""log q(z) and log p(z) that are returned side by side: their difference is the sampled KL, and neither is one."""

from dataclasses import replace
from itertools import permutations

from elbo_compare.compare.checking.explaining import formula_of
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import EXACT, SINGLE
from elbo_compare.compare.checking.identify import Standing
from elbo_compare.compare.checking.judging import Subject, subject_of
from elbo_compare.compare.checking.readings import Quantity
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.compare.checking.terms import Layout

DENSITIES = ({"z^2"}, {"e^2", "log sigma^2"})  # the terms of log p(z), of log q(z)
MOST = 4  # returned terms: each pair is tried


def two_densities(subject: Subject, layout: Layout) -> str:
    """Which two of the returned terms have the sampled KL as their difference, in words; "" where none have."""
    count = len(layout.names)
    if subject.signature.kind is not FunctionKind.SAMPLED_KL or not 2 <= count <= MOST or layout.apart:
        return ""
    formula = formula_of(subject, Quantity.KL)
    if formula is None or {c.name for c in formula.coefficients if c.law} not in DENSITIES:
        return ""
    for less, more in permutations(range(count), 2):
        experiment = replace(subject.experiment, together=(less, more, -1.0))
        try:
            apart = subject_of(experiment, subject.callee, subject.options, count, subject.numbers)
        except FunctionError:
            continue
        found = apart.identified(Quantity.KL, tiers=(EXACT, SINGLE))
        if found is not None and found.standing is Standing.RIGHT and found.reading.sampled and found.reading.sign > 0:
            one, other = layout.names[more], layout.names[less]
            return f"{one!r} - {other!r}, log q(z) - log p(z), is the sampled KL; it returns them apart: not judged"
    return ""
