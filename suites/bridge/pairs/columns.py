"""The columns that a loss is written in: a site's log densities, their parts, what stands in for a likelihood.

Written once over torch and jax.numpy alike: `xp` is the module, an array has methods of its own. Every column is an
elementwise array; its sum over the batch is the column's value.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elbo_compare.suites.bridge.pairs.records import (
    BY_LOG_VAR,
    BY_ROOT,
    BY_VARIANCE,
    SHARED,
    SWAPPED,
    ZERO_NOISE,
    What,
)

CLAMPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """A diagonal Gaussian's mean and standard deviation."""

    mean: Any
    sigma: Any


@dataclass(frozen=True, kw_only=True)
class Latent:
    """A latent site at one draw. log_q, log_p, kl: scaled and masked as the library does it; kl None: none registered.
    weight: scale times mask, by which a part counts. log_det_q, log_det_p: of the distributions' transforms."""

    value: Any
    log_q: Any
    log_p: Any
    kl: Any | None
    guide: Gaussian | None
    prior: Gaussian | None
    weight: Any = 1.0
    log_det_q: Any | None = None
    log_det_p: Any | None = None


@dataclass(frozen=True, kw_only=True)
class Observed:
    """An observed site. mean, sigma of a normal law; spread: sigma, or a Laplace's scale; logits of a Bernoulli;
    probability: the mean lies in (0, 1). classes: the logits of a categorical one, (..., classes).
    alone: what of log_p the data alone determine."""

    value: Any
    log_p: Any
    mean: Any | None
    sigma: Any | None = None
    spread: Any | None = None
    logits: Any | None = None
    classes: Any | None = None
    probability: bool = False
    weight: Any = 1.0
    unmasked: Any | None = None
    alone: Mapping[What, Any] = field(default_factory=dict)


def latent_columns(xp: Any, site: Latent, wide: bool) -> Iterator[tuple[What, Any]]:
    """(what, elements) of a latent site: the pair's own terms, with `wide` their parts."""
    yield What.LOG_Q, site.log_q
    yield What.LOG_P, site.log_p
    if site.kl is not None:
        yield What.KL, site.kl
    for what, log_det in ((What.LOG_DET_Q, site.log_det_q), (What.LOG_DET_P, site.log_det_p)):
        if log_det is not None:
            yield what, log_det
    if site.prior is not None:
        yield What.PRIOR_LOG_VAR, site.weight * 2.0 * xp.log(site.prior.sigma)
    if wide:
        yield What.STANDARD, -0.5 * site.weight * (site.value**2 + math.log(2.0 * math.pi))
    if wide and site.guide is not None:
        log_var = 2.0 * xp.log(site.guide.sigma)
        yield What.KL_STANDARD, 0.5 * site.weight * (site.guide.sigma**2 + site.guide.mean**2 - 1.0 - log_var)
    if not wide or site.guide is None or site.prior is None:
        return
    w, q, p = site.weight, site.guide, site.prior
    yield What.LOG_VAR, w * 2.0 * xp.log(q.sigma)
    yield What.NOISE2, w * ((site.value - q.mean) / q.sigma) ** 2
    yield What.PRIOR_RESIDUAL2, w * ((site.value - p.mean) / p.sigma) ** 2
    yield What.MEAN2, w * ((q.mean - p.mean) / p.sigma) ** 2
    yield What.VAR, w * (q.sigma / p.sigma) ** 2
    yield What.SIGMA, w * q.sigma / p.sigma
    yield What.VAR2, w * (q.sigma / p.sigma) ** 4
    yield What.MEAN, w * q.mean
    yield What.LOG_VAR2, w * ((2.0 * xp.log(q.sigma) - p.mean) / p.sigma) ** 2
    yield What.EXP_MEAN, w * xp.exp(q.mean) / p.sigma**2


