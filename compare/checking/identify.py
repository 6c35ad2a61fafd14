"""Which quantity a term is, by its value: the reading and reduction that it equals, and how that stands to the ELBO."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from elbo_compare.compare.checking.fitting import (
    EXACT,
    GUARDED,
    REDUCED,
    SINGLE,
    Columns,
    Fit,
    Law,
    fit_one,
)
from elbo_compare.compare.checking.guards import LARGEST_EPSILON
from elbo_compare.compare.checking.likelihoods import OF_RAW_OUTPUTS, OWN_VARIANCE, data_terms
from elbo_compare.compare.checking.names import RELATIVE, SPREADS, Role, WrittenAs, words_of
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction, reductions
from elbo_compare.compare.checking.signature import FunctionKind, Signature, unit_prior

TIERS = (EXACT, SINGLE, GUARDED)
CLOSE = 1e-7  # relative: a weight of 1.000001 is a weight


class Standing(IntEnum):
    """How a fitted term stands to what it should be, best first."""

    RIGHT = 0
    MISREAD = 1  # right if an argument is taken for what its name does not say
    BETA = 2  # a constant weight on the KL
    SCALED = 3  # the whole is right up to one factor
    MISMATCH = 4  # the KL's weight depends on the sizes, or a constant is off
    MISSING = 5  # a part is not there


@dataclass(frozen=True, kw_only=True)
class Identified:
    """A fit with its standing. `reading` carries the weights; `beta`: the KL's weight relative to the ELBO."""

    fit: Fit
    reading: Reading
    reduction: Reduction
    standing: Standing
    beta: Law | None = None
    scale: Law | None = None


def candidate_readings(
    signature: Signature, quantities: Iterable[Quantity], likelihood: str | None = None, *, proportions: bool = False
) -> tuple[Reading, ...]:
    """Every reading that the arguments allow, the named forms first. proportions: the output may sum to one."""
    has_z, has_kl = signature.find(Role.Z) is not None, signature.find(Role.MEAN) is not None
    sampled = (True, False) if has_z and signature.kind is not FunctionKind.LOG_WEIGHT else (has_z,)
    spread_of_q = signature.find(Role.SPREAD)
    spreads = _ordered(spread_of_q.form, spread_of_q.forms) if has_kl and spread_of_q else (WrittenAs.LOG_VAR,)
    prior = signature.find(Role.PRIOR_SPREAD)
    priors = _ordered(prior.form, prior.forms) if prior else (None,)
    priors = (WrittenAs.VAR,) if prior is None and unit_prior(signature) else priors
    given = signature.find(Role.DATA_TERM) is not None and signature.find(Role.OUTPUT) is None
    own = signature.find(Role.OUTPUT_SPREAD)
    terms = (None,) if given else data_terms(likelihood, proportions=proportions)
    if not given and signature.form(Role.OUTPUT) is WrittenAs.OUTPUT_UNKNOWN:
        terms = (*terms, *(term for term in OF_RAW_OUTPUTS if likelihood in (None, term.likelihood)))
    if own is not None and likelihood in (None, "normal"):
        terms = tuple(sorted(OWN_VARIANCE, key=lambda term: term.spread is not own.form))
    found: dict[Reading, None] = {}
    for quantity in quantities:
        for spread in spreads:
            for p in (
                priors
                if len(priors) == 1 or spread is spreads[0]
                else (priors[min(spreads.index(spread), len(priors) - 1)],)
            ):
                for kl in sampled:
                    for data in terms:
                        found[_reading(quantity, kl, data, given, spread, p)] = None
    mean = signature.find(Role.MEAN)
    if prior is not None and not has_z and mean is not None and set(words_of(mean.name)) & RELATIVE:
        found |= {replace(reading, relative=True): None for reading in [*found] if reading.has_kl}
    if prior is not None and not has_z and not set(words_of(prior.name)) & {"p", "pz", "prior", "priors"}:
        found |= {replace(reading, joint=True): None for reading in [*found] if reading.has_kl}
    return tuple(found)


