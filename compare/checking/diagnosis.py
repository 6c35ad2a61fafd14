"""From failed claims to a sentence: which known mistake a term equals, else the form of the difference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isclose

import numpy as np

from elbo_compare.compare.checking.balancing import shares_of, stacked
from elbo_compare.compare.checking.claims import ClaimVerdict, Record, TermRecord
from elbo_compare.compare.checking.equals import Match
from elbo_compare.compare.checking.fitting import Law, short
from elbo_compare.compare.checking.formula import Formula
from elbo_compare.compare.checking.identify import Identified, Standing, contradicts
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.objectives import mismatch_effect
from elbo_compare.compare.checking.readings import Quantity, Reading, gradient_distance, target
from elbo_compare.compare.checking.scanning import Break
from elbo_compare.compare.checking.signature import Signature
from elbo_compare.compare.records import Outcome

BALANCED = "; the shares of q and of p add up to 1: KL balancing (Hafner et al. 2021)"
SHOWN = 3  # terms of a formula that are named; the formula itself shows the others


class DifferenceForm(StrEnum):
    """What a diagnosis is."""

    MUTANT = "mutant"
    LEGITIMATE = "legitimate variant"
    MISREAD = "another parametrisation"
    LINEAR = "linear"
    FORMULA = "formula"
    OBJECTIVE = "objective"
    GUARD = "guard"
    LIMIT = "limit"
    GRADIENT = "gradient"
    EXTREME = "extreme inputs"
    ADDITIVITY = "additivity"
    SINGLE = "float32"
    SHAPE = "shape"
    SIZE = "size"
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


def from_catalogue(match: Match, ratio: str) -> Diagnosis:
    """The catalogue's words, and what the difference amounts to."""
    variant = match.variant
    where = f"its {match.part} equals " if match.part else "equals "
    form = DifferenceForm.LEGITIMATE if variant.legitimate else DifferenceForm.MUTANT
    text = f"{where}{variant.title}" + (f"; {ratio}" if ratio else "")
    return Diagnosis(form=form, id=variant.id, text=text, seen=variant.seen, advice=variant.advice)


def ratio_text(record: Record, position: int, reading: Reading, found: Identified | None) -> str:
    """What the difference amounts to: a fraction of the right value at the largest latent size, or an example."""
    one = record.ordinary[-1]
    latent = one.inputs[Role.MEAN].shape[1] if Role.MEAN in one.inputs else 0
    law = found.fit.kl if found and found.fit.data is None and found.fit.constant is None else None
    if law and law.powers[1] == -1 and law.factor > 0:
        fraction = f"1/{latent}" if isclose(law.factor, 1, rel_tol=1e-6) else f"{law.factor:.4g}/{latent}"
        batch = " and averaged over the batch" if law.powers[0] == -1 else ""
        return f"{fraction} of the right value at {latent} latents{batch}"
    value, right = one.terms[position].value, target(reading, one.inputs).value
    if value.size == len(np.atleast_1d(right)) > 1:
        return f"for instance {value.ravel()[0]:.6g} nats where {right[0]:.6g} is right"
    if value.size != 1:
        return ""
    right_ones = f"the sum is {right.sum():.6g} and the mean {right.mean():.6g} nats"
    return f"for instance {value.item():.6g} for a batch of {one.batch}, where {right_ones}"


def misread(signature: Signature, reading: Reading) -> Diagnosis:
    """The term is right if an argument is taken for something else than its name says."""
    spread, output = signature.find(Role.SPREAD), signature.find(Role.OUTPUT)
    if output is not None and reading.data is not None and contradicts(signature, reading):
        text = f"equals {reading.title}, but its output is called {output.form.value}"
        advice = f"pass --map {output.name}={reading.data.form.value} if that is what it takes"
        return Diagnosis(form=DifferenceForm.MISREAD, text=text, advice=advice)
    ours = ""
    taken, form = spread, reading.spread
    own, prior = signature.find(Role.OUTPUT_SPREAD), signature.find(Role.PRIOR_SPREAD)
    decoded = reading.data.spread if reading.data else None
    if own is not None and decoded is not None and not own.may_be(decoded):
        taken, form, ours = own, decoded, "output_"
    elif prior is not None and reading.prior is not None and not prior.may_be(reading.prior):
        taken, form, ours = prior, reading.prior, "prior_"
    name, named = (taken.form.value, taken.name) if taken else ("spread", "NAME")
    text = f"is right if its {name} argument is taken for {form.value}"
    advice = f"it is called {named}: convert it, rename it, or pass --map {named}={ours}{form.value}"
    return Diagnosis(form=DifferenceForm.MISREAD, text=text, advice=advice)


