"""Which known mutant or legitimate variant a term equals: the same number at all inputs, in value and gradient."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.claims import Record
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.inputs import Inputs
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction, reduced, reductions, target
from elbo_compare.compare.checking.signature import Form, FunctionKind, Role, Signature
from elbo_compare.suites import complex_step
from elbo_compare.suites.bridge.user_arrays import Term
from elbo_compare.suites.contract import Array, DType
from elbo_compare.suites.mutants import catalogue
from elbo_compare.suites.mutants.variant import Kind, Variant

# Identification, not judgement: the claims have failed by then. A mutant that differs from the right function by less
# than this is not told from it. Relative to the sum of absolute terms.
SAME = {DType.FLOAT64: 1e-9, DType.FLOAT32: 1e-5}
# The complex step is exact, autodiff rounds: relative to the largest gradient of the argument.
SAME_GRADIENT = {DType.FLOAT64: 1e-7, DType.FLOAT32: 1e-4}
GRADIENT_CASES = 4  # ordinary calls at which gradients are compared: one evaluation for each element


@dataclass(frozen=True, kw_only=True)
class Match:
    """A variant that a term equals; `part`: "" or the term of the loss that it replaces, the rest being right."""

    variant: Variant
    part: str = ""


def kinds_of(reading: Reading, kind: FunctionKind) -> tuple[tuple[Kind, int], ...]:
    """Catalogue kinds that a reading may equal, each with the sign that turns it into the term."""
    if reading.quantity is Quantity.KL:
        return ((Kind.SAMPLED_KL, 1), (Kind.ANALYTIC_KL, 1)) if reading.sampled else ((Kind.ANALYTIC_KL, 1),)
    if reading.quantity is Quantity.RECONSTRUCTION:
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
        if reading.output is Form.PROBS:
            output = np.log(output) - np.log1p(-output)
        arguments |= {"x": inputs[Role.X], "logits": output}
    return arguments


def fits(kind: Kind, variant: Variant, reading: Reading) -> bool:
    """Whether a variant's likelihood is the one of the reading."""
    return kind not in (Kind.NEGATIVE_ELBO, Kind.LOG_WEIGHT) or variant.likelihood is reading.likelihood


def find(
    signature: Signature, record: Record, position: int, candidates: Iterable[Reading]
) -> tuple[Match, Reading] | None:
    """The first variant that the term equals under one of the readings; else one that replaces a term of the loss."""
    candidates = tuple(candidates)
    with np.errstate(all="ignore"):
        for reading in candidates:
            for kind, sign in kinds_of(reading, signature.kind):
                fitting = [variant for variant in catalogue.of_kind(kind) if fits(kind, variant, reading)]
                for variant in _reduced_alike(fitting, record, position, reading, kind):
                    if _equals(record, position, reading, kind, variant, sign):
                        return Match(variant=variant), reading
        for reading in candidates:
            if reading.quantity is Quantity.NEGATIVE_ELBO:
                variant = _replaced_kl(record, position, reading)
                if variant is not None:
                    return Match(variant=variant, part="KL term"), reading
    return None


def _reduced_alike(
    variants: Sequence[Variant], record: Record, position: int, reading: Reading, kind: Kind
) -> list[Variant]:
    """Variants that return the term's own shape first: "averaged over everything" says more than its half does."""
    first = record.ordinary[0]
    arguments, shape = arguments_of(kind, reading, first.inputs), first.terms[position].value.shape
    return sorted(variants, key=lambda variant: np.shape(variant.function(**arguments)) != shape)


Scale = Callable[[Any, Observation], Any]


def _scalings(value: Array, observation: Observation, result: Any) -> list[Scale]:
    """Ways in which a variant's result may be reduced to the shape that the term has."""
    if value.size == 1 and observation.batch > 1:
        if np.ndim(result) == 0:
            return [lambda a, _: a, lambda a, o: a / o.batch, lambda a, o: a * o.batch]
        return [lambda a, _: a.sum(), lambda a, _: a.mean()]
    return [] if np.ndim(result) == 0 or value.size != np.size(result) else [lambda a, _: a]


def _equals(record: Record, position: int, reading: Reading, kind: Kind, variant: Variant, sign: int) -> bool:
    first = record.ordinary[0]
    result = variant.function(**arguments_of(kind, reading, first.inputs))
    for scale in _scalings(first.terms[position].value, first, result):

        def function(inputs: Inputs, observation: Observation, scale: Scale = scale) -> Any:
            return sign * scale(variant.function(**arguments_of(kind, reading, inputs)), observation)

        if _same_values(record, position, reading, function) and _same_gradients(
            record, position, reading, kind, variant, scale, sign
        ):
            return True
    return False


