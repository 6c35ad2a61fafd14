"""A small model and its guide, as data: what is rendered to either library and what the oracle integrates.

A site is a scalar for each cell of its plates. What a parameter is comes from an expression: a number, an entry of the
guide's parameter vector t, and multiples of earlier sites' values, behind the family's link.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from itertools import product
from math import prod
from typing import Any

Index = tuple[int, ...]


class Family(StrEnum):
    """Of a site. The names of their parameters, in order, are in PARAMETERS."""

    NORMAL = "normal"
    LOG_NORMAL = "log-normal"
    GAMMA = "gamma"
    BETA = "beta"
    EXPONENTIAL = "exponential"
    BERNOULLI = "bernoulli"
    CATEGORICAL = "categorical"
    POISSON = "poisson"
    DELTA = "delta"
    FACTOR = "factor"


class Link(StrEnum):
    """From a linear expression to a parameter; a bare number is the parameter itself."""

    IDENTITY = "identity"
    EXP = "exp"
    LOGIT = "logit"


class Support(StrEnum):
    """Where a site's values lie."""

    REAL = "real"
    POSITIVE = "positive"
    UNIT = "unit interval"
    BINARY = "0 and 1"
    LEVELS = "0, 1 and 2"
    COUNTS = "counts"


class Via(StrEnum):
    """How a parent's value reaches an expression."""

    TENSOR = "tensor"
    BRANCH = "branch"  # 1.0 if a else 0.0
    ITEM = "item"  # a.item()


# name of each parameter and its link; a categorical has the logits of its second and third level, or all probabilities
PARAMETERS: Mapping[Family, tuple[tuple[str, Link], ...]] = {
    Family.NORMAL: (("loc", Link.IDENTITY), ("scale", Link.EXP)),
    Family.LOG_NORMAL: (("loc", Link.IDENTITY), ("scale", Link.EXP)),
    Family.GAMMA: (("concentration", Link.EXP), ("rate", Link.EXP)),
    Family.BETA: (("concentration1", Link.EXP), ("concentration0", Link.EXP)),
    Family.EXPONENTIAL: (("rate", Link.EXP),),
    Family.BERNOULLI: (("probs", Link.LOGIT),),
    Family.CATEGORICAL: (("first", Link.IDENTITY), ("second", Link.IDENTITY)),
    Family.POISSON: (("rate", Link.EXP),),
    Family.DELTA: (("v", Link.IDENTITY),),
    Family.FACTOR: (("log_factor", Link.IDENTITY),),
}
SUPPORTS: Mapping[Family, Support] = {
    Family.NORMAL: Support.REAL,
    Family.LOG_NORMAL: Support.POSITIVE,
    Family.GAMMA: Support.POSITIVE,
    Family.EXPONENTIAL: Support.POSITIVE,
    Family.BETA: Support.UNIT,
    Family.BERNOULLI: Support.BINARY,
    Family.CATEGORICAL: Support.LEVELS,
    Family.POISSON: Support.COUNTS,
    Family.DELTA: Support.REAL,
}
DISCRETE = (Family.BERNOULLI, Family.CATEGORICAL, Family.POISSON)


@dataclass(frozen=True, kw_only=True)
class Parent:
    """`coefficient` times the value of the site `name`, or of its sum over the event dimension."""

    name: str
    coefficient: float
    via: Via = Via.TENSOR


@dataclass(frozen=True, kw_only=True)
class Expression:
    """link(const + t[theta] + sum of parents); with neither theta nor parents, the parameter is `const` itself.

    `const` holds one number, or one per cell of the site's plates and event (the last plate first in the nesting is the
    slowest axis; see `cells`). `theta`: first entry of t; `each`: one entry per cell from there on.
    """

    const: tuple[float, ...] = (0.0,)
    theta: int | None = None
    each: bool = False
    parents: tuple[Parent, ...] = ()

    @property
    def bare(self) -> bool:
        """A number and nothing else."""
        return self.theta is None and not self.parents


@dataclass(frozen=True, kw_only=True)
class Plate:
    """`size` data, of which `rows` (0: all) are drawn at random, or are those in `subsample`. `dim`: -1 or -2."""

    name: str
    size: int
    dim: int = -1
    rows: int = 0
    subsample: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """How many rows one run sees."""
        return len(self.subsample) or self.rows or self.size


