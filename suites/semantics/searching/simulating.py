"""The oracle by another method: SciPy's distributions, independent draws from the guide, likelihood-ratio gradients.

    dL/dt = E[ f (log q)'(z) + f'(z) ],  f = w log q - w log p at fixed draws z,

primes by central differences in t; a Delta moves with t. It shares the description with `exact`, and no formula. What
TraceEnum_ELBO sums out is summed at each draw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

import numpy as np
import scipy.special as special
import scipy.stats as stats

from elbo_compare.suites.semantics.searching.description import (
    PARAMETERS,
    Family,
    Link,
    Pair,
    Site,
    written_out,
)
from elbo_compare.suites.semantics.searching.ways import PRIOR_SCALE, Objective

Array = np.ndarray
STEP = 1e-4
_FROZEN: dict[Family, Any] = {
    Family.NORMAL: lambda loc, scale: stats.norm(loc, scale),
    Family.LOG_NORMAL: lambda loc, scale: stats.lognorm(scale, scale=np.exp(loc)),
    Family.GAMMA: lambda concentration, rate: stats.gamma(concentration, scale=1 / rate),
    Family.BETA: lambda a, b: stats.beta(a, b),
    Family.EXPONENTIAL: lambda rate: stats.expon(scale=1 / rate),
    Family.LOGIT_NORMAL: lambda loc, scale: _LogitNormal(loc, scale),
    Family.AFFINE: lambda loc, scale: stats.norm(2 * loc + 0.5, 2 * scale),
    Family.FOLDED: lambda loc, scale: stats.foldnorm(np.abs(loc) / scale, scale=scale),
    Family.KUMARASWAMY: lambda a, b: _Kumaraswamy(a, b),
    Family.BERNOULLI: lambda probs: stats.bernoulli(probs),
    Family.POISSON: lambda rate: stats.poisson(rate),
}


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """Means and standard errors of the loss and of its gradient."""

    value: float
    value_error: float
    gradient: tuple[float, ...]
    gradient_error: tuple[float, ...]


def simulate(pair: Pair, seed: int, draws: int = 40_000) -> Simulated:
    """The expected loss of a pair and its gradient, from `draws` runs of the guide."""
    rng = np.random.default_rng([seed, 18])
    pair = written_out(pair)
    theta = np.array(pair.theta)
    fixed = _run(pair, theta, rng, draws)
    loss, _ = _loss(pair, theta, fixed)
    slopes = []
    if not np.isfinite(loss).all():  # impossible data: no gradient
        nothing = (nan,) * len(theta)
        return Simulated(value=float(loss[0]), value_error=0.0, gradient=nothing, gradient_error=nothing)
    for k in range(len(theta)):
        unit = np.eye(len(theta))[k] * STEP
        (above, up), (below, down) = (_loss(pair, theta + sign * unit, fixed) for sign in (1, -1))
        slopes.append((loss * (up - down) + above - below) / (2 * STEP))
    return Simulated(
        value=float(loss.mean()),
        value_error=float(loss.std(ddof=1) / np.sqrt(draws)),
        gradient=tuple(float(each.mean()) for each in slopes),
        gradient_error=tuple(float(each.std(ddof=1) / np.sqrt(draws)) for each in slopes),
    )


def simulate_objective(pair: Pair, objective: Objective, option: bool, seed: int, draws: int = 40_000) -> Simulated:
    """`objectives`' expectations from pairs of independent draws: the same formula for the gradient, f of two draws."""
    rng = np.random.default_rng([seed, 19])
    pair, theta = written_out(pair), np.array(pair.theta)
    fixed, others = (_run(pair, theta, rng, draws) for _ in range(2))
    latents = tuple(site for site in pair.model if not site.observed and site.family is not Family.FACTOR)
    prior = [_run(replace(pair, guide=latents), theta, rng, draws) for _ in range(2)]

    def of(t: Array) -> tuple[Array, Array]:
        halves = [_Half.of(pair, t, each) for each in (fixed, others)]
        return _FORMULAS[objective](pair, halves, prior, option), halves[0].log_q + halves[1].log_q

    value, _ = of(theta)
    base = [_Half.of(pair, theta, each) for each in (fixed, others)]
    shares = special.softmax([half.log_w for half in base], axis=0)
    slopes = []
    for unit in np.eye(len(theta)) * STEP:
        if objective is Objective.WAKE_SLEEP:
            up, down = ([_Half.of(pair, theta + by, each).scored_q for each in (fixed, others)] for by in (unit, -unit))
            slopes.append(-(shares * (np.array(up) - np.array(down))).sum(0) / (2 * STEP))
            continue
        (above, up), (below, down) = of(theta + unit), of(theta - unit)
        slopes.append((value * (up - down) + above - below) / (2 * STEP))
    return Simulated(
        value=float(value.mean()),
        value_error=float(value.std(ddof=1) / np.sqrt(draws)),
        gradient=tuple(float(each.mean()) for each in slopes),
        gradient_error=tuple(float(each.std(ddof=1) / np.sqrt(draws)) for each in slopes),
    )