def observed_columns(xp: Any, site: Observed, wide: bool, guards: bool = True) -> Iterator[tuple[What, float, Any]]:
    """(what, clamp, elements) of an observed site, with the sign of a log density; with `wide` its stand-ins.

    guards: with probabilities cut off too."""
    yield What.LOG_LIKELIHOOD, 0.0, site.log_p
    yield from ((what, 0.0, elements) for what, elements in site.alone.items())
    if site.spread is not None:
        yield What.OBSERVED_LOG_VAR, 0.0, -site.weight * 2.0 * xp.log(site.spread)
    if wide and site.unmasked is not None:
        yield What.UNMASKED, 0.0, site.unmasked
    if not wide or site.mean is None:
        return
    w, x, mean = site.weight, site.value, site.mean
    yield What.SQUARED_ERROR, 0.0, -w * (x - mean) ** 2
    yield What.ABSOLUTE_ERROR, 0.0, -w * abs(x - mean)
    if site.sigma is not None:
        yield What.STANDARDISED_ERROR, 0.0, -w * ((x - mean) / site.sigma) ** 2
    if site.logits is not None:
        yield What.LOGITS_SQUARED_ERROR, 0.0, -w * (x - site.logits) ** 2
        yield What.TWICE_SIGMOID, 0.0, w * (x * mean - xp.log1p(xp.exp(mean)))
    if site.probability:
        yield from _cross_entropies(xp, w, x, mean, CLAMPS if guards else ())


def tempered_columns(xp: Any, site: Observed, sharpness: Any) -> Iterator[tuple[What, float, Any]]:
    """The log density of logits x `sharpness` (1 / T), and its derivative by that: of a Bernoulli, of a categorical."""
    if site.logits is not None:
        logits = site.logits * sharpness
        size = abs(logits)
        density = site.value * logits - (logits + size) / 2.0 - xp.log1p(xp.exp(-size))
        yield What.TEMPERED, 0.0, site.weight * density
        slope = site.logits * (site.value - 1.0 / (1.0 + xp.exp(-logits)))
        yield What.TEMPERED_SLOPE, 0.0, site.weight * slope
    if site.classes is not None:
        scaled = site.classes * sharpness
        largest = xp.amax(scaled, -1)
        shares = xp.exp(scaled - largest[..., None])
        total = shares.sum(-1)
        chosen = xp.arange(scaled.shape[-1]) == site.value[..., None]
        picked, own = ((xp.where(chosen, each, xp.zeros_like(each))).sum(-1) for each in (scaled, site.classes))
        yield What.TEMPERED, 0.0, site.weight * (picked - largest - xp.log(total))
        yield What.TEMPERED_SLOPE, 0.0, site.weight * (own - (shares * site.classes).sum(-1) / total)


def _cross_entropies(xp: Any, w: Any, x: Any, mean: Any, clamps: Sequence[float]) -> Iterator[tuple[What, float, Any]]:
    """The Bernoulli's log density with probabilities cut off; a negative clamp is added inside of the logs instead."""
    for clamp in (0.0, *clamps):
        p = xp.clip(mean, clamp, 1.0 - clamp) if clamp else mean
        yield What.CROSS_ENTROPY, clamp, w * (x * xp.log(p) + (1.0 - x) * xp.log1p(-p))
    for clamp in clamps:
        yield What.CROSS_ENTROPY, -clamp, w * (x * xp.log(mean + clamp) + (1.0 - x) * xp.log(1.0 - mean + clamp))


def sampled_otherwise(xp: Any, q: Gaussian, noise: Any, draw: int) -> Any:
    """z by another sampler at the same base noise: see `SAMPLERS`. SHARED takes the first row's."""
    if draw == ZERO_NOISE:
        return q.mean
    if draw == SHARED:
        return q.mean + q.sigma * noise[:1]
    if draw == SWAPPED:
        return 2.0 * xp.log(q.sigma) + xp.exp(0.5 * q.mean) * noise
    return q.mean + {BY_VARIANCE: q.sigma**2, BY_LOG_VAR: 2.0 * xp.log(q.sigma), BY_ROOT: q.sigma**0.5}[draw] * noise


def rounding(xp: Any, what: What, site: Observed, elements: Any) -> Any:
    """The elements' absolute sizes, and what 1 - p loses where a likelihood is written in probabilities near 0 or 1."""
    size = abs(elements)
    if what is What.LOG_LIKELIHOOD and site.mean is not None and site.logits is not None:
        p = xp.clip(site.mean, 1e-300, 1.0)
        return size.sum() + (site.weight / xp.clip(xp.minimum(p, 1.0 - p), 1e-16, 1.0)).sum() * 1.0
    return size.sum()
