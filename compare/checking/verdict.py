"""One function, called and read in one way: what would be minimised is found and judged, what stands beside it told."""

from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking import apart, explaining
from elbo_compare.compare.checking.alternatives import alike, as_written
from elbo_compare.compare.checking.at_counts import at_counts
from elbo_compare.compare.checking.attributes import varying_held
from elbo_compare.compare.checking.balanced_objective import balanced
from elbo_compare.compare.checking.beyond import beyond
from elbo_compare.compare.checking.by_design import Designed, accepted, designed
from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.defaults import at_other_numbers
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.discretised import discretised
from elbo_compare.compare.checking.divergences import exchanged, no_kl, promises_a_loss
from elbo_compare.compare.checking.drifting import drifted
from elbo_compare.compare.checking.elsewhere import off_somewhere
from elbo_compare.compare.checking.epsilons import epsilons_reached, more_than_epsilons, within_an_epsilon
from elbo_compare.compare.checking.exchanged_data import exchanged_data
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.finding import Finding, as_promised, finding_of, of_levels
from elbo_compare.compare.checking.fitting import EXACT, GUARDED, SINGLE
from elbo_compare.compare.checking.for_the_log import for_the_log
from elbo_compare.compare.checking.identify import Identified, Standing, quantities_of
from elbo_compare.compare.checking.inputs import ORDINARY
from elbo_compare.compare.checking.judging import JudgedReading, Options, Subject, judged, subject_of
from elbo_compare.compare.checking.leading_axes import averages_the_first_two
from elbo_compare.compare.checking.left_out import without_its_spread
from elbo_compare.compare.checking.low_floors import low_floor
from elbo_compare.compare.checking.names import Role, letters_of, promises_kl, words_of
from elbo_compare.compare.checking.no_data import of_no_data, one_number
from elbo_compare.compare.checking.normalisers import mistaken_constant
from elbo_compare.compare.checking.not_a_number import of_negative_means, outside_of_its_domain
from elbo_compare.compare.checking.objectives import Name
from elbo_compare.compare.checking.priors import of_their_sizes
from elbo_compare.compare.checking.proportions import sums_untold
from elbo_compare.compare.checking.readings import Quantity, Reduction, reductions
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.returned_shape import no_loss
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.compare.checking.source import numbers
from elbo_compare.compare.checking.standard_normal import log_prior
from elbo_compare.compare.checking.terms import Layout, layout_of
from elbo_compare.compare.checking.two_densities import two_densities
from elbo_compare.compare.checking.wording import name_notes, standing_notes
from elbo_compare.suites.bridge.user_arrays import DETACHED

STEEP = 9.0
EXPLAINS_NOTHING = (DifferenceForm.UNKNOWN, DifferenceForm.FORMULA, DifferenceForm.LINEAR)  # of exchanged data
TOLD_APART = frozenset(["p", "q", "prior", "post", "posterior"])  # words that say which Gaussian is which


def examined(experiment: Experiment, callee: Callee, options: Options, *, changing: bool) -> Finding:
    """The finding on a function that draws nothing."""
    first = experiment.observe(experiment.ordinary(ORDINARY[0]))
    layout = layout_of(callee.function, experiment.signature, [term.name for term in first.terms])
    if layout.apart:
        experiment = _added(experiment, callee, options, layout)
    position = layout.position
    refused = no_loss(experiment, position, layout)
    if isinstance(refused, str):
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=refused)
    if refused is not None:
        return Finding(verdict=CheckVerdict.WRONG, diagnosis=refused)
    undefined = of_negative_means(experiment, callee, position)
    if undefined is not None:
        return Finding(verdict=CheckVerdict.WRONG, diagnosis=undefined)
    outside = outside_of_its_domain(experiment, position)
    if outside:
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{experiment.signature.name}: {outside}")
    subject = subject_of(experiment, callee, options, position, _numbers(callee), changing=changing)
    another = of_no_data(subject)
    if another:
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{experiment.signature.name}: {another}")
    finding = _with_parts(as_promised(_on(subject), subject), subject, layout)
    densities = two_densities(subject, layout) if finding.verdict is CheckVerdict.WRONG else ""
    if densities:
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{experiment.signature.name}: {densities}")
    beside = [i for i in range(len(first.terms)) if i != position]
    logged = tuple(
        for_the_log(replace(subject, position=i), layout.names[i], cut_off=first.terms[i].no_gradient == DETACHED)
        for i in beside
    )
    if not changing:
        _check_the_same(experiment, callee, first)
    if layout.apart and finding.verdict is CheckVerdict.RIGHT:
        finding = replace(finding, notes=("the parts are returned apart: their sum is judged", *finding.notes))
    return replace(finding, terms=(*finding.terms, *logged))


