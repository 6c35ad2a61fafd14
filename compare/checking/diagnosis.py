"""From failed claims to a sentence: which known mistake a term equals, else the form of the difference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from elbo_compare.compare.checking import equals, linear
from elbo_compare.compare.checking.claims import Claim, Record, TermRecord
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.readings import (
    Quantity,
    Reading,
    gradient_distance,
    reductions,
    target,
    value_distance,
)
from elbo_compare.compare.checking.signature import SPREADS, Form, Role, Signature
from elbo_compare.compare.records import Outcome


class DifferenceForm(StrEnum):
    """What a diagnosis is."""

    MUTANT = "mutant"
    LEGITIMATE = "legitimate variant"
    MISREAD = "another parametrisation"
    LINEAR = "linear"
    GRADIENT = "gradient"
    EXTREME = "extreme inputs"
    ADDITIVITY = "additivity"
    SINGLE = "float32"
    SHAPE = "shape"
    EXPECTATION = "expectation"
    TERMS = "terms"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """`id`: the catalogue's, "" where there is none. `text`: what the function does; `advice`: how to mend it."""

    form: DifferenceForm
    text: str
    id: str = ""
    seen: str = ""
    advice: str = ""


def diagnose_value(
    signature: Signature, record: Record, position: int, candidates: Sequence[Reading], roundoff: float
) -> tuple[Diagnosis, Reading]:
    """A term that equals no right reading at ordinary inputs: what it equals, and the reading that it is nearest to."""
    misread = _misread(record, position, candidates, roundoff)
    # The catalogue speaks of log variances: of another form, its words for a misread one would mislead.
    if misread and signature.form(Role.SPREAD) is not Form.LOG_VAR:
        return misread
    found = equals.find(signature, record, position, candidates)
    form = linear.fit(record, position, candidates)
    if found:
        match, reading = found
        return _from_catalogue(match, ratio_text(record, position, reading, form)), reading
    if misread:
        return misread
    if form:
        text = f"equals {form.text} (right: {form.reading.title})"
        return Diagnosis(form=DifferenceForm.LINEAR, text=text, advice=_linear_advice(form)), form.reading
    text = f"is none of the known mistakes and no linear form; {ratio_text(record, position, candidates[0], None)}"
    return Diagnosis(form=DifferenceForm.UNKNOWN, text=text.rstrip("; ")), candidates[0]


def _from_catalogue(match: equals.Match, ratio: str) -> Diagnosis:
    variant = match.variant
    where = f"its {match.part} equals " if match.part else "equals "
    form = DifferenceForm.LEGITIMATE if variant.legitimate else DifferenceForm.MUTANT
    text = f"{where}{variant.title}" + (f"; {ratio}" if ratio else "")
    return Diagnosis(form=form, id=variant.id, text=text, seen=variant.seen, advice=variant.advice)


def ratio_text(record: Record, position: int, reading: Reading, form: linear.LinearForm | None) -> str:
    """What the difference amounts to: a fraction of the right value at the largest latent size, or an example."""
    one = record.ordinary[-1]
    latent = one.inputs[Role.MEAN].shape[1]
    if form and len(form.weights) == 1 and form.weights[0].name == "KL" and form.weights[0].latent == -1:
        fraction = f"1/{latent}" if abs(form.weights[0].factor - 1) < 1e-6 else f"{form.weights[0].factor:.4g}/{latent}"
        batch = " and averaged over the batch" if form.weights[0].batch == -1 else ""
        return f"{fraction} of the right value at {latent} latents{batch}"
    value, right = one.terms[position].value, target(reading, one.inputs).value
    if value.size == len(right) > 1:
        return f"for instance {value.ravel()[0]:.6g} nats where {right[0]:.6g} is right"
    if value.size != 1:
        return ""
    right_ones = f"the sum is {right.sum():.6g} and the mean {right.mean():.6g} nats"
    return f"for instance {value.item():.6g} for a batch of {one.batch}, where {right_ones}"


def _linear_advice(form: linear.LinearForm) -> str:
    by_name = {weight.name: weight for weight in form.weights}
    kl, constant = by_name.get("KL"), by_name.get("constant")
    data = by_name.get("reconstruction term") or by_name.get("half squared error")
    if len(form.weights) == 1 and abs(form.weights[0].factor + 1) < 1e-6:
        return "its sign is flipped"
    if form.reading.output is Form.LOCATION and form.reading.quantity is not Quantity.KL and constant is None:
        dropped = "it drops 0.5 log(2 pi) = 0.9189 nats per observed dimension, which no gradient sees"
        return dropped + (f"; {_beta(kl, data)}" if kl and data and _beta(kl, data) else "")
    others = [weight for weight in form.weights if weight is not constant]
    if constant and all(abs(w.factor - 1) < 1e-6 and not w.latent and not w.observed for w in others):
        return "a constant that no gradient sees: keep or drop the normalisers of both densities alike"
    if form.reading.quantity is Quantity.KL:
        return "sum over the dimensions of a datum; sum or average over the batch only"
    if form.reading.quantity is Quantity.RECONSTRUCTION:
        return "sum over the observed dimensions of a datum; sum or average over the batch only"
    if kl is None or data is None:
        return f"the {'KL' if kl is None else 'reconstruction term'} is missing"
    return _beta(kl, data) or "both terms carry the same factor; a sum or mean over the batch carries none"