def _same_values(record: Record, position: int, reading: Reading, function: Callable[..., Any]) -> bool:
    for observation in record.everywhere:
        term, scale = observation.terms[position], target(reading, observation.inputs).scale
        value = np.real(function(observation.inputs, observation))
        if np.size(value) != term.value.size:
            return False
        finite = np.isfinite(term.value.ravel()) & np.isfinite(np.ravel(value))
        difference = np.abs(term.value.ravel() - np.ravel(value))[finite]
        if np.any(difference > SAME[observation.dtype] * scale.sum()):
            return False
    return True


def _same_gradients(
    record: Record, position: int, reading: Reading, kind: Kind, variant: Variant, scale: Scale, sign: int
) -> bool:
    names = {Role.Z: "z", Role.MEAN: "mean", Role.SPREAD: "log_var", Role.OUTPUT: "logits"}
    stride = max(1, len(record.ordinary) // GRADIENT_CASES)
    for observation in record.ordinary[::stride]:
        gradients = observation.terms[position].gradients
        if gradients is None:
            return _whole_gradient_is_zero(record, kind, reading, variant) or not _detached(observation.terms[position])
        arguments = arguments_of(kind, reading, observation.inputs)
        for role, gradient in gradients.items():
            if arguments.get(names[role]) is None:
                continue
            exact = sign * complex_step.gradient(
                lambda o=observation, **a: scale(variant.function(**a), o), names[role], **arguments
            )
            exact = exact * _to_user_form(role, reading, observation.inputs)
            largest = max(float(np.abs(exact).max()), float(np.abs(gradient).max()), 1e-12)
            if np.abs(exact - gradient).max() > SAME_GRADIENT[observation.dtype] * largest:
                return False
    return True


def _detached(term: Term) -> bool:
    return "cut off" in term.no_gradient


def _whole_gradient_is_zero(record: Record, kind: Kind, reading: Reading, variant: Variant) -> bool:
    arguments = arguments_of(kind, reading, record.ordinary[0].inputs)
    return not complex_step.gradient(lambda **a: variant.function(**a), "mean", **arguments).any()


def _to_user_form(role: Role, reading: Reading, inputs: Inputs) -> Array | float:
    """d canonical argument / d the user's argument."""
    if role is Role.SPREAD:
        return oracle.log_var_slope(inputs[Role.SPREAD], reading.spread)
    if role is Role.OUTPUT and reading.output is Form.PROBS:
        return 1 / (inputs[Role.OUTPUT] * (1 - inputs[Role.OUTPUT]))
    return 1.0


def _replaced_kl(record: Record, position: int, reading: Reading) -> Variant | None:
    """The KL variant that, beside the right reconstruction, gives the loss (ordinary inputs, values)."""
    allowed = reductions(record.ordinary[0].terms[position].value, record.ordinary[0])
    kinds = (Kind.SAMPLED_KL, Kind.ANALYTIC_KL) if reading.sampled else (Kind.ANALYTIC_KL,)
    for reduction in allowed:
        if reduction is Reduction.ELEMENTS:
            continue
        rest = [_without_reconstruction(reading, reduction, one, position) for one in record.ordinary]
        for kind in kinds:
            for variant in catalogue.of_kind(kind):
                if _all_same(variant, kind, reading, reduction, record.ordinary, rest):
                    return variant
    return None


def _without_reconstruction(reading: Reading, reduction: Reduction, observation: Observation, position: int) -> Array:
    inputs = observation.inputs
    right = oracle.reconstruction(inputs[Role.X], inputs[Role.OUTPUT], reading.output).value.sum(1)
    value = reading.sign * observation.terms[position].value
    return value.reshape(np.shape(reduced(right, reduction))) - reduced(right, reduction)


def _all_same(
    variant: Variant,
    kind: Kind,
    reading: Reading,
    reduction: Reduction,
    observations: Sequence[Observation],
    values: Sequence[Array],
) -> bool:
    for observation, value in zip(observations, values, strict=True):
        result = np.real(variant.function(**arguments_of(kind, reading, observation.inputs)))
        expected = result if np.ndim(result) == 0 else reduced(result, reduction)
        if np.shape(expected) != np.shape(value):
            return False
        scale = target(reading, observation.inputs).scale.sum()
        if not np.all(np.abs(expected - value) <= SAME[observation.dtype] * scale):
            return False
    return True