def _check_the_same(experiment: Experiment, callee: Callee, first: Observation) -> None:
    """Raises FunctionError where the first call, made again after hundreds of others, gives another value."""
    again = experiment.observe(experiment.ordinary(ORDINARY[0]))
    for one, other in zip(first.terms, again.terms, strict=False):
        if not np.allclose(one.value, other.value, rtol=1e-9, atol=0, equal_nan=True):
            raise FunctionError(
                f"{callee.label} gives another value after {experiment.calls} calls than at its first, with the same "
                "arguments: it keeps a state, which can't be judged."
            )


def _numbers(callee: Callee) -> tuple[float, ...]:
    dull = {0.0, 1.0, -1.0, 2.0}
    own = [n for n in numbers(callee.function) if n not in dull]
    found = dict.fromkeys([*callee.scalars.values(), *own, *epsilons_reached(callee.function)])
    return tuple(found)


def _added(experiment: Experiment, callee: Callee, options: Options, layout: Layout) -> Experiment:
    """The experiment whose last term is the sum of the parts, a log likelihood being subtracted."""
    data, kl = layout.apart or (0, 1)
    subject = subject_of(experiment, callee, options, data, ())
    found = subject.identified(Quantity.RECONSTRUCTION)
    sign = -1.0 if found and found.fit.data and found.fit.data.factor < 0 else 1.0
    return replace(experiment, together=(data, kl, sign))


def _on(subject: Subject) -> Finding:
    """The finding on the term that would be minimised."""
    if subject.signature.kind is FunctionKind.LOG_PRIOR:
        return _log_prior(subject)
    (quantity,) = quantities_of(subject.signature.kind)
    found = subject.identified(quantity, tiers=(EXACT, SINGLE))
    early = _untold(subject, found) or _at_once(subject, found, quantity)
    if early is not None:
        return early
    by_design = designed(subject, found, quantity) if found is None or accepted(subject, found.reading) else None
    by_design = (balanced(subject, by_design.judged) if by_design else None) or by_design
    if by_design is not None and (by_design.by or by_design.objective.name is Name.BALANCED):
        return _designed(subject, by_design, found, quantity)
    why = explaining.wrong(subject, found, quantity)
    size_dependent = found is not None and found.standing is Standing.MISMATCH
    kl_alone = quantity is Quantity.KL and found is not None and found.standing is Standing.SCALED
    kl_alone = kl_alone and not subject.changing  # a weight that moves with each call is an annealing
    if by_design is not None and not size_dependent and not kl_alone and not why.a_mistake:
        return _designed(subject, by_design, found, quantity)
    return _wrong(subject, found, why)


def _at_once(subject: Subject, found: Identified | None, quantity: Quantity) -> Finding | None:
    """What is right as it stands, what is no KL, and what is right behind a guard; None where more has to be asked."""
    if found is not None and found.standing is Standing.RIGHT and not subject.changing:
        return _right(subject, found)
    other = _another(subject, found, quantity)
    if other is not None:
        return other
    guarded = subject.identified(quantity, tiers=(GUARDED,)) if found is None else None
    if guarded is None or guarded.standing is not Standing.RIGHT:
        return None
    finding = _untold(subject, guarded) or _right(subject, guarded)
    guard = finding.diagnosis is not None and finding.diagnosis.form is DifferenceForm.GUARD
    return None if finding.verdict is CheckVerdict.WRONG and not guard else finding


def _untold(subject: Subject, found: Identified | None) -> Finding | None:
    why = without_its_spread(subject) or one_number(subject, found)
    why = why or sums_untold(subject.signature, found, subject.told)
    return Finding(verdict=CheckVerdict.NOT_JUDGED, message=why) if why else None