def _beta(kl: linear.Weight, data: linear.Weight) -> str:
    """The KL's weight relative to the reconstruction's, in words; empty where it is 1."""
    powers = (
        ("batch", kl.batch - data.batch),
        ("latent", kl.latent - data.latent),
        ("observed", kl.observed - data.observed),
    )
    axes = "".join(f" x {axis}^{power}" if power != 1 else f" x {axis}" for axis, power in powers if power)
    factor = kl.factor / data.factor
    if abs(factor - 1) < 1e-6 and not axes:
        return ""
    return f"the KL weighs beta = {factor:.4g}{axes} times as much as in the ELBO; reduce both terms in the same way"


def _misread(
    record: Record, position: int, candidates: Sequence[Reading], roundoff: float
) -> tuple[Diagnosis, Reading] | None:
    """The term is right if its spread (or its output) is taken for something else than its name says."""
    for reading in candidates:
        for spread in SPREADS:
            other = replace(reading, spread=spread)
            if spread is not reading.spread and _right(record, position, other, roundoff):
                text = f"is right if its {reading.spread.value} argument is taken for {spread.value}"
                advice = f"it is called as {reading.spread.value}: convert it, or rename the parameter"
                return Diagnosis(form=DifferenceForm.MISREAD, text=text, advice=advice), reading
        for output in (Form.PROBS, Form.LOGITS, Form.LOCATION):
            other = replace(reading, output=output)
            different = output is not reading.output and reading.quantity is not Quantity.KL
            if different and _right(record, position, other, roundoff):
                text = f"equals {other.title}, but its output is called {reading.output.value}"
                advice = f"pass --map NAME={output.value} if that is what it takes"
                return Diagnosis(form=DifferenceForm.MISREAD, text=text, advice=advice), reading
    return None


def _right(record: Record, position: int, reading: Reading, roundoff: float) -> bool:
    with np.errstate(all="ignore"):
        return any(
            all(
                value_distance(reading, reduction, one.terms[position], one, roundoff).ratio <= 1
                for one in record.ordinary
            )
            for reduction in reductions(record.ordinary[0].terms[position].value, record.ordinary[0])
        )


def diagnose_claims(
    signature: Signature, term: TermRecord, claims: Iterable[Claim], candidates: Sequence[Reading]
) -> Diagnosis | None:
    """A term that is right at ordinary inputs and fails another claim."""
    failed = {claim.name: claim for claim in claims if claim.outcome is Outcome.DIFFERS}
    if not failed:
        return None
    found = equals.find(signature, term.record, term.position, candidates)
    if found:
        effect = _gradient_text(term) if "gradient" in failed and "extreme value" not in failed else _extreme_text(term)
        return _from_catalogue(found[0], effect)
    if "extreme value" in failed:
        advice = "the formula is right and its evaluation is not: look for a clamp, an added epsilon or an overflow"
        text = f"is right at ordinary inputs; {_extreme_text(term)}"
        return Diagnosis(form=DifferenceForm.EXTREME, text=text, advice=advice)
    if "gradient" in failed:
        advice = "look for detach, stop_gradient, .data, no_grad or sample() where rsample() is meant"
        text = f"has the right value; {_gradient_text(term)}"
        return Diagnosis(form=DifferenceForm.GRADIENT, text=text, advice=advice)
    claim = next(iter(failed.values()))
    form = DifferenceForm.SINGLE if claim.name == "float32" else DifferenceForm.ADDITIVITY
    text = f"fails {claim.name!r} ({claim.statement}): off by {claim.difference:.3g} nats at {claim.where}"
    return Diagnosis(form=form, text=text)


def _extreme_text(term: TermRecord) -> str:
    """At which extreme inputs it is off, and by how much."""
    parts = []
    for one in term.record.extreme:
        distance = term.values([one])
        if distance.ratio > 1:
            much = f"by {distance.difference:.3g} nats" if np.isfinite(distance.difference) else "with no finite value"
            parts.append(f"{one.label} ({much})")
    return f"off only at {', '.join(parts)}" if parts else ""


def _gradient_text(term: TermRecord) -> str:
    """By which arguments the gradient is off: zero, a constant factor, or just different."""
    first = term.record.ordinary[0]
    roles = term.term(first).gradients
    if roles is None:
        return "no gradient"
    parts = [text for role in roles if (text := _role_text(term, role))]
    return "only its gradient is off: " + ", ".join(parts) if parts else ""


def _role_text(term: TermRecord, role: Role) -> str:
    worst = max(
        gradient_distance(term.reading, term.reduction, term.term(one), one, term.roundoff, role).ratio
        for one in (*term.record.ordinary, *term.record.extreme)
    )
    if worst <= 1:
        return ""
    got, right = _stacked(term, role, term.record.ordinary)
    if not got.any():
        return f"zero by {role.value}"
    nonzero = np.abs(right) > 1e-6 * np.abs(right).max()
    if not nonzero.any():
        return f"not zero by {role.value}"
    ratio = got[nonzero] / right[nonzero]
    if np.ptp(ratio) <= 1e-5 * np.abs(ratio).max():
        return f"{ratio[0]:.4g} of the right one by {role.value}"
    return f"different by {role.value}"


def _stacked(term: TermRecord, role: Role, observations: Sequence[Observation]) -> tuple[np.ndarray, np.ndarray]:
    got, right = [], []
    for one in observations:
        gradients = term.term(one).gradients or {}
        factor = 1 / one.batch if term.reduction.name == "MEAN" else 1.0
        got.append(gradients[role].ravel())
        right.append(factor * target(term.reading, one.inputs).gradients[role].ravel())
    return np.concatenate(got), np.concatenate(right)
