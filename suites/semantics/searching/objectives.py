"""What the classes that are no ELBO promise, as expectations over small pairs, by the nodes of `exact`.

With w = p(x, z) / q(z), two independent draws z, z' of the guide and the data X, X' that the model draws from them:

- RenyiELBO at alpha = 0 and two particles (Burda et al. 2016, eq. 8): -E log (w + w')/2.
- ReweightedWakeSleep at two particles (Bornschein and Bengio 2015, eqs. 4 and 6): the same value; the guide's gradient
  -E [w d log q(z) + w' d log q(z')] / (w + w'), draws held.
- EnergyDistance (its docstring): E |X - x| - E |X - X'| / 2 - lambda E log p(z), X normal given z.
- Trace_MMD (its docstring): -E log p(x | z) + sum over latents of E k(z, z') + E k(y, y') - 2 E k(z, y), y from the
  prior, k(a, b) = exp(-(a - b)^2 / 2).
- TraceTailAdaptive_ELBO with one particle: 'uses the same loss function as Trace_ELBO' (its warning); with more, its
  gradient weighs by ranks, whose expectation no nodes integrate: a step function of the draws.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite, nan, pi, sqrt

import numpy as np
import scipy.special as special

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.densities import Array
from elbo_compare.suites.semantics.searching.description import DISCRETE, Family, Pair, Site, written_out
from elbo_compare.suites.semantics.searching.exact import ORDERS, STEP, Exact, Grid, Integral, exact
from elbo_compare.suites.semantics.searching.ways import PRIOR_SCALE, Objective, Way, follows_python

MOST_AXES = 2  # of the nodes of one draw: two draws have twice as many


def exact_of(pair: Pair, way: Way) -> Exact:
    """The expectation of what the class documents, and its gradient at the pair's t."""
    return exact(pair) if way.objective is Objective.ELBO else _integrated(pair, way.objective, bool(way.option))


def has_objective(way: Way, pair: Pair, library: Library) -> bool:
    """Whether the class promises anything on this pair that the nodes can integrate."""
    if way.objective is Objective.ELBO and not way.elbo.startswith("TraceTail"):
        return True
    if _left_out(pair) or (library is Library.NUMPYRO and any(site.scored for site in pair.guide)):
        return False
    draws = [site for site in (*pair.guide, *pair.model) if not site.observed and site.family is not Family.FACTOR]
    if way.objective in (Objective.RENYI, Objective.WAKE_SLEEP):
        return _axes(pair.guide) <= MOST_AXES
    smooth = not any(site.family in DISCRETE or site.scored for site in draws)
    if way.objective is Objective.ENERGY:
        return smooth and _axes(pair.guide) <= MOST_AXES and _one_normal(pair)
    if way.objective is Objective.MMD:
        plain = not any(site.joint or site.event or site.auxiliary for site in draws)
        return smooth and plain and max(_axes(pair.guide), _axes(_prior(pair).guide)) <= MOST_AXES
    return smooth


def _left_out(pair: Pair) -> bool:
    """Plates (of which these classes say other things), what is summed out, states, and latents on one side."""
    latents = {site.name for site in pair.model if not site.observed and site.family is not Family.FACTOR}
    guided = {site.name for site in pair.guide if not site.auxiliary}
    certain = any(site.family is Family.BERNOULLI and site.observed and site.parameters[0].bare
                  and set(site.parameters[0].const) & {0.0, 1.0} for site in pair.model)  # fmt: skip
    return bool(pair.plates) or pair.kept or follows_python(pair) or certain or latents != guided


def _axes(sites: Sequence[Site]) -> int:
    return sum(2 if site.joint else max(1, site.event) for site in sites if site.family is not Family.DELTA)


def _one_normal(pair: Pair) -> bool:
    """One normal datum without weights, and nothing else that scores."""
    data = [site for site in pair.model if site.observed]
    plain = len(data) == 1 and data[0].family is Family.NORMAL and not data[0].scale and not data[0].mask
    return plain and not any(site.family is Family.FACTOR for site in pair.model)


def _prior(pair: Pair) -> Pair:
    """The model's latents as a guide: what draws from the prior."""
    latents = tuple(site for site in pair.model if not site.observed and site.family is not Family.FACTOR)
    return replace(pair, guide=latents)


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """One draw of the guide: weights of the nodes that add up to 1, and at each log q, log p(z) and log p(the rest)."""

    weights: Array
    log_q: Array
    log_prior: Array
    log_rest: Array
    grid: Grid


def _nodes(integral: Integral, theta: Array) -> Nodes:
    grid = Grid(integral, theta)
    guided = {site.name for site in integral.pair.guide}
    for site in integral.pair.guide:
        for number, cell in integral.scalars(site):
            grid.value(site, cell, number)
    log_q = _scored(integral, grid, integral.pair.guide)
    latents = [site for site in integral.pair.model if site.name in guided]
    rest = [site for site in integral.pair.model if site.name not in guided]
    return Nodes(weights=grid.weights().ravel(), log_q=log_q, log_prior=_scored(integral, grid, latents),
                 log_rest=_scored(integral, grid, rest), grid=grid)  # fmt: skip


