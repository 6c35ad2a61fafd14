"""A term that is no number wherever a mean is negative: a logarithm or a root of it, or `F.kl_div` of two Gaussians."""

from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.inputs import ORDINARY
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.source import handed_to

OF_PROBABILITIES = frozenset(["kl_div", "KLDivLoss"])


def of_negative_means(experiment: Experiment, callee: Callee, position: int) -> Diagnosis | None:
    """Why it is NaN at ordinary inputs, where it is a number for the same inputs with |mean|; None otherwise."""
    mean = experiment.signature.find(Role.MEAN)
    if mean is None:
        return None
    cases = [experiment.ordinary(sizes) for sizes in ORDINARY[:2]]
    kept = [experiment.observe(case, differentiate=False) for case in cases]
    positive = [experiment.observe(replace(c, mean=np.abs(c.mean)), differentiate=False) for c in cases]
    if not all(_has_nan(one, position) for one in kept) or any(_has_nan(one, position) for one in positive):
        return None
    advice = f"a mean may be negative: look for a logarithm, a root or a power of {mean.name}"
    if OF_PROBABILITIES & set(handed_to(callee.function, mean.name)):
        advice = "F.kl_div compares lists of probabilities; the KL of Gaussians is torch.distributions.kl_divergence"
    text = f"is NaN wherever {mean.name} is negative: no KL of two Gaussians is in it"
    return Diagnosis(form=DifferenceForm.LIMIT, text=text, advice=advice)


def _has_nan(one: Observation, position: int) -> bool:
    return position < len(one.terms) and bool(np.isnan(one.terms[position].value).any())
