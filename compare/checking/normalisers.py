"""The constant of a log density, by value: its normaliser, none at all, or another one, which is a mistake of its own.

log N(z; mean, sigma^2) has -0.5 log(2 pi) for each latent. Without it the density is the known unnormalised form,
whose constant cancels in log q - log p. Any other number cancels against nothing.
"""

import numpy as np

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.judging import JudgedReading, Subject
from elbo_compare.compare.checking.oracle import HALF_LOG_2PI
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction, target

ROUNDED = 1e-3  # nats: 0.919 for half of log(2 pi), and 3.1416 for pi, are that constant in few digits
SAME = 1e-5  # relative: one constant at two sizes, past what float32 makes of it
ADVICE = "-0.5 log(2 pi) belongs to each latent; no gradient sees it, and log q - log p does where p has another"


def constant_note(reading: Reading) -> str:
    """What to know of the constant of a right log density; "" where it is the whole normaliser."""
    if reading.quantity not in (Quantity.LOG_Q, Quantity.LOG_PRIOR):
        return ""
    if abs(reading.constant) < ROUNDED:
        return "without its normaliser D/2 log 2 pi: cancels in log q - log p, not alone"
    off = abs(reading.constant + HALF_LOG_2PI)
    if off < 1e-6:  # the rounding of float32
        return ""
    few = "in few digits" if off < ROUNDED else f"where {-HALF_LOG_2PI:.4f} is right; no gradient sees it"
    return f"its constant is {reading.constant:.6g} per dimension, {few}"


def mistaken_constant(subject: Subject, one: JudgedReading) -> Diagnosis | None:
    """The constant that is neither the normaliser nor left out, for each dimension or each datum; None where it is one
    of the two, or another thing at every size."""
    reading, reduction = one.term.reading, one.term.reduction
    if reading.quantity not in (Quantity.LOG_Q, Quantity.LOG_PRIOR) or _known(reading.constant):
        return None
    with np.errstate(all="ignore"):
        found = [_found(subject, each, reading, reduction) for each in subject.neutral]
    each, latents = found[0]
    if all(np.isclose(value / width, each / latents, rtol=SAME, atol=SAME) for value, width in found):
        if _known(each / latents):
            return None
        text = f"its constant is {each / latents:.4f} per dimension where {-HALF_LOG_2PI:.4f} is right"
    elif all(np.isclose(value, each, rtol=SAME, atol=SAME) for value, _ in found):
        text = f"its constant is {each:.4f} for each datum, of however many latents, where {-HALF_LOG_2PI:.4f} for each"
        text += " latent is right"
    else:
        return None
    return Diagnosis(form=DifferenceForm.FORMULA, text=text, advice=ADVICE)


def _known(constant: float) -> bool:
    return min(abs(constant), abs(constant + HALF_LOG_2PI)) < ROUNDED


def _found(subject: Subject, one: Observation, reading: Reading, reduction: Reduction) -> tuple[float, int]:
    """What a datum's log density has beside its terms in z, and the number of latents."""
    exact = target(Reading(quantity=reading.quantity, sampled=True, spread=reading.spread), one.inputs)
    total = float(np.sum(one.terms[subject.position].value)) * (one.batch if reduction is Reduction.MEAN else 1)
    width = next(array.shape[1] for role, array in one.inputs.items() if role.value == "z")
    return (reading.sign * total - float(np.sum(exact.value))) / one.batch, width
