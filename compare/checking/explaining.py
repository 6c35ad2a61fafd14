"""Why a term is not right: the catalogue, a guard, a misread form, weights, a formula; each only where it holds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from elbo_compare.compare.checking import diagnosis, equals
from elbo_compare.compare.checking.by_design import accepted
from elbo_compare.compare.checking.claims import judge
from elbo_compare.compare.checking.clamps import clamps_of
from elbo_compare.compare.checking.densities import log_density_of, mistaken_density, weighed_density
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.divergences import promises_a_loss
from elbo_compare.compare.checking.drifting import lost_digits
from elbo_compare.compare.checking.elsewhere import off_somewhere
from elbo_compare.compare.checking.epsilons import caused_by_epsilons, small_numbers, without
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import EXACT
from elbo_compare.compare.checking.formula import Formula, fitted, fitted_by_element
from elbo_compare.compare.checking.guard_beside import guard_beside
from elbo_compare.compare.checking.guards import Guard, has_edge
from elbo_compare.compare.checking.identify import Identified, Standing, contradicts
from elbo_compare.compare.checking.judging import (
    JudgedReading,
    Subject,
    exempted,
    judged,
    judged_under,
    recorded,
    settled,
    subject_of,
)
from elbo_compare.compare.checking.likelihoods import DATA_TERMS, OF_PROPORTIONS, DataTerm
from elbo_compare.compare.checking.names import Role, WrittenAs, promises_kl, read_by_stem, read_name
from elbo_compare.compare.checking.readings import (
    UNIT_ROUNDOFF,
    Quantity,
    Reading,
    Reduction,
    reductions,
)
from elbo_compare.compare.checking.saturation import saturating
from elbo_compare.compare.checking.scanning import find_breaks, find_guards
from elbo_compare.compare.checking.signature import FunctionKind, unit_prior
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.contract import DType

DENSITY_NAME = re.compile(r"log_?(prob|normal|density|gaus|pdf|q|p|n)|density|nll|pdf|gaussian_l|li?ke?lih|^normal")
BY_DESIGN = frozenset({"MUT-015", "MUT-029", "MUT-030", "MUT-034", "MUT-035"})  # objectives, with the catalogue's IDs
CUT_OFF = frozenset({DifferenceForm.EXTREME, DifferenceForm.LIMIT, DifferenceForm.SINGLE})
OF_A_KL = re.compile(r"elbo|regular|bound")
KL_FUNCTION = re.compile(r"loss|elbo|regular|sampled|weight|bound|objective")


def explained(subject: Subject, one: JudgedReading, tier: float) -> JudgedReading:
    """A term that equals a reading at ordinary inputs and fails a claim, or holds to a guard's size only."""
    guarded = _guarded(subject, one) or _to_an_epsilon(subject, one, tier) or saturating(subject, one)
    if one.right or (guarded is not None and guarded.right):
        return guarded or one
    found = equals.find(one.record, subject.position, _beside(one.term.reading), subject.signature.kind)
    if guarded is not None and not found:
        return guarded
    if found:
        failed = {claim.name for claim in one.claims if claim.outcome.value == "differs"}
        by_gradient = "gradient" in failed and "extreme value" not in failed
        text = diagnosis.gradient_text(one.term) if by_gradient else diagnosis.extreme_text(one.term)
        cause = diagnosis.from_catalogue(found[0], text)
        return exempted(one, cause) if cause.form is DifferenceForm.LEGITIMATE else replace(one, diagnosis=cause)
    with np.errstate(all="ignore"):
        breaks = find_breaks(one.experiment, one.term)
    cause = diagnosis.of_claims(one.term, one.claims, breaks)
    clamps = clamps_of(one.experiment, one.term, subject.numbers) if cause.form in CUT_OFF else ""
    return replace(one, diagnosis=replace(cause, text=f"{cause.text}: {clamps}") if clamps else cause)


def _beside(reading: Reading) -> tuple[Reading, ...]:
    plain = replace(reading, weight=1.0, constant=0.0)
    return (plain, replace(plain, sampled=False)) if reading.sampled else (plain,)


