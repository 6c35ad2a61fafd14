"""The constant of a log density, by value: its normaliser, none at all, or another one, which is a mistake of its own.

log N(z; mean, sigma^2) has -0.5 log(2 pi) for each latent. Without it the density is the known unnormalised form,
whose constant cancels in log q - log p. Any other number cancels against nothing.
"""

from collections.abc import Sequence
from math import log, pi

import numpy as np

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.judging import JudgedReading, Subject
from elbo_compare.compare.checking.oracle import HALF_LOG_2PI
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction, target

DIGITS = range(3, 9)  # 0.919 for half of log(2 pi), and 1.8379 for the whole, are that constant in few digits
IN_FEW_DIGITS = (
    *(round(HALF_LOG_2PI, n) for n in DIGITS),
    *(round(2 * HALF_LOG_2PI, n) / 2 for n in DIGITS),
    *(log(2 * round(pi, n)) / 2 for n in (2, *DIGITS)),
)
SAME = 1e-5  # relative: one constant at two sizes, past what float32 makes of it
ADVICE = "-0.5 log(2 pi) belongs to each latent; no gradient sees it, and log q - log p does where p has another"


def constant_note(reading: Reading) -> str:
    """What to know of the constant of a right log density; "" where it is the whole normaliser."""
    if reading.quantity not in (Quantity.LOG_Q, Quantity.LOG_PRIOR):
        return ""
    if abs(reading.constant) < SAME:
        return "without its normaliser D/2 log 2 pi: cancels in log q - log p, not alone"
    off = abs(reading.constant + HALF_LOG_2PI)
    if off < 1e-6:  # the rounding of float32
        return ""
    few = "in few digits" if _known(reading.constant) else f"where {-HALF_LOG_2PI:.4f} is right; no gradient sees it"
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
    elif (beside := _beside(found)) is not None:
        whole, datum = beside
        text = (
            f"its constant is {whole:.4f} for each latent and {datum:+.4f} once for each datum, which does not belong"
        )
        text += " there"
    elif (sizes := _by_size(subject, found)) is not None:
        shown = ", ".join(f"{value:.4f} at {batch} x {width}" for (batch, width), value in list(sizes.items())[:2])
        text = f"its constant for each datum is another at every size, {shown} (batch x latents), where "
        text += f"{-HALF_LOG_2PI:.4f} for each latent is right"
    else:
        return None
    return Diagnosis(form=DifferenceForm.FORMULA, text=text, advice=ADVICE)


def _beside(found: Sequence[tuple[float, int]]) -> tuple[float, float] | None:
    """The normaliser of each latent, or none, and what stands beside it for each datum; None where it is neither."""
    for whole in (-HALF_LOG_2PI, 0.0):
        rest = [value - whole * width for value, width in found]
        if np.allclose(rest, rest[0], rtol=SAME, atol=SAME):
            return whole, rest[0]
    return None


def _by_size(subject: Subject, found: Sequence[tuple[float, int]]) -> dict[tuple[int, int], float] | None:
    """What stands beside the terms in z at every size, where it is one number at each; None where it is not, or where
    no size was called twice."""
    sizes: dict[tuple[int, int], list[float]] = {}
    for one, (value, width) in zip(subject.neutral, found, strict=True):
        sizes.setdefault((one.batch, width), []).append(value)
    same = all(np.allclose(values, values[0], rtol=SAME, atol=SAME) for values in sizes.values())
    return {size: values[0] for size, values in sizes.items()} if same and len(found) > len(sizes) > 1 else None


def _known(constant: float) -> bool:
    return min(abs(constant), *(abs(constant + rounded) for rounded in (HALF_LOG_2PI, *IN_FEW_DIGITS))) < SAME


def _found(subject: Subject, one: Observation, reading: Reading, reduction: Reduction) -> tuple[float, int]:
    """What a datum's log density has beside its terms in z, and the number of latents."""
    exact = target(Reading(quantity=reading.quantity, sampled=True, spread=reading.spread), one.inputs)
    total = float(np.sum(one.terms[subject.position].value)) * (one.batch if reduction is Reduction.MEAN else 1)
    width = next(array.shape[1] for role, array in one.inputs.items() if role.value == "z")
    return (reading.sign * total - float(np.sum(exact.value))) / one.batch, width
