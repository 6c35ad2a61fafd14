"""A sigmoid in front of a cross-entropy: right with a guard that is named, for p is rounded before its logarithm.

It is the right likelihood up to one rounding of the probability, which 1 / (1 - p) magnifies: 0.0018 nats of a batch at
|logit| = 10 in float32, nothing at ordinary logits. Where p rounds to 0 or 1 the logarithm is cut (-100 in torch) and
the gradient of that dimension vanishes: a cost that is said with its place, in the words of any other guard against
log 0. Nobody is accused, since the formula is the one that its author meant. What costs more than that rounding at
ordinary inputs, or is no number at an edge, is no guard and stays what it was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from elbo_compare.compare.checking.claims import TermRecord, judge, record
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.guards import PROBABILITIES, Bound, Guard, bound_of
from elbo_compare.compare.checking.inputs import EDGE, FAR_OUTPUT, ORDINARY, at_edge, signs
from elbo_compare.compare.checking.judging import JudgedReading, Subject
from elbo_compare.compare.checking.likelihoods import Domain
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import UNIT_ROUNDOFF, target, value_distance
from elbo_compare.suites.contract import DType

# Where the edge is judged: 1 - p of a logit of 20 has seven digits left in float64, one of 10 has three in float32. At
# 30, where logits are judged otherwise, torch cuts the gradient in float64 too: that is the place which is said.
JUDGED_AT = {DType.FLOAT64: 20.0, DType.FLOAT32: 10.0}
SCANNED = (10.0, 12.0, 14.0, 15.0, 16.0, 17.0, 18.0, 20.0, 25.0, 28.0, 30.0, 35.0, 40.0)
SHOWN_AT = 10.0
ALL_ONES = 22.0  # from a logit of 17 on a float32 probability is 1, so that 22 and 30 are the same to a sigmoid
NEAR = 1e-5  # relative, of two float32 sums
GONE = 0.5  # of the right gradient: a dimension that keeps less than half of it is called saturated


@dataclass(frozen=True, kw_only=True)
class Edge:
    """At one logit, all of them on the wrong side of x: nats a dimension that the value is off by, and the share of
    the right gradient that is there (1 where there is no gradient to be had)."""

    off: float
    share: float


def saturating(subject: Subject, one: JudgedReading) -> JudgedReading | None:
    """The term judged again as a cross-entropy of probabilities that a sigmoid made; None where it is no such term."""
    data = one.term.reading.data
    if data is None or data.likelihood != "bernoulli" or one.experiment.domain is not Domain.LOGIT:
        return None
    dtype = _computed_in(one)
    experiment = replace(one.experiment, far_output=JUDGED_AT[dtype])
    try:
        with np.errstate(all="ignore"):
            found = record(experiment, subject.position)
            for guard in _guards(experiment, one.term, subject.numbers):
                reading, roundoff = replace(one.term.reading, guard=guard), UNIT_ROUNDOFF[dtype]
                term = replace(one.term, record=found, reading=reading, roundoff=roundoff)
                trial = replace(one, experiment=experiment, record=found, term=term, claims=judge(term))
                if trial.right and _holds_far_out(experiment, term, dtype):
                    return replace(trial, diagnosis=_named(experiment, one.term, guard))
    except FunctionError:
        return None
    return None


def _computed_in(one: JudgedReading) -> DType:
    """The type that the function computes in, whatever arrives: a float32 value of float64 arrays has 24 bits."""
    single = one.term.term(one.record.ordinary[0]).dtype == "float32"
    return DType.FLOAT32 if single else one.experiment.dtype


def _holds_far_out(experiment: Experiment, term: TermRecord, dtype: DType) -> bool:
    """Whether the value alone is right where logits are judged otherwise: what is clamped before a sigmoid, or another
    function far out, is no guard. In float64 it is right up to the rounding of p; in float32 p may be 1 there, so
    that on each side the value is right, or the same number at two places and no smaller than the right one."""
    case = experiment.ordinary(ORDINARY[0])
    if dtype is DType.FLOAT64:
        one = experiment.observe(at_edge(case, experiment.domain, FAR_OUTPUT, EDGE), differentiate=False)
        return value_distance(term.reading, term.reduction, term.term(one), one, term.roundoff).ratio <= 1
    for side, x in ((1.0, 0.0), (-1.0, 1.0)):
        (got, right), (before, _) = (
            _totals(term, experiment.observe(replace(case, output=output, x=np.full_like(case.x, x))))
            for output in (np.full_like(case.output, side * size) for size in (FAR_OUTPUT, ALL_ONES))
        )
        saturated = np.isfinite(got) and np.isclose(got, before, rtol=NEAR) and got >= right
        if not saturated and not np.isclose(got, right, rtol=NEAR):
            return False
    return True


def _totals(term: TermRecord, one: Observation) -> tuple[float, float]:
    """The value of a whole batch as a loss, and the right one."""
    sign, factor = term.reading.sign, one.batch if term.reduction.name == "MEAN" else 1
    got, right = np.sum(term.term(one).value) * factor, np.sum(target(term.reading, one.inputs, term.reduction).value)
    return float(sign * got), float(sign * right)


def _guards(experiment: Experiment, term: TermRecord, known: Sequence[float]) -> Iterator[Guard]:
    """The sigmoid alone, then one whose probabilities are held up by an epsilon. A clamp of them is none: it cuts the
    gradient where the logits are still exact, and the catalogue has it as a mistake."""
    yield Guard(saturates=True)
    ones, zeros = (_bound(experiment, term, known, x=x) for x in (1.0, 0.0))
    # 1 - p has no digit below 6e-8 in float32, so that its epsilon can't be scanned there: the one of p is tried.
    for other in dict.fromkeys((zeros, ones)):
        guard = Guard(ones=ones, zeros=other, saturates=True)
        if (ones or other) and guard.tolerated and not any(bound and bound.clamped for bound in (ones, other)):
            yield guard


def _bound(experiment: Experiment, term: TermRecord, known: Sequence[float], *, x: float) -> Bound | None:
    """What log p (x = 1) or log(1 - p) (x = 0) took for a small probability."""
    taken = []
    for small in PROBABILITIES:
        case = experiment.ordinary(ORDINARY[0])
        logit = np.log(small) - np.log1p(-small)
        case = replace(case, x=np.full_like(case.x, x), output=np.full_like(case.output, logit if x else -logit))
        one = experiment.observe(case, differentiate=False)
        factor = one.batch if term.reduction.name == "MEAN" else 1
        off = np.sum(term.term(one).value) * factor - np.sum(target(term.reading, one.inputs).value)
        size = case.output.size * term.reading.weight * term.reading.scale
        taken.append(float(small * np.exp(-term.reading.sign * off / size)))
    return bound_of(PROBABILITIES, taken, known)


def _named(experiment: Experiment, term: TermRecord, guard: Guard) -> Diagnosis:
    single = [(size, edge) for size in SCANNED if (edge := _edge(experiment, term, size, DType.FLOAT32)) is not None]
    shown = next((edge for size, edge in single if size == SHOWN_AT), None)
    cost = f"; in float32 it is off by {shown.off:.2g} nats a dimension at |logit| = {SHOWN_AT:g}" if shown else ""
    gone = next((size for size, edge in single if edge.share < GONE), None)
    lost = f", and from |logit| = {gone:g} on the gradient of a dimension is gone" if gone is not None else ""
    beside = f", {guard.text}" if guard.ones or guard.zeros else ""
    return Diagnosis(
        form=DifferenceForm.GUARD,
        text=f"is right but for a guard, a sigmoid in front of the cross-entropy{beside}{cost}{lost}",
        advice="the cross-entropy of the logits themselves (binary_cross_entropy_with_logits) has no such edge",
    )


def _edge(experiment: Experiment, term: TermRecord, size: float, dtype: DType) -> Edge | None:
    case = experiment.ordinary(ORDINARY[0])
    side = signs(case.output)
    case = replace(case, output=size * side, x=np.where(side > 0, 0.0, 1.0))
    try:
        one = experiment.observe(case, dtype=dtype)
    except FunctionError:
        return None
    right, got = target(term.reading, one.inputs, term.reduction), term.term(one)
    factor = one.batch if term.reduction.name == "MEAN" else 1
    off = abs(np.sum(got.value) * factor - np.sum(right.value)) / case.output.size
    slope = np.sum(np.abs(right.gradients[Role.OUTPUT]))
    share = 1.0 if got.gradients is None else float(factor * np.sum(np.abs(got.gradients[Role.OUTPUT])) / slope)
    return Edge(off=float(off), share=share)