def _reading(
    quantity: Quantity, sampled: bool, data: object, given: bool, spread: WrittenAs, prior: WrittenAs | None
) -> Reading:
    reading = Reading(quantity=quantity, sampled=sampled, data=data, given=given, spread=spread, prior=prior)  # type: ignore[arg-type]
    if not reading.has_data:
        reading = replace(reading, data=None, given=False)
    return reading if reading.has_kl else replace(reading, sampled=False, spread=WrittenAs.LOG_VAR, prior=None)


def _ordered(first: WrittenAs, allowed: Sequence[WrittenAs]) -> tuple[WrittenAs, ...]:
    return tuple(dict.fromkeys((first, *SPREADS, *allowed)))


def quantities_of(kind: FunctionKind) -> tuple[Quantity, ...]:
    """What a function of a kind is to return."""
    if kind is FunctionKind.RECONSTRUCTION:
        return (Quantity.RECONSTRUCTION,)
    if kind in (FunctionKind.NEGATIVE_ELBO, FunctionKind.LOG_WEIGHT):
        return (Quantity.NEGATIVE_ELBO,)
    return (Quantity.KL,)


def identify(
    columns: Columns, position: int, signature: Signature, readings: Sequence[Reading], tiers: Sequence[float] = TIERS
) -> Identified | None:
    """The best standing that some reading gives the term, at the finest tier at which one fits; else None."""
    one = next(iter(columns.groups.values()))[0]
    allowed = reductions(one.terms[position].value, one)
    for tier in tiers:
        found = []
        for reading in readings:
            fit = fit_one(columns, position, reading, tier)
            each = [made for reduction in allowed if fit and (made := _standing(fit, reduction, signature))]
            found += each
            if any(one.standing is Standing.RIGHT for one in each):
                break
        if found:
            return min(found, key=lambda one: (one.standing, _complexity(one)))
    return None


def _complexity(one: Identified) -> int:
    """How many axes its laws name: of two reductions the one that says more is left."""
    laws = [law.over(REDUCED[one.reduction]) for law in (one.fit.data, one.fit.kl) if law]
    return sum(abs(power) for law in laws for power in law.powers)


def _is(law: Law | None, factor: float = 1.0) -> bool:
    return law is not None and law.plain and math.isclose(law.factor, factor, rel_tol=CLOSE)


def _standing(fit: Fit, reduction: Reduction, signature: Signature) -> Identified | None:
    if fit.elements is not (reduction is Reduction.ELEMENTS):
        return None
    unit = REDUCED[reduction]
    data, kl, constant = (law.over(unit) if law else None for law in (fit.data, fit.kl, fit.constant))
    reading = fit.reading
    if reading.given and reading.has_data and fit.data:
        data = fit.data.over(Law(factor=1.0, powers=(1, 0, 0))) if reduction is Reduction.NONE else fit.data
    if (reading.has_data and data is None) or (reading.has_kl and kl is None):
        return Identified(fit=fit, reading=reading, reduction=reduction, standing=Standing.MISSING)
    factors = [law.factor for law in (data, kl) if law]
    negative = all(factor < 0 for factor in factors)
    if negative:
        data, kl, constant = (replace(law, factor=-law.factor) if law else None for law in (data, kl, constant))
    reading = replace(reading, sign=-1 if negative else 1)
    made = _weighed(fit, reading, reduction, data, kl, constant)
    return _by_names(made, signature)