def _another(subject: Subject, found: Identified | None, quantity: Quantity) -> Finding | None:
    """A term that is not what its arguments promise: a likelihood of levels, a log density, another divergence."""
    levels = discretised(subject) if found is None else None
    if levels is not None:
        return of_levels(subject, levels)
    if quantity is not Quantity.KL:
        return None
    other = _density(subject)
    if other is not None:
        return other
    another = no_kl(subject) if found is None else ""
    return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{subject.signature.name}: {another}") if another else None


def _right(subject: Subject, found: Identified) -> Finding:
    one = judged(subject, found.reading, found.reduction, found.fit.tier)
    other = None if one.right else as_written(subject, found) or alike(subject, found)
    found, one = other or (found, one)
    if not one.right or found.fit.tier != EXACT:
        explained = explaining.explained(subject, one, found.fit.tier)
        one = explained if not one.right or _is_guard(explained) else one
        if not one.right and not _is_guard(one):
            one = within_an_epsilon(subject, found.reading, found.reduction) or one
    by_design = balanced(subject, one) or low_floor(subject, found, one)
    if by_design is not None:
        return _designed(subject, by_design, found, found.reading.quantity)
    turned = exchanged_data(subject) if not one.right or _steep(found) else None
    if turned is not None:
        return finding_of(subject, one, CheckVerdict.WRONG, found, diagnosis=turned)
    drift = drifted(subject, one) if one.right and found.fit.tier == SINGLE else None
    if drift is not None:
        return finding_of(subject, replace(one, note=""), CheckVerdict.WRONG, found, diagnosis=drift)
    elsewhere = at_other_numbers(subject, found) or at_counts(one.experiment, one.term) if one.right else None
    if elsewhere is not None:
        return finding_of(subject, one, CheckVerdict.WRONG, found, diagnosis=elsewhere)
    if one.right and found.fit.tier == SINGLE and more_than_epsilons(subject, one):
        one = explaining.explained(subject, judged(subject, found.reading, found.reduction, EXACT), EXACT)
    notes = (*name_notes(subject.signature, found.reading), *standing_notes(found.reading))
    far = beyond(one.experiment, one.term) if one.right else ""
    notes = (far, *notes) if far else notes
    verdict = CheckVerdict.RIGHT if one.right else CheckVerdict.WRONG
    return finding_of(subject, one, verdict, found, notes=notes, diagnosis=one.diagnosis)


def _steep(found: Identified) -> bool:
    """An absolute error of a weight that a cut logarithm has: log 1e-4 is -9."""
    data = found.reading.data
    return data is not None and data.likelihood == "laplace" and found.reading.weight > STEEP


def _is_guard(one: JudgedReading) -> bool:
    return one.diagnosis is not None and one.diagnosis.form is DifferenceForm.GUARD


def _log_prior(subject: Subject) -> Finding:
    """log N(z; 0, I), up to a constant."""
    one, text = log_prior(subject)
    name = subject.signature.name
    if one is None:
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{name}: a density of z that is not log N(z; 0, I)")
    constant = mistaken_constant(subject, one) if not text else None
    if constant is not None:
        return finding_of(subject, one, CheckVerdict.WRONG, None, diagnosis=constant)
    if one.right:
        return finding_of(subject, one, CheckVerdict.RIGHT, None, notes=standing_notes(one.term.reading))
    if not text:
        one = explaining.explained(subject, one, SINGLE)
        return finding_of(subject, one, CheckVerdict.WRONG, None, diagnosis=one.diagnosis)
    advice = "log N(z; 0, I) is -0.5 sum z^2 - 0.5 log(2 pi) for each latent"
    cause = Diagnosis(form=DifferenceForm.FORMULA, text=f"equals {text}, no log N(z; 0, I)", advice=advice)
    return finding_of(subject, one, CheckVerdict.WRONG, None, diagnosis=cause)


