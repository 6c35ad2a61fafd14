"""Scans towards an edge: which guard a term has, and where in float32 or float64 it stops being a number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from elbo_compare.compare.checking.claims import TermRecord
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.guards import PROBABILITIES, SIGMAS, Bound, Guard, bound_of
from elbo_compare.compare.checking.inputs import ORDINARY, Trial
from elbo_compare.compare.checking.likelihoods import OF_PROPORTIONS, Domain
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import UNIT_ROUNDOFF, Reading, Reduction, target, value_distance
from elbo_compare.suites.contract import DType

MEANS = (5.0, 8.0, 10.0, 12.0, 13.0, 14.0, 16.0, 20.0, 26.0, 30.0, 37.0, 38.0, 39.0, 45.0, 60.0, 100.0)
WIDE = (3.0, 10.0, 30.0, 100.0, 1e3, 1e4)
LOGITS = (5.0, 10.0, 14.0, 16.0, 18.0, 20.0, 30.0, 37.0, 40.0, 60.0, 90.0, 110.0)


def find_guards(experiment: Experiment, term: TermRecord, known: Sequence[float]) -> Iterator[Guard]:
    """Guards that the scans suggest, to be judged on every probe."""
    reading = term.reading
    data = Guard()
    bernoulli = reading.data is not None and reading.data.likelihood == "bernoulli"
    if reading.has_data and bernoulli and experiment.domain is Domain.UNIT:
        data = Guard(
            ones=_probability(experiment, term, known, x=1.0), zeros=_probability(experiment, term, known, x=0.0)
        )
    if reading.has_data and (experiment.domain is Domain.POSITIVE or reading.data is OF_PROPORTIONS):
        data = Guard(ones=_probability(experiment, term, known, x=1.0))
    spread = [data]
    if reading.has_kl and reading.prior is None and experiment.signature.find(Role.SPREAD):
        taken = _variances(experiment, term)
        known = [*known, *(n**2 for n in known), *(float(np.exp(n)) for n in range(-40, 1))]  # log_var >= -10
        squares = [s**2 for s in SIGMAS]
        for of_sigma, at, got in ((False, squares, taken), (True, SIGMAS, [max(t, 0.0) ** 0.5 for t in taken])):
            bound = bound_of(at, got, known)
            if bound is not None:
                changes = replace(data, spread=bound, of_sigma=of_sigma)
                spread = [*spread[:-1], changes, replace(changes, everywhere=True), spread[-1]]
    yield from (guard for guard in spread if guard != Guard())


def _probability(experiment: Experiment, term: TermRecord, known: Sequence[float], *, x: float) -> Bound | None:
    """The bound of log p (x = 1) or log(1 - p) (x = 0)."""
    taken = []
    for small in PROBABILITIES:
        case = experiment.ordinary(ORDINARY[0])
        full = np.full_like(case.output, small if x else 1 - small)
        off = _off(experiment, term, replace(case, x=np.full_like(case.x, x), output=full))
        at = small if x else 1 - (1 - small)
        taken.append(float(at * np.exp(-off / (full.size * term.reading.weight * term.reading.scale))))
    return bound_of(PROBABILITIES, taken, known)


def _variances(experiment: Experiment, term: TermRecord) -> list[float]:
    """What the logarithm took for sigma^2, at z = mean."""
    taken = []
    for sigma in SIGMAS:
        case = experiment.ordinary(ORDINARY[0])
        case = replace(case, z=case.mean, log_var=np.full_like(case.mean, 2 * np.log(sigma)))
        off = _off(experiment, term, case)
        each = off / (case.mean.size * term.reading.kl_weight * term.reading.scale)
        taken.append(float(sigma**2 * np.exp(-2 * each)) if np.isfinite(each) and abs(each) < 300 else float("nan"))
    return taken


def _off(experiment: Experiment, term: TermRecord, case: Trial) -> float:
    """Value - right value, summed over the batch."""
    one = experiment.observe(case, differentiate=False)
    factor = one.batch if term.reduction is Reduction.MEAN else 1
    right = np.sum(target(term.reading, one.inputs).value)
    return float(term.reading.sign * (np.sum(term.term(one).value) * factor - right))


@dataclass(frozen=True, kw_only=True)
class Break:
    """Where along a scan the term is off or no number: the last good and the first bad value."""

    quantity: str
    good: float
    bad: float
    dtype: DType
    difference: float  # infinite where it is no number

    @property
    def text(self) -> str:
        """`NaN in float32 from |z| = 13 on`."""
        where = f"{self.quantity} = {self.bad:g}"
        if not np.isfinite(self.difference):
            return f"no number in {self.dtype} from {where} on"
        return f"off by {self.difference:.2g} nats in {self.dtype} at {where}"


def find_breaks(experiment: Experiment, term: TermRecord) -> list[Break]:
    """Where the term leaves its right value, for each quantity that is scanned and each dtype."""
    found = []
    dtypes = [DType.FLOAT32] if experiment.dtype is DType.FLOAT32 else [DType.FLOAT64, DType.FLOAT32]
    for quantity, values in _scans(experiment, term.reading):
        for dtype in dtypes:
            broken = _first_break(experiment, term, quantity, values, dtype)
            if broken is not None:
                found.append(broken)
    return found


def _scans(experiment: Experiment, reading: Reading) -> list[tuple[str, Sequence[float]]]:
    scans: list[tuple[str, Sequence[float]]] = []
    if reading.has_kl:
        scans = [("|z|" if reading.sampled else "|mean|", MEANS), ("sigma", SIGMAS[1:]), ("sigma", WIDE)]
    if reading.has_data and experiment.domain is Domain.LOGIT:
        scans.append(("|logit|", LOGITS))
    if reading.has_data and experiment.domain is Domain.UNIT:
        scans.append(("p", PROBABILITIES[:5]))
    return scans


def _first_break(
    experiment: Experiment, term: TermRecord, quantity: str, values: Sequence[float], dtype: DType
) -> Break | None:
    good = 0.0
    roundoff = max(term.roundoff, UNIT_ROUNDOFF[dtype])
    for value in values:
        try:
            one = experiment.observe(_at(experiment, quantity, value), dtype=dtype, differentiate=False)
        except FunctionError:
            return Break(quantity=quantity, good=good, bad=value, dtype=dtype, difference=float("inf"))
        distance = _distance(term, one, roundoff)
        if distance[0] > 1:
            return Break(quantity=quantity, good=good, bad=value, dtype=dtype, difference=distance[1])
        good = value
    return None


def _distance(term: TermRecord, one: Observation, roundoff: float) -> tuple[float, float]:
    with np.errstate(all="ignore"):
        distance = value_distance(term.reading, term.reduction, term.term(one), one, roundoff)
    return distance.ratio, distance.difference


def _at(experiment: Experiment, quantity: str, value: float) -> Trial:
    case = experiment.ordinary(ORDINARY[0])
    if quantity == "sigma":
        log_var = np.full_like(case.mean, 2 * np.log(value))
        return replace(case, log_var=log_var, z=case.mean + value * (case.z - case.mean))
    if quantity == "|logit|":
        return replace(case, output=np.where(case.output > 0, value, -value))
    if quantity == "p":
        return replace(case, output=np.where(case.output > 0.5, 1 - value, value))
    shift = np.where(case.mean > 0, value, -value) - case.z
    return replace(case, mean=case.mean + shift, z=case.z + shift)
