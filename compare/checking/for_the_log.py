"""What stands beside the loss that is judged: a term for the log, described and never failed."""

import numpy as np

from elbo_compare.compare.checking import diagnosis
from elbo_compare.compare.checking.fitting import EXACT
from elbo_compare.compare.checking.identify import Standing
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.readings import Quantity, reductions
from elbo_compare.compare.checking.result import TermResult
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.suites.bridge.user_arrays import Term


def for_the_log(subject: Subject, name: str, *, cut_off: bool) -> TermResult:
    """A term beside the loss: described, never failed."""
    one = subject.neutral[0]
    if subject.position >= len(one.terms) or not reductions(one.terms[subject.position].value, one):
        return TermResult(name=name, read_as="", reduction="", right=True, note="no loss term: not judged")
    term: Term = one.terms[subject.position]
    quantities = [Quantity.RECONSTRUCTION, Quantity.NEGATIVE_ELBO] if subject.readings(Quantity.RECONSTRUCTION) else []
    if subject.signature.kind is FunctionKind.LOG_PRIOR:
        quantities = []
    elif subject.signature.kind is FunctionKind.RECONSTRUCTION:
        quantities = [Quantity.RECONSTRUCTION]
    elif subject.signature.kind in (FunctionKind.ANALYTIC_KL, FunctionKind.SAMPLED_KL, FunctionKind.LOG_DENSITY):
        quantities = [Quantity.KL]
    else:
        quantities = [Quantity.KL, *quantities]
    if not np.isfinite(term.value).all():
        return TermResult(name=name, read_as="", reduction="", right=True, note="no number: not judged")
    for quantity in quantities:
        found = subject.identified(quantity, tiers=(EXACT,))
        if found is not None and found.standing is not Standing.MISSING:
            detached = "detached, " if cut_off else ""
            right = found.standing is Standing.RIGHT
            note = "" if right else f"for the log: {detached}{diagnosis.linear(found).text}"
            return TermResult(
                name=name,
                read_as=found.reading.title if right else "",
                reduction=found.reduction.value,
                right=True,
                note=note,
            )
    return TermResult(name=name, read_as="", reduction="", right=True, note="for the log: not judged")