def _density(subject: Subject) -> Finding | None:
    other = explaining.density(subject)
    if other is None:
        return None
    if isinstance(other, str):
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{subject.signature.name}: {other}")
    if other.diagnosis is not None:
        return finding_of(subject, other, CheckVerdict.WRONG, None, diagnosis=other.diagnosis)
    reading, reduction = other.term.reading, other.term.reduction
    a_loss = reading.sign < 0 and not explaining.DENSITY_NAME.search(subject.signature.name.lower())
    constant = None if a_loss else mistaken_constant(subject, other)
    if constant is not None:
        return finding_of(subject, other, CheckVerdict.WRONG, None, diagnosis=constant)
    if other.right and more_than_epsilons(subject, other):
        other = judged(subject, reading, reduction, EXACT)
    if not other.right:
        other = within_an_epsilon(subject, reading, reduction) or explaining.explained(subject, other, EXACT)
    verdict = CheckVerdict.RIGHT if other.right else CheckVerdict.WRONG
    notes = standing_notes(reading) if other.right else ()
    return finding_of(subject, other, verdict, None, notes=notes, diagnosis=other.diagnosis)


def _designed(subject: Subject, found: Designed, fit: Identified | None, quantity: Quantity) -> Finding:
    """An objective by design: exit 0 where it was declared and its own formula holds, else what would declare it."""
    objective = found.objective
    one, cause = found.judged, None
    off = ""
    if one is None:  # a weight that depends on the sizes: its values and gradients are held against the fit
        one = explaining.wrong(subject, fit, quantity).judged
        off = off_somewhere(one.record, subject.position, fit) if fit is not None else ""
    elif not one.right:
        one = explaining.explained(subject, one, EXACT)
        cause = one.diagnosis
    verdict = CheckVerdict.BY_DESIGN if found.by else CheckVerdict.OTHER_OBJECTIVE
    verdict = CheckVerdict.WRONG if found.judged is not None and not one.right else verdict
    if off:
        verdict = CheckVerdict.WRONG
        text = f"equals {objective.formula}, but not at {off}"
        cause = Diagnosis(
            form=DifferenceForm.EXTREME, text=text, advice="look for a clamp, a floor, a detach or an overflow"
        )
    if verdict is CheckVerdict.OTHER_OBJECTIVE:
        prior = objective.name is Name.PRIOR
        text = f"has another prior than N(0, I): {objective.formula}" if prior else f"is not the ELBO: {objective.text}"
        cause = Diagnosis(
            form=DifferenceForm.OBJECTIVE, text=text, advice=f"if it is meant: --objective {objective.name}"
        )
    return finding_of(
        subject,
        one,
        verdict,
        fit,
        diagnosis=cause,
        equation=objective.text if verdict is CheckVerdict.BY_DESIGN else "",
        notes=(f"declared by {found.by}",) if found.by else (),
        objective=objective.name,
        declared_by=found.by,
    )


def _wrong(subject: Subject, found: Identified | None, why: explaining.Wrong) -> Finding:
    """A term that is no right reading and no objective; a legitimate variant is right after all."""
    of_its_file = explaining.of_its_file(subject, found)
    if of_its_file is not None:
        return finding_of(subject, why.judged, CheckVerdict.WRONG, found, diagnosis=of_its_file)
    if subject.experiment.shapes.latent_map and averages_the_first_two(subject.callee.function):
        text = "averages over the first two of four axes, which may be data or latents: not judged"
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{subject.signature.name} {text}")
    if why.diagnosis.form is DifferenceForm.LEGITIMATE:
        return finding_of(subject, why.judged, CheckVerdict.RIGHT, found, diagnosis=why.diagnosis)
    turned = exchanged_data(subject) if why.diagnosis.form in EXPLAINS_NOTHING else None
    if turned is not None:
        return finding_of(subject, why.judged, CheckVerdict.WRONG, found, diagnosis=turned)
    if why.diagnosis.form is not DifferenceForm.UNKNOWN:
        return finding_of(subject, why.judged, CheckVerdict.WRONG, found, diagnosis=why.diagnosis)
    return _unknown(subject, why) or finding_of(subject, why.judged, CheckVerdict.WRONG, found, diagnosis=why.diagnosis)


