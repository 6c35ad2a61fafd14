"""The oracle by another method: SciPy's distributions, independent draws from the guide, likelihood-ratio gradients.

    dL/dt = E[ f (log q)'(z) + f'(z) ],  f = w log q - w log p at fixed draws z,

primes by central differences in t; a Delta moves with t. It shares the description with `exact`, and no formula. What
TraceEnum_ELBO sums out is summed at each draw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


def _run(pair: Pair, theta: Array, rng: np.random.Generator, draws: int) -> dict[str, Array]:
    """Values by name, axes: draw, then `Pair.shape`; latents that the guide lacks come from the model."""
    guided = {site.name for site in pair.guide}
    lacking = [site for site in pair.model if site.name not in guided and not site.observed and not site.summed]
    values: dict[str, Array] = {}
    for site in (*pair.guide, *(each for each in lacking if each.family is not Family.FACTOR)):
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
