"""The verdict on a function that draws inside: which reading its means fit, the claims, and what they equal if none."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking import apart, drawing, oracle
from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.claims import ClaimVerdict
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm, misread
from elbo_compare.compare.checking.drawing import CONSISTENT, Estimate, Sample
from elbo_compare.compare.checking.experiment import Experiment
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.finding import Finding
from elbo_compare.compare.checking.fitting import EXPONENTS, Columns, short
from elbo_compare.compare.checking.identify import Identified, Standing, candidate_readings, identify, quantities_of
from elbo_compare.compare.checking.imitating import imitated
from elbo_compare.compare.checking.inputs import FITTED, ORDINARY, Trial, prior
from elbo_compare.compare.checking.judging import Options, settled
from elbo_compare.compare.checking.names import SPREADS, Role
from elbo_compare.compare.checking.objectives import SOURCES, Name
from elbo_compare.compare.checking.proportions import Told, sums_untold, told_of
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction
from elbo_compare.compare.checking.result import CheckVerdict, TermResult
from elbo_compare.compare.checking.samplers import sampler_of
from elbo_compare.compare.checking.terms import layout_of
from elbo_compare.compare.checking.wording import equation_of, name_notes, standing_notes
from elbo_compare.compare.records import Outcome

Read = tuple[TermResult, Reading]
FACTORS = (1.0, -1.0, 0.5, 2.0)
UNDECIDED = (
    "Its draws vary too much to tell (far more than log q - log p does): "
    "let it take z as a parameter to be judged exactly."
)


def judge_drawing(experiment: Experiment, callee: Callee, options: Options) -> Finding:
    """Judge what would be minimised in expectation. Terms beside it are not judged."""
    first = experiment.observe(experiment.ordinary(ORDINARY[0]))
    sampler = sampler_of(experiment, callee.label)
    if sampler:
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{callee.label}: {sampler}")
    joined = apart.joining(callee.label, callee.function)
    if joined:  # each of thousands of rows with each: dear, and no mean of draws of one datum
        text = f"{callee.label} draws, and has {joined}, which is not judged here"
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=text)
    layout = layout_of(callee.function, experiment.signature, [term.name for term in first.terms])
    if layout.apart:
        experiment = replace(experiment, together=(*layout.apart, 1.0))
    told = told_of(callee, options.likelihood)
    data = _data_term(experiment, options, layout.position, proportions=told is not Told.BINARY)
    samples = drawing.sample(experiment)
    reading = _reading(experiment, data)
    while True:
        term = _judge(experiment, samples, layout.position, layout.names, reading)
        if term.right or term.diagnosis is not None or not drawing.widen(experiment, samples):
            term, reading = _under_another_form(experiment, samples, layout.position, layout.names, (term, reading))
            finding = _finding(experiment, term, reading, samples, layout.position, options)
            untold = sums_untold(experiment.signature, data, told) if finding.verdict is not CheckVerdict.WRONG else ""
            return Finding(verdict=CheckVerdict.NOT_JUDGED, message=untold) if untold else finding


def _under_another_form(
    experiment: Experiment, samples: Sequence[Sample], position: int, names: Sequence[str], first: Read
) -> Read:
    """The term that is wrong as its spread is named, where it is right for another form: that name is the mistake,
    unless it may stand for both."""
    argument = experiment.signature.find(Role.SPREAD)
    if first[0].diagnosis is None or argument is None:
        return first
    for form in dict.fromkeys((*argument.forms, *SPREADS)):
        reading = replace(first[1], spread=form)
        with np.errstate(all="ignore"):
            known = all(np.isfinite(oracle.log_var_of(s.observation.inputs[Role.SPREAD], form)).all() for s in samples)
        term = _judge(experiment, samples, position, names, reading) if known and form is not first[1].spread else None
        if term is not None and term.right:
            cause = None if argument.may_be(form) else misread(experiment.signature, reading)
            return replace(term, right=cause is None, diagnosis=cause), reading
    return first


def _finding(
    experiment: Experiment,
    term: TermResult,
    reading: Reading,
    samples: Sequence[Sample],
    position: int,
    options: Options,
) -> Finding:
    notes = (*name_notes(experiment.signature, reading), *standing_notes(reading))
    reduction = Reduction(term.reduction)
    taken = {a.name: a.meaning for a in settled(experiment, reading).signature.arguments}
    if term.right:
        equation = f"{equation_of(reading, reduction, experiment.signature)}, in expectation over its own draws"
        return Finding(verdict=CheckVerdict.RIGHT, equation=equation, terms=(term,), notes=notes, parameters=taken)
    if term.diagnosis is None and all(claim.outcome is not Outcome.DIFFERS for claim in term.claims):
        return Finding(verdict=CheckVerdict.INCONCLUSIVE, message=UNDECIDED, terms=(term,))
    beta = _beta(samples, position, reading, reduction)
    if beta is not None:
        text = f"reconstruction + {short(beta)} x KL, in expectation: {SOURCES[Name.BETA]}"
        declared = options.objective is Name.BETA
        cause = Diagnosis(
            form=DifferenceForm.OBJECTIVE, text=f"is not the ELBO: {text}", advice="if it is meant: --objective beta"
        )
        return Finding(
            verdict=CheckVerdict.BY_DESIGN if declared else CheckVerdict.OTHER_OBJECTIVE,
            equation=text if declared else "",
            diagnosis=None if declared else cause,
            terms=(term,),
            objective=Name.BETA,
            declared_by="--objective beta" if declared else "",
            parameters=taken,
        )
    return Finding(verdict=CheckVerdict.WRONG, diagnosis=term.diagnosis, terms=(term,), notes=notes)


def _beta(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> float | None:
    """The weight of the KL that all means agree with; None where there is none or it is 1."""
    if not (reading.has_data and reading.has_kl):
        return None
    weights, errors = [], []
    for taken, e in zip(samples, _values(samples, position, reading, reduction), strict=True):
        without = float(drawing.single(taken, replace(reading, kl_weight=0.0)).value[0])
        kl = e.right - without
        weights.append((e.mean - without) / kl)
        errors.append(e.standard_error / abs(kl))
    best = int(np.argmin(errors))
    digits = max(0, 2 - round(np.log10(abs(weights[best]) + 1e-12)))
    beta = round(weights[best], min(digits, 2)) if errors[best] < 0.02 * abs(weights[best]) else weights[best]
    fits = all(abs(w - beta) <= CONSISTENT * e for w, e in zip(weights, errors, strict=True))
    return beta if fits and beta > 0 and abs(beta - 1) > CONSISTENT * errors[best] else None


def _data_term(experiment: Experiment, options: Options, position: int, *, proportions: bool) -> Identified | None:
    """The reconstruction term, at q = p, where log q - log p is 0 whatever is drawn."""
    if experiment.signature.find(Role.OUTPUT) is None and experiment.signature.find(Role.DATA_TERM) is None:
        return None
    cases: list[Trial] = [prior(experiment.ordinary(sizes, r)) for sizes in ORDINARY for r in range(FITTED)]
    columns = Columns([experiment.observe(case, differentiate=False) for case in cases])
    quantities = (Quantity.RECONSTRUCTION,)
    readings = candidate_readings(experiment.signature, quantities, options.likelihood, proportions=proportions)
    with np.errstate(all="ignore"):
        found = identify(columns, position, experiment.signature, readings)
    return found if found and found.standing in (Standing.RIGHT, Standing.MISREAD) else None


def _reading(experiment: Experiment, found: Identified | None) -> Reading:
    """What its mean should be, with the reconstruction term that it has."""
    signature = experiment.signature
    (quantity,) = quantities_of(signature.kind)
    options = candidate_readings(signature, (quantity,))
    reading = replace(options[0], sampled=False, sign=-1 if signature.positive else 1)
    if found is None:
        return reading
    data = found.reading
    sign = data.sign if quantity is Quantity.NEGATIVE_ELBO else reading.sign
    return replace(reading, data=data.data, given=data.given, weight=data.weight, constant=data.constant, sign=sign)


def _judge(
    experiment: Experiment, samples: Sequence[Sample], position: int, names: Sequence[str], reading: Reading
) -> TermResult:
    allowed = drawing.shapes(samples[0], position)
    name = names[position] if position < len(names) else "sum"
    if not allowed:
        shape = samples[0].values[position][0].shape
        raise FunctionError(f"{experiment.signature.name} returned shape {shape} for {drawing.ROWS} rows.")
    reduction = min(allowed, key=lambda each: _misfit(samples, position, reading, each))
    tests = drawing.TESTS_PER_TERM
    claims = _claims(experiment, samples, position, reading, reduction, tests)
    right = all(claim.outcome in (Outcome.AGREES, Outcome.NOT_RUN) for claim in claims)
    differs = any(claim.outcome is Outcome.DIFFERS for claim in claims)
    return TermResult(
        name=name,
        read_as=f"{reading.title}, in expectation",
        reduction=reduction.value,
        right=right,
        claims=claims,
        diagnosis=_diagnose(samples, position, reading, reduction, claims) if differs else None,
    )


def _values(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> list[Estimate]:
    return [drawing.estimate_value(taken, position, reading, reduction) for taken in samples]


def _misfit(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> float:
    """|log(mean / right)|: a wrong term is still nearest to the reduction that gives its order of magnitude."""
    estimates = _values(samples, position, reading, reduction)
    ratios = np.array([e.mean / e.right if e.right else np.inf for e in estimates])
    with np.errstate(all="ignore"):
        return float(np.nan_to_num(np.abs(np.log(np.abs(ratios))), nan=np.inf).max() + np.sum(ratios < 0))


def _claims(
    experiment: Experiment,
    samples: Sequence[Sample],
    position: int,
    reading: Reading,
    reduction: Reduction,
    tests: int,
) -> tuple[ClaimVerdict, ...]:
    calls = len(samples[0].values[position])
    values = _values(samples, position, reading, reduction)
    gradients = _gradients(samples, position, reading, reduction)
    statement = "the mean over its own draws is the exact value (equivalence, margin 0.05 sd of one draw)"
    heavy = any(e.dominated for e in (*values, *gradients))
    claims = [drawing.decide("expectation", statement, values, calls, tests, heavy=heavy)]
    statement = "the mean gradient over its own draws is the exact gradient (equivalence, margin 0.05 sd)"
    if gradients:
        claims.append(drawing.decide("mean gradient", statement, gradients, calls, tests, heavy=heavy))
    else:
        reason = experiment.observe(experiment.ordinary(ORDINARY[0])).terms[position].no_gradient
        outcome = Outcome.DIFFERS if "cut off" in reason else Outcome.NOT_RUN
        claims.append(ClaimVerdict(name="mean gradient", statement=statement, outcome=outcome, note=reason))
    claims.append(_own_noise(experiment, samples, position, reading, reduction))
    claims.append(drawing.judge_prior(experiment, position, reading, reduction))
    return tuple(claims)


def _own_noise(
    experiment: Experiment,
    samples: Sequence[Sample],
    position: int,
    reading: Reading,
    reduction: Reduction,
) -> ClaimVerdict:
    statement = "every datum of a batch gets its own noise"
    shared = drawing.shared_noise(experiment, samples, position, reading, reduction)
    if shared is None:
        note = "the variance of the batch is far above that of log q - log p: shared noise, or another estimator"
        return ClaimVerdict(name="own noise", statement=statement, outcome=Outcome.NOT_RUN, note=note)
    outcome = Outcome.DIFFERS if shared else Outcome.AGREES
    return ClaimVerdict(
        name="own noise", statement=statement, outcome=outcome, note="one noise for the whole batch" if shared else ""
    )


def _gradients(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> list[Estimate]:
    return [
        estimate
        for taken in samples
        for role in (Role.MEAN, Role.SPREAD, Role.OUTPUT)
        if (estimate := drawing.estimate_gradient(taken, position, reading, reduction, role))
    ]


def _diagnose(
    samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction, claims: Sequence[ClaimVerdict]
) -> Diagnosis:
    failed = {claim.name for claim in claims if claim.outcome is Outcome.DIFFERS}
    if failed == {"own noise"}:
        return Diagnosis(
            form=DifferenceForm.EXPECTATION,
            text="has the right mean, but draws one noise for the whole batch",
            advice="draw noise of the shape of the mean: shared noise leaves the batch mean as noisy as one datum",
        )
    if "expectation" in failed and (law := _law(samples, position, reading, reduction)):
        return law
    variant = imitated(samples, position, reading, reduction)
    if variant:
        text = f"agrees in expectation, in value and gradient, with {variant.title}"
        return Diagnosis(form=DifferenceForm.MUTANT, id=variant.id, text=text, seen=variant.seen, advice=variant.advice)
    values = _values(samples, position, reading, reduction)
    if "expectation" in failed:
        off = ", ".join(f"{e.difference:+.3g} nats at {e.where} (right: {e.right:.4g})" for e in values)
        return Diagnosis(form=DifferenceForm.EXPECTATION, text=f"has another mean: {off}")
    return _gradient_diagnosis(_gradients(samples, position, reading, reduction), failed)


def _gradient_diagnosis(gradients: Sequence[Estimate], failed: set[str]) -> Diagnosis:
    if "mean gradient" not in failed:
        text = f"has the right mean and fails {' and '.join(sorted(failed))}"
        return Diagnosis(form=DifferenceForm.EXPECTATION, text=text)
    off = [e for e in gradients if abs(e.difference) > e.margin]
    zero = [e for e in off if abs(e.mean) <= CONSISTENT * e.standard_error + e.margin]
    what = "is zero" if off and len(zero) == len(off) else "is another one"
    where = ", ".join(f"{e.where}: {e.mean:.3g} for {e.right:.3g}" for e in off)
    return Diagnosis(
        form=DifferenceForm.GRADIENT,
        text=f"has the right mean value, but its mean gradient {what} ({where or 'no gradient'})",
        advice="look for sample() where rsample() is meant, detach, stop_gradient or no_grad",
    )


def _law(samples: Sequence[Sample], position: int, reading: Reading, reduction: Reduction) -> Diagnosis | None:
    """The mean is the right value times a simple factor and powers of the sizes of the axes."""
    estimates = _values(samples, position, reading, reduction)
    for powers in (each for each in EXPONENTS if -2 not in each):
        for factor in FACTORS:
            if not any(powers) and factor == 1:
                continue
            laws = [factor * _power(taken, powers) for taken in samples]
            if all(
                abs(e.mean - law * e.right) <= CONSISTENT * e.standard_error + abs(law) * e.margin * 1e-6
                for e, law in zip(estimates, laws, strict=True)
            ):
                axes = "".join(
                    f" {'/' if power < 0 else 'x'} {axis}"
                    for axis, power in zip(("batch", "latent", "observed"), powers, strict=True)
                    if power
                )
                sign = "its sign is flipped" if factor == -1 and not axes else "sum over the dimensions of a datum"
                text = f"has {factor:g}{axes} times the right mean"
                return Diagnosis(form=DifferenceForm.EXPECTATION, text=text, advice=sign)
    return None


def _power(taken: Sample, powers: tuple[int, ...]) -> float:
    inputs = taken.observation.inputs
    observed = inputs[Role.X].shape[1] if Role.X in inputs else 1
    sizes = (drawing.ROWS, inputs[Role.MEAN].shape[1], observed)
    return float(np.prod([float(size) ** power for size, power in zip(sizes, powers, strict=True)]))
