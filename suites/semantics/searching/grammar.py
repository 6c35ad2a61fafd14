"""Draws pairs: `draw(seed, index)` is the same everywhere. Even indices use one production, odd ones several.

At most three latents meet in one term, so that the oracle integrates it on a grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

import numpy as np

from elbo_compare.suites.semantics.searching.description import (
    DISCRETE,
    PARAMETERS,
    SUPPORTS,
    Expression,
    Family,
    Link,
    Pair,
    Parent,
    Plate,
    Site,
    Support,
    Via,
)

T = TypeVar("T")


class Feature(StrEnum):
    """A production that a pair may use; several are combined at random."""

    PLAIN = "plain"
    FAMILIES = "families"
    DISCRETE = "discrete"
    DEPENDENCE = "dependence in the guide"
    ORDER = "order"
    PLATE = "plate"
    SUBSAMPLE = "subsample"
    TWO_PLATES = "two plates"
    SCALE = "scale"
    MASK = "mask"
    AUXILIARY = "auxiliary"
    ONE_SIDE = "one side"
    DELTA = "delta"
    FACTOR = "factor"
    PYTHON = "python"
    EVENT = "event"


_CONTINUOUS = (Support.REAL, Support.POSITIVE, Support.UNIT)
_DISCRETE = (Support.BINARY, Support.BINARY, Support.LEVELS, Support.COUNTS)
_SHARE = 0.2  # of the other productions in a pair that combines
_LOCS = (-0.8, -0.3, 0.4, 0.9)
_SCALES = (0.5, 0.8, 1.3)
_SHAPES = (1.5, 2.5, 4.0)
_DATA = {
    Family.NORMAL: (0.8, -0.5, 1.6),
    Family.LOG_NORMAL: (0.7, 1.9),
    Family.GAMMA: (0.6, 1.8),
    Family.EXPONENTIAL: (0.4, 1.5),
    Family.BERNOULLI: (0.0, 1.0),
    Family.CATEGORICAL: (0.0, 1.0, 2.0),
    Family.POISSON: (0.0, 1.0, 3.0),
}


def draw(seed: int, index: int) -> Pair:
    """The index-th pair of a seed."""
    rng = np.random.default_rng([seed, index])
    every = list(Feature)
    if index % 2 == 0:
        return _Drawing(rng, {every[index // 2 % len(every)]}).pair()
    return _Drawing(rng, {feature for feature in every if rng.random() < _SHARE}).pair()


def _with_moments(family: Family, parents: Sequence[Site]) -> list[Site]:
    """The parents that a family can take: none for a beta, and behind exp none whose exponential has no mean."""
    if family is Family.BETA:
        return []
    behind_exp = family in (Family.GAMMA, Family.EXPONENTIAL, Family.POISSON)
    return [site for site in parents if not behind_exp or SUPPORTS[site.family] is not Support.POSITIVE]


@dataclass
class _Drawing:
    """One pair in the making; `theta` grows with every parameter of the guide."""

    rng: np.random.Generator
    features: set[Feature]
    theta: list[float] = field(default_factory=list)
    plates: tuple[Plate, ...] = ()

    def pair(self) -> Pair:
        """Model first, then the guide for its latents."""
        self.plates = self._plates()
        latents = self._latents()
        data = self._data(latents)
        model = [*latents, *data]
        if Feature.FACTOR in self.features:
            parent = Parent(name=latents[0].name, coefficient=0.7)
            if not latents[0].plates and not latents[0].event:
                model.append(Site(name="f", family=Family.FACTOR, parameters=(Expression(parents=(parent,)),)))
        guide = self._guide(latents)
        model, guide = self._weighted(model), self._weighted(guide)
        return Pair(model=tuple(model), guide=tuple(guide), theta=tuple(self.theta), plates=self.plates)

    def has(self, feature: Feature) -> bool:
        """Whether the pair is to use it."""
        return feature in self.features

    def one_of(self, values: Sequence[T]) -> T:
        """One of them, uniformly."""
        return values[int(self.rng.integers(len(values)))]

    def _plates(self) -> tuple[Plate, ...]:
        if not self.features & {Feature.PLATE, Feature.SUBSAMPLE, Feature.TWO_PLATES}:
            return ()
        first = Plate(name="i", size=3)
        if self.has(Feature.SUBSAMPLE):
            fixed = self.rng.random() < 0.3
            first = replace(first, subsample=(0, 2)) if fixed else replace(first, rows=2)
        return (first, Plate(name="j", size=2, dim=-2)) if self.has(Feature.TWO_PLATES) else (first,)

    def _latents(self) -> list[Site]:
        number = 1 if self.features & {Feature.EVENT, Feature.PYTHON} or self.rng.random() < 0.3 else 2
        found: list[Site] = []
        for name in "ab"[:number]:
            plates: tuple[str, ...] = ()
            if self.plates and (name == "b" or (number == 1 and self.rng.random() < 0.6)):
                plates = self.one_of([("i",), ("i",), tuple(plate.name for plate in self.plates)])
            event = 2 if self.has(Feature.EVENT) else 0
            support = Support.REAL if event else self._support()
            family = self._family(support)
            site = Site(name=name, family=family, parameters=(), plates=plates, event=event)
            parents = [each for each in found if self.rng.random() < 0.7]
            found.append(replace(site, parameters=self._given(family, parents)))
        return found

    def _support(self) -> Support:
        if self.has(Feature.PYTHON):
            return Support.BINARY
        if self.has(Feature.DISCRETE) and self.rng.random() < 0.7:
            return self.one_of(_DISCRETE)
        return self.one_of(_CONTINUOUS) if self.has(Feature.FAMILIES) else Support.REAL

    def _family(self, support: Support) -> Family:
        families = [family for family, its in SUPPORTS.items() if its is support and family is not Family.DELTA]
        return self.one_of(families)

    def _given(self, family: Family, parents: Sequence[Site]) -> tuple[Expression, ...]:
        """Parameters of a site of the model: constants, and the parents in the first place that takes them."""
        made = [Expression(const=(self._natural(family, name, link),)) for name, link in PARAMETERS[family]]
        where = 1 if family is Family.GAMMA else 0
        taken = _with_moments(family, parents)
        if taken:
            made[where] = Expression(const=(self.one_of(_LOCS),), parents=tuple(map(self._parent, taken)))
        return tuple(made)

    def _natural(self, family: Family, name: str, link: Link) -> float:
        if family is Family.BERNOULLI:
            return self.one_of((0.3, 0.6))
        if name.startswith("concentration"):
            return self.one_of(_SHAPES)
        return self.one_of(_LOCS) if link is Link.IDENTITY else self.one_of(_SCALES)

    def _parent(self, site: Site) -> Parent:
        size = {Family.POISSON: 0.2, Family.CATEGORICAL: 0.5, Family.BERNOULLI: 1.2}.get(site.family, 0.6)
        narrow = SUPPORTS[site.family] is Support.POSITIVE and site.family is not Family.POISSON
        coefficient = (0.3 if narrow else size) * self.one_of((1.0, -1.0))
        python = self.has(Feature.PYTHON) and site.family is Family.BERNOULLI and not site.plates
        return Parent(name=site.name, coefficient=round(coefficient, 3),
                      via=self.one_of((Via.BRANCH, Via.ITEM)) if python else Via.TENSOR)  # fmt: skip

    def _data(self, latents: Sequence[Site]) -> list[Site]:
        # a log link on an unbounded latent of a plate's data would give loss draws without a variance
        bounded = all(SUPPORTS[site.family] is not Support.POSITIVE for site in latents)
        families = [Family.NORMAL, Family.NORMAL, Family.BERNOULLI]
        if self.has(Feature.FAMILIES):
            families += [Family.CATEGORICAL, *([Family.POISSON, Family.EXPONENTIAL] if bounded else [])]
        found = []
        for name in ("x", "y")[: 1 + (self.rng.random() < 0.3)]:
            family = self.one_of(families)
            plates = tuple(plate.name for plate in self.plates)
            if not latents[-1].plates or self.rng.random() < 0.5:
                plates = self.one_of([plates, plates[:1]])
            if set(latents[-1].plates) - set(plates):
                plates = latents[-1].plates
            site = Site(name=name, family=family, parameters=self._given(family, latents), plates=plates)
            size = Pair(model=(), guide=(), theta=(), plates=self.plates).count(site)
            found.append(replace(site, observed=tuple(self.one_of(_DATA[family]) for _ in range(size))))
        return found

    def _guide(self, latents: Sequence[Site]) -> list[Site]:
        sites = list(latents)
        if self.has(Feature.ONE_SIDE) and len(sites) > 1 and not sites[0].plates:
            sites = sites[:1]
        if self.has(Feature.ORDER) and len({site.plates for site in sites}) == 1:
            sites = sites[::-1]
        found: list[Site] = []
        if self.has(Feature.AUXILIARY) and len(sites) < 3:
            found.append(self._auxiliary(sites))
        for site in sites:
            earlier = [each for each in found if set(each.plates) <= set(site.plates)]
            depends = self.features & {Feature.DEPENDENCE, Feature.ORDER, Feature.AUXILIARY}
            found.append(self._posterior(site, earlier if depends else ()))
        return found

    def _auxiliary(self, sites: Sequence[Site]) -> Site:
        family = Family.BERNOULLI if self.rng.random() < 0.5 else Family.NORMAL
        plates = sites[0].plates if self.rng.random() < 0.5 and not sites[0].event else ()
        site = Site(name="u", family=family, parameters=(), plates=plates, auxiliary=True)
        return self._posterior(site, ())

    def _posterior(self, site: Site, parents: Sequence[Site]) -> Site:
        """The guide's site for a latent: a family of the same support, its parameters from t."""
        family = site.family if site.auxiliary or self.rng.random() < 0.5 else self._family(SUPPORTS[site.family])
        if self.has(Feature.DELTA) and SUPPORTS[family] is Support.REAL and not site.event:
            density = self.one_of((0.0, 0.4))
            return Site(name=site.name, family=Family.DELTA, parameters=(self._entry(site, _LOCS, each=True),),
                        plates=site.plates, log_density=density)  # fmt: skip
        cells = Pair(model=(), guide=(), theta=(), plates=self.plates).count(site)
        each = cells > 1 and self.rng.random() < 0.6
        made = [
            self._entry(site, _LOCS if link is not Link.EXP else (-0.7, -0.2, 0.3), each=each and not number)
            for number, (_, link) in enumerate(PARAMETERS[family])
        ]
        where = 1 if family is Family.GAMMA else 0
        taken = _with_moments(family, parents)
        if taken:
            made[where] = replace(made[where], parents=tuple(self._plain_parent(parent) for parent in taken))
        made = [self._shape(expression, name) for expression, (name, _) in zip(made, PARAMETERS[family], strict=True)]
        return replace(site, family=family, parameters=tuple(made), observed=())

    def _plain_parent(self, site: Site) -> Parent:
        parent = self._parent(site)
        return replace(parent, coefficient=round(parent.coefficient / 2, 3)) if site.family not in DISCRETE else parent

    def _shape(self, expression: Expression, name: str) -> Expression:
        return replace(expression, const=(1.0,)) if name.startswith("concentration") else expression

    def _entry(self, site: Site, values: Sequence[float], *, each: bool) -> Expression:
        count = Pair(model=(), guide=(), theta=(), plates=self.plates).count(site) if each else 1
        start = len(self.theta)
        self.theta.extend(self.one_of(values) for _ in range(count))
        return Expression(theta=start, each=each and count > 1)

    def _weighted(self, sites: Sequence[Site]) -> list[Site]:
        found = []
        for site in sites:
            cells = Pair(model=(), guide=(), theta=(), plates=self.plates).count(replace(site, event=0))
            factor = site.family is Family.FACTOR
            if self.has(Feature.SCALE) and not factor and self.rng.random() < 0.5:
                by_cell = site.plates and self.rng.random() < 0.3
                scale = tuple(self.one_of((0.5, 2.0, 3.0)) for _ in range(cells if by_cell else 1))
                site = replace(site, scale=scale)
            if self.has(Feature.MASK) and not factor and self.rng.random() < 0.5:
                by_cell = site.plates and self.rng.random() < 0.7
                mask = tuple(bool(self.rng.random() < 0.5) for _ in range(cells)) if by_cell else (False,)
                site = replace(site, mask=mask)
            found.append(site)
        return found