@dataclass(frozen=True, kw_only=True)
class _Half:
    """One of two draws: log p/q as weighted, log q unweighted and weighted, log p of the latents and of the rest, and
    the values, Deltas where t has them."""

    log_w: Array
    log_q: Array
    scored_q: Array
    log_prior: Array
    log_rest: Array
    values: Mapping[str, Array]
    datum: tuple[Array, Array]

    @staticmethod
    def of(pair: Pair, theta: Array, drawn: Mapping[str, Array]) -> "_Half":
        loss, log_q = _loss(pair, theta, drawn)
        values = dict(drawn)
        for site in pair.guide:
            if site.family is Family.DELTA:
                values[site.name] = np.broadcast_to(_arguments(pair, site, theta, values)[0], drawn[site.name].shape)
        whole, log_rest = -loss, np.zeros(len(loss))
        for site in pair.model:
            if site.family is Family.FACTOR:
                log_rest = log_rest + _summed(_arguments(pair, site, theta, values)[0])
            elif site.observed:
                log_rest = log_rest + _summed(_log_density(pair, site, theta, values) * _weight(pair, site))
        scored_q = np.zeros_like(whole)
        for site in pair.guide:
            terms = np.full(drawn[site.name].shape, site.log_density) if site.family is Family.DELTA \
                else _log_density(pair, site, theta, values)  # fmt: skip
            scored_q = scored_q + _summed(terms * _weight(pair, site))
        observed = [site for site in pair.model if site.observed and site.family is Family.NORMAL]
        datum = tuple(_arguments(pair, observed[0], theta, values)) if observed else (np.zeros(()), np.ones(()))
        return _Half(log_w=whole, log_q=log_q, scored_q=scored_q, log_prior=whole + scored_q - log_rest,
                     log_rest=log_rest, values=values, datum=(datum[0], datum[1]))  # fmt: skip


def _bound(pair: Pair, halves: Sequence[_Half], prior: Sequence[Mapping[str, Array]], option: bool) -> Array:
    return np.asarray(np.log(2) - np.logaddexp(halves[0].log_w, halves[1].log_w))


def _distance(pair: Pair, halves: Sequence[_Half], prior: Sequence[Mapping[str, Array]], option: bool) -> Array:
    """X drawn anew at each evaluation from the same seed, so that it moves with its mean and scale."""
    rng = np.random.default_rng(20)
    observed = next(site for site in pair.model if site.observed)
    draws = len(halves[0].log_q)
    noise = [rng.standard_normal(draws) for _ in halves]
    data = [half.datum[0] + half.datum[1] * each for half, each in zip(halves, noise, strict=True)]
    found = sum(np.abs(each - observed.observed[0]) for each in data) / 2 - np.abs(data[0] - data[1]) / 2
    prior_term = PRIOR_SCALE * sum(half.log_prior for half in halves) / 2 if option else 0.0
    return np.asarray(found - prior_term)


def _discrepancy(pair: Pair, halves: Sequence[_Half], prior: Sequence[Mapping[str, Array]], option: bool) -> Array:
    found = -sum(half.log_rest for half in halves) / 2
    for name in prior[0]:
        (z, other), (y, another) = ([each[name] for each in side] for side in ([half.values for half in halves], prior))
        found = found + np.exp(-0.5 * (z - other) ** 2) + np.exp(-0.5 * (y - another) ** 2)
        found = found - np.exp(-0.5 * (z - y) ** 2) - np.exp(-0.5 * (other - another) ** 2)
    return np.asarray(found)


_FORMULAS = {
    Objective.RENYI: _bound,
    Objective.WAKE_SLEEP: _bound,
    Objective.ENERGY: _distance,
    Objective.MMD: _discrepancy,
}


def _run(pair: Pair, theta: Array, rng: np.random.Generator, draws: int) -> dict[str, Array]:
    """Values by name, axes: draw, then `Pair.shape`; latents that the guide lacks come from the model."""
    guided = {site.name for site in pair.guide}
    lacking = [site for site in pair.model if site.name not in guided and not site.observed and not site.summed]
    values: dict[str, Array] = {}
    for site in (each for each in (*pair.guide, *lacking) if each.family is not Family.FACTOR):
        arguments = _arguments(pair, site, theta, values)
        shape = (draws, *pair.shape(site))
        full = [np.broadcast_to(each, shape) for each in arguments]
        if site.family is Family.DELTA:
            values[site.name] = full[0].copy()
        elif site.family is Family.CATEGORICAL:
            below = np.cumsum(_probabilities(full), -1)
            values[site.name] = (rng.random(shape)[..., None] > below).sum(-1).clip(max=2).astype(float)
        elif site.family is Family.DIRICHLET:
            gammas = rng.standard_gamma(full[0])
            values[site.name] = gammas / gammas.sum(-1, keepdims=True)
        elif site.family is Family.MULTIVARIATE:
            noise = np.einsum("...ij,...j->...i", _factor(full[1], full[2]), rng.standard_normal(shape))
            values[site.name] = full[0] + noise
        else:
            values[site.name] = _FROZEN[site.family](*full).rvs(size=shape, random_state=rng).astype(float)
    return values


