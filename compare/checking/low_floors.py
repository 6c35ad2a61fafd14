"""Free bits whose level lies below every KL that the term was identified by: seen only where q is close to p.

max(batch mean of the KL, 1) is the KL wherever a batch has more than one nat, which it mostly has. Where q = p the KL
is 0 and the value is the level itself, so that it can be read there.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.balanced_objective import balanced
from elbo_compare.compare.checking.by_design import Designed, moved
from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.identify import Identified
from elbo_compare.compare.checking.inputs import ORDINARY, prior
from elbo_compare.compare.checking.judging import JudgedReading, Subject, judged
from elbo_compare.compare.checking.objectives import Objective, named_floor
from elbo_compare.compare.checking.readings import Floor, Reading, Reduction, reduced, target

OF_A_DATUM, OF_A_BATCH = (Floor.GROUP, Floor.DIMENSION), (Floor.GROUP_MEAN, Floor.DIMENSION_MEAN)
SMALLEST = 1e-4  # nats: what is less is an epsilon


def low_floor(subject: Subject, found: Identified, one: JudgedReading) -> Designed | None:
    """The floored objective, shared out between q and p or not; None where no floor explains the whole battery."""
    if one.right or not found.reading.has_kl or found.reduction is Reduction.ELEMENTS:
        return None
    for reading in _floored(one, found.reading):
        try:
            again = judged(subject, reading, found.reduction, found.fit.tier)
        except FunctionError:
            return None
        shared = balanced(subject, again)
        if shared is not None:
            return shared
        if again.right:
            name, text = named_floor(reading, "reconstruction" if reading.data else "given reconstruction loss")
            objective = Objective(name=name, formula=text, number=reading.level)
            return Designed(objective=objective, judged=again, by=_declared(subject, objective))
    return None


def _floored(one: JudgedReading, reading: Reading) -> Iterator[Reading]:
    """The readings with the level that the value has where q = p."""
    (at_p,) = one.record.prior
    right = reduced(target(reading, at_p.inputs, one.term.reduction).value, one.term.reduction)
    above = reading.sign * np.ravel(one.term.term(at_p).value - np.reshape(right, one.term.term(at_p).value.shape))
    if not np.all(np.isfinite(above)) or np.ptp(above) > 1e-6 * np.abs(above).max() or above[0] < SMALLEST:
        return
    level = above[0] / (at_p.batch if one.term.reduction is Reduction.SUM else 1)
    latent = next(array.shape[1] for role, array in at_p.inputs.items() if role.value == "mean")
    for floor in (*OF_A_DATUM, *(OF_A_BATCH if one.term.reduction is Reduction.MEAN else ())):
        whole = level / latent if floor in (Floor.DIMENSION, Floor.DIMENSION_MEAN) else level
        yield replace(reading, floor=floor, level=float(f"{whole:.6g}"))


def _declared(subject: Subject, objective: Objective) -> str:
    """--objective, or the argument that the value at q = p moves with."""
    if subject.options.objective is objective.name:
        return f"--objective {objective.name}"
    ours = _at_the_prior(subject, subject.callee)
    for name, _, changed in moved(subject.callee):
        other = _at_the_prior(subject, changed)
        if ours is not None and other is not None and not np.isclose(ours, other, rtol=1e-6):
            return f"its attribute {name}" if name.startswith("self.") else f"its argument {name}"
    return ""


def _at_the_prior(subject: Subject, callee: Callee) -> float | None:
    experiment = replace(subject.experiment, function=callee)
    try:
        one = experiment.observe(prior(experiment.ordinary(ORDINARY[0])), differentiate=False)
    except FunctionError:
        return None
    return float(np.sum(one.terms[subject.position].value))
