"""A cross-entropy that takes the data for the prediction and the prediction for the data.

Of binary data its logarithms are of 0 and 1, and are cut somewhere (at -100 in torch): it is 100 |x - p| then, which
looks like an absolute error. Between 0 and 1 it is -(p log x + (1 - p) log(1 - x)), and is known by that.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import GUARDED
from elbo_compare.compare.checking.inputs import Inputs, Trial
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.sides import Probes, mixed_probes, weights_of, with_data_of
from elbo_compare.suites.contract import Array

ADVICE = "the prediction comes first in binary_cross_entropy(prediction, data), and stands inside the logarithms"


def exchanged_data(subject: Subject) -> Diagnosis | None:
    """Whether the term's cross-entropy has x and the output exchanged, in words; None where it has not."""
    x, output = (subject.signature.find(role) for role in (Role.X, Role.OUTPUT))
    if x is None or output is None:
        return None
    try:
        probes = mixed_probes(subject, lambda first, other: _soft(with_data_of(other, first)))
    except FunctionError:
        return None
    for column in (_of_probabilities, _of_logits):
        with np.errstate(all="ignore"):
            if _weight(subject, probes, column) and not _weight(subject, probes, _right_way(column)):
                text = (
                    f"has {x.name} and {output.name} exchanged in its cross-entropy: {x.name} is the prediction there"
                )
                return Diagnosis(form=DifferenceForm.TERMS, text=text, advice=ADVICE)
    return None


Column = Callable[[Inputs], Array]


def _weight(subject: Subject, probes: Probes, column: Column) -> bool:
    laws = weights_of(subject, probes, [column], allowed=GUARDED)
    return laws is not None and laws[0].factor > 0


def _soft(case: Trial) -> Trial:
    """Data between 0.1 and 0.9, other than the output."""
    rng = np.random.default_rng(case.x.shape)
    return replace(case, x=0.1 + 0.8 * np.abs(case.x - rng.random(case.x.shape)))


def _of_probabilities(inputs: Inputs) -> Array:
    data, prediction = inputs[Role.OUTPUT], inputs[Role.X]
    return -data * np.log(prediction) - (1 - data) * np.log1p(-prediction)


def _of_logits(inputs: Inputs) -> Array:
    data, prediction = inputs[Role.OUTPUT], inputs[Role.X]
    return np.logaddexp(0, prediction) - data * prediction


def _right_way(column: Column) -> Column:
    return lambda inputs: column({**inputs, Role.X: inputs[Role.OUTPUT], Role.OUTPUT: inputs[Role.X]})