def linear(found: Identified) -> Diagnosis:
    """A term that is linear in the right quantities with weights that are not."""
    fit, reading = found.fit, found.reading
    parts = [(fit.data, _data_name(reading)), (fit.kl, "KL"), (fit.constant, "constant")]
    text = " + ".join(_weight_text(law, name) for law, name in parts if law) or "zero"
    return Diagnosis(form=DifferenceForm.LINEAR, text=f"equals {text}", advice=_linear_advice(found))


def _data_name(reading: Reading) -> str:
    return reading.data.name if reading.data else "given reconstruction loss"


def _weight_text(law: Law, name: str) -> str:
    """`0.5 x the KL, averaged over the latent dimensions`."""
    if name == "constant":
        return f"{law.text} nats"
    size = law.factor
    if name == "half squared error":
        name, size = ("squared error", size / 2) if isclose(size, 2, rel_tol=1e-6) else (name, size)
    factor = "" if isclose(size, 1, rel_tol=1e-7) else f"{_digits(size)} x "
    axes = list(zip(("batch", "latent dimensions", "observed dimensions"), law.powers, strict=True))
    down, up = (" and ".join(_times(axis, p) for axis, p in axes if p * sign > 0) for sign in (-1, 1))
    words = [f"averaged over {down}"] * bool(down) + [f"times the size of {up}"] * bool(up)
    return f"{factor}the {name}" + (", " + " and ".join(words) if words else "")


def _digits(size: float) -> str:
    """Seven digits; more where seven make it a whole number that it is not."""
    return f"{size:.7g}" if float(f"{size:.7g}") != round(size) else short(size)


def _times(axis: str, power: int) -> str:
    return f"the {axis}" + (", twice" if abs(power) > 1 else "")


def _linear_advice(found: Identified) -> str:
    fit, reading = found.fit, found.reading
    if found.standing is Standing.MISSING and reading.quantity is Quantity.NEGATIVE_ELBO:
        return f"the {'KL' if fit.kl is None else 'reconstruction term'} is missing: add it to what is minimised"
    if found.scale is not None and isclose(found.scale.factor, -1, rel_tol=1e-6) and found.scale.plain:
        return "its sign is flipped"
    if found.beta is not None and found.beta.factor > 0:
        beta = found.beta
        how = "reduce both terms in the same way" if any(beta.powers) else "state the weight"
        return f"the KL weighs beta = {beta.text} times as much as in the ELBO ({mismatch_effect(beta)}); {how}"
    laws = [law for law in (fit.data, fit.kl) if law]
    if fit.constant and all(isclose(law.factor, 1, rel_tol=1e-6) and not any(law.powers[1:]) for law in laws):
        return "a constant that no gradient sees: keep or drop the normalisers of both densities alike"
    if reading.quantity is Quantity.NEGATIVE_ELBO and any(law.factor < 0 for law in laws):
        return "minus the log likelihood and plus the KL are minimised"
    if reading.quantity is Quantity.NEGATIVE_ELBO:
        return "both terms carry the same factor; a sum or mean over the batch carries none"
    if fit.constant and fit.kl and reading.quantity is Quantity.KL:
        flipped = "its sign is flipped, and " if fit.kl.factor < 0 else ""
        return f"{flipped}the constant {fit.constant.text} does not belong there"
    if found.scale is not None and found.scale.plain:
        return f"drop the factor of {short(found.scale.factor)}, or state it as a weight"
    axis = "observed dimensions" if reading.quantity is Quantity.RECONSTRUCTION else "dimensions"
    return f"sum over the {axis} of a datum; sum or average over the batch only"


def from_formula(formula: Formula) -> Diagnosis:
    """The fitted formula, and term by term what is off."""
    off = formula.off
    named = "; ".join(off[:SHOWN]) + (f"; and {len(off) - SHOWN} more" if len(off) > SHOWN else "")
    e = ", e = (z - mean)/sigma" if "e^2" in formula.text else ""
    text = f"is none of the known mistakes; it equals {formula.text}{e}"
    return Diagnosis(form=DifferenceForm.FORMULA, text=text, advice=named)


