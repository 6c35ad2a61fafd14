"""KL balancing: the value of KL(q || p), of which q gets one share of the gradient and p the rest.

(1 - a) KL(q || sg p) + a KL(sg q || p), sg cutting the gradient off, has the value of the KL for every a (Hafner et al.
2021, arXiv 2010.02193, eq. 7). With two weights that don't add up to 1, 0.1 and 0.5, it is their sum times the KL, and
each side gets its own weight (Hafner et al. 2023, arXiv 2301.04104, eq. 5). It is no mistake: the optimum of p is the
same, and that of q is another one than the ELBO's only through what the reconstruction asks of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isclose

import numpy as np

from elbo_compare.compare.checking.claims import TermRecord
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import rounding_steps, target

OF_Q, OF_P = (Role.MEAN, Role.SPREAD), (Role.PRIOR_MEAN, Role.PRIOR_SPREAD)
SAME_SHARE = 1e-5  # of the right gradient: float32 rounding
MOST_NUMBERS = 6  # of a source, whose pairs are tried as the two weights


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Of the right gradient; they add up to 1."""

    q: float
    p: float


def shares_of(term: TermRecord) -> Shares | None:
    """The shares of q and of p, where the gradient by every other argument is the right one; None where it is no
    balanced KL."""
    found = raw_shares(term)
    if found is None or not isclose(sum(found), 1, abs_tol=SAME_SHARE):
        return None
    q, p = map(_short, found)
    return Shares(q=q, p=p) if 0 < q < 1 else None


def raw_shares(term: TermRecord) -> tuple[float, float] | None:
    """What q and p have of the right gradient, whatever it adds up to; None where a side has no one share."""
    roles = term.term(term.record.ordinary[0]).gradients or {}
    if not set(OF_Q + OF_P) <= set(roles):
        return None
    mean, spread, prior_mean, prior_spread = (_share(term, role) for role in (*OF_Q, *OF_P))
    if mean is None or spread is None or prior_mean is None or prior_spread is None:
        return None
    one = isclose(mean, spread, abs_tol=SAME_SHARE) and isclose(prior_mean, prior_spread, abs_tol=SAME_SHARE)
    return (mean, prior_mean) if one else None


def _short(share: float) -> float:
    """The three digits that a share is written in, else what it is."""
    rounded = round(share, 3)
    return rounded if isclose(rounded, share, abs_tol=SAME_SHARE) else share


def _share(term: TermRecord, role: Role) -> float | None:
    """got / right, where it is one number at every ordinary input."""
    got, right = stacked(term, role, term.record.ordinary)
    nonzero = np.abs(right) > 1e-6 * np.abs(right).max()
    ratio = got[nonzero] / right[nonzero]
    return float(ratio[0]) if ratio.size and np.ptp(ratio) <= SAME_SHARE else None


def stacked(term: TermRecord, role: Role, observations: Sequence[Observation]) -> tuple[np.ndarray, np.ndarray]:
    """The gradient by an argument, and the right one, flat, of several calls."""
    got, right = [], []
    for one in observations:
        gradients = term.term(one).gradients or {}
        factor = 1 / one.batch if term.reduction.name == "MEAN" else 1.0
        got.append(gradients[role].ravel())
        right.append(factor * target(term.reading, one.inputs, term.reduction).gradients[role].ravel())
    return np.concatenate(got), np.concatenate(right)


def holds(term: TermRecord, shares: Shares) -> bool:
    """Whether every gradient is its share of the right one to within its rounding, at ordinary and extreme inputs."""
    share = dict.fromkeys(OF_Q, shares.q) | dict.fromkeys(OF_P, shares.p)
    for one in (*term.record.ordinary, *term.record.extreme):
        right = target(term.reading, one.inputs, term.reduction)
        factor = 1 / one.batch if term.reduction.name == "MEAN" else 1.0
        for role, got in (term.term(one).gradients or {}).items():
            off = np.abs(got - factor * share.get(role, 1.0) * right.gradients[role])
            allowed = rounding_steps(1) * term.roundoff * factor * np.max(right.gradient_scales[role])
            if not np.all(off <= allowed):
                return False
    return True


def sums_of_two(numbers: Sequence[float]) -> Iterator[float]:
    """The weights that two numbers of a source make together: 0.5 and 0.1 make 0.6."""
    small = [n for n in dict.fromkeys(map(abs, numbers)) if 0 < n <= 1][:MOST_NUMBERS]
    yield from dict.fromkeys(float(f"{a + b:.12g}") for a, b in combinations(small, 2))
