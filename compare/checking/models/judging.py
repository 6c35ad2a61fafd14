"""The verdict on one way to a whole model's loss: sampler, loss, gradients, evaluation, and the library beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from elbo_compare.compare.checking import diagnosis as diagnoses
from elbo_compare.compare.checking.claims import ClaimVerdict
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import SINGLE
from elbo_compare.compare.checking.identify import Standing
from elbo_compare.compare.checking.models import gradients, libraries, mistakes
from elbo_compare.compare.checking.models.counting import with_counts
from elbo_compare.compare.checking.models.designing import at_its_scale, at_one_size, declared
from elbo_compare.compare.checking.models.drafting import ResultDraft
from elbo_compare.compare.checking.models.evaluation import in_evaluation
from elbo_compare.compare.checking.models.floors import beyond_its_level, floors, held_numbers
from elbo_compare.compare.checking.models.flowing import Flowing, flowing, with_log_dets
from elbo_compare.compare.checking.models.gradients import Compared
from elbo_compare.compare.checking.models.objective import Found, missing_part, objective_of, roundoff_of, worst_value
from elbo_compare.compare.checking.models.opening import ROWS, Opened
from elbo_compare.compare.checking.models.parts import Latent, corrupted
from elbo_compare.compare.checking.models.priors import data_part, told, with_own_priors
from elbo_compare.compare.checking.models.probing import Probe, Probed, ShiftingError, latents_of, probe
from elbo_compare.compare.checking.models.restating import ASKED, restate
from elbo_compare.compare.checking.models.roughness import roughness
from elbo_compare.compare.checking.models.sampling import Sampler, judge_sampler, unread
from elbo_compare.compare.checking.models.several import on_several, several_of
from elbo_compare.compare.checking.models.unsampled import never_sampled
from elbo_compare.compare.checking.objectives import Objective, linear
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.checking.wording import equation_of, standing_notes
from elbo_compare.compare.records import Outcome

SMALL = 1e-12
MOST_FLOORS = 4  # of the same values, that are told apart by their gradients
KINGMA = "Kingma and Welling 2014"


def judged(
    opened: Opened,
    model: Any,
    label: str,
    *,
    likelihood: str | None,
    objective: str | None,
    constants: Mapping[str, Any],
    frozen: Sequence[str] = (),
) -> CheckResult:
    """The verdict. Raises FunctionError where the model raises, or gives no number, at one of the probes."""
    case = ResultDraft(
        label=label,
        opened=opened,
        model=model,
        likelihood=likelihood,
        objective=objective,
        constants=constants,
        frozen=frozen,
    )
    latents = latents_of(opened.run)
    if not latents:
        cause = never_sampled(opened)
        return case.result(CheckVerdict.WRONG, cause) if cause else _refused(case, unread(opened.run))
    probed = Probed(
        program=opened.program,
        feed=opened.feed,
        first=opened.run,
        latents=tuple(each for each in latents if not each.deep) or latents[:1],
        positive=opened.way.positive and not opened.way.chosen.apart,
        label=opened.way.label,
        heavy=opened.heavy,
    )
    steps = len(opened.run.steps) + len(opened.run.arrays)
    sized: dict[str, Any] = {"heavy": opened.heavy, "large": opened.large, "steps": steps}
    try:
        probes = probe(probed.program, probed.feed, probed.latents, **sized)
    except ShiftingError:
        probed = replace(probed, feed=replace(opened.feed, fixed=ROWS))
        probes = probe(probed.program, probed.feed, probed.latents, **sized)
        case.notes.append(f"seen at a batch of {ROWS} alone: its operations change with the batch")
    probed = replace(probed, probes=probes)
    if any(each.deep for each in probed.latents):  # on noise of the data: their mean and sigma are those at that noise
        probed = probed.with_latents(probed.latents)
    several = several_of(probed, likelihood)
    sampler = judge_sampler(probed) if several is None else None
    if opened.elsewhere and not (sampler and sampler.cause and not sampler.transformed):
        return case.result(CheckVerdict.NOT_JUDGED, message=_added_elsewhere(opened))
    if several is not None:
        return on_several(case, several)
    assert sampler is not None
    if sampler.transformed and (flow := flowing(probed)) is not None:
        return _on_flow(case, flow)
    if sampler.cause or sampler.beyond:
        return _refused(case, sampler)
    case.claims += [sampler.claim] if sampler.claim else []
    case.notes += sampler.notes
    return _on_noisy_data(case, probed, latents)


def _added_elsewhere(opened: Opened) -> str:
    text = f"not judged: a reconstruction and a KL came back apart, and {opened.elsewhere}, which no way could run"
    return f"{text}: name what adds them, as in --loss FILE.py:FUNCTION"


def _on_noisy_data(case: ResultDraft, probed: Probed, latents: Sequence[Latent]) -> CheckResult:
    """The loss on x, and where networks read x with noise on it, on that: a denoising VAE, dynamic binarisation."""
    size = np.prod(probed.program.shape(probed.first, 0))
    noisy = [n for n in corrupted(probed.first) if np.prod(probed.program.shape(probed.first, n)) == size]
    if not noisy:
        return _on_loss(case, probed, latents)
    case.notes.append("networks read x with noise on it, which is no part of z")
    if objective_of(probed, case.likelihood) is None:
        made = next((m for n in noisy if objective_of(m := replace(probed, data=n), case.likelihood)), probed)
        probed = made
    return _on_loss(case, probed, latents)


def _refused(case: ResultDraft, sampler: Sampler) -> CheckResult:
    if sampler.cause is not None:
        return case.result(CheckVerdict.WRONG, sampler.cause)
    return case.result(CheckVerdict.NOT_JUDGED, message=f"not judged: {sampler.beyond}")


def _on_flow(case: ResultDraft, flow: Flowing) -> CheckResult:
    """A sample that goes through a flow: the loss of one that keeps volumes, else its value alone."""
    sample = "z_0 = mean + sigma e goes through a flow"
    if flow.keeps_volumes:
        found = objective_of(flow.probed, case.likelihood)
        if found is not None and found.standing is Standing.RIGHT and not found.transformed:
            case.notes.append(f"{sample} that keeps volumes (|det| = 1): log q at z_0, log p(z) at z_T")
            return _on_loss(case, flow.probed)
        text = (
            f"not judged: {sample} that keeps volumes; the loss is not a reconstruction, log q at z_0 and log p at z_T"
        )
        return case.result(CheckVerdict.NOT_JUDGED, message=text)
    for mean in (False, True):
        found = objective_of(with_log_dets(flow, mean=mean), case.likelihood, tiers=(SINGLE,))
        if found is not None and found.standing is Standing.RIGHT and not found.transformed:
            case.title = found.identified.reading.title
            text = (
                f"{sample}; at {len(flow.probed.probes)} runs the loss is the ELBO with its log-determinant, to 1e-5 "
                "(the determinant by differences of the flow); not judged: its gradient, and smaller differences"
            )
            return case.result(CheckVerdict.NOT_JUDGED, message=text)
    low, high = flow.spread
    text = (
        f"not judged: {sample} whose log |det| lies between {low:.3g} and {high:.3g}; the loss, with or without it, is "
        "no sum of a reconstruction and a sampled KL"
    )
    return case.result(CheckVerdict.NOT_JUDGED, message=text)


def _on_loss(case: ResultDraft, probed: Probed, latents: Sequence[Latent] = ()) -> CheckResult:
    deep = max(0, len(latents) - len(probed.latents))
    found = objective_of(probed, case.likelihood)
    probed, found, words = restate(probed, found, case.opened, case.likelihood)
    if ASKED in words:
        return case.result(CheckVerdict.NOT_JUDGED, message=ASKED)
    case.notes += words
    own = _by_own_arrays(case, probed, found, latents) if found is None or deep else None
    if own is not None:
        probed, found, deep = *own, 0
    if found is not None and not deep and _falls_with_the_kl(found):
        below = _floored(case, probed) or _at_a_capacity(case, probed, found)
        if below is not None:
            return below
        text = "not judged: the loss falls with the KL, up to a constant: |KL - C| with C above it, or a flipped sign"
        return case.result(CheckVerdict.NOT_JUDGED, message=f"the sampler is right (z = mean + sigma e); {text}")
    if found is None or found.transformed or found.identified.reading.spread.value != "sigma":
        return _unfitted(case, probed, found, deep)
    one = found.identified
    case.title, case.reduction = one.reading.title, one.reduction.value
    if one.standing is Standing.RIGHT:
        return _right(case, probed, found, *in_evaluation(probed.program, probed.feed))
    objective = linear(one, one.reading.data.name if one.reading.data else "reconstruction")
    if objective is not None:
        return _by_design(case, probed, at_its_scale(found), objective)
    if one.standing is Standing.MISMATCH and one.beta is not None and one.beta.factor > 0:
        small, sized, objective = at_one_size(probed, found)
        result = _by_design(_copy(case), small, sized, objective)
        if result.verdict is CheckVerdict.BY_DESIGN:
            return result
    return case.result(CheckVerdict.WRONG, diagnoses.linear(one))


def _by_own_arrays(
    case: ResultDraft, probed: Probed, found: Found | None, latents: Sequence[Latent]
) -> tuple[Probed, Found] | None:
    """With priors that are arrays of its own, else under a likelihood of counts, whose sampler's claim takes in the
    latents that no network reads."""
    own = with_own_priors(probed, latents, case.likelihood)
    if own is not None:
        if own[1].standing is not Standing.RIGHT and found:
            return None
        case.notes.append(told(own[0]))
        return own
    if found is not None:
        return None
    held = [float(each) for each in case.constants.values() if isinstance(each, (int, float))]
    counts = with_counts(probed, held)
    sampler = judge_sampler(counts[0]) if counts else None
    if not counts or not sampler or sampler.claim is None:
        return None
    case.claims = [sampler.claim, *case.claims[1:]]
    case.notes += [words for words in (told(counts[0]),) if words]
    return counts


def _falls_with_the_kl(found: Found) -> bool:
    """Whether the loss is a reconstruction term less a KL, up to a constant."""
    fit = found.identified.fit
    pair = fit.data is not None and fit.kl is not None and fit.constant is not None
    return pair and fit.data.factor * fit.kl.factor < 0  # type: ignore[union-attr]


def _copy(case: ResultDraft) -> ResultDraft:
    """What is known so far, for a trial that may come to nothing."""
    return replace(case, claims=list(case.claims), notes=list(case.notes))


def _by_design(case: ResultDraft, probed: Probed, found: Found, objective: Objective) -> CheckResult:
    """Another objective than the ELBO, judged under its own formula."""
    evaluation, notes = in_evaluation(probed.program, probed.feed)
    by = declared(case.opened, found, objective, probed.probes[0], case.model, case.constants, case.objective)
    case.named, case.by = objective.name, by
    case.equation = objective.text
    wrong = _checked(case, probed, found)
    if wrong or evaluation:
        return case.result(CheckVerdict.WRONG, wrong or evaluation)
    if by:
        case.notes = [f"declared by {by}", *case.notes, *notes]
        return case.result(CheckVerdict.BY_DESIGN)
    advice = f"if it is meant: --objective {objective.name}"
    text = f"is not the ELBO: {objective.text}"
    return case.result(CheckVerdict.OTHER_OBJECTIVE, Diagnosis(form=DifferenceForm.OBJECTIVE, text=text, advice=advice))


def _at_a_capacity(case: ResultDraft, probed: Probed, found: Found) -> CheckResult | None:
    """The verdict on |KL - C| whose C is no number that the model holds: one that grows with the steps."""
    beyond = beyond_its_level(probed, found)
    return None if beyond is None else _floored(case, beyond[0], beyond[1])


def _floored(case: ResultDraft, probed: Probed, more: Sequence[float] = ()) -> CheckResult | None:
    """The verdict under free bits or a capacity; of several that have the loss's values the first with its gradient.
    more: numbers that a level or a weight may be, beside those that the model holds."""
    chosen: CheckResult | None = None
    numbers = (*more, *held_numbers(case.model, case.constants))
    for found, objective in islice(floors(probed, case.likelihood, numbers), MOST_FLOORS):
        draft = _copy(case)
        draft.title, draft.reduction = found.identified.reading.title, found.identified.reduction.value
        result = _by_design(draft, probed, found, objective)
        if result.verdict is not CheckVerdict.WRONG:
            return result
        chosen = chosen or result
    return chosen


def _right(
    case: ResultDraft, probed: Probed, found: Found, evaluation: Diagnosis | None, notes: tuple[str, ...]
) -> CheckResult:
    one = found.identified
    bound = f"L^A, {KINGMA}, eq. 6" if one.reading.sampled else f"L^B, {KINGMA}, eq. 7"
    case.equation = f"{equation_of(one.reading, one.reduction, found.signature)}: {bound}"
    cause = _checked(case, probed, found) or evaluation
    if cause is not None:
        return case.result(CheckVerdict.WRONG, cause)
    first = case.claims[0]
    if first.name == "sampler":
        case.notes.insert(
            0,
            f"sampler {first.statement}: off by {first.difference:.1g} of {first.tolerance:.1g}",
        )
    case.notes += [*standing_notes(one.reading), *notes]
    return case.result(CheckVerdict.RIGHT)


def _checked(case: ResultDraft, probed: Probed, found: Found) -> Diagnosis | None:
    """Value, gradients and the library at the model's own weights; what is wrong, if anything."""
    exact = worst_value(found, probed.program.roundoff)
    rough = roughness(probed, found) if exact.ratio > 1 and probed.program.roundoff < SMALL else None
    found = replace(found, coarse=rough is not None and bool(rough.text))
    distance = worst_value(found, roundoff_of(found, probed.program.roundoff)) if rough and rough.narrow else exact
    agrees = distance.ratio <= 1 or (rough is not None and not rough.narrow)
    case.claims.append(
        ClaimVerdict(
            name="value",
            statement="the loss is its formula at its own networks' mean, sigma, z and output",
            outcome=Outcome.AGREES if agrees else Outcome.DIFFERS,
            difference=rough.left if rough and not rough.narrow else distance.difference,
            tolerance=rough.allowed if rough and not rough.narrow else distance.tolerance,
            where=f"{len(probed.probes)} runs",
            note=rough.text if rough else "",
        )
    )
    if not agrees:
        return mistakes.of_nearness(probed, found, distance)
    first, compared = _compared(probed, found, case.frozen)
    case.claims.append(
        ClaimVerdict(
            name="gradient",
            statement="the gradient by every weight is its formula's",
            outcome=Outcome.DIFFERS if compared.off or compared.frozen else Outcome.AGREES,
            difference=compared.difference,
            tolerance=compared.allowed,
            where=f"{len(probed.program.weights())} weights",
        )
    )
    if rough and rough.text:
        case.notes.append(f"off by {distance.difference:.2g} nats: {rough.text}")
    if probed.program.roundoff > SMALL:
        case.notes.append(
            f"it runs in float32 only: {distance.tolerance:.2g} nats of the loss are rounding; less is not seen"
        )
    if compared.fixed:
        case.notes.append(f"fixed on purpose (--frozen): {_names(compared.fixed)}, whose gradient is not judged")
    if compared.unread:
        case.notes.append(f"never read, or without a slope: {_names(compared.unread)}")
    cause = mistakes.of_gradient(probed, first, compared)
    if cause is None:
        library = libraries.beside(probed, found, first, compared)
        case.claims += libraries.claims_of(library, found)
        case.message = libraries.sentence(library, found)
        wanted = [each for each in case.claims if each.name.endswith("_ELBO") and each.outcome is Outcome.DIFFERS]
        if wanted:
            cause = Diagnosis(form=DifferenceForm.UNKNOWN, text=case.message)
            case.message = ""
    return cause


