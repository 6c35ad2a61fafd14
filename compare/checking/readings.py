"""Readings of a returned term: which quantity it is, in which parametrisation, how reduced; and its right value.

A term is right if it equals the float64 oracle under one reading, to within rounding, at every input.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.inputs import Inputs
from elbo_compare.compare.checking.signature import OUTPUTS, Form, FunctionKind, Role, Signature
from elbo_compare.suites.bridge.user_arrays import Term
from elbo_compare.suites.contract import Array, DType, Likelihood

UNIT_ROUNDOFF = {DType.FLOAT64: 2.0**-53, DType.FLOAT32: 2.0**-24}


class Quantity(StrEnum):
    """What a term may be."""

    NEGATIVE_ELBO = "negative ELBO"
    RECONSTRUCTION = "reconstruction term"
    KL = "KL"


class Reduction(StrEnum):
    """How a term combines the data of a batch."""

    NONE = "none: one value per datum"
    ELEMENTS = "none: one value per datum and dimension"
    SUM = "sum over the batch"
    MEAN = "mean over the batch"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """`sampled`: the KL is log q(z) - log p(z) at the given z, else analytic. sign: the term is sign * quantity."""

    quantity: Quantity
    sampled: bool
    sign: int
    output: Form
    spread: Form

    @property
    def likelihood(self) -> Likelihood:
        """p(x|z) that this reading takes the output for."""
        if self.quantity is Quantity.KL:
            return Likelihood.NONE
        return Likelihood.NORMAL if self.output is Form.LOCATION else Likelihood.BERNOULLI

    @property
    def title(self) -> str:
        """In words: `the negative ELBO (Bernoulli likelihood, analytic KL)`."""
        sign = "minus " if self.sign < 0 and self.quantity is not Quantity.NEGATIVE_ELBO else ""
        name = "the ELBO" if self.sign < 0 and self.quantity is Quantity.NEGATIVE_ELBO else f"the {self.quantity}"
        kl = "sampled KL" if self.sampled else "analytic KL"
        if self.quantity is Quantity.KL:
            return f"{sign}the {kl}"
        data = {Form.LOCATION: "normal likelihood", Form.PROBS: "Bernoulli likelihood of probabilities"}
        likelihood = data.get(self.output, "Bernoulli likelihood of logits")
        details = likelihood if self.quantity is Quantity.RECONSTRUCTION else f"{likelihood}, {kl}"
        return f"{sign}{name} ({details})"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a reading expects, unreduced. value, scale: (batch,); elements: (batch, axis) or None; `additions`: how
    many elements one datum adds up."""

    value: Array
    scale: Array
    elements: oracle.Elements | None
    gradients: Mapping[Role, Array]
    gradient_scales: Mapping[Role, Array]
    additions: int


def target(reading: Reading, inputs: Inputs) -> Target:
    """The oracle's value, rounding scale and gradients under a reading."""
    parts = []
    if reading.quantity is not Quantity.KL:
        parts.append(oracle.reconstruction(inputs[Role.X], inputs[Role.OUTPUT], reading.output))
    if reading.quantity is not Quantity.RECONSTRUCTION:
        mean, spread = inputs[Role.MEAN], inputs[Role.SPREAD]
        if reading.sampled:
            parts.append(oracle.sampled_kl(inputs[Role.Z], mean, spread, reading.spread))
        else:
            parts.append(oracle.analytic_kl(mean, spread, reading.spread))
    gradients = {role: np.zeros_like(array) for role, array in inputs.items() if role is not Role.X}
    scales = {role: np.zeros_like(array) for role, array in gradients.items()}
    for part in parts:
        gradients |= {role: reading.sign * gradient for role, gradient in part.gradients.items()}
        scales |= part.gradient_scales
    return Target(
        value=reading.sign * np.asarray(sum(part.value.sum(1) for part in parts)),
        scale=np.asarray(sum(part.scale.sum(1) for part in parts)),
        elements=parts[0] if len(parts) == 1 else None,
        gradients=gradients,
        gradient_scales=scales,
        additions=sum(part.value.shape[1] for part in parts),
    )


@dataclass(frozen=True, kw_only=True)
class Distance:
    """The largest difference from the right value in units of its tolerance, and where it is."""

    difference: float = 0.0
    tolerance: float = math.inf
    where: str = ""

    @property
    def ratio(self) -> float:
        """difference / tolerance; infinite where the value is no number."""
        if not math.isfinite(self.difference):
            return math.inf
        return self.difference / self.tolerance if self.tolerance else (math.inf if self.difference else 0.0)


IMPOSSIBLE = Distance(difference=math.inf, tolerance=1.0, where="the shape")


def farthest(distances: Iterator[Distance] | list[Distance]) -> Distance:
    """The one with the largest ratio."""
    return max(distances, key=lambda distance: distance.ratio, default=Distance())


def rounding_steps(additions: int) -> float:
    """How many roundoffs of the absolute terms a correct implementation may be off: 16 + 4 sqrt(additions).

    Four operations, each wrong by up to four roundoffs (exp and log of a framework), make one element; the errors of n
    additions in any order grow like sqrt(n) (Higham 2002, section 4.2, statistical estimate), times four for the tail.
    """
    return 16 + 4 * math.sqrt(additions)


def reductions(value: Array, observation: Observation) -> tuple[Reduction, ...]:
    """The reductions that a returned shape allows; none where the shape is wrong."""
    rows = observation.batch
    if value.shape in {(), (1,), (1, 1)}:
        return (Reduction.SUM, Reduction.MEAN) if rows > 1 else tuple(Reduction)
    if value.shape in {(rows,), (rows, 1), (1, rows)}:
        return (Reduction.NONE,)
    widths = [array.shape[1] for array in observation.inputs.values()]
    return (Reduction.ELEMENTS,) if len(value) == rows and value.size in {rows * width for width in widths} else ()