def _weighed(
    fit: Fit, reading: Reading, reduction: Reduction, data: Law | None, kl: Law | None, constant: Law | None
) -> Identified:
    """The standing by weights alone; signs are both positive, or differ."""
    weighted = reading.data is not None and reading.data.weighted

    def made(standing: Standing, reading: Reading = reading, **more: Law) -> Identified:
        return Identified(fit=fit, reading=reading, reduction=reduction, standing=standing, **more)

    per_observed = _left_out(constant, reading, reduction)
    if constant is not None and per_observed is None:
        return made(Standing.MISMATCH)
    reading = replace(reading, constant=per_observed or 0.0)
    if kl is None or data is None:
        return _alone(made, reading, kl or data, weighted)
    if _is(kl) and (_is(data) or (weighted and data.plain and data.factor > 0)):
        return made(Standing.RIGHT, replace(reading, weight=data.factor if weighted else 1.0))
    ratio = kl.over(data)
    if _is(ratio):
        scaled = replace(reading, constant=reading.constant / data.factor if data.plain else 0.0, scale=data.factor)
        return made(Standing.SCALED, scaled if data.plain else reading, scale=data)
    if data.factor < 0 or kl.factor < 0:
        return made(Standing.MISMATCH)
    if weighted and ratio.plain and not kl.plain and math.isclose(kl.factor, 1.0, rel_tol=CLOSE):
        return made(Standing.SCALED, replace(reading, weight=1 / ratio.factor), scale=kl)  # the ELBO / the pixels
    if data.plain and kl.plain and (_is(data) or weighted):
        reading = replace(reading, weight=data.factor if weighted else 1.0, kl_weight=kl.factor)
        return made(Standing.BETA, reading, beta=kl)
    if data.plain and kl.plain:
        scale = data.factor
        reading = replace(reading, kl_weight=ratio.factor, constant=reading.constant / scale, scale=scale)
        return made(Standing.BETA, reading, beta=ratio, scale=data)
    return made(Standing.MISMATCH, beta=ratio)


def _alone(made: Callable[..., Identified], reading: Reading, law: Law | None, weighted: bool) -> Identified:
    """A KL or a reconstruction term by itself."""
    if law is None:
        return made(Standing.MISSING)
    positive = law.plain and law.factor > 0
    if _is(law) or (weighted and positive):
        return made(Standing.RIGHT, replace(reading, weight=law.factor if weighted else 1.0))
    return made(Standing.SCALED, replace(reading, scale=law.factor) if positive else reading, scale=law)


def _left_out(constant: Law | None, reading: Reading, reduction: Reduction) -> float | None:
    """A constant that a reading allows: a normaliser that is dropped, or the entropy of data that are clamped."""
    found = _per_observed(constant, reduction)
    if reading.data is not None and reading.data.up_to_a_constant:
        return found
    return found if reading.has_data and found is not None and abs(found) <= LARGEST_EPSILON else None


def _per_observed(constant: Law | None, reduction: Reduction) -> float | None:
    """A constant that only counts the observed dimensions, for each of them; None where it is something else."""
    if constant is None:
        return 0.0
    if reduction is Reduction.ELEMENTS:
        return constant.factor if constant.plain else None
    rows = 1 if reduction in (Reduction.SUM, Reduction.MEAN) else 0
    return constant.factor if constant.powers == (rows, 0, 1) else None


def _by_names(found: Identified, signature: Signature) -> Identified:
    """The sign and the spread's form as the names say them: what a name states plainly must hold."""
    if found.standing is not Standing.RIGHT:
        return found
    reading = found.reading
    of_a_loss = reading.quantity is Quantity.NEGATIVE_ELBO
    if of_a_loss and reading.sign * signature.use_sign < 0:  # what its file minimises is minus a loss, or the ELBO
        return replace(found, standing=Standing.SCALED, scale=Law(factor=-1.0))
    if reading.sign < 0 and not (signature.positive or reading.quantity is Quantity.RECONSTRUCTION):
        return replace(found, standing=Standing.SCALED, scale=Law(factor=-1.0))
    if reading.has_kl and not _allowed(signature, Role.SPREAD, reading.spread):
        return replace(found, standing=Standing.MISREAD)
    if reading.prior is not None and not _allowed(signature, Role.PRIOR_SPREAD, reading.prior):
        return replace(found, standing=Standing.MISREAD)
    own = reading.data.spread if reading.data else None
    if own is not None and not _allowed(signature, Role.OUTPUT_SPREAD, own):
        return replace(found, standing=Standing.MISREAD)
    return replace(found, standing=Standing.MISREAD) if contradicts(signature, reading) else found


def _allowed(signature: Signature, role: Role, form: WrittenAs) -> bool:
    argument = signature.find(role)
    return argument is None or argument.may_be(form)


def contradicts(signature: Signature, reading: Reading) -> bool:
    """Whether an output called logits is taken for probabilities, or the other way round."""
    named = signature.form(Role.OUTPUT)
    if reading.data is None or named not in (WrittenAs.LOGITS, WrittenAs.PROBS):
        return False
    return {named, reading.data.form} == {WrittenAs.LOGITS, WrittenAs.PROBS}