def _loss(pair: Pair, theta: Array, drawn: Mapping[str, Array]) -> tuple[Array, Array]:
    """The loss at each draw and the unweighted log density of all that was drawn there, Deltas apart."""
    values = dict(drawn)
    guided = {site.name for site in pair.guide}
    loss, log_q = 0.0, 0.0
    for site in pair.guide:
        if site.family is Family.DELTA:
            moved = _arguments(pair, site, theta, values)[0]
            values[site.name] = np.broadcast_to(moved, drawn[site.name].shape)
            loss = loss + _summed(np.full(drawn[site.name].shape, site.log_density) * _weight(pair, site))
            continue
        if site.family is Family.FACTOR:
            loss = loss + _summed(_arguments(pair, site, theta, values)[0])
            continue
        terms = _log_density(pair, site, theta, values)
        loss, log_q = loss + _summed(terms * _weight(pair, site)), log_q + _summed(terms)
    gone = {each.name for site in pair.model if site.summed for each in pair.model if site.name in each.parents}
    loss = loss - sum(_summed_out(pair, site, theta, values) for site in pair.model if site.summed)
    for site in pair.model:
        if site.name in gone:
            continue
        if site.family is Family.FACTOR:
            loss = loss - _summed(_arguments(pair, site, theta, values)[0])
        elif site.observed or site.name in guided:
            loss = loss - _summed(_weighted(_log_density(pair, site, theta, values), _weight(pair, site)))
    some = next(iter(drawn.values()))
    return np.broadcast_to(loss, some.shape[:1]), np.broadcast_to(log_q, some.shape[:1])


def _weighted(terms: Array, weight: Array) -> Array:
    """A mask takes out what is impossible, too."""
    return np.where(weight == 0, 0.0, terms * weight) if np.isinf(terms).any() else terms * weight


def _summed_out(pair: Pair, site: Site, theta: Array, values: Mapping[str, Array]) -> Array:
    """log sum_z p(z) p(what reads z | z) at each draw, added up over the cells of z."""
    draws, logs = len(next(iter(values.values()))), []
    for level in range(2 if site.family is Family.BERNOULLI else 3):
        there = {**values, site.name: np.full((draws, *pair.shape(site)), float(level))}
        total = _log_density(pair, site, theta, there)
        for reader in (each for each in pair.model if site.name in each.parents):
            terms = _log_density(pair, reader, theta, there)
            lost = tuple(1 + k for k, name in enumerate(pair.axes(reader)) if name not in site.plates)
            total = total + terms.sum(axis=lost)
        logs.append(total)
    return _summed(special.logsumexp(logs, axis=0) * _weight(pair, site))


def _log_density(pair: Pair, site: Site, theta: Array, values: Mapping[str, Array]) -> Array:
    """Axes: draw, then `Pair.shape` without a joint event, also where nothing that was drawn reaches the site."""
    draws, shape = len(next(iter(values.values()))), pair.shape(site)
    return np.broadcast_to(_terms(pair, site, theta, values), (draws, *(shape[:-1] if site.joint else shape)))


def _terms(pair: Pair, site: Site, theta: Array, values: Mapping[str, Array]) -> Array:
    shape = pair.shape(site)
    value = np.broadcast_to(np.reshape(site.observed, shape if len(site.observed) > 1 else ()), shape) \
        if site.observed else values[site.name]  # fmt: skip
    arguments = _arguments(pair, site, theta, values)
    if site.family is Family.CATEGORICAL:
        probabilities = _probabilities(np.broadcast_arrays(*arguments))
        chosen = np.broadcast_to(value, np.broadcast_shapes(value.shape, probabilities.shape[:-1])).astype(int)
        whole = np.broadcast_to(probabilities, (*chosen.shape, 3))
        return np.log(np.take_along_axis(whole, chosen[..., None], -1))[..., 0]
    if site.joint:
        return _joint(site, value, [np.broadcast_to(each, (len(next(iter(values.values()))), *shape))
                                    for each in arguments])  # fmt: skip
    frozen = _FROZEN[site.family](*arguments)
    return np.asarray(frozen.logpmf(value) if hasattr(frozen, "pmf") and site.family in (Family.BERNOULLI,
                      Family.POISSON) else frozen.logpdf(value))  # fmt: skip


