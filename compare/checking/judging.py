"""The verdict on one term: identified by value, judged by the battery, explained where it is not the ELBO."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.claims import ClaimVerdict, Record, TermRecord, check_finite, judge, record
from elbo_compare.compare.checking.diagnosis import Diagnosis
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import EXACT, SINGLE, Columns
from elbo_compare.compare.checking.guards import LARGEST_EPSILON
from elbo_compare.compare.checking.identify import (
    TIERS,
    Identified,
    candidate_readings,
    identify,
)
from elbo_compare.compare.checking.inputs import Shapes
from elbo_compare.compare.checking.likelihoods import Domain
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.objectives import Name
from elbo_compare.compare.checking.proportions import Told, told_of
from elbo_compare.compare.checking.readings import UNIT_ROUNDOFF, Quantity, Reading, Reduction
from elbo_compare.compare.checking.signature import Argument, FunctionKind, Signature
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.contract import DType


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the caller said beside the function: `likelihood` and `objective` are names, `shapes` fixed sizes."""

    likelihood: str | None = None
    objective: Name | None = None
    shapes: Shapes = field(default_factory=Shapes)
    kind: FunctionKind | None = None  # where it was said


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One term under examination. `neutral`: the calls that it is identified by."""

    experiment: Experiment
    callee: Callee
    options: Options
    position: int
    neutral: tuple[Observation, ...]
    columns: Columns
    numbers: tuple[float, ...]
    changing: bool = False  # its value changes with each call, without any random number

    @property
    def signature(self) -> Signature:
        """How the function is read."""
        return self.experiment.signature

    def readings(self, *quantities: Quantity) -> tuple[Reading, ...]:
        """Every reading that the arguments allow."""
        sums = self.told is not Told.BINARY
        return candidate_readings(self.signature, quantities, self.options.likelihood, proportions=sums)

    @cached_property
    def told(self) -> Told:
        """Whether the probabilities of an output are said to sum to one."""
        alone = self.signature.kind is FunctionKind.RECONSTRUCTION
        return told_of(self.callee, self.options.likelihood, alone=alone)

    def identified(self, *quantities: Quantity, tiers: Sequence[float] = TIERS) -> Identified | None:
        """What the term is, as one of these quantities."""
        with np.errstate(all="ignore"):
            return identify(self.columns, self.position, self.signature, self.readings(*quantities), tiers)


@dataclass(frozen=True, kw_only=True)
class JudgedReading:
    """The battery's outcome under one reading. `right`: no claim differs that is meant for it."""

    experiment: Experiment
    record: Record
    term: TermRecord
    claims: tuple[ClaimVerdict, ...]
    diagnosis: Diagnosis | None = None
    note: str = ""

    @property
    def right(self) -> bool:
        """Whether no claim differs."""
        return all(claim.outcome is not Outcome.DIFFERS for claim in self.claims)


def settled(experiment: Experiment, reading: Reading) -> Experiment:
    """The experiment with the forms of a reading: what the spread and the output are taken for."""
    forms = {Role.SPREAD: reading.spread, Role.PRIOR_SPREAD: reading.prior, Role.OUTPUT: reading.output}
    forms[Role.OUTPUT_SPREAD] = reading.data.spread if reading.data else None
    signature = experiment.signature
    has_kl = reading.has_kl or reading.quantity is Quantity.LOG_Q

    def changed(argument: Argument) -> Argument:
        form = forms.get(argument.role)
        keep = (
            form is None
            or (argument.role is Role.SPREAD and not has_kl)
            or (argument.role is Role.OUTPUT and not reading.data)
        )
        return argument if keep else replace(argument, form=form or WrittenAs.PLAIN)

    arguments = tuple(changed(argument) for argument in signature.arguments)
    domain = reading.data.domain if reading.data else experiment.domain
    return replace(experiment, signature=replace(signature, arguments=arguments), domain=domain)


def recorded(experiment: Experiment, position: int) -> tuple[Experiment, Record]:
    """The battery's calls; where real-valued data are refused (a value for the log asserts [0, 1]), inside (0, 1)."""
    try:
        return experiment, record(experiment, position)
    except FunctionError:
        if experiment.domain is not Domain.REAL:
            raise
        inside = replace(experiment, domain=Domain.UNIT)
        return inside, record(inside, position)


def judged(subject: Subject, reading: Reading, reduction: Reduction, tier: float) -> JudgedReading:
    """The whole battery under one reading."""
    experiment, found = recorded(settled(subject.experiment, reading), subject.position)
    roundoff = UNIT_ROUNDOFF[experiment.dtype if tier == EXACT else DType.FLOAT32]
    term = TermRecord(position=subject.position, record=found, reading=reading, reduction=reduction, roundoff=roundoff)
    claims = judge(term)
    if "cut off" in term.missing_gradient:
        claims = tuple(replace(c, outcome=Outcome.DIFFERS) if c.name == "gradient" else c for c in claims)
    return JudgedReading(
        experiment=experiment,
        record=found,
        term=term,
        claims=claims,
        note=_precision(term, experiment, tier, subject.numbers),
    )


def judged_under(
    experiment: Experiment, found: Record, position: int, reading: Reading, reduction: Reduction
) -> JudgedReading:
    """The claims of a record that is already there, under another reading."""
    roundoff = UNIT_ROUNDOFF[experiment.dtype]
    term = TermRecord(position=position, record=found, reading=reading, reduction=reduction, roundoff=roundoff)
    return JudgedReading(experiment=experiment, record=found, term=term, claims=judge(term))


def exempted(one: JudgedReading, diagnosis: Diagnosis) -> JudgedReading:
    """The same with what differs not meant for a legitimate variant, or for a guard."""
    what = f"{diagnosis.id}, a legitimate variant" if diagnosis.id else "a guard"
    note = f"not meant for {what}"
    claims = tuple(
        replace(claim, outcome=Outcome.NOT_RUN, note=note) if claim.outcome is Outcome.DIFFERS else claim
        for claim in one.claims
    )
    return replace(one, claims=claims, diagnosis=diagnosis)


def _precision(term: TermRecord, experiment: Experiment, tier: float, numbers: Sequence[float]) -> str:
    if experiment.dtype is DType.FLOAT32:
        return "it raises for float64 arguments: judged in float32"
    if tier == EXACT:
        return ""
    if term.term(term.record.ordinary[0]).dtype == "float32":
        return "it computes in float32 even where float64 arrives: judged in float32"
    if tier != SINGLE:
        return ""
    worst = term.values(term.record.ordinary, UNIT_ROUNDOFF[DType.FLOAT64])
    much = f"off by {worst.difference:.2g} in float64"
    small = [abs(n) for n in numbers if 0 < abs(n) <= LARGEST_EPSILON]
    why = f"an epsilon, {min(small):g}" if small else "a rounded constant, an added epsilon, or float32 inside"
    return f"right to float32 rounding only ({much}): {why}"


def subject_of(
    experiment: Experiment, callee: Callee, options: Options, position: int, numbers: Sequence[float], **more: Any
) -> Subject:
    """A term with its neutral calls. Raises FunctionError where it is no number at them."""
    neutral = experiment.neutral()
    check_finite(experiment, neutral, position)
    return Subject(
        experiment=experiment,
        callee=callee,
        options=options,
        position=position,
        neutral=neutral,
        columns=Columns(neutral),
        numbers=tuple(numbers),
        **more,
    )
