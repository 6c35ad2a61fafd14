"""KL(q || p) and its derivatives by quadrature with fixed nodes, for many parameters: quick where `oracle` is adaptive.

A continuous q is integrated over s = -log(tail probability) to both sides of its median, by Gauss-Legendre panels that
end where log p has a kink. Derivatives are central differences of fourth order. Matrices and sums: `oracle`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import inf, isfinite, log, nan
from typing import Any

import numpy as np
import scipy

from elbo_compare.suites.semantics.pairs.oracle import DISCRETE, FINITE, FROZEN, exact_kl
from elbo_compare.suites.semantics.pairs.table import Spec
from elbo_compare.suites.semantics.searching.densities import joint_log_density, joint_nodes
from elbo_compare.suites.semantics.searching.description import Family

Array = np.ndarray
ORDER = 24  # nodes of a panel
KNOTS = (log(2), 1.0, 1.5, 2.2, 3.0, 4.2, 6.0, 9.0, 14.0, 22.0, 40.0, 90.0, 200.0)
WIDE = 1e-2  # relative step of second differences: 1e-9 of the value by rounding, 1e-2 of themselves by truncation
STEP = 5e-4  # relative to |parameter|, at most 1; truncation STEP^4 f'''''/30, rounding 1e-15 f/STEP


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """KL in nats, E_q (|log q| + |log p|), and the derivatives by (side, parameter), with the parameter's own axes; nan
    where the divergence is infinite or the parameter lies on an edge."""

    value: float
    size: float
    slopes: Mapping[tuple[str, str], Array]


def divergence(q: Spec, p: Spec, fixed: tuple[str, ...]) -> Divergence:
    """Value and derivatives of one KL(q || p); `fixed`: parameters without a derivative."""
    value, size = value_and_size(q, p)
    slopes = {}
    for side, (_, arguments) in (("q", q), ("p", p)):
        for name, given in arguments.items():
            if name not in fixed:
                slopes[side, name] = _slopes(q, p, side, name, np.asarray(given)) if isfinite(value) else \
                    np.full(np.shape(given), nan)  # fmt: skip
    return Divergence(value=value, size=size, slopes=slopes)


Place = tuple[str, str, tuple[int, ...]]  # side, parameter, entry


def conditions(q: Spec, p: Spec, fixed: tuple[str, ...]) -> Mapping[tuple[str, str], Array]:
    """Sum over every parameter u of |u d/du d KL/dt|, by (side, parameter) t: to first order what a relative change of
    each of them does to a derivative. One-sided differences, whose size alone is asked for; nan where there is none."""
    given = {"q": q[1], "p": p[1]}
    places = [(side, name, index) for side, arguments in given.items() for name, each in arguments.items()
              if name not in fixed for index in np.ndindex(np.shape(each))]  # fmt: skip
    sizes = {place: _size(np.asarray(given[place[0]][place[1]]), place[2]) for place in places}
    steps = {place: WIDE * size for place, size in sizes.items()}
    here, found = _at(q, p, {}), {}
    once = {place: _at(q, p, {place: step}) for place, step in steps.items()}
    for place in places:
        total = 0.0
        for other in places:
            both = {place: steps[place], other: steps[other]} if other != place else {place: 2 * steps[place]}
            value = abs(float(np.asarray(given[other[0]][other[1]])[other[2]]))
            total += value * abs(_at(q, p, both) - once[place] - once[other] + here) / (steps[place] * steps[other])
        found.setdefault(place[:2], np.zeros(np.shape(given[place[0]][place[1]])))[place[2]] = total
    return found


def _size(given: Array, index: tuple[int, ...]) -> float:
    """Of an entry, for a step: at most 1, and 1 where it is 0."""
    return min(1.0, abs(float(given[index])) or 1.0)


def _at(q: Spec, p: Spec, moves: Mapping[Place, float]) -> float:
    """The divergence with some entries moved; nan outside of what the families take."""
    pair = {"q": q, "p": p}
    for (side, name, index), by in moves.items():
        moved = np.asarray(pair[side][1][name]).astype(float).copy()
        moved[index] += by
        pair[side] = (pair[side][0], {**pair[side][1], name: moved})
    try:
        return value_and_size(pair["q"], pair["p"])[0]
    except (ValueError, ArithmeticError):
        return nan


def _slopes(q: Spec, p: Spec, side: str, name: str, given: Array) -> Array:
    found = np.zeros(given.shape)
    for index in np.ndindex(given.shape):
        step = STEP * _size(given, index)
        if _within(given, side, name, (q if side == "q" else p)[0]):
            one, two, less, least = (_at(q, p, {(side, name, index): k * step}) for k in (1, 2, -1, -2))
            found[index] = (8 * (one - less) - (two - least)) / (12 * step)
        else:
            found[index] = nan
    return found


def _within(given: Array, side: str, name: str, family: str) -> bool:
    """Whether there are parameters on both sides: a support's end moves the support, and a probability has ends."""
    if name == "probs":
        return bool(np.all((given > 0.01) & (given < 0.99) & (abs(given - 0.5) > 0.005)))
    if family in ("Pareto", "Uniform") and name in ("low", "high", "scale"):
        return side == "q" and family == "Pareto"
    return not (name == "rate" and np.any(given == 0))


