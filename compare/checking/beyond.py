"""What a right term does beyond the inputs that it is judged by: where a clamp, a cap or an overflow begins.

Judged are sigma from 0.001 to 10, |mean| up to 30 and outputs up to their edge; a guard far outside of these is said,
not blamed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from elbo_compare.compare.checking.claims import TermRecord
from elbo_compare.compare.checking.experiment import Experiment, Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import short
from elbo_compare.compare.checking.inputs import FAR_OUTPUT, ORDINARY, Trial, at_edge, signs
from elbo_compare.compare.checking.likelihoods import Domain
from elbo_compare.compare.checking.readings import value_distance
from elbo_compare.suites.contract import DType

BISECTIONS = 40
SAID = 1e-3  # nats: what is off by less than this relative to its value is no clamp
NARROW, BROAD = (-13.8, -16.0, -20.0, -25.0, -32.0, -42.0), (4.6, 6.0, 8.0, 11.0, 16.0, 21.0, 31.0)
EDGES = (-6.0, -7.0, -8.0, -9.0, -10.0, -12.0)  # decimal logarithms of a probability
MEANS, LOGITS = (30.0, 100.0, 1e3), (30.0, 60.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One quantity moved outwards from the last value that was judged."""

    name: str
    values: Sequence[float]
    at: Callable[[float], Trial]
    guard: bool = False  # values are decimal logarithms of what a guard against log 0 holds up


def beyond(experiment: Experiment, term: TermRecord) -> str:
    """`beyond log sigma^2 = 20 it is another function (off by 2.4e+04 nats at 31)`, "" where it stays right."""
    found = [text for scan in _scans(experiment, term) if (text := _text(experiment, term, scan))]
    return "; ".join(found)


def _scans(experiment: Experiment, term: TermRecord) -> list[Scan]:
    case = experiment.ordinary(ORDINARY[0])
    noise = (case.z - case.mean) * np.exp(-case.log_var / 2)

    def spread(log_var: float) -> Trial:
        z = case.mean + np.exp(log_var / 2) * noise
        return replace(case, log_var=np.full_like(case.mean, log_var), z=z)

    def mean(size: float) -> Trial:
        moved = size * signs(case.mean)
        return replace(case, mean=moved, z=moved + np.exp(case.log_var / 2) * noise)

    def logit(size: float) -> Trial:
        return replace(case, output=size * signs(case.output))

    def edge(decades: float) -> Trial:
        return at_edge(case, experiment.domain, FAR_OUTPUT, 10.0**decades)

    scans = []
    if term.reading.has_kl and term.reading.prior is None:
        scans += [Scan(name="log sigma^2", values=each, at=spread) for each in (NARROW, BROAD)]
        scans.append(Scan(name="|mean|", values=MEANS, at=mean))
    if term.reading.has_data and experiment.domain is Domain.LOGIT:
        scans.append(Scan(name="|logit|", values=LOGITS, at=logit))
    double = experiment.dtype is DType.FLOAT64  # 1 - 1e-8 is 1 in float32
    if term.reading.has_data and experiment.domain is Domain.UNIT and not term.reading.guard and double:
        scans.append(Scan(name="probabilities", values=EDGES, at=edge, guard=True))
    return scans


def _text(experiment: Experiment, term: TermRecord, scan: Scan) -> str:
    good = scan.values[0]
    for value in scan.values[1:]:
        off = _off(experiment, term, scan.at(value))
        if off is None:
            return ""
        if off > 0:
            edge = _edge(experiment, term, scan, good, value)
            much = f"off by {off:.2g} nats" if np.isfinite(off) else "no number"
            if scan.guard and not np.isfinite(off):
                return f"no number where p is {10**edge:.1g} from 0 or 1"
            if scan.guard:
                return f"a guard: it acts where p is {10**edge:.1g} from 0 or 1 ({much} in a batch at {10**value:.0e})"
            return f"beyond {scan.name} = {short(edge)} it is another function ({much} at {value:g})"
        good = value
    return ""


def _edge(experiment: Experiment, term: TermRecord, scan: Scan, good: float, bad: float) -> float:
    """Where it begins, by bisection, to four digits."""
    for _ in range(BISECTIONS):
        middle = (good + bad) / 2
        good, bad = (good, middle) if _off(experiment, term, scan.at(middle)) else (middle, bad)
    return float(f"{bad:.4g}")


def _off(experiment: Experiment, term: TermRecord, case: Trial) -> float | None:
    """How far it is off, 0 within rounding and where the right value itself is no number; None where it raises."""
    try:
        one: Observation = experiment.observe(case, differentiate=False)
    except FunctionError:
        return None
    with np.errstate(all="ignore"):
        distance = value_distance(term.reading, term.reduction, term.term(one), one, term.roundoff)
    worth_saying = distance.ratio > 1 and not distance.difference <= SAID
    return distance.difference if worth_saying else 0.0
