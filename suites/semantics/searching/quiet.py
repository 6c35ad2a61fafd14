"""Quiet pairs: the guide is the model's prior and data read no latent, so that a right class's loss hardly varies.

What a class adds or leaves out then shows in few draws: the classes that can't be vectorised have no more.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isclose, log

from elbo_compare.suites.semantics.searching.description import DISCRETE, PARAMETERS, Expression, Link, Pair, Site
from elbo_compare.suites.semantics.searching.features import Feature

ADDED = 2.5  # nats, to what a guide's factor says of its latent: more than such a term varies
# Productions that keep their sense where the guide is the prior.
QUIETENED = frozenset((
    Feature.PLAIN, Feature.FAMILIES, Feature.DISCRETE, Feature.PLATE, Feature.SUBSAMPLE, Feature.TWO_PLATES,
    Feature.SCALE, Feature.MASK, Feature.ONE_SIDE, Feature.FACTOR, Feature.EVENT, Feature.EXPANDED, Feature.TRANSFORMED,
    Feature.DIRICHLET, Feature.MULTIVARIATE, Feature.CROSSED, Feature.SIDE_BY_SIDE, Feature.OBS_MASK, Feature.SUMMED,
    Feature.SCORED, Feature.GLOBAL, Feature.STATE, Feature.IMPOSSIBLE, Feature.GUIDE_FACTOR,
))  # fmt: skip
_TO_T: Mapping[Link, Callable[[float], float]] = {
    Link.IDENTITY: float,
    Link.EXP: log,
    Link.LOGIT: lambda p: log(p / (1 - p)),
}


def as_prior(site: Site, start: int, *, scored: bool = False) -> tuple[Site, list[float]]:
    """The guide's site that has the prior's family, parents and numbers, and its entries of t from `start` on."""
    entries: list[float] = []
    made = []
    for expression, (_, link) in zip(site.parameters, PARAMETERS[site.family], strict=True):
        numbers = [_TO_T[link](each) if expression.bare else each for each in expression.const]
        made.append(
            Expression(theta=start + len(entries), each=len(numbers) > 1, parents=expression.parents)
        )  # the const is in t
        entries += numbers
    own = replace(site, parameters=tuple(made), observed=(), scored=scored and site.family not in DISCRETE)
    return own, entries


def is_prior(pair: Pair) -> bool:
    """Whether every latent of the guide has its prior's family, parents and numbers, and there is one."""
    model = {site.name: site for site in pair.model}
    own = [site for site in pair.guide if site.name in model]
    return bool(own) and all(_alike(pair, site, model[site.name]) for site in own)


def _alike(pair: Pair, site: Site, prior: Site) -> bool:
    if site.family is not prior.family or prior.observed or any(each.state for each in prior.parameters):
        return False
    wanted, entries = as_prior(prior, 0)
    for mine, other in zip(site.parameters, wanted.parameters, strict=True):
        if mine.theta is None or mine.const != (0.0,) or mine.parents != other.parents:
            return False
        first, start = mine.theta, other.theta or 0
        numbers = entries[start : start + (pair.count(site) if other.each else 1)]
        given = pair.theta[first : first + (pair.count(site) if mine.each else 1)]
        if len(given) != len(numbers) or not all(map(isclose, given, numbers)):
            return False
    return True