def of_breaks(breaks: Sequence[Break], claims: Iterable[ClaimVerdict]) -> Diagnosis | None:
    """A term that is right where it is a number, and where it is not."""
    if not breaks:
        return None
    overflow = [one for one in breaks if not np.isfinite(one.difference)]
    shown = sorted(overflow or breaks, key=lambda one: one.dtype.value != "float32")[:SHOWN]
    what = "does not overflow" if overflow else "is not at its edge"
    text = f"is right where it {what}; {', '.join(one.text for one in shown)}"
    advice = "the formula is right and its evaluation is not: stay in logarithms; look for an exp, a clamp, an epsilon"
    return Diagnosis(form=DifferenceForm.LIMIT if overflow else DifferenceForm.EXTREME, text=text, advice=advice)


def of_claims(term: TermRecord, claims: Iterable[ClaimVerdict], breaks: Sequence[Break]) -> Diagnosis:
    """A term that is right at ordinary inputs and fails another claim."""
    failed = {claim.name: claim for claim in claims if claim.outcome is Outcome.DIFFERS}
    limit = of_breaks(breaks, failed.values()) if {"extreme value", "float32", "gradient"} & set(failed) else None
    gradient = gradient_text(term)
    if limit and not ("gradient" in failed and "extreme value" not in failed and "float32" not in failed):
        extreme = extreme_text(term)
        text = limit.text + (f"; {extreme}" if extreme else "")
        return Diagnosis(form=limit.form, text=text, advice=limit.advice)
    if "extreme value" in failed:
        advice = "the formula is right and its evaluation is not: look for a clamp, an added epsilon or an overflow"
        text = f"is right at ordinary inputs; {extreme_text(term)}"
        return Diagnosis(form=DifferenceForm.EXTREME, text=text, advice=advice)
    if "value" in failed:
        off = failed["value"]
        text = f"is right at some inputs; off by {off.difference:.3g} nats at others that are {off.where}"
        return Diagnosis(form=DifferenceForm.EXTREME, text=text, advice="look for a clamp, a floor or a branch")
    if "gradient" in failed:
        advice = "look for detach, stop_gradient, .data, no_grad or sample() where rsample() is meant"
        text = f"has the right value; {gradient}"
        return Diagnosis(form=DifferenceForm.GRADIENT, text=text, advice=advice)
    claim = next(iter(failed.values()))
    if claim.name == "size":
        text = f"is right at small sizes; off by {claim.difference:.3g} nats at {claim.where}"
        return Diagnosis(
            form=DifferenceForm.SIZE, text=text, advice="look for a slice of fixed size or a branch on one"
        )
    form = DifferenceForm.SINGLE if claim.name == "float32" else DifferenceForm.ADDITIVITY
    text = f"fails {claim.name!r} ({claim.statement}): off by {claim.difference:.3g} nats at {claim.where}"
    return Diagnosis(form=form, text=text)


def extreme_text(term: TermRecord) -> str:
    """At which extreme inputs it is off, and by how much."""
    parts = []
    for one in term.record.extreme:
        distance = term.values([one])
        if distance.ratio > 1:
            much = f"by {distance.difference:.3g} nats" if np.isfinite(distance.difference) else "with no finite value"
            parts.append(f"{one.label} ({much})")
    return f"off only at {', '.join(parts)}" if parts else ""


def gradient_text(term: TermRecord) -> str:
    """By which arguments the gradient is off: zero, a constant factor, or just different."""
    first = term.record.ordinary[0]
    roles = term.term(first).gradients
    if roles is None:
        return "no gradient: it is cut off from every input"
    with np.errstate(all="ignore"):  # a gradient may be infinite
        parts = [text for role in roles if (text := _role_text(term, role))]
        balanced = (
            "; the shares of q and of p add up to 1: KL balancing (Hafner et al. 2021)" if shares_of(term) else ""
        )
    if not parts:
        return ""
    return f"only its gradient is off: {', '.join(parts)}{balanced}"


def _role_text(term: TermRecord, role: Role) -> str:
    worst = max(
        gradient_distance(term.reading, term.reduction, term.term(one), one, term.roundoff, role).ratio
        for one in (*term.record.ordinary, *term.record.extreme)
    )
    if worst <= 1:
        return ""
    got, right = stacked(term, role, term.record.ordinary)
    if not got.any():
        return f"zero by {role.value}"
    nonzero = np.abs(right) > 1e-6 * np.abs(right).max()
    if not nonzero.any():
        return f"not zero by {role.value}"
    ratio = got[nonzero] / right[nonzero]
    if np.ptp(ratio) <= 1e-5 * np.abs(ratio).max():
        return f"{ratio[0]:.4g} of the right one by {role.value}"
    return f"different by {role.value}"
