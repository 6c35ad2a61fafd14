"""Draws pairs: `draw(seed, index)` is the same everywhere. Even indices use one production, odd ones several. The
productions go round; every second time those that can are drawn quiet (`quiet`).

At most three latents meet in one term, so that the oracle integrates it on a grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from elbo_compare.suites.semantics.searching.description import (
    DISCRETE,
    JOINT,
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
from elbo_compare.suites.semantics.searching.features import WITHOUT, Feature
from elbo_compare.suites.semantics.searching.quiet import ADDED, QUIETENED, as_prior
from elbo_compare.suites.semantics.searching.rendering import AUTOMATIC_FAMILY, AUTOMATIC_SCALE

T = TypeVar("T")


_ALONE = {Feature.EVENT, Feature.EXPANDED, Feature.PYTHON, Feature.DIRICHLET, Feature.MULTIVARIATE,
          Feature.OTHER_POSITIVE, Feature.OTHER_UNIT}  # one latent  # fmt: skip
_TRANSFORMED = (Family.LOGIT_NORMAL, Family.AFFINE, Family.FOLDED)
_JOINT = {Feature.DIRICHLET: Support.SIMPLEX, Feature.MULTIVARIATE: Support.VECTOR}
_OTHER = {Feature.OTHER_POSITIVE: Support.POSITIVE, Feature.OTHER_UNIT: Support.UNIT}
_STATE = 0.7


_CONTINUOUS = (Support.REAL, Support.POSITIVE, Support.UNIT)
_DISCRETE = (Support.BINARY, Support.BINARY, Support.LEVELS, Support.COUNTS)
_SHARE = 0.13  # of the other productions in a pair that combines
_LOCS = (-0.8, -0.3, 0.4, 0.9)
_SCALES = (0.5, 0.8, 1.3)
_FAR = (-15.0, 9.0, 12.0)
_WIDE = (-4.0, 3.2)  # logarithms of scales
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
    turn = index // (2 * len(every))
    if index % 2 == 0:
        return _Drawing(rng, {every[index // 2 % len(every)]}, turn).pair()
    return _Drawing(rng, {feature for feature in every if rng.random() < _SHARE}, turn).pair()


def _with_moments(family: Family, parents: Sequence[Site]) -> list[Site]:
    """The parents that a family can take: none for a beta, and behind exp none whose exponential has no mean."""
    if family in (Family.BETA, Family.KUMARASWAMY, Family.DIRICHLET):
        return []
    behind_exp = family in (Family.GAMMA, Family.EXPONENTIAL, Family.POISSON)
    return [site for site in parents if not behind_exp or SUPPORTS[site.family] is not Support.POSITIVE]


@dataclass
class _Drawing:
    """One pair in the making; `theta` grows with every parameter of the guide. `turn`: how often the productions have
    gone round before, by which what is to be tried in full goes through its variants."""

    rng: np.random.Generator
    features: set[Feature]
    turn: int = 0
    theta: list[float] = field(default_factory=list)
    plates: tuple[Plate, ...] = ()

    def pair(self) -> Pair:
        """Model first, then the guide for its latents."""
        for feature in Feature:
            if feature in self.features:
                self.features -= WITHOUT.get(feature, set())
        self.plates = self._plates()
        latents = self._latents()
        summed = self._summed(latents)
        data = self._data(latents, summed)
        model = [*latents, *summed, *data]
        if Feature.FACTOR in self.features:
            parent = Parent(name=latents[0].name, coefficient=0.7)
            if not latents[0].plates and not latents[0].event:
                model.append(Site(name="f", family=Family.FACTOR, parameters=(Expression(parents=(parent,)),)))
        automatic = self._automatic(latents) if self.has(Feature.AUTOMATIC) else ""
        guide = self._automatic_guide(latents) if automatic else self._guide(latents, data)
        model, guide = self._weighted(model), guide if automatic else self._weighted(guide)
        state = _STATE if any(each.state for site in model for each in site.parameters) else 0.0
        return Pair(model=tuple(model), guide=tuple(guide), theta=tuple(self.theta), plates=self.plates,
                    automatic=automatic, state=state, kept=bool(state) and self.has(Feature.STATE))  # fmt: skip

    def has(self, feature: Feature) -> bool:
        """Whether the pair is to use it."""
        return feature in self.features

    @property
    def quiet(self) -> bool:
        """Whether the guide is to be the prior, and the data are to read no latent."""
        return self.turn % 2 == 1 and self.features <= QUIETENED

    def one_of(self, values: Sequence[T]) -> T:
        """One of them, uniformly."""
        return values[int(self.rng.integers(len(values)))]

    def _plates(self) -> tuple[Plate, ...]:
        two = {Feature.TWO_PLATES, Feature.CROSSED, Feature.SIDE_BY_SIDE}
        if not self.features & {Feature.PLATE, Feature.SUBSAMPLE, Feature.OBS_MASK, *two}:
            return ()
        first = Plate(name="i", size=3)
        if self.has(Feature.SUBSAMPLE):
            fixed = self.rng.random() < 0.4
            first = replace(first, subsample=(0, 2)) if fixed else replace(first, rows=2)
        second = Plate(name="j", size=2, dim=-1 if self.has(Feature.SIDE_BY_SIDE) else -2)
        return (first, second) if self.features & two else (first,)

    def _latents(self) -> list[Site]:
        two = self.features & {Feature.CROSSED, Feature.ORDER}
        number = 1 if self.features & _ALONE or (self.rng.random() < 0.3 and not two) else 2
        found: list[Site] = []
        for name in "ab"[:number]:
            plates = self._inside(name, number)
            support = self._support()
            family = self._family(support)
            event = 2 if self.features & {Feature.EVENT, Feature.EXPANDED} else JOINT.get(family, 0)
            site = Site(name=name, family=family, parameters=(), plates=plates, event=event,
                        expanded=self.has(Feature.EXPANDED))  # fmt: skip
            share = 1.0 if self.has(Feature.ORDER) else 0.7
            parents = [each for each in found if self.rng.random() < share and set(each.plates) <= set(plates)]
            given = self._joint_prior(site) if site.joint else self._given(family, parents)
            found.append(replace(site, parameters=given))
        return found

    def _inside(self, name: str, number: int) -> tuple[str, ...]:
        """The plates of a latent."""
        if self.has(Feature.CROSSED):
            return ("j",) if name == "a" else ("i",)
        if not self.plates or (name == "a" and (number == 2 or self.rng.random() < 0.4)):
            return ()
        if self.features & {Feature.SIDE_BY_SIDE, *_JOINT}:
            return ("i",)
        return self.one_of([("i",), ("i",), tuple(plate.name for plate in self.plates)])

    def _support(self) -> Support:
        joint = next((support for feature, support in _JOINT.items() if self.has(feature)), None)
        if joint or self.has(Feature.PYTHON):
            return joint or Support.BINARY
        if self.features & set(_OTHER):
            return next(support for feature, support in _OTHER.items() if self.has(feature))
        if self.features & {Feature.EVENT, Feature.EXPANDED}:
            return Support.REAL
        if self.has(Feature.DISCRETE) and self.rng.random() < 0.7:
            return self.one_of(_DISCRETE)
        return self.one_of(_CONTINUOUS) if self.features & {Feature.FAMILIES, Feature.TRANSFORMED} else Support.REAL

    def _family(self, support: Support) -> Family:
        families = [family for family, its in SUPPORTS.items() if its is support and family is not Family.DELTA]
        wanted = [family for family in families if (family in _TRANSFORMED) == self.has(Feature.TRANSFORMED)]
        if self.features & set(_OTHER) and support in _OTHER.values():
            return wanted[self.turn % len(wanted)]
        return self.one_of(wanted or families)

    def _other_family(self, site: Site) -> Family:
        """Of the guide, on the support of a latent of the model."""
        its = SUPPORTS[site.family]
        others = [family for family, support in SUPPORTS.items()
                  if support is its and family is not site.family and family not in _TRANSFORMED]  # fmt: skip
        return others[self.turn // (len(others) + 1) % len(others)]

    def _joint_prior(self, site: Site) -> tuple[Expression, ...]:
        """Of a Dirichlet or a multivariate normal: numbers."""
        cells = self._count(replace(site, event=0))
        if site.family is Family.DIRICHLET:
            return (Expression(const=tuple(self.one_of(_SHAPES) for _ in range(3)) * cells),)
        locations = tuple(self.one_of(_LOCS) for _ in range(2)) * cells
        scales = tuple(self.one_of(_SCALES) for _ in range(2)) * cells
        return (Expression(const=locations), Expression(const=scales), Expression(const=(self.one_of((-0.5, 0.4)),)))

    def _count(self, site: Site) -> int:
        return Pair(model=(), guide=(), theta=(), plates=self.plates).count(site)

    def _summed(self, latents: Sequence[Site]) -> list[Site]:
        """A discrete latent that the guide lacks and TraceEnum_ELBO sums out."""
        if not self.has(Feature.SUMMED):
            return []
        plates = latents[-1].plates or (("i",) if self.plates and self.rng.random() < 0.5 else ())
        family = self.one_of((Family.BERNOULLI, Family.CATEGORICAL))
        read = () if self.quiet else latents
        parents = [site for site in read if self.rng.random() < 0.5 and set(site.plates) <= set(plates)]
        return [Site(name="z", family=family, parameters=self._given(family, parents), plates=plates, summed=True)]

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
        if link is Link.IDENTITY:
            return self.one_of(_FAR if self.has(Feature.EXTREME) else _LOCS)
        return self.one_of(_SCALES)

    def _parent(self, site: Site) -> Parent:
        size = {Family.POISSON: 0.2, Family.CATEGORICAL: 0.5, Family.BERNOULLI: 1.2}.get(site.family, 0.6)
        narrow = SUPPORTS[site.family] is Support.POSITIVE and site.family is not Family.POISSON
        coefficient = (0.3 if narrow else size) * self.one_of((1.0, -1.0))
        python = self.has(Feature.PYTHON) and site.family is Family.BERNOULLI and not site.plates
        return Parent(name=site.name, coefficient=round(coefficient, 3),
                      via=self.one_of((Via.BRANCH, Via.ITEM)) if python else Via.TENSOR)  # fmt: skip

    def _data(self, latents: Sequence[Site], summed: Sequence[Site]) -> list[Site]:
        two = self.has(Feature.SIDE_BY_SIDE) or self.rng.random() < 0.3
        return [self._datum(name, latents, summed) for name in ("x", "y")[: 1 + two]]

    def _datum(self, name: str, latents: Sequence[Site], summed: Sequence[Site]) -> Site:
        if self.has(Feature.IMPOSSIBLE) and name == "x":
            return self._impossible()
        parents, plates = self._read(name, [*latents, *summed])
        parents = [] if self.features & set(_OTHER) else parents
        parents = [site for site in parents if site.summed] if self.quiet else parents
        family = self._data_family(latents, name)
        site = Site(name=name, family=family, parameters=self._given(family, parents), plates=plates)
        if self.features & {Feature.GLOBAL, Feature.STATE} and family is Family.NORMAL:
            site = replace(site, parameters=(replace(site.parameters[0], state=True), *site.parameters[1:]))
        count = self._count(site)
        site = replace(site, observed=tuple(self.one_of(_DATA[family]) for _ in range(count)))
        if self.has(Feature.OBS_MASK) and name == "x" and count > 1:
            where = [bool(self.rng.random() < 0.5) for _ in range(count - 1)]
            site = replace(site, observed_where=(False, *where))
        return site

    def _read(self, name: str, latents: Sequence[Site]) -> tuple[list[Site], tuple[str, ...]]:
        """What a datum reads, and the plates that it lies in for that."""
        if self.has(Feature.SIDE_BY_SIDE):
            plates = ("i",) if name == "x" else ("j",)
            return [site for site in latents if set(site.plates) <= set(plates)], plates
        every = tuple(plate.name for plate in self.plates)
        whole = self.one_of([every, every[:1]])
        needed = {name for site in latents for name in site.plates} | set(whole)
        return list(latents), tuple(name for name in every if name in needed)

    def _data_family(self, latents: Sequence[Site], name: str) -> Family:
        # a log link on an unbounded latent of a plate's data would give loss draws without a variance
        bounded = all(SUPPORTS[site.family] is not Support.POSITIVE for site in latents)
        families = [Family.NORMAL, Family.NORMAL, Family.BERNOULLI]
        if self.features & {Feature.EXTREME, Feature.GLOBAL, Feature.STATE} or (
            self.has(Feature.OBS_MASK) and name == "x"
        ):  # fmt: skip
            return Family.NORMAL
        if self.has(Feature.FAMILIES):
            families += [Family.CATEGORICAL, *([Family.POISSON, Family.EXPONENTIAL] if bounded else [])]
        return self.one_of(families)

    def _impossible(self) -> Site:
        """A probability of 0 or 1, and the other outcome."""
        probability = self.one_of((0.0, 1.0))
        return Site(name="x", family=Family.BERNOULLI, parameters=(Expression(const=(probability,)),),
                    observed=(1.0 - probability,))  # fmt: skip

    def _automatic(self, latents: Sequence[Site]) -> str:
        """The class: those with one joint vector have no local latents here."""
        local = any(site.plates for site in latents)
        return "AutoNormal" if local else self.one_of(("AutoNormal", "AutoDiagonalNormal", "AutoMultivariateNormal"))

    def _automatic_guide(self, latents: Sequence[Site]) -> list[Site]:
        """What the documentation says of those classes: a normal of each unconstrained latent."""
        scale = Expression(const=(AUTOMATIC_SCALE,))
        return [
            replace(site, family=AUTOMATIC_FAMILY[SUPPORTS[site.family]],
                    parameters=(self._entry(site, _LOCS, each=True), scale))
            for site in latents
        ]  # fmt: skip

    def _guide(self, latents: Sequence[Site], data: Sequence[Site]) -> list[Site]:
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
        found += self._guide_factor(found)
        return [*found, *(self._missing(site) for site in data if site.observed_where and self.rng.random() < 0.7)]

    def _guide_factor(self, sites: Sequence[Site]) -> list[Site]:
        """A log density that the guide adds by hand, of a latent whose value carries its gradient."""
        smooth = [site for site in sites if SUPPORTS[site.family] is Support.REAL and not (site.plates or site.event)]
        if not self.has(Feature.GUIDE_FACTOR) or not smooth or self.has(Feature.SCORED):
            return []
        factor = Expression(const=(ADDED if self.quiet else 0.0,),
                            parents=(Parent(name=smooth[0].name, coefficient=0.7),))  # fmt: skip
        return [Site(name="g", family=Family.FACTOR, parameters=(factor,))]

    def _missing(self, site: Site) -> Site:
        """The guide's site for what obs_mask leaves out, masked as the model's is."""
        latent = replace(site, name=f"{site.name}_unobserved", observed=(), observed_where=())
        return replace(self._posterior(latent, ()), mask=tuple(not each for each in site.observed_where))

    def _auxiliary(self, sites: Sequence[Site]) -> Site:
        family = Family.BERNOULLI if self.rng.random() < 0.5 else Family.NORMAL
        plates = sites[0].plates if self.rng.random() < 0.5 and not sites[0].event else ()
        site = Site(name="u", family=family, parameters=(), plates=plates, auxiliary=True)
        return self._posterior(site, ())

    def _posterior(self, site: Site, parents: Sequence[Site]) -> Site:
        """The guide's site for a latent: a family of the same support, its parameters from t."""
        if self.quiet:
            own, entries = as_prior(site, len(self.theta), scored=self.has(Feature.SCORED))
            self.theta += entries
            return own
        family = site.family if site.auxiliary or self.rng.random() < 0.5 else self._family(SUPPORTS[site.family])
        if SUPPORTS[site.family] in [support for feature, support in _OTHER.items() if self.has(feature)]:
            family = self._other_family(site)
        if self.has(Feature.DELTA) and SUPPORTS[family] is Support.REAL and not site.event:
            density = self.one_of((0.0, 0.4))
            return Site(name=site.name, family=Family.DELTA, parameters=(self._entry(site, _LOCS, each=True),),
                        plates=site.plates, log_density=density)  # fmt: skip
        each = self._count(site) > 1 and self.rng.random() < 0.6 and not site.expanded
        if site.joint and self.rng.random() < 0.4 and family is Family.MULTIVARIATE:
            family = Family.NORMAL
        far = self.has(Feature.EXTREME)
        locations, scales = (_FAR, _WIDE) if far else (_LOCS, (-0.7, -0.2, 0.3))
        made = [
            self._entry(site, scales if link is Link.EXP else locations if number == 0 else _LOCS,
                        each=(each or site.joint) and not number)
            for number, (_, link) in enumerate(PARAMETERS[family])
        ]  # fmt: skip
        where = 1 if family is Family.GAMMA else 0
        taken = _with_moments(family, parents)
        if taken:
            made[where] = replace(made[where], parents=tuple(self._plain_parent(parent) for parent in taken))
        made = [self._shape(expression, name) for expression, (name, _) in zip(made, PARAMETERS[family], strict=True)]
        scored = self.has(Feature.SCORED) and family not in (*DISCRETE, Family.DELTA)
        return replace(site, family=family, parameters=tuple(made), observed=(), scored=scored,
                       expanded=site.expanded and not taken)  # fmt: skip

    def _plain_parent(self, site: Site) -> Parent:
        parent = self._parent(site)
        return replace(parent, coefficient=round(parent.coefficient / 2, 3)) if site.family not in DISCRETE else parent

    def _shape(self, expression: Expression, name: str) -> Expression:
        return replace(expression, const=(1.0,)) if name.startswith("concentration") else expression

    def _entry(self, site: Site, values: Sequence[float], *, each: bool) -> Expression:
        count = self._count(site) if each else 1
        start = len(self.theta)
        self.theta.extend(self.one_of(values) for _ in range(count))
        return Expression(theta=start, each=each and count > 1)

    def _weighted(self, sites: Sequence[Site]) -> list[Site]:
        found = []
        for site in sites:
            cells = self._count(replace(site, event=0))
            left = site.family is Family.FACTOR or site.summed or site.observed_where or "z" in site.parents
            left = left or site.name.endswith("_unobserved")
            if self.has(Feature.SCALE) and not left and self.rng.random() < 0.5:
                by_cell = site.plates and self.rng.random() < 0.3
                scale = tuple(self.one_of((0.5, 2.0, 3.0)) for _ in range(cells if by_cell else 1))
                site = replace(site, scale=scale)
            if self.has(Feature.MASK) and not left and self.rng.random() < 0.5:
                by_cell = site.plates and self.rng.random() < 0.7
                mask = tuple(bool(self.rng.random() < 0.5) for _ in range(cells)) if by_cell else (False,)
                site = replace(site, mask=mask)
            found.append(site)
        return found