def _joint(site: Site, value: Array, arguments: Sequence[Array]) -> Array:
    """By SciPy, for one cell of the plates after another; concentrations and factors are the same at all draws."""
    outer = arguments[0].shape[1:-1]
    found = np.zeros((len(arguments[0]), *outer))
    for cell in np.ndindex(*outer):
        at = (slice(None), *cell)
        z = np.broadcast_to(value, arguments[0].shape)[at]
        if site.family is Family.DIRICHLET:
            found[at] = stats.dirichlet(arguments[0][at][0]).logpdf(z.T)
        else:
            factor = _factor(arguments[1][at][0], arguments[2][at][0])
            found[at] = stats.multivariate_normal(cov=factor @ factor.T).logpdf(z - arguments[0][at])
    return found


def _factor(scale: Array, lower: Array) -> Array:
    """diag(scale) with `lower` below."""
    return scale[..., None] * np.eye(2) + lower[..., :1, None] * np.array([[0.0, 0.0], [1.0, 0.0]])


class _LogitNormal:
    """sigmoid(u), u normal: SciPy has none with both parameters."""

    def __init__(self, loc: Array, scale: Array) -> None:
        self.normal = stats.norm(loc, scale)

    def rvs(self, size: Sequence[int], random_state: np.random.Generator) -> Array:
        return special.expit(self.normal.rvs(size=size, random_state=random_state)).clip(1e-300, 1 - 1e-16)

    def logpdf(self, z: Array) -> Array:
        return self.normal.logpdf(special.logit(z)) - np.log(z * (1 - z))


class _Kumaraswamy:
    """z^a is Beta(1, b)."""

    def __init__(self, a: Array, b: Array) -> None:
        self.a, self.powered = a, stats.beta(1.0, b)

    def rvs(self, size: Sequence[int], random_state: np.random.Generator) -> Array:
        drawn = self.powered.rvs(size=size, random_state=random_state).clip(1e-300, 1 - 1e-16)
        return np.asarray(drawn ** (1 / self.a)).clip(1e-300, 1 - 1e-16)

    def logpdf(self, z: Array) -> Array:
        return self.powered.logpdf(z**self.a) + np.log(self.a) + (self.a - 1) * np.log(z)


def _probabilities(logits: Sequence[Array]) -> Array:
    return special.softmax(np.stack([np.zeros_like(logits[0]), *logits], -1), -1)


def _weight(pair: Pair, site: Site) -> Array:
    shape = pair.shape(site)
    outer = shape[: len(shape) - bool(site.event)]
    weight = np.ones(outer)
    for numbers in (site.scale, site.mask):
        if numbers:
            weight = weight * np.reshape(np.array(numbers, float), outer if len(numbers) > 1 else ())
    for axis, name in enumerate(name for name in pair.axes(site) if name):
        plate = pair.plate(name)
        if plate.subsample:
            kept = np.bincount(plate.subsample, minlength=plate.size) * plate.size / len(plate.subsample)
            weight = weight * np.reshape(kept, [-1 if k == axis else 1 for k in range(len(outer))])
    return weight[..., None] if site.event and not site.joint else weight


def _arguments(pair: Pair, site: Site, theta: Array, values: Mapping[str, Array]) -> list[Array]:
    shape, sources = pair.shape(site), {each.name: each for each in (*pair.model, *pair.guide)}
    found = []
    for (_, link), expression in zip(PARAMETERS[site.family], site.parameters, strict=True):
        total = np.reshape(expression.const, shape if len(expression.const) > 1 else ())
        if expression.theta is not None:
            count = int(np.prod(shape)) if expression.each else 1
            total = total + np.reshape(theta[expression.theta : expression.theta + count], shape if count > 1 else ())
        for parent in expression.parents:
            source = sources[parent.name]
            value = values[parent.name]
            value = value[..., 0] if source.joint else value.sum(-1) if source.event else value
            axes = iter(value.shape[1:])
            wide = [next(axes) if name in source.plates else 1 for name in pair.axes(site)]
            total = total + parent.coefficient * value.reshape(len(value), *wide)
        total = total + pair.state if expression.state else total
        found.append(np.asarray(total if expression.bare else _linked(link, total)))
    return found


def _linked(link: Link, value: Array) -> Array:
    return {Link.IDENTITY: lambda v: v, Link.EXP: np.exp, Link.LOGIT: special.expit}[link](value)


def _summed(terms: Array) -> Array:
    return terms.sum(axis=tuple(range(1, terms.ndim))) if terms.ndim > 1 else terms
