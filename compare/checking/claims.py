"""The claims that a deterministic function is judged by, under one reading and one reduction."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.inputs import ORDINARY, REPLICATES, WIDE, extremes, prior, ragged, with_noise
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import (
    UNIT_ROUNDOFF,
    Distance,
    Floor,
    Reading,
    Reduction,
    farthest,
    gradient_distance,
    reduced,
    target,
    value_distance,
)
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.bridge.user_arrays import Term
from elbo_compare.suites.contract import DType

WIDE_TEXT = f"a batch of {WIDE.batch}, {WIDE.latent} latents and {WIDE.observed} dimensions"


@dataclass(frozen=True, kw_only=True)
class ClaimVerdict:
    """One claim judged. `difference` and `tolerance` at the worst input, in nats (or nats per unit of an argument)."""

    name: str
    statement: str
    outcome: Outcome
    difference: float = nan
    tolerance: float = nan
    where: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The calls of the battery; the ordinary ones alone while it is being found out what a term is."""

    ordinary: tuple[Observation, ...]
    extreme: tuple[Observation, ...] = ()
    prior: tuple[Observation, ...] = ()
    whole: Observation
    parts: tuple[Observation, ...] = ()
    noise: tuple[Observation, ...] = ()
    single: tuple[Observation, ...] = ()
    single_extreme: tuple[Observation, ...] = ()
    wide: tuple[Observation, ...] = ()

    @property
    def everywhere(self) -> tuple[Observation, ...]:
        """All calls in the experiment's own dtype."""
        return (*self.ordinary, *self.extreme, *self.prior, *self.parts, *self.noise, *self.wide)


def record(experiment: Experiment, position: int) -> Record:
    """Every call. Raises FunctionError where the function raises, or gives NaN at ordinary inputs."""
    cases = [experiment.ordinary(sizes, replicate) for sizes in ORDINARY for replicate in range(REPLICATES)]
    ordinary = tuple(experiment.observe(case) for case in cases)
    check_finite(experiment, ordinary, position)
    small, ragged_case = experiment.ordinary(ORDINARY[0]), experiment.ordinary(ORDINARY[1])
    noise = (1.0, -1.0) if experiment.signature.find(Role.Z) and experiment.signature.find(Role.MEAN) else ()
    single = (ORDINARY[0],) if experiment.dtype is DType.FLOAT64 else ()
    observed = experiment.signature.find(Role.OUTPUT) is not None
    far = tuple(extremes(experiment.sizes(ORDINARY[0]), experiment.domain, experiment.far_output, observed=observed))
    far = far if experiment.signature.find(Role.MEAN) else far[-1:]
    parts = ragged(ragged_case) if experiment.shapes.splits else ()
    with np.errstate(all="ignore"):  # an overflow shows as an infinite difference
        return Record(
            ordinary=ordinary,
            whole=ordinary[REPLICATES],
            extreme=tuple(experiment.observe(case) for case in far),
            prior=(experiment.observe(prior(small)),),
            parts=tuple(experiment.observe(part) for part in parts),
            noise=tuple(experiment.observe(with_noise(small, sign)) for sign in noise),
            single=tuple(experiment.observe(experiment.ordinary(sizes), dtype=DType.FLOAT32) for sizes in single),
            single_extreme=tuple(experiment.observe(case, dtype=DType.FLOAT32) for case in far) if single else (),
            wide=(experiment.observe(replace(experiment.ordinary(WIDE), label=WIDE_TEXT), differentiate=False),),
        )


def check_finite(experiment: Experiment, observations: Iterable[Observation], position: int) -> None:
    """Raises FunctionError where the term holds NaN or an infinity."""
    for observation in observations:
        term = observation.terms[position]
        if not np.isfinite(term.value).all():
            shown = f"returned term {term.name!r}" if term.name else "result"
            kind = "NaN" if np.isnan(term.value).any() else "infinity"
            raise FunctionError(f"{experiment.signature.name}: the {shown} is {kind} at ordinary inputs.")


@dataclass(frozen=True, kw_only=True)
class TermRecord:
    """One term of every call, under one reading and reduction, judged at one unit roundoff."""

    position: int
    record: Record
    reading: Reading
    reduction: Reduction
    roundoff: float

    def term(self, observation: Observation) -> Term:
        """This term of a call."""
        if self.position >= len(observation.terms):
            raise FunctionError(f"The function returned fewer terms at {observation.label} inputs than at others.")
        return observation.terms[self.position]

    def values(self, observations: Iterable[Observation], roundoff: float | None = None) -> Distance:
        """The worst value of several calls."""
        return farthest(
            [
                value_distance(self.reading, self.reduction, self.term(one), one, roundoff or self.roundoff)
                for one in observations
            ]
        )

    def gradients(self, observations: Iterable[Observation]) -> Distance:
        """The worst gradient of several calls."""
        return farthest(
            [
                gradient_distance(self.reading, self.reduction, self.term(one), one, self.roundoff, role)
                for one in observations
                for role in self.term(one).gradients or ()
            ]
        )

    @property
    def missing_gradient(self) -> str:
        """Why there is no gradient; empty where there is one."""
        term = self.term(self.record.ordinary[0])
        return "" if term.gradients is not None else term.no_gradient


def _judged(name: str, statement: str, distance: Distance, note: str = "") -> ClaimVerdict:
    return ClaimVerdict(
        name=name,
        statement=statement,
        outcome=Outcome.AGREES if distance.ratio <= 1 else Outcome.DIFFERS,
        difference=distance.difference,
        tolerance=distance.tolerance,
        where=distance.where,
        note=note,
    )