def reduced(value: Array, reduction: Reduction) -> Array:
    """(batch,) values reduced."""
    if reduction is Reduction.SUM:
        return value.sum()
    return value.mean() if reduction is Reduction.MEAN else value


def value_distance(
    reading: Reading, reduction: Reduction, term: Term, observation: Observation, roundoff: float
) -> Distance:
    """How far a term is from a reading under a reduction; tolerance: steps * roundoff * sum of absolute terms."""
    right = target(reading, observation.inputs)
    additions = right.additions * (observation.batch if reduction in (Reduction.SUM, Reduction.MEAN) else 1)
    if reduction is Reduction.ELEMENTS:
        if right.elements is None or right.elements.value.size != term.value.size:
            return IMPOSSIBLE
        expected, scale, additions = reading.sign * right.elements.value, right.elements.scale, 1
    else:
        expected, scale = reduced(right.value, reduction), reduced(right.scale, reduction)
    if np.size(expected) != term.value.size:
        return IMPOSSIBLE
    difference = np.abs(term.value.reshape(np.shape(expected)) - expected)
    return _worst(difference, rounding_steps(additions) * roundoff * scale, observation.label)


def gradient_distance(
    reading: Reading, reduction: Reduction, term: Term, observation: Observation, roundoff: float, role: Role
) -> Distance:
    """The same for d sum(term) / d argument, elementwise."""
    if term.gradients is None:
        return IMPOSSIBLE
    right, factor = target(reading, observation.inputs), 1.0
    if reduction is Reduction.MEAN:
        factor = 1 / observation.batch
    difference = np.abs(term.gradients[role] - factor * right.gradients[role])
    tolerance = rounding_steps(1) * roundoff * factor * right.gradient_scales[role]
    return _worst(difference, tolerance, f"{observation.label}, by {role.value}")


def _worst(difference: Array, tolerance: Array, where: str) -> Distance:
    difference, tolerance = np.atleast_1d(difference).ravel(), np.atleast_1d(tolerance).ravel()
    with np.errstate(all="ignore"):
        ratio = np.where(np.isfinite(difference), difference / tolerance, np.inf)
    ratio = np.where((difference == 0) & (tolerance == 0), 0.0, ratio)
    worst = int(np.argmax(ratio))
    return Distance(difference=float(difference[worst]), tolerance=float(tolerance[worst]), where=where)


NAMED = (
    (Quantity.KL, r"kl|kld|regulari[sz]|latent_loss"),
    (Quantity.RECONSTRUCTION, r"rec|bce|mse|nll|log_?p|like|distortion|ll$|px"),
    (Quantity.NEGATIVE_ELBO, r"loss|elbo|total|bound|objective"),
)


def readings(
    signature: Signature, likelihood: Likelihood | None, name: str = "", alone: bool = True
) -> tuple[Reading, ...]:
    """The right readings that a term may have, likeliest first."""
    quantities, signs = _quantities(signature, name, alone)
    outputs = _outputs(signature, likelihood)
    has_z = signature.find(Role.Z) is not None
    sampled = (True, False) if has_z and signature.kind is not FunctionKind.LOG_WEIGHT else (has_z,)
    spread = signature.form(Role.SPREAD)
    found = {}
    for quantity in quantities:
        for kl in sampled if quantity is not Quantity.RECONSTRUCTION else sampled[:1]:
            for output in outputs if quantity is not Quantity.KL else (Form.PLAIN,):
                for sign in signs[quantity]:
                    found[Reading(quantity=quantity, sampled=kl, sign=sign, output=output, spread=spread)] = None
    return tuple(found)


def _quantities(
    signature: Signature, name: str, alone: bool
) -> tuple[tuple[Quantity, ...], dict[Quantity, tuple[int, ...]]]:
    signs: dict[Quantity, tuple[int, ...]] = dict.fromkeys(Quantity, (1,))
    if signature.kind in (FunctionKind.ANALYTIC_KL, FunctionKind.SAMPLED_KL):
        return (Quantity.KL,), signs
    total = (-1,) if signature.positive else (1,)
    if alone:
        return (Quantity.NEGATIVE_ELBO,), signs | {Quantity.NEGATIVE_ELBO: total}
    last = name.rsplit(".", 1)[-1].lower()
    named = next((quantity for quantity, pattern in NAMED if re.search(pattern, last)), None)
    positive = re.search(r"elbo|log_?p|like|ll$|bound", last) and not re.search(r"neg|loss|nll|nelbo", last)
    if named is None:  # unnamed: a total, a likelihood of either sign, or a KL
        both = {Quantity.NEGATIVE_ELBO: total, Quantity.RECONSTRUCTION: (1, -1), Quantity.KL: (1,)}
        return tuple(Quantity), both
    return (named,), signs | {named: (-1,) if positive and named is not Quantity.KL else (1,)}


def _outputs(signature: Signature, likelihood: Likelihood | None) -> tuple[Form, ...]:
    form = signature.form(Role.OUTPUT)
    forms = OUTPUTS if form is Form.OUTPUT_UNKNOWN else (form,)
    if likelihood is Likelihood.NORMAL:
        return (Form.LOCATION,)
    if likelihood is Likelihood.BERNOULLI:
        return tuple(form for form in forms if form is not Form.LOCATION) or (Form.LOGITS, Form.PROBS)
    return (Form.PROBS, Form.LOGITS, Form.LOCATION) if len(forms) > 1 else forms