def _guarded(subject: Subject, one: JudgedReading) -> JudgedReading | None:
    """JudgedReading again with the guard that the scans suggest; None where no guard explains every claim."""
    dtype = one.experiment.dtype
    for guard in find_guards(one.experiment, one.term, subject.numbers):
        reading = replace(one.term.reading, guard=guard)
        term = replace(one.term, reading=reading, roundoff=UNIT_ROUNDOFF[dtype])
        with np.errstate(all="ignore"):
            trial = replace(one, term=term, claims=judge(term))
        if trial.right:
            return _worded(trial, guard, one)
    return None


def _to_an_epsilon(subject: Subject, one: JudgedReading, tier: float) -> JudgedReading | None:
    """Right in float64 but for what float32 can't see: an epsilon of the source, a constant in few digits."""
    small, lost = small_numbers(subject), lost_digits(subject.numbers)
    if tier != EXACT or one.experiment.dtype is not DType.FLOAT64:
        return None
    off_in_slope = any(c.name == "gradient" and c.outcome is Outcome.DIFFERS for c in one.claims)
    as_a_factor = off_in_slope and not small  # a constant that is added up has no slope; a factor has
    if one.term.missing_gradient or (as_a_factor and not lost):
        return None
    term = replace(one.term, roundoff=lost if as_a_factor else UNIT_ROUNDOFF[DType.FLOAT32])
    with np.errstate(all="ignore"):
        trial = replace(one, term=term, claims=judge(term))
        off = one.term.values(one.record.extreme).difference
    if not trial.right or (small and caused_by_epsilons(subject, one.term.reading, one.term.reduction) is False):
        return None
    what = f"an epsilon, {min(small, key=abs):g}, moves it" if small else "an epsilon or a rounded constant moves it"
    what = "a constant of few digits moves it" if as_a_factor else what
    note = f"right to float32 rounding: {what} by {off:.2g} nats at the extremes"
    return replace(trial, note=note)


def _worded(trial: JudgedReading, guard: Guard, one: JudgedReading) -> JudgedReading:
    edge = guard.spread is None or has_edge(one.term.reading.spread)
    advice = (
        "a guard against log 0, and small enough to leave ordinary values alone"
        if edge and guard.tolerated
        else "log_var needs no guard: use it as it is, or clamp where the encoder ends so that z sees the same sigma"
        if not edge
        else "too large for a guard: it moves ordinary values; use 1e-7, or logits"
    )
    text = f"is right but for a guard, {guard.text}"
    cause = Diagnosis(form=DifferenceForm.GUARD, text=text, advice=advice)
    return replace(trial if edge and guard.tolerated else one, diagnosis=cause)


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """Why a term is not right; `judged`: the claims under the nearest reading."""

    judged: JudgedReading
    diagnosis: Diagnosis

    @property
    def a_mistake(self) -> bool:
        """Whether the catalogue knows it, and not as an objective that people choose."""
        return bool(self.diagnosis.id) and self.diagnosis.id not in BY_DESIGN


def wrong(subject: Subject, found: Identified | None, quantity: Quantity) -> Wrong:
    """What a term equals that is no right reading; the first explanation that holds."""
    nearest = _called(subject, found, quantity)
    for one in nearest:
        beside = _beside(one.term.reading)
        if subject.signature.positive:
            beside = (*(replace(r, sign=-1) for r in beside), *beside)
        match = equals.find(one.record, subject.position, beside, subject.signature.kind)
        named = _named_form(subject)
        misread = found is not None and found.standing is Standing.MISREAD
        speaks = named is WrittenAs.LOG_VAR or not misread
        speaks = speaks and not contradicts(subject.signature, one.term.reading)  # refused as what it is called
        if match and speaks:
            ratio = diagnosis.ratio_text(one.record, subject.position, one.term.reading, found)
            cause = diagnosis.from_catalogue(match[0], ratio)
            one = exempted(one, cause) if cause.form is DifferenceForm.LEGITIMATE else one
            return Wrong(judged=one, diagnosis=cause)
    return Wrong(judged=nearest[0], diagnosis=_by_form(subject, found, quantity, nearest[0]))