@dataclass(frozen=True, kw_only=True)
class Site:
    """A sample statement. `observed`: one number, or one per cell. `scale` and `mask` come from handlers around it.

    `event`: the size of an event dimension that `to_event(1)` declares, 0 for none. `log_density`: of a Delta.
    """

    name: str
    family: Family
    parameters: tuple[Expression, ...]
    plates: tuple[str, ...] = ()
    event: int = 0
    observed: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    mask: tuple[bool, ...] = ()
    auxiliary: bool = False
    log_density: float = 0.0

    @property
    def parents(self) -> tuple[str, ...]:
        """The names of all sites that its parameters read."""
        names = (parent.name for parameter in self.parameters for parent in parameter.parents)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A model and a guide with the parameters t, at which value and gradient are asked for."""

    model: tuple[Site, ...]
    guide: tuple[Site, ...]
    theta: tuple[float, ...]
    plates: tuple[Plate, ...] = ()

    def plate(self, name: str) -> Plate:
        """The plate of a name."""
        return next(plate for plate in self.plates if plate.name == name)

    def shape(self, site: Site) -> tuple[int, ...]:
        """Sizes of the site's axes, the leftmost first: plates by their dim, then the event."""
        ordered = sorted((self.plate(name) for name in site.plates), key=lambda plate: plate.dim)
        return (*(plate.size for plate in ordered), *((site.event,) if site.event else ()))

    def axes(self, site: Site) -> tuple[str, ...]:
        """The plates' names in the order of `shape`, then "" for the event."""
        ordered = sorted(site.plates, key=lambda name: self.plate(name).dim)
        return (*ordered, *(("",) if site.event else ()))

    def cells(self, site: Site) -> tuple[Index, ...]:
        """All indices into `shape`, in the order of `const` and of the entries of t."""
        return tuple(product(*(range(size) for size in self.shape(site))))

    def count(self, site: Site) -> int:
        """How many scalars the site has."""
        return prod(self.shape(site))


def productions(pair: Pair) -> tuple[str, ...]:
    """What of the grammar a pair uses, in words: what the table counts and what a group is named after."""
    found = [*_of_sites(pair.model, "model"), *_of_sites(pair.guide, "guide"), *_of_plates(pair)]
    model, guide = {site.name for site in pair.model if not site.observed}, {site.name for site in pair.guide}
    if any(site.name not in guide and site.family is not Family.FACTOR and not site.observed for site in pair.model):
        found.append("latent in the model only")
    latents = [site.name for site in pair.model if site.name in guide]
    if [site.name for site in pair.guide if site.name in model] != latents:
        found.append("guide in another order")
    families = {site.name: site for site in pair.guide}
    for site in pair.model:
        other = families.get(site.name)
        if other is not None and other.family is not site.family and other.family is not Family.DELTA:
            found.append("another family in the guide")
    if len(pair.model) > 1 and any(site.parents for site in pair.guide):
        found.append("guide with dependence")
    return tuple(sorted(dict.fromkeys(found)))


def _of_sites(sites: Iterable[Site], side: str) -> Iterable[str]:
    for site in sites:
        latent = "data" if site.observed else "latent"
        yield f"{side}: factor" if site.family is Family.FACTOR else f"{side}: {site.family} {latent}"
        for kind, numbers in (("scale", site.scale), ("mask", site.mask)):
            if numbers:
                yield f"{kind} on the {side}'s {latent}"
            if len(set(numbers)) > 1:
                yield f"{kind} by element"
        yield from _of_site(site)


def _of_site(site: Site) -> Iterable[str]:
    if site.auxiliary:
        kind = "discrete" if site.family in DISCRETE else "continuous"
        yield f"auxiliary {kind} site" + (" in a plate" if site.plates else "")
    if site.event:
        yield "to_event"
    if site.log_density:
        yield "Delta with a log_density"
    for expression in site.parameters:
        for parent in expression.parents:
            if parent.via is not Via.TENSOR:
                yield f"dependence by {parent.via}"


def _of_plates(pair: Pair) -> Iterable[str]:
    used = {name for site in (*pair.model, *pair.guide) for name in site.plates}
    plates = [plate for plate in pair.plates if plate.name in used]
    for plate in plates:
        if plate.subsample:
            yield "subsample, fixed"
        elif plate.rows:
            yield "subsample, random"
        yield "plate"
    if len(plates) > 1:
        both = any(len(site.plates) > 1 for site in (*pair.model, *pair.guide))
        yield "plates, crossed or nested" if both else "plates side by side"
    if any(site.plates and not site.observed for site in pair.model):
        yield "local latent"


def to_json(pair: Pair) -> dict[str, Any]:
    """Plain data; `from_json` is its inverse."""
    return asdict(pair)


def from_json(content: Mapping[str, Any]) -> Pair:
    """The pair of `to_json`'s data. Raises KeyError or TypeError for anything else."""
    return Pair(
        model=tuple(map(_site, content["model"])),
        guide=tuple(map(_site, content["guide"])),
        theta=tuple(content["theta"]),
        plates=tuple(Plate(**_tuples(plate)) for plate in content["plates"]),
    )


def _site(content: Mapping[str, Any]) -> Site:
    given = _tuples({each.name: content[each.name] for each in fields(Site)})
    given["family"] = Family(content["family"])
    given["parameters"] = tuple(map(_expression, content["parameters"]))
    return Site(**given)


def _expression(content: Mapping[str, Any]) -> Expression:
    parents = tuple(
        Parent(name=each["name"], coefficient=each["coefficient"], via=Via(each["via"])) for each in content["parents"]
    )
    return Expression(**{**_tuples(content), "parents": parents})


def _tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
            for name, value in content.items()}  # fmt: skip