def _compared(probed: Probed, found: Found, frozen: Sequence[str]) -> tuple[Probe, Compared]:
    """The gradients at the model's own weights; at moved ones where some have no slope at its own, as behind an output
    that a ReLU holds at 0: a slope that is 0 on both sides shows nothing."""
    first = probed.probes[0]
    compared = gradients.compared(probed, found, first, frozen)
    moved = next((each for each in reversed(probed.probes) if each.setting.moved), None)
    if compared.off or not compared.unread or moved is None:
        return first, compared
    other = gradients.compared(probed, found, moved, frozen)
    first, compared = (moved, other) if other.off or len(other.unread) < len(compared.unread) else (first, compared)
    if compared.unread and not gradients.has_slope(probed, first, found.output):
        raise FunctionError(
            "what its decoder gives has no slope by any weight, as behind a ReLU that holds every output at 0: nothing "
            "of the reconstruction can be judged; make it with other weights."
        )
    return first, compared


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _unfitted(case: ResultDraft, probed: Probed, found: Found | None, deep: int) -> CheckResult:
    """A loss that is no combination of the ELBO's terms at sigma: a floor, a named mistake, or not judged."""
    under_a_floor = _floored(case, probed) if found is None and not deep else None
    if under_a_floor is not None:
        return under_a_floor
    beside = case.opened.way.chosen.beside
    missing = missing_part(probed) if beside else ""
    if missing:
        text = f"not judged: the loss was taken for one of the values that it returns, which lacks {missing}"
        text = f"{text}; beside it stand {', '.join(beside)}: name what adds them, as in --loss FUNCTION"
        return case.result(CheckVerdict.NOT_JUDGED, message=text)
    cause = mistakes.of_value(probed, found)
    if cause is not None and cause.form is DifferenceForm.OBJECTIVE:
        return case.result(CheckVerdict.OTHER_OBJECTIVE, cause)
    if cause is not None and not deep:
        return case.result(CheckVerdict.WRONG, cause)
    sampled = "the sampler is right (z = mean + sigma e); "
    raise_for_nothing(probed)
    part = data_part(probed, case.likelihood)
    if part is not None:
        sampled = f"{sampled}the reconstruction term is the {part.term.name}, told by its changes with the output; "
    if deep:
        text = f"a hierarchy: {deep} more latents depend on the first through a network; the priors were not found"
    elif part is not None:
        text = "the rest of the loss is no KL to N(0, I), nor to a Gaussian of the model's own arrays"
    else:
        text = "the loss is no combination of a reconstruction term and a KL to N(0, I) of these networks"
    return case.result(CheckVerdict.NOT_JUDGED, message=f"{sampled}not judged: {text}")


def raise_for_nothing(probed: Probed) -> None:
    """Raises FunctionError where there is nothing that the decoder could have given."""
    if not probed.outputs():
        raise FunctionError(
            "no array of x's size depends on z: what the decoder gives was not found; name the loss with --loss NAME."
        )