def _called(subject: Subject, found: Identified | None, quantity: Quantity) -> list[JudgedReading]:
    """The battery under every plausible reading; those that the function refuses (logits where it wants
    probabilities) are left out, unless it refuses all."""
    nearest, refused = [], None
    for data in _plausible(subject, found, quantity):
        try:
            nearest.append(_nearest(subject, data, found, quantity))
        except FunctionError as error:
            refused = error
    if not nearest and found is not None and found.standing is Standing.MISREAD:  # no number in the form that is named
        nearest = [judged(subject, found.reading, found.reduction, found.fit.tier)]
    if not nearest and found is not None and found.reading.data is not None:  # logits by name, refused as logits
        nearest = [_nearest(subject, found.reading.data, found, quantity)]
    if not nearest and refused is not None:
        raise refused
    return nearest


def _by_form(subject: Subject, found: Identified | None, quantity: Quantity, one: JudgedReading) -> Diagnosis:
    if found is not None and found.standing is Standing.MISREAD:
        return diagnosis.misread(subject.signature, found.reading)
    if found is not None:
        cause = _under_other_names(subject, found.reading, diagnosis.linear(found))
        off = off_somewhere(one.record, subject.position, found)
        if not off:
            return cause
        said = _with_a_guard(subject, quantity, one)
        if said is None and quantity is Quantity.RECONSTRUCTION and off.startswith("ordinary"):
            return Diagnosis(form=DifferenceForm.UNKNOWN, text=f"is the {found.reading.title} in part alone")
        return said or replace(cause, text=f"{cause.text}; not so at {off}: something else is off there")
    said = _with_a_guard(subject, quantity, one)
    if said is not None:
        return said
    formula = formula_of(subject, quantity)
    if formula is not None and _meant(subject, formula):
        return diagnosis.from_formula(formula)
    said = _but_for_epsilons(subject, quantity)
    if said is not None:
        return said
    ratio = diagnosis.ratio_text(one.record, subject.position, one.term.reading, None)
    text = f"is none of the known mistakes and no sum of the terms of a KL and a likelihood; {ratio}"
    return Diagnosis(form=DifferenceForm.UNKNOWN, text=text.rstrip("; "))


def of_its_file(subject: Subject, found: Identified | None) -> Diagnosis | None:
    """A right loss of which its own file minimises the negative; None where no line does."""
    signature = subject.signature
    if found is None or found.standing is not Standing.SCALED or found.reading.quantity is not Quantity.NEGATIVE_ELBO:
        return None
    flipped = found.scale is not None and found.scale.plain and found.scale.factor == -1.0
    if not flipped or found.reading.sign * signature.use_sign >= 0:
        return None
    returned = "-ELBO" if found.reading.sign > 0 else "the ELBO"
    text = f"is {returned}, and {signature.use}: its sign is flipped"
    return Diagnosis(form=DifferenceForm.LINEAR, text=text, advice="what is minimised is -ELBO")


def _but_for_epsilons(subject: Subject, quantity: Quantity) -> Diagnosis | None:
    """What the term is once the small numbers of its source are made tiny: a mistake beside an epsilon."""
    small = small_numbers(subject)
    tiny = without(subject.callee) if small and subject.experiment.function is subject.callee else None
    if tiny is None:
        return None
    experiment = replace(subject.experiment, function=tiny)
    try:
        again = subject_of(experiment, tiny, subject.options, subject.position, ())  # no number: not once more
        found = again.identified(quantity)
        if found is not None and found.standing is Standing.RIGHT:  # the small number is the mistake, and no epsilon
            return None
        cause = wrong(again, found, quantity).diagnosis
    except FunctionError:
        return None
    if cause.form in (DifferenceForm.UNKNOWN, DifferenceForm.LEGITIMATE):
        return None
    return replace(cause, text=f"{cause.text}; seen without its epsilon, {min(small, key=abs):g}")


