"""A spread of the decoder that comes in, is read, and changes nothing: its variance is left out of the likelihood."""

from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.inputs import ORDINARY
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.names import Role


def without_its_spread(subject: Subject) -> str:
    """Why a term with such a spread is not judged, by value; "" where there is none, or the value moves with it."""
    own = subject.signature.find(Role.OUTPUT_SPREAD)
    if own is None or "." in own.name:  # of a distribution that came in whole, or of an object: its mean may be enough
        return ""
    case = subject.experiment.ordinary(ORDINARY[0])
    cases = (case, replace(case, output_log_var=case.output_log_var + 1))
    one, other = (subject.experiment.observe(each, differentiate=False).terms[subject.position] for each in cases)
    if not np.array_equal(one.value, other.value):
        return ""
    text = f"{own.name}, a spread of the decoder by its name, changes nothing: the variance is left out"
    return f"{subject.signature.name}: {text}: not judged (`del {own.name}` would say that it is meant)"
