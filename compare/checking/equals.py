"""Which known mutant or legitimate variant a term equals: the same value and gradient on every probe.

Ordinary inputs, extreme ones, q = p, parts and mirrored noise all count; a variant that can't be told from the right
function on these probes explains nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.claims import Record
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.inputs import REPLICATES, Inputs
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.readings import Quantity, Reading, target
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.suites import complex_step
from elbo_compare.suites.bridge.user_arrays import DETACHED, Term
from elbo_compare.suites.contract import Array, DType, Likelihood
from elbo_compare.suites.mutants import catalogue, correct
from elbo_compare.suites.mutants.loss import NegativeElbo
from elbo_compare.suites.mutants.variant import Kind, Variant

# Identification, not judgement: the claims have failed by then. A mutant that differs from the right function by less
# than this is not told from it. Relative to the sum of absolute terms.
SAME = {DType.FLOAT64: 1e-9, DType.FLOAT32: 1e-5}
# The complex step is exact, autodiff rounds: relative to the largest gradient of the argument.
SAME_GRADIENT = {DType.FLOAT64: 1e-7, DType.FLOAT32: 1e-4}
ARGUMENTS = {Role.Z: "z", Role.MEAN: "mean", Role.SPREAD: "log_var", Role.OUTPUT: "logits"}


@dataclass(frozen=True, kw_only=True)
class Match:
    """A variant that a term equals; `part`: "" or the term of the loss that it replaces, the rest being right."""

    variant: Variant
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A whole function of canonical arguments that the term may equal, and what finding it would say."""

    match: Match
    kind: Kind
    sign: int
    function: Callable[..., Any]


def kinds_of(reading: Reading, kind: FunctionKind) -> tuple[tuple[Kind, int], ...]:
    """Catalogue kinds that a reading may equal, each with the sign that turns it into the term."""
    if reading.quantity is Quantity.KL:
        return ((Kind.SAMPLED_KL, 1), (Kind.ANALYTIC_KL, 1)) if reading.sampled else ((Kind.ANALYTIC_KL, 1),)
    if reading.quantity is not Quantity.NEGATIVE_ELBO:
        return ()
    negative = (Kind.NEGATIVE_ELBO, reading.sign)
    if not reading.sampled:
        return (negative,)
    weight = (Kind.LOG_WEIGHT, -reading.sign)
    return (weight, negative) if kind is FunctionKind.LOG_WEIGHT else (negative, weight)


def arguments_of(kind: Kind, reading: Reading, inputs: Inputs) -> dict[str, Any]:
    """The canonical arguments of a catalogue function from the inputs in the user's forms."""
    log_var = oracle.log_var_of(inputs[Role.SPREAD], reading.spread)
    arguments: dict[str, Any] = {"mean": inputs[Role.MEAN], "log_var": log_var}
    if kind is not Kind.ANALYTIC_KL:
        arguments["z"] = inputs[Role.Z] if reading.sampled else None
    if kind in (Kind.NEGATIVE_ELBO, Kind.LOG_WEIGHT):
        output = inputs[Role.OUTPUT]
        if reading.output is WrittenAs.PROBS:
            output = np.log(output) - np.log1p(-output)
        arguments |= {"x": inputs[Role.X], "logits": output}
    return arguments


def fits(kind: Kind, variant: Variant, reading: Reading) -> bool:
    """Whether a variant's likelihood is the one of the reading."""
    return kind not in (Kind.NEGATIVE_ELBO, Kind.LOG_WEIGHT) or variant.likelihood is reading.likelihood