def _with_a_guard(subject: Subject, quantity: Quantity, one: JudgedReading) -> Diagnosis | None:
    """The weights that hold everywhere once a number of the source guards a logarithm: both are named."""
    beside = guard_beside(subject, quantity, one.record)
    if beside is None:
        return None
    found, guard = beside
    if found.standing is Standing.RIGHT:
        text, advice = "is right but for a guard", "too large for a guard: it moves ordinary values"
        return Diagnosis(form=DifferenceForm.GUARD, text=f"{text}, {guard.text}", advice=advice)
    misread = found.standing is Standing.MISREAD
    cause = diagnosis.misread(subject.signature, found.reading) if misread else diagnosis.linear(found)
    return replace(cause, text=f"{cause.text}; with a guard, {guard.text}")


def _under_other_names(subject: Subject, reading: Reading, cause: Diagnosis) -> Diagnosis:
    """The same, with the form that a spread has to be taken for where its name says another."""
    spread, own = subject.signature.find(Role.SPREAD), subject.signature.find(Role.OUTPUT_SPREAD)
    taken = []
    if spread is not None and reading.has_kl and not spread.may_be(reading.spread):
        taken.append(f"{spread.name} is taken for {reading.spread.value}")
    if own is not None and reading.data and reading.data.spread and not own.may_be(reading.data.spread):
        taken.append(f"{own.name} is taken for {reading.data.spread.value}")
    return replace(cause, text=f"{cause.text}, if {' and '.join(taken)}") if taken else cause


def _meant(subject: Subject, formula: Formula) -> bool:
    """Whether a name, or a coefficient for every term of a KL, says that one is meant."""
    there = [c.law is not None for c in formula.coefficients if c.right]
    whole = all(there)
    if sum(there) < max(2, len(there) - 1) and guessed(subject):  # not like a KL either
        return False
    return whole or subject.signature.kind is FunctionKind.NEGATIVE_ELBO or promises_a_loss(subject)


def guessed(subject: Subject) -> list[str]:
    """The arguments of a Gaussian that only a part of their name makes one: a fit on them accuses nobody alone."""
    of_q = (Role.MEAN, Role.SPREAD, Role.PRIOR_MEAN, Role.PRIOR_SPREAD, Role.Z)
    return [a.name for a in subject.signature.arguments if a.role in of_q and read_by_stem(a.name)]


def formula_of(subject: Subject, quantity: Quantity) -> Formula | None:
    """The exact formula of the term."""
    readings = subject.readings(quantity)
    by_name = sorted((r for r in readings if accepted(subject, r)), key=lambda r: r.data is not OF_PROPORTIONS)
    others = [r for r in readings if r not in by_name]
    value, one = subject.neutral[0].terms[subject.position].value, subject.neutral[0]
    with np.errstate(all="ignore"):
        if Reduction.ELEMENTS in reductions(value, one):
            return fitted_by_element(subject.neutral, subject.position, by_name, others)
        return fitted(subject.columns, subject.position, by_name, others)


def _named_form(subject: Subject) -> WrittenAs:
    return subject.signature.form(Role.SPREAD)


def _plausible(subject: Subject, found: Identified | None, quantity: Quantity) -> Sequence[DataTerm | None]:
    """The reconstruction terms that the catalogue is asked about: the fitted one, else those of the output's name."""
    if quantity not in (Quantity.NEGATIVE_ELBO, Quantity.RECONSTRUCTION) or subject.signature.find(Role.OUTPUT) is None:
        return (None,)
    if found is not None and found.standing is not Standing.MISREAD and found.reading.data is not None:
        return (found.reading.data,)
    probs, logits, normal = DATA_TERMS[:3]
    named = subject.signature.form(Role.OUTPUT)
    by_likelihood = {"normal": (normal,), "bernoulli": (logits,) if named is WrittenAs.LOGITS else (probs,)}
    if subject.options.likelihood in by_likelihood:
        return by_likelihood[subject.options.likelihood]
    return {WrittenAs.LOGITS: (logits,), WrittenAs.PROBS: (probs,), WrittenAs.LOCATION: (normal, probs)}.get(
        named, (probs, logits, normal)
    )