def value_and_size(q: Spec, p: Spec) -> tuple[float, float]:
    """KL(q || p), and E_q (|log q| + |log p|) where the nodes give it (else 1 + |KL|)."""
    family = q[0]
    if family == "Dirichlet":
        return _dirichlet(q, p)
    if family == "Independent":
        q, p = _independent(q), _independent(p)
    if family == "Delta":
        log_p = float(_univariate(p).logpdf(q[1]["v"]))
        return float(q[1]["log_density"]) - log_p, abs(log_p) + abs(float(q[1]["log_density"]))
    if family in FINITE:  # unnormalised where a derivative moves one entry
        q, p = ((each[0], {"probs": np.asarray(each[1]["probs"]) / np.sum(each[1]["probs"])}) for each in (q, p))
    if family in FROZEN_HERE and family not in DISCRETE:
        return _continuous(_univariate(q), _univariate(p), q, p)
    with np.errstate(all="ignore"):
        value = exact_kl(q, p)
    return float(value), 1 + abs(float(value))


def _independent(spec: Spec) -> Spec:
    if spec[0] != "Independent":
        return spec
    return "MultivariateNormal", {"loc": spec[1]["loc"], "covariance_matrix": np.diag(np.square(spec[1]["scale"]))}


FROZEN_HERE = {**FROZEN, "FoldedDistribution": lambda loc, scale: scipy.stats.foldnorm(abs(loc) / scale, scale=scale)}


def _univariate(spec: Spec) -> Any:
    return FROZEN_HERE[spec[0]](**{name: float(each) for name, each in spec[1].items()})


def _continuous(q: Any, p: Any, q_spec: Spec, p_spec: Spec) -> tuple[float, float]:
    (q_low, q_high), (p_low, p_high) = q.support(), p.support()
    if q_low < p_low or q_high > p_high:
        return inf, inf
    total, size = 0.0, 0.0
    for quantile, cut in ((q.ppf, _cut(q_spec, p_spec, lower=True)), (q.isf, _cut(q_spec, p_spec, lower=False))):
        s, weights = _panels(cut)
        x = np.array([quantile(each) for each in np.exp(-s)]) if not hasattr(q, "dist") else quantile(np.exp(-s))
        if q_spec[0] == "Beta" and quantile == q.isf:  # by 1 - x, which floats can tell from 0 where x is 1 for them
            part, its = _mirrored(q_spec, p_spec, p, s, weights)
            total, size = total + part, size + its
            continue
        inside = (x > q_low) & (x < q_high)  # closer to the edge than floats can tell: of weight e^-s
        x, mass = x[inside], (weights * np.exp(-s))[inside]
        log_q, log_p = (_log_density(each, x) for each in (q, p))
        total += float((mass * (log_q - log_p)).sum())
        size += float((mass * (abs(log_q) + abs(log_p))).sum())
    return total, size


def _mirrored(q_spec: Spec, p_spec: Spec, p: Any, s: Array, weights: Array) -> tuple[float, float]:
    """The upper half of a beta q: y = 1 - x is beta too, with the concentrations changed over, and so is a beta p's."""
    q = scipy.stats.beta(q_spec[1]["concentration0"], q_spec[1]["concentration1"])
    y = q.ppf(np.exp(-s))
    inside = y > 0
    y, mass = y[inside], (weights * np.exp(-s))[inside]
    log_q = q.logpdf(y)
    log_p = (
        scipy.stats.beta(p_spec[1]["concentration0"], p_spec[1]["concentration1"]).logpdf(y)
        if p_spec[0] == "Beta"
        else _log_density(p, 1 - y)
    )
    return float((mass * (log_q - log_p)).sum()), float((mass * (abs(log_q) + abs(log_p))).sum())


def _log_density(distribution: Any, x: Array) -> Array:
    if hasattr(distribution, "dist"):
        return np.asarray(distribution.logpdf(x))
    return np.array([distribution.logpdf(float(each)) for each in x])


def _cut(q: Spec, p: Spec, *, lower: bool) -> float | None:
    """s where x reaches the kink of a Laplace p."""
    if p[0] != "Laplace":
        return None
    loc = float(p[1]["loc"])
    frozen = scipy.stats.laplace(q[1]["loc"], q[1]["scale"]) if q[0] == "Laplace" else _univariate(q)
    tail = float(frozen.cdf(loc) if lower else frozen.sf(loc))
    return -log(tail) if 1e-80 < tail < 0.5 else None


def _panels(cut: float | None) -> tuple[Array, Array]:
    knots: list[float] = sorted([*KNOTS, *([cut] if cut is not None else [])])
    x, weights = _legendre()
    panels = [((b - a) / 2 * x + (a + b) / 2, (b - a) / 2 * weights) for a, b in pairwise(knots)]
    return np.concatenate([s for s, _ in panels]), np.concatenate([w for _, w in panels])


@lru_cache
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(ORDER)


def _dirichlet(q: Spec, p: Spec) -> tuple[float, float]:
    one, other = (list(np.asarray(each[1]["concentration"], float)) for each in (q, p))
    values, weights = joint_nodes(Family.DIRICHLET, [one], 40)
    log_q, log_p = (joint_log_density(Family.DIRICHLET, values, [each]) for each in (one, other))
    return float((weights * (log_q - log_p)).sum()), float((weights * (abs(log_q) + abs(log_p))).sum())