def suspects(reading: Reading, kind: FunctionKind) -> Iterator[Suspect]:
    """Whole functions of the catalogue first, then losses in which one KL of the catalogue replaces the right one."""
    if reading.prior is not None or reading.fixed or reading.given or reading.likelihood is None:
        return
    for each, sign in kinds_of(reading, kind):
        for variant in catalogue.of_kind(each):
            if fits(each, variant, reading):
                yield Suspect(match=Match(variant=variant), kind=each, sign=sign, function=variant.function)
    if reading.quantity is Quantity.NEGATIVE_ELBO:
        for each in (Kind.SAMPLED_KL, Kind.ANALYTIC_KL) if reading.sampled else (Kind.ANALYTIC_KL,):
            for variant in catalogue.of_kind(each):
                for data in _likelihoods(reading):
                    function = NegativeElbo(
                        log_likelihood=data, sampled_kl=_taking(each, variant), analytic_kl=variant.function
                    )
                    match = Match(variant=variant, part="KL term")
                    yield Suspect(match=match, kind=Kind.NEGATIVE_ELBO, sign=reading.sign, function=function)


def _taking(kind: Kind, variant: Variant) -> Callable[..., Any]:
    if kind is Kind.SAMPLED_KL:
        return variant.function
    return lambda z, mean, log_var: variant.function(mean, log_var)


def _likelihoods(reading: Reading) -> list[Callable[..., Any]]:
    if reading.likelihood is not Likelihood.NORMAL:
        return [correct.bernoulli_log_likelihood]

    def normal(weight: float, constant: float) -> Callable[..., Any]:
        return lambda x, output, scale=1.0: -(0.5 * weight * (x - output) ** 2 + constant).sum(-1)

    return [normal(weight, constant) for weight in (1.0, 2.0) for constant in (0.0, oracle.HALF_LOG_2PI)]


def find(
    record: Record, position: int, candidates: Sequence[Reading], kind: FunctionKind
) -> tuple[Match, Reading] | None:
    """The first variant that the term equals on every probe, and that is told from the right function by one."""
    shape = record.ordinary[0].terms[position].value.shape
    with np.errstate(all="ignore"):
        for reading in candidates:
            found = [s for s in suspects(reading, kind) if _same_values(record, position, reading, s)]
            found.sort(key=lambda s: (bool(s.match.part), _shape(s, reading, record) != shape))
            for suspect in found:
                scale = _same_values(record, position, reading, suspect)
                if scale and _same_gradients(record, position, reading, suspect, scale):
                    return suspect.match, reading
    return None


def _shape(suspect: Suspect, reading: Reading, record: Record) -> tuple[int, ...]:
    return np.shape(suspect.function(**arguments_of(suspect.kind, reading, record.ordinary[0].inputs)))


Scale = Callable[[Any, Observation], Any]


def _scalings(value: Array, observation: Observation, result: Any) -> list[Scale]:
    """Ways in which a variant's result may be reduced to the shape that the term has."""
    if value.size == 1 and observation.batch > 1:
        if np.ndim(result) == 0:
            return [lambda a, _: a, lambda a, o: a / o.batch, lambda a, o: a * o.batch]
        return [lambda a, _: a.sum(), lambda a, _: a.mean()]
    return [] if np.ndim(result) == 0 or value.size != np.size(result) else [lambda a, _: a]


def _same_values(record: Record, position: int, reading: Reading, suspect: Suspect) -> Scale | None:
    """The scaling under which every value is the same; None where there is none."""
    first = record.ordinary[0]
    result = suspect.function(**arguments_of(suspect.kind, reading, first.inputs))
    for scale in _scalings(first.terms[position].value, first, result):
        if all(_same_value(one, position, reading, suspect, scale) for one in record.everywhere):
            return scale
    return None


def _same_value(one: Observation, position: int, reading: Reading, suspect: Suspect, scale: Scale) -> bool:
    got = one.terms[position].value.ravel()
    result = suspect.function(**arguments_of(suspect.kind, reading, one.inputs))
    value = np.ravel(np.real(suspect.sign * scale(result, one)))
    if value.size != got.size or np.any(np.isfinite(got) != np.isfinite(value)):
        return False
    finite = np.isfinite(got)
    # The sum of absolute terms, and the value itself: of a square or an exponential it is the larger.
    allowed = SAME[one.dtype] * (target(reading, one.inputs).scale.sum() + np.abs(value[finite]).sum())
    return not np.any(np.abs(got - value)[finite] > allowed)


