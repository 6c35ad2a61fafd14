"""Functions that draw a sample and give it back: no KL and no loss."""

import re
from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.experiment import Experiment
from elbo_compare.compare.checking.inputs import ORDINARY
from elbo_compare.compare.checking.names import promises_kl
from elbo_compare.compare.checking.signature import FunctionKind

SAMPLER = re.compile(r"reparam|^r?sample|sample$|_sample_")
SAMPLES = "its name says that it draws a sample, and it draws: no KL and no loss, not judged"


def sampler_of(experiment: Experiment, label: str) -> str:
    """Whether it returns z itself: of the shape of the mean, and the mean where sigma is small."""
    named = SAMPLES * bool(SAMPLER.search(label.lower()) and not promises_kl(label))
    if experiment.signature.kind is not FunctionKind.ANALYTIC_KL:
        return named
    case = experiment.ordinary(ORDINARY[0])
    one = experiment.observe(replace(case, log_var=np.full_like(case.mean, -16.0)), differentiate=False)
    z = one.terms[0].value
    if z.shape != case.mean.shape or np.abs(z - case.mean).max() > 0.1:
        return named
    return (
        "it returns a sample z = mean + sigma * noise, no KL and no loss: not judged. Name the one that makes the loss."
    )