def _unknown(subject: Subject, why: explaining.Wrong) -> Finding | None:
    """A term that no formula fits: not judged where a term of its own stands beside what is recognised."""
    name = subject.signature.name
    turned = exchanged(subject)
    if turned and any(TOLD_APART & {*words_of(a.name), *letters_of(a.name)} for a in subject.signature.arguments):
        return finding_of(subject, why.judged, CheckVerdict.WRONG, None, diagnosis=turned)
    of_sizes = of_their_sizes(subject.columns, subject.position, subject.readings(Quantity.KL))
    if of_sizes:
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{name}: {of_sizes}; no N(0, I): not judged")
    parts = apart.parts_of(subject)
    text = _not_judged(subject, parts)
    if turned is not None:
        text = f"{name} {turned.text} in the order of its arguments, which no name tells: not judged"
    if text:
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=text)
    if parts is not None and parts.text:
        return finding_of(subject, why.judged, CheckVerdict.WRONG, None, diagnosis=parts.diagnosis)
    held = varying_held(subject.callee.function)
    if held:
        text = (
            f"{name} reads {' and '.join(f'self.{each}' for each in held)} of its object, which nothing says what it is"
        )
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{text}, and is no KL without it: not judged")
    names = explaining.guessed(subject)
    if names:
        formula = explaining.formula_of(subject, Quantity.KL) if subject.signature.find(Role.MEAN) else None
        equals = f"; it equals {formula.text}" if formula else ""
        text = (
            f"{name} is right under no reading of {' and '.join(names)}, which a part of the name alone tells{equals}"
        )
        said = " ".join(f"--map {each}=OURS" for each in names)
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{text}: not judged; {said} says what it is")
    return None


def _not_judged(subject: Subject, parts: apart.Parts | None) -> str:
    """Why a term that no formula fits accuses nobody; "" where its parts or its name say that a KL or loss is meant."""
    name, value = subject.signature.name, subject.neutral[0].terms[subject.position].value
    beyond = apart.known_beyond(subject)
    separate = parts is not None and parts.outcome is apart.Outcome.SEPARATE
    if beyond:
        rest = parts.text if parts and separate else "the rest can't be told from it"
        return f"{name} has {beyond}, which is not judged here; {rest}."
    if Reduction.ELEMENTS in reductions(value, subject.neutral[0]) and not promises_kl(name):
        return f"{name} returns {value.shape}, one value per datum and dimension, and no KL: not judged."
    if parts and separate:
        return f"not the whole of {name} is known: {parts.text}."
    if subject.signature.kind is FunctionKind.RECONSTRUCTION:
        return f"{name} is no likelihood that is known here (--likelihood names those that are): not judged."
    if not promises_a_loss(subject) and (parts is None or not parts.text):
        return f"{name} is no KL and no loss that is known here, and its name promises none: not judged"
    return ""


def _with_parts(finding: Finding, subject: Subject, layout: Layout) -> Finding:
    """A loss whose KL is returned beside it; a value that no name calls the loss and that is only a part of it."""
    found = finding.identified
    others = [i for i in range(len(layout.names)) if i != subject.position]
    missing = found is not None and found.standing is Standing.MISSING and subject.signature.find(Role.MEAN) is not None
    if finding.verdict is not CheckVerdict.WRONG or not missing or not others or layout.apart:
        return finding
    kl = [
        i
        for i in others
        if (k := replace(subject, position=i).identified(Quantity.KL)) and k.standing is Standing.RIGHT
    ]
    if not kl or found is None or found.fit.data is None:
        return finding
    name, other = layout.names[subject.position], layout.names[kl[0]]
    if not layout.named:
        text = (
            f"{name!r} is a reconstruction term, {other!r} a KL; which of them or their sum is minimised can't be told"
        )
        return replace(finding, verdict=CheckVerdict.NOT_JUDGED, message=text, diagnosis=None)
    text = f"the KL is missing from {name!r}, the value that would be minimised; it is returned beside it as {other!r}"
    cause = finding.diagnosis
    said = Diagnosis(
        form=DifferenceForm.TERMS,
        text=text,
        id=cause.id if cause else "",
        advice="add it to the loss (a line that starts with + is a statement of its own)",
    )
    return replace(finding, diagnosis=said)