def _same_gradients(record: Record, position: int, reading: Reading, suspect: Suspect, scale: Scale) -> bool:
    """Equal gradients wherever there are some; and some probe tells the suspect from the right function."""
    told = _told_by_value(record, reading, suspect, scale)
    observations = (*record.ordinary[::REPLICATES], *record.extreme, *record.noise)
    for one in observations:
        term = one.terms[position]
        if term.gradients is None:
            return _gradient_is_zero(one, reading, suspect) if term.no_gradient == DETACHED else told
        for role, gradient in term.gradients.items():
            if arguments_of(suspect.kind, reading, one.inputs).get(ARGUMENTS.get(role, "")) is None:
                continue
            exact = _gradient(one, reading, suspect, scale, role)
            right = target(reading, one.inputs)
            # Below a thousandth of what rounding is measured by there is nothing to classify.
            floor = 1e-3 * float(np.max(right.gradient_scales[role]))
            largest = max(float(np.abs(exact).max()), float(np.abs(gradient).max()), floor, 1e-12)
            if not np.abs(exact - gradient).max() <= SAME_GRADIENT[one.dtype] * largest:
                return False
            apart = np.abs(exact - _factor(term, one, right.value) * right.gradients[role]).max()
            told = told or bool(apart > 10 * SAME_GRADIENT[one.dtype] * largest)
    return told


def _factor(term: Term, one: Observation, right: Array) -> float:
    """What the right gradient of a sum is multiplied by under the term's reduction, the values being the same."""
    mean = term.value.size == 1 and abs(term.value.sum() - right.mean()) < abs(term.value.sum() - right.sum())
    return 1 / one.batch if mean else 1.0


def _gradient(one: Observation, reading: Reading, suspect: Suspect, scale: Scale, role: Role) -> Array:
    arguments = arguments_of(suspect.kind, reading, one.inputs)
    exact = complex_step.gradient(lambda **a: scale(suspect.function(**a), one), ARGUMENTS[role], **arguments)
    return suspect.sign * exact * _to_user_form(role, reading, one.inputs)


def _told_by_value(record: Record, reading: Reading, suspect: Suspect, scale: Scale) -> bool:
    """Whether the suspect's value, reduced as the term is, is another than the right one somewhere: the mean of a KL
    that is the whole batch's at every datum is the right sum."""
    for one in record.everywhere:
        right = target(reading, one.inputs)
        result = scale(suspect.function(**arguments_of(suspect.kind, reading, one.inputs)), one)
        result = suspect.sign * np.real(result)
        rights = (right.value,) if np.ndim(result) else (right.value.sum(), right.value.mean())
        allowed = 10 * SAME[one.dtype] * right.scale.sum()
        if all(np.size(r) != np.size(result) or np.any(np.abs(result - r) > allowed) for r in rights):
            return True
    return False


def _gradient_is_zero(one: Observation, reading: Reading, suspect: Suspect) -> bool:
    arguments = arguments_of(suspect.kind, reading, one.inputs)
    names = [name for name in ("mean", "log_var", "z", "logits") if arguments.get(name) is not None]
    return not any(complex_step.gradient(lambda **a: suspect.function(**a), name, **arguments).any() for name in names)


def _to_user_form(role: Role, reading: Reading, inputs: Inputs) -> Array | float:
    """d canonical argument / d the user's argument."""
    if role is Role.SPREAD:
        return oracle.log_var_slope(inputs[Role.SPREAD], reading.spread)
    if role is Role.OUTPUT and reading.output is WrittenAs.PROBS:
        return 1 / (inputs[Role.OUTPUT] * (1 - inputs[Role.OUTPUT]))
    return 1.0
