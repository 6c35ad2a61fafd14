"""The oracle by another method: SciPy's distributions, independent draws from the guide, likelihood-ratio gradients.

    dL/dt = E[ f (log q)'(z) + f'(z) ],  f = w log q - w log p at fixed draws z,

primes by central differences in t; a Delta moves with t. It shares the description with `exact`, and no formula.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special as special
import scipy.stats as stats

from elbo_compare.suites.semantics.searching.description import PARAMETERS, Family, Link, Pair, Site

Array = np.ndarray
STEP = 1e-4
_FROZEN: dict[Family, Any] = {
    Family.NORMAL: lambda loc, scale: stats.norm(loc, scale),
    Family.LOG_NORMAL: lambda loc, scale: stats.lognorm(scale, scale=np.exp(loc)),
    Family.GAMMA: lambda concentration, rate: stats.gamma(concentration, scale=1 / rate),
    Family.BETA: lambda a, b: stats.beta(a, b),
    Family.EXPONENTIAL: lambda rate: stats.expon(scale=1 / rate),
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
    theta = np.array(pair.theta)
    fixed = _run(pair, theta, rng, draws)
    loss, _ = _loss(pair, theta, fixed)
    slopes = []
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
    lacking = [site for site in pair.model if site.name not in guided and not site.observed]
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
    for site in pair.model:
        if site.family is Family.FACTOR:
            loss = loss - _summed(_arguments(pair, site, theta, values)[0])
        elif site.observed or site.name in guided:
            loss = loss - _summed(_log_density(pair, site, theta, values) * _weight(pair, site))
    some = next(iter(drawn.values()))
    return np.broadcast_to(loss, some.shape[:1]), np.broadcast_to(log_q, some.shape[:1])


def _log_density(pair: Pair, site: Site, theta: Array, values: Mapping[str, Array]) -> Array:
    """Axes: draw, then `Pair.shape`, also where nothing that was drawn reaches the site."""
    draws = len(next(iter(values.values())))
    return np.broadcast_to(_terms(pair, site, theta, values), (draws, *pair.shape(site)))


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
    frozen = _FROZEN[site.family](*arguments)
    return np.asarray(frozen.logpmf(value) if hasattr(frozen, "pmf") and site.family in (Family.BERNOULLI,
                      Family.POISSON) else frozen.logpdf(value))  # fmt: skip


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
    return weight[..., None] if site.event else weight


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
            value = values[parent.name].sum(-1) if source.event else values[parent.name]
            axes = iter(value.shape[1:])
            wide = [next(axes) if name in source.plates else 1 for name in pair.axes(site)]
            total = total + parent.coefficient * value.reshape(len(value), *wide)
        found.append(np.asarray(total if expression.bare else _linked(link, total)))
    return found


def _linked(link: Link, value: Array) -> Array:
    return {Link.IDENTITY: lambda v: v, Link.EXP: np.exp, Link.LOGIT: special.expit}[link](value)


def _summed(terms: Array) -> Array:
    return terms.sum(axis=tuple(range(1, terms.ndim))) if terms.ndim > 1 else terms