def _nearest(subject: Subject, data: DataTerm | None, found: Identified | None, quantity: Quantity) -> JudgedReading:
    """The battery under the names' own reading, at the reduction that comes nearest."""
    sampled = subject.signature.find(Role.Z) is not None
    prior = subject.signature.find(Role.PRIOR_SPREAD)
    reading = Reading(
        quantity=quantity,
        sampled=sampled and quantity is not Quantity.RECONSTRUCTION,
        sign=found.reading.sign if found and found.standing is not Standing.SCALED else 1,
        data=data,
        given=data is None and subject.signature.find(Role.DATA_TERM) is not None,
        spread=_named_form(subject) if subject.signature.find(Role.SPREAD) else WrittenAs.LOG_VAR,
        prior=prior.form if prior else WrittenAs.VAR if unit_prior(subject.signature) else None,
    )
    if found is not None and found.fit.reading.has_kl and not found.fit.reading.sampled and found.fit.kl is not None:
        reading = replace(reading, sampled=False)
    experiment, found_record = recorded(settled(subject.experiment, reading), subject.position)
    first = found_record.ordinary[0]
    allowed = reductions(first.terms[subject.position].value, first) or (Reduction.SUM,)
    records = [judged_under(experiment, found_record, subject.position, reading, reduction) for reduction in allowed]
    with np.errstate(all="ignore"):
        return min(records, key=lambda one: one.term.values(one.record.ordinary).ratio)


def _of_data(subject: Subject) -> bool:
    """Whether what stands where z would is called like data: `target` in log N(target; mu, sigma^2)."""
    z = subject.signature.find(Role.Z)
    pair = read_name(z.name) if z else None
    return pair is not None and pair[0] is Role.X


def density(subject: Subject) -> JudgedReading | str | None:
    """A log density in place of a KL: judged as one where its name says so, refused in words where it says nothing.

    None where the term is no log density, or its name promises a KL.
    """
    label = subject.signature.name.lower()
    asked = subject.signature.kind.value == "log_density"
    kl = promises_kl(label)
    named = bool(DENSITY_NAME.search(label)) and not (kl or KL_FUNCTION.search(label))
    observed = _of_data(subject) and not (kl or OF_A_KL.search(label))
    found = log_density_of(subject) if asked or named or observed else None
    if found is not None:
        if found.as_named:
            return found.judged
        return replace(found.judged, diagnosis=diagnosis.misread(subject.signature, found.judged.term.reading))
    weighed = weighed_density(subject) if asked or named or observed else None
    if weighed is not None:
        return weighed
    formula = formula_of(subject, Quantity.KL) if subject.signature.find(Role.Z) else None
    if formula is None or not formula.reading.sampled:
        return None
    laws = {c.name: c.law for c in formula.coefficients if c.law}
    quantity = {frozenset({"e^2", "log sigma^2"}): Quantity.LOG_Q, frozenset({"z^2"}): Quantity.LOG_PRIOR}.get(
        frozenset(laws)
    )
    halves = all(law.plain and abs(abs(law.factor) - 0.5) < 1e-6 for law in laws.values())
    if quantity is None or not halves or len({law.factor > 0 for law in laws.values()}) != 1:
        cause = mistaken_density(formula) if asked or named else None
        plain = Reading(quantity=Quantity.LOG_Q, sampled=True, spread=formula.reading.spread)
        return replace(judged(subject, plain, formula.reduction, EXACT), diagnosis=cause) if cause else None
    if not asked and not named:
        if kl or KL_FUNCTION.search(label) or subject.signature.kind.value != "sampled_kl":
            return None
        return (
            f"it is {quantity} up to a constant, no KL; --kind log_density judges it as that, --kind sampled_kl as a KL"
        )
    sign = 1 if next(iter(laws.values())).factor < 0 else -1
    constant = sign * formula.constant.factor if formula.constant else 0.0
    reading = Reading(quantity=quantity, sampled=True, sign=sign, spread=formula.reading.spread, constant=constant)
    try:
        return judged(subject, reading, formula.reduction, EXACT)
    except FunctionError as error:
        return str(error)