def _scored(integral: Integral, grid: Grid, sites: Sequence[Site]) -> Array:
    """The weighted log density of these sites at each node."""
    total = np.zeros_like(grid.weights())
    for site in sites:
        for number, cell in integral.scalars(site):
            weight = integral.weight(site, cell)
            if site.family is Family.DELTA:
                total = total + weight * site.log_density
            elif weight:
                total = total + weight * grid.whole(integral.term(grid, site, cell, number))
    return total.ravel()


@lru_cache(maxsize=64)
def _integrated(pair: Pair, objective: Objective, prior: bool) -> Exact:
    values, gradients = [], []
    theta = np.array(pair.theta)
    for order in ORDERS:
        integral = Integral(written_out(pair), order)
        value = _VALUES[objective](integral, theta, prior)
        values.append(value)
        if not isfinite(value):
            nothing = (nan,) * len(theta)
            return Exact(value=value, gradient=nothing, value_error=0.0, gradient_error=(0.0,) * len(theta))
        gradients.append(_wake_gradient(integral, theta) if objective is Objective.WAKE_SLEEP
                         else _differences(lambda t, i=integral: _VALUES[objective](i, t, prior), theta))  # fmt: skip
    rounding = 1e-12 * (1 + abs(values[1]))
    return Exact(
        value=values[1],
        gradient=tuple(map(float, gradients[1])),
        value_error=abs(values[1] - values[0]) + rounding,
        gradient_error=tuple(float(each) + rounding / STEP for each in np.abs(gradients[1] - gradients[0])),
        size=1 + abs(values[1]),
    )


def _differences(value: Callable[[Array], float], theta: Array) -> Array:
    """Of the fourth order, as in `exact`."""
    found = []
    for unit in np.eye(len(theta)) * STEP:
        f = {m: value(theta + m * unit) for m in (-2, -1, 1, 2)}
        found.append((8 * (f[1] - f[-1]) - (f[2] - f[-2])) / (12 * STEP))
    return np.array(found)


def _renyi(integral: Integral, theta: Array, prior: bool) -> float:
    nodes = _nodes(integral, theta)
    log_w = nodes.log_prior + nodes.log_rest - nodes.log_q
    both = np.logaddexp(log_w[:, None], log_w[None, :]) - np.log(2)
    return -float(nodes.weights @ both @ nodes.weights)


def _wake_gradient(integral: Integral, theta: Array) -> Array:
    nodes = _nodes(integral, theta)
    log_w = nodes.log_prior + nodes.log_rest - nodes.log_q
    share = special.expit(log_w[:, None] - log_w[None, :])
    weights = 2 * nodes.weights * (share @ nodes.weights)

    def log_q(moved: Array) -> float:
        nodes.grid.theta = moved  # the nodes stay where they are
        return float(weights @ _scored(integral, nodes.grid, integral.pair.guide))

    return -_differences(log_q, theta)


def _energy(integral: Integral, theta: Array, prior: bool) -> float:
    nodes = _nodes(integral, theta)
    datum = next(site for site in integral.pair.model if site.observed)
    ((mean,), (scale,)) = nodes.grid.linked(datum, [()], 0)
    shape = nodes.grid.weights().shape
    m, s = (np.broadcast_to(nodes.grid.whole(each), shape).ravel() for each in (mean, scale))
    error = nodes.weights @ _folded_mean(m - datum.observed[0], s)
    spread = _folded_mean(m[:, None] - m[None, :], np.hypot(s[:, None], s[None, :]))
    regular = PRIOR_SCALE * (nodes.weights @ nodes.log_prior) if prior else 0.0
    return float(error - nodes.weights @ spread @ nodes.weights / 2 - regular)


def _folded_mean(m: Array, s: Array) -> Array:
    """E |N(m, s^2)|."""
    return s * sqrt(2 / pi) * np.exp(-0.5 * (m / s) ** 2) + m * special.erf(m / (s * sqrt(2)))


def _mmd(integral: Integral, theta: Array, prior: bool) -> float:
    nodes = _nodes(integral, theta)
    other = Integral(_prior(integral.pair), integral.order)
    drawn = _nodes(other, theta)
    total = -float(nodes.weights @ nodes.log_rest)
    for site in _prior(integral.pair).guide:
        z, y = (np.broadcast_to(each.grid.whole(each.grid.values[site.name, ()]), each.grid.weights().shape).ravel()
                for each in (nodes, drawn))  # fmt: skip
        total += _kernel(nodes.weights, z, nodes.weights, z) + _kernel(drawn.weights, y, drawn.weights, y)
        total -= 2 * _kernel(nodes.weights, z, drawn.weights, y)
    return total


def _kernel(one: Array, z: Array, other: Array, y: Array) -> float:
    return float(one @ np.exp(-0.5 * (z[:, None] - y[None, :]) ** 2) @ other)


_VALUES: dict[Objective, Callable[[Integral, Array, bool], float]] = {
    Objective.RENYI: _renyi,
    Objective.WAKE_SLEEP: _renyi,
    Objective.ENERGY: _energy,
    Objective.MMD: _mmd,
}
