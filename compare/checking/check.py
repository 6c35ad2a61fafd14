"""Checks one function object in this process: reads it, calls it, judges every term, and says what it equals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elbo_compare.compare.checking.claims import Claim, Record, TermRecord, judge, record, record_ordinary
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm, diagnose_claims, diagnose_value
from elbo_compare.compare.checking.drawing import draws
from elbo_compare.compare.checking.expectation import judge_drawing
from elbo_compare.compare.checking.experiment import Experiment, open_experiment
from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.checking.readings import (
    UNIT_ROUNDOFF,
    Quantity,
    Reading,
    Reduction,
    farthest,
    readings,
    reductions,
    value_distance,
)
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict, TermResult
from elbo_compare.compare.checking.signature import Form, FunctionKind, Role, read_mapping, read_signature
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.contract import DType, Likelihood

UNDECIDED = (
    "Its draws vary too much to tell (far more than log q - log p does): "
    "let it take z as a parameter to be judged exactly."
)

Match = tuple[Reading, Reduction, float]  # the float is the unit roundoff at which it matches


def check_function(
    function: Callable[..., Any],
    *,
    kind: FunctionKind | str | None = None,
    mapping: Iterable[str] = (),
    framework: str | None = None,
    likelihood: Likelihood | str | None = None,
    target: str = "",
) -> CheckResult:
    """Judge one function; never raises for what the function does (`CheckResult.message` says it).

    kind: what it is meant to compute, else read from its parameter names. mapping: `theirs=ours` pairs. likelihood:
    bernoulli or normal, else found out. Raises nothing but what is a mistake of the caller: TargetError for an
    unknown kind, framework, likelihood or name.

    >>> import numpy as np
    >>> def kl(mean, log_var):
    ...     return 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    >>> print(check_function(kl, framework='numpy').verdict)
    right
    >>> def half(mean, log_var):
    ...     return (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    >>> print(check_function(half, framework='numpy').verdict)
    wrong
    """
    label = target or getattr(function, "__name__", type(function).__name__)
    data: Likelihood | None = _choice(Likelihood, likelihood, "likelihood")
    signature = read_signature(function, kind=_choice(FunctionKind, kind, "kind"), mapping=read_mapping(mapping))
    described: dict[str, Any] = {
        "target": label,
        "kind": signature.kind.value,
        "parameters": {argument.name: argument.meaning for argument in signature.arguments},
    }
    try:
        with open_experiment(function, signature, framework) as experiment:
            described |= {
                "framework": experiment.arrays.name,
                "dtype": experiment.dtype.value,
                "layout": experiment.layout.value if signature.find(Role.X) else "",
            }
            if draws(experiment):
                described |= {"draws": True}
                return _result(judge_drawing(experiment, data), described)
            return _result(_judge_terms(experiment, data), described)
    except FunctionError as error:
        return CheckResult(verdict=CheckVerdict.FAILED, message=str(error), **described)


def _choice(choices: Any, value: Any, label: str) -> Any:
    if value is None or isinstance(value, choices):
        return value
    try:
        return choices(str(value).replace("-", "_"))
    except ValueError as error:
        raise TargetError(f"No {label} {value!r}. Known: {', '.join(choices)}.") from error


def _result(terms: Sequence[TermResult], described: dict[str, Any]) -> CheckResult:
    judged = [term for term in terms if term.read_as]
    inconclusive = any(claim.outcome is Outcome.INCONCLUSIVE for term in judged for claim in term.claims)
    if any(not term.right for term in judged):
        verdict = CheckVerdict.INCONCLUSIVE if _only_inconclusive(judged) else CheckVerdict.WRONG
    else:
        verdict = CheckVerdict.INCONCLUSIVE if inconclusive else CheckVerdict.RIGHT
    wrong = [term for term in judged if not term.right and term.diagnosis]
    chosen = next(iter(wrong), next((term for term in judged if term.diagnosis), None))
    diagnosis = chosen.diagnosis if chosen else None
    if diagnosis and chosen and len(terms) > 1:
        diagnosis = replace(diagnosis, text=f"the term {chosen.name!r} {diagnosis.text}")
    message = UNDECIDED if verdict is CheckVerdict.INCONCLUSIVE else ""
    return CheckResult(verdict=verdict, message=message, terms=tuple(terms), diagnosis=diagnosis, **described)


def _only_inconclusive(terms: Sequence[TermResult]) -> bool:
    outcomes = {claim.outcome for term in terms for claim in term.claims}
    return Outcome.INCONCLUSIVE in outcomes and Outcome.DIFFERS not in outcomes


def _judge_terms(experiment: Experiment, likelihood: Likelihood | None) -> list[TermResult]:
    """Every term: first those that equal a right reading; then each other one against what is left over."""
    experiment = _settle_output(experiment, likelihood)
    found = record(experiment)
    names = [term.name for term in found.ordinary[0].terms]
    alone = len(names) == 1
    matches = {i: _match(experiment, found, i, _readings(experiment, likelihood, i, names)) for i in range(len(names))}
    taken = {match[0].quantity for match in matches.values() if match}
    results = []
    for position, name in enumerate(names):
        candidates = _readings(experiment, likelihood, position, names)
        match = matches[position]
        if match:
            results.append(_judge_right(experiment, found, position, match, candidates, alone))
            continue
        left = tuple(reading for reading in candidates if alone or reading.quantity not in taken)
        shape = found.ordinary[0].terms[position].value.shape
        if not reductions(found.ordinary[0].terms[position].value, found.ordinary[0]):
            if alone:
                raise FunctionError(_wrong_shape(experiment, shape, found.ordinary[0].batch))
            left = ()
        if not left:
            note = f"shape {shape}: no loss term, or one that another term already is"
            results.append(TermResult(name=name, read_as="", reduction="", right=True, note=note))
            continue
        results.append(_judge_wrong(experiment, found, position, left))
    return _same_weights(results)


def _readings(
    experiment: Experiment, likelihood: Likelihood | None, position: int, names: list[str]
) -> tuple[Reading, ...]:
    return readings(experiment.signature, likelihood, names[position], len(names) == 1)


def _wrong_shape(experiment: Experiment, shape: tuple[int, ...], batch: int) -> str:
    return (
        f"{experiment.signature.name} returned shape {shape} for a batch of {batch}; a scalar, one value per datum "
        f"({batch},) or one per datum and dimension is wanted."
    )


def _match(experiment: Experiment, found: Record, position: int, candidates: Sequence[Reading]) -> Match | None:
    """The reading and reduction that the term equals at ordinary inputs, in float64 if it can be, else in float32."""
    allowed = reductions(found.ordinary[0].terms[position].value, found.ordinary[0])
    for dtype in dict.fromkeys((experiment.dtype, DType.FLOAT32)):
        roundoff, best = UNIT_ROUNDOFF[dtype], None
        for reading in candidates:
            for reduction in allowed:
                with np.errstate(all="ignore"):
                    distance = farthest(
                        [
                            value_distance(reading, reduction, one.terms[position], one, roundoff)
                            for one in found.ordinary
                        ]
                    )
                if distance.ratio <= 1 and (best is None or distance.ratio < best[1]):
                    best = ((reading, reduction, roundoff), distance.ratio)
        if best:
            return best[0]
    return None


def _settle_output(experiment: Experiment, likelihood: Likelihood | None) -> Experiment:
    """Where it is unknown what the output is: take what some term equals, or what explains it best; else
    probabilities, which is what a name like recon_x mostly stands for."""
    argument = experiment.signature.find(Role.OUTPUT)
    if argument is None or argument.form is not Form.OUTPUT_UNKNOWN:
        return experiment
    found = record_ordinary(experiment)
    names = [term.name for term in found.ordinary[0].terms]
    explained: list[Form] = []
    for position in range(len(names)):
        candidates = _readings(experiment, likelihood, position, names)
        candidates = [reading for reading in candidates if reading.quantity is not Quantity.KL]
        if not candidates or not reductions(found.ordinary[0].terms[position].value, found.ordinary[0]):
            continue
        match = _match(experiment, found, position, candidates)
        if match:
            return _with_output(experiment, match[0].output)
        wrong, reading = diagnose_value(experiment.signature, found, position, candidates, _roundoff(experiment))
        if wrong.form is not DifferenceForm.UNKNOWN:
            explained.append(reading.output)
    form = Form.LOCATION if likelihood is Likelihood.NORMAL else Form.PROBS
    return _with_output(experiment, explained[0] if explained else form)


def _roundoff(experiment: Experiment) -> float:
    return UNIT_ROUNDOFF[experiment.dtype]


def _with_output(experiment: Experiment, form: Form) -> Experiment:
    signature = experiment.signature
    arguments = tuple(
        replace(argument, form=form) if argument.role is Role.OUTPUT else argument for argument in signature.arguments
    )
    return replace(experiment, signature=replace(signature, arguments=arguments))


def _judge_right(
    experiment: Experiment, found: Record, position: int, match: Match, candidates: Sequence[Reading], alone: bool
) -> TermResult:
    reading, reduction, roundoff = match
    term = TermRecord(position=position, record=found, reading=reading, reduction=reduction, roundoff=roundoff)
    claims = judge(term)
    if not alone and "cut off" in term.missing_gradient:
        pass  # a term that is returned for the log beside the loss carries no gradient
    elif "cut off" in term.missing_gradient:
        claims = tuple(replace(c, outcome=Outcome.DIFFERS) if c.name == "gradient" else c for c in claims)
    diagnosis = diagnose_claims(experiment.signature, term, claims, (reading, *candidates))
    if diagnosis and diagnosis.form is DifferenceForm.LEGITIMATE:
        claims = _exempted(claims, diagnosis)
    note = _precision_note(term, experiment, roundoff)
    return TermResult(
        name=term.term(found.ordinary[0]).name,
        read_as=reading.title,
        reduction=reduction.value,
        right=all(claim.outcome is not Outcome.DIFFERS for claim in claims),
        claims=claims,
        diagnosis=diagnosis,
        note=note,
    )


def _exempted(claims: Iterable[Claim], diagnosis: Diagnosis) -> tuple[Claim, ...]:
    note = f"not meant for {diagnosis.id}, a legitimate variant"
    return tuple(
        replace(claim, outcome=Outcome.NOT_RUN, note=note) if claim.outcome is Outcome.DIFFERS else claim
        for claim in claims
    )


def _precision_note(term: TermRecord, experiment: Experiment, roundoff: float) -> str:
    if experiment.dtype is DType.FLOAT32:
        return "it raises for float64 arguments: judged in float32"
    if roundoff == UNIT_ROUNDOFF[DType.FLOAT64]:
        return ""
    computed = term.term(term.record.ordinary[0]).dtype
    if computed == "float32":
        return "it computes in float32 even where float64 arrives: judged in float32"
    worst = term.values(term.record.ordinary, UNIT_ROUNDOFF[DType.FLOAT64])
    much = f"off by {worst.difference:.2g} in float64"
    return f"right to float32 rounding only ({much}): an added epsilon, or float32 inside"


def _judge_wrong(experiment: Experiment, found: Record, position: int, candidates: Sequence[Reading]) -> TermResult:
    roundoff = _roundoff(experiment)
    diagnosis, reading = _first_explained(experiment, found, position, candidates)
    allowed = reductions(found.ordinary[0].terms[position].value, found.ordinary[0])
    records = [
        TermRecord(position=position, record=found, reading=reading, reduction=reduction, roundoff=roundoff)
        for reduction in allowed
    ]
    nearest = min(records, key=lambda one: one.values(found.ordinary).ratio)
    claims = judge(nearest)
    legitimate = diagnosis.form is DifferenceForm.LEGITIMATE
    return TermResult(
        name=found.ordinary[0].terms[position].name,
        read_as=reading.title,
        reduction=nearest.reduction.value if len(allowed) == 1 else f"sum or mean (nearer: {nearest.reduction.value})",
        right=legitimate,
        claims=_exempted(claims, diagnosis) if legitimate else claims,
        diagnosis=diagnosis,
    )


def _first_explained(
    experiment: Experiment, found: Record, position: int, candidates: Sequence[Reading]
) -> tuple[Diagnosis, Reading]:
    """The diagnosis under the most specific quantity that explains the term: a part of the loss before the whole."""
    groups = [
        [reading for reading in candidates if reading.quantity is quantity]
        for quantity in (Quantity.RECONSTRUCTION, Quantity.KL, Quantity.NEGATIVE_ELBO)
    ]
    diagnosed = [
        diagnose_value(experiment.signature, found, position, group, _roundoff(experiment)) for group in groups if group
    ]
    explained = (pair for pair in diagnosed if pair[0].form is not DifferenceForm.UNKNOWN)
    return next(explained, diagnosed[-1])


def _same_weights(results: list[TermResult]) -> list[TermResult]:
    """A reconstruction term and a KL that are returned apart, without their sum, must be reduced alike."""
    right = [result for result in results if result.read_as and result.right]
    if len(right) < 2 or any("ELBO" in result.read_as for result in results):
        return results
    if len({result.reduction for result in right}) == 1:
        return results
    text = "is reduced otherwise than " + " and ".join(f"{r.name!r} ({r.reduction})" for r in right[:-1])
    advice = "added together they weigh the KL wrongly: reduce both by a sum or both by a mean over the batch"
    diagnosis = Diagnosis(form=DifferenceForm.TERMS, text=f"{text}: {right[-1].reduction}", advice=advice)
    return [replace(r, right=False, diagnosis=diagnosis) if r is right[-1] else r for r in results]
