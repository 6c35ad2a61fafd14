"""A term that is no number: wherever a mean is negative (a logarithm or a root of it, or `F.kl_div` of two Gaussians),
or because what it was called with is outside of its domain, which is no fault of the function's. Data of 0 and 1 are
ordinary: only a term alone that wants positive numbers, those above 1 among them, is excused for a 0."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.inputs import ORDINARY, Layout, Trial
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.compare.checking.source import handed_to

MOVABLE = {Role.X: "x", Role.OUTPUT: "output", Role.Z: "z", Role.MEAN: "mean"}
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


def outside_of_its_domain(experiment: Experiment, position: int) -> str:
    """Which arguments have to be positive for it to be a number, in words; "" where it is one, or is none for them."""
    cases = [experiment.ordinary(sizes) for sizes in ORDINARY[:2]]
    if not any(_no_number(experiment, case, position) for case in cases):
        return ""
    given = [a for a in experiment.signature.arguments if a.role in MOVABLE and a.role is not Role.MEAN]
    mean = [a for a in experiment.signature.arguments if a.role is Role.MEAN and experiment.signature.find(Role.Z)]
    if not _wants_positive_data(experiment, cases, position):
        if not any(_no_number(experiment, _positive(case, {Role.X}), position) for case in cases):
            return ""
        given = [a for a in given if a.role is not Role.X]
    alone = [(argument,) for argument in given]
    for chosen in (*alone, tuple(given), (*given, *mean)):
        roles = {argument.role for argument in chosen}
        if roles and not any(_no_number(experiment, _positive(case, roles), position) for case in cases):
            names = " and ".join(argument.name for argument in chosen)
            return (
                f"no number at the values of {names} that it was called with, and one where "
                f"{'they are' if len(chosen) > 1 else 'it is'} between 0 and 1: not judged. --map says what each holds."
            )
    if experiment.shapes.layout is not Layout.FLAT and experiment.signature.find(Role.X):
        return f"no number for x {experiment.shapes.text}, the first shape that it takes: not judged"
    return ""


def _wants_positive_data(experiment: Experiment, cases: Sequence[Trial], position: int) -> bool:
    """Whether it is a term of x alone, with no KL, that is a number for x between 0.2 and 1.8."""
    if experiment.signature.kind is not FunctionKind.RECONSTRUCTION or experiment.signature.find(Role.X) is None:
        return False
    above = [replace(case, x=2 * _positive(case, {Role.X}).x) for case in cases]
    return not any(_no_number(experiment, case, position) for case in above)


def _positive(case: Trial, roles: set[Role]) -> Trial:
    """The case with these arguments moved between 0.1 and 0.9, in their order."""
    moved = {field: 0.1 + 0.8 / (1 + np.exp(-getattr(case, field))) for role, field in MOVABLE.items() if role in roles}
    return replace(case, **moved)


def _no_number(experiment: Experiment, case: Trial, position: int) -> bool:
    try:
        one = experiment.observe(case, differentiate=False)
    except FunctionError:
        return True
    return position >= len(one.terms) or not np.isfinite(one.terms[position].value).all()


def _has_nan(one: Observation, position: int) -> bool:
    return position < len(one.terms) and bool(np.isnan(one.terms[position].value).any())