def judge_value(term: TermRecord) -> ClaimVerdict:
    """f = oracle at ordinary inputs."""
    return _judged("value", "equals the float64 oracle at ordinary inputs", term.values(term.record.ordinary))


def judge_extremes(term: TermRecord) -> ClaimVerdict:
    """f = oracle at sigma 0.001 and 10, |mean| 30, outputs at their edge."""
    return _judged("extreme value", "equals the float64 oracle at extreme inputs", term.values(term.record.extreme))


def judge_sizes(term: TermRecord) -> ClaimVerdict:
    """f = oracle at a large batch and at many latents and observed dimensions."""
    return _judged("size", f"equals the float64 oracle at {WIDE_TEXT} too", term.values(term.record.wide))


def judge_gradient(term: TermRecord) -> ClaimVerdict:
    """The partial derivatives by every argument are the oracle's."""
    statement = "its partial derivatives by every argument are the oracle's, ordinary and extreme inputs"
    if term.missing_gradient:
        return ClaimVerdict(name="gradient", statement=statement, outcome=Outcome.NOT_RUN, note=term.missing_gradient)
    return _judged("gradient", statement, term.gradients((*term.record.ordinary, *term.record.extreme)))


def judge_additivity(term: TermRecord) -> ClaimVerdict:
    """f(6 rows) = f(1 row) and f(5 rows) put together by the reduction; no oracle is needed."""
    statement = "ragged parts of a batch put together give the whole batch"
    if not term.record.parts:
        return ClaimVerdict(
            name="additivity", statement=statement, outcome=Outcome.NOT_RUN, note="the batch size is fixed"
        )
    if term.reading.floor in (Floor.DIMENSION_MEAN, Floor.GROUP_MEAN, Floor.CAPACITY_MEAN) or term.reading.given:
        note = "the objective combines the batch before it is floored, or adds a number to it"
        return ClaimVerdict(name="additivity", statement=statement, outcome=Outcome.NOT_RUN, note=note)
    whole, parts = term.term(term.record.whole).value, [term.term(part).value for part in term.record.parts]
    rows = [part.batch for part in term.record.parts]
    if term.reduction in (Reduction.SUM, Reduction.MEAN):
        weights = rows if term.reduction is Reduction.MEAN else [1] * len(rows)
        total = sum(rows) if term.reduction is Reduction.MEAN else 1
        together = np.asarray(sum(w * p.sum() for w, p in zip(weights, parts, strict=True)) / total)
    else:
        together = np.concatenate([part.reshape(n, -1) for part, n in zip(parts, rows, strict=True)])
    same = together.size == whole.size
    difference = float(np.abs(together.ravel() - whole.ravel()).max()) if same else np.inf
    scale = float(np.max(reduced(target(term.reading, term.record.whole.inputs, term.reduction).scale, term.reduction)))
    tolerance = 100 * term.roundoff * scale  # two sums of the same absolute terms, as wrong as `value` allows each
    distance = Distance(difference=difference, tolerance=tolerance, where="6 = 1 + 5 rows")
    return _judged("additivity", statement, distance)


def judge_prior(term: TermRecord) -> ClaimVerdict:
    """q = p: the KL is 0 at every z (a loss is its reconstruction term alone)."""
    return _judged("q = p", "where q = p the KL is 0 at every z", term.values(term.record.prior))


def judge_noise(term: TermRecord) -> ClaimVerdict:
    """The mean over z = mean + sigma and mean - sigma is the exact value: every k1 is quadratic in the noise."""
    statement = "the average over z = mean + sigma and z = mean - sigma is the exact expectation"
    if (
        not term.record.noise
        or not (term.reading.sampled and term.reading.has_kl)
        or term.reading.floor is not Floor.NONE
    ):
        return ClaimVerdict(name="exact mean", statement=statement, outcome=Outcome.NOT_RUN, note="no sample is taken")
    plus, minus = (term.term(one).value for one in term.record.noise)
    first = term.record.noise[0]
    exact = replace(term.reading, sampled=False)
    middle = Term(name="", value=(plus + minus) / 2, dtype="")
    distance = value_distance(exact, term.reduction, middle, first, term.roundoff)
    allowed = term.values(term.record.noise)  # the two values that are averaged, each with its own rounding
    tolerance = distance.tolerance + allowed.tolerance
    widened = Distance(difference=distance.difference, tolerance=tolerance, where="noise +1 and -1")
    return _judged("exact mean", statement, widened)


def judge_single(term: TermRecord) -> ClaimVerdict:
    """float32 in: no further from the oracle at the rounded inputs than float32 rounding allows."""
    statement = "float32 arguments lose no more than float32 rounding, at extreme inputs too"
    if not term.record.single:
        note = "the function raises for float64 arguments: everything was judged in float32"
        return ClaimVerdict(name="float32", statement=statement, outcome=Outcome.NOT_RUN, note=note)
    at_edges = term.values(term.record.single_extreme, UNIT_ROUNDOFF[DType.FLOAT32])
    distance = farthest([term.values(term.record.single, UNIT_ROUNDOFF[DType.FLOAT32]), at_edges])
    dtype = term.term(term.record.single[0]).dtype
    note = "" if dtype == "float32" else f"the result is {dtype}"
    return _judged("float32", statement, distance, note)


BATTERY: tuple[Callable[[TermRecord], ClaimVerdict], ...] = (
    judge_value,
    judge_extremes,
    judge_sizes,
    judge_gradient,
    judge_additivity,
    judge_prior,
    judge_noise,
    judge_single,
)


def judge(term: TermRecord) -> tuple[ClaimVerdict, ...]:
    """Every claim of the battery."""
    with np.errstate(all="ignore"):
        return tuple(claim(term) for claim in BATTERY)
