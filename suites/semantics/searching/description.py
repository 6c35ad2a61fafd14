"""A small model and its guide, as data: what is rendered to either library and what the oracle integrates.

A site is a scalar for each cell of its plates. What a parameter is comes from an expression: a number, an entry of the
guide's parameter vector t, and multiples of earlier sites' values, behind the family's link.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
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
    LOGIT_NORMAL = "logit-normal"  # sigmoid of a normal, as a transformed distribution
    AFFINE = "affine normal"  # 0.5 + 2 times a normal, as a transformed distribution
    FOLDED = "folded normal"
    KUMARASWAMY = "kumaraswamy"
    DIRICHLET = "dirichlet"
    MULTIVARIATE = "multivariate normal"
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
    SIMPLEX = "simplex"
    VECTOR = "real vector"
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
    Family.LOGIT_NORMAL: (("loc", Link.IDENTITY), ("scale", Link.EXP)),
    Family.AFFINE: (("loc", Link.IDENTITY), ("scale", Link.EXP)),
    Family.FOLDED: (("loc", Link.IDENTITY), ("scale", Link.EXP)),
    Family.KUMARASWAMY: (("concentration1", Link.EXP), ("concentration0", Link.EXP)),
    Family.DIRICHLET: (("concentration", Link.EXP),),
    Family.MULTIVARIATE: (("loc", Link.IDENTITY), ("scale", Link.EXP), ("lower", Link.IDENTITY)),
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
    Family.LOGIT_NORMAL: Support.UNIT,
    Family.AFFINE: Support.REAL,
    Family.FOLDED: Support.POSITIVE,
    Family.KUMARASWAMY: Support.UNIT,
    Family.DIRICHLET: Support.SIMPLEX,
    Family.MULTIVARIATE: Support.VECTOR,
    Family.BERNOULLI: Support.BINARY,
    Family.CATEGORICAL: Support.LEVELS,
    Family.POISSON: Support.COUNTS,
    Family.DELTA: Support.REAL,
}
# One density of the whole event, of the size that is given; what else has an event is independent in it (`to_event`).
JOINT: Mapping[Family, int] = {Family.DIRICHLET: 3, Family.MULTIVARIATE: 2}
DISCRETE = (Family.BERNOULLI, Family.CATEGORICAL, Family.POISSON)


@dataclass(frozen=True, kw_only=True)
class Parent:
    """`coefficient` times the value of the site `name`; of an event: of its sum, of a joint family's first entry."""

    name: str
    coefficient: float
    via: Via = Via.TENSOR


@dataclass(frozen=True, kw_only=True)
class Expression:
    """link(const + t[theta] + sum of parents + c), with c the pair's state if `state`; alone, `const` is the parameter.

    `const` holds one number, or one per cell of the site's plates and event (the last plate first in the nesting is the
    slowest axis; see `cells`). `theta`: first entry of t; `each`: one entry per cell from there on.
    """

    const: tuple[float, ...] = (0.0,)
    theta: int | None = None
    each: bool = False
    parents: tuple[Parent, ...] = ()
    state: bool = False

    @property
    def bare(self) -> bool:
        """A number and nothing else."""
        return self.theta is None and not self.parents and not self.state


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

    `event`: the size of an event dimension that `to_event(1)` declares (`expanded`: after `expand`), or of a joint
    family, 0 for none. `log_density`: of a Delta. `observed_where`: the library's obs_mask, one for each cell.
    `summed`: a discrete latent of the model alone, which TraceEnum_ELBO sums out. `scored`: not reparameterised.
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
    expanded: bool = False
    observed_where: tuple[bool, ...] = ()
    summed: bool = False
    scored: bool = False

    @property
    def joint(self) -> bool:
        """Whether its event has one density."""
        return self.family in JOINT

    @property
    def parents(self) -> tuple[str, ...]:
        """The names of all sites that its parameters read."""
        names = (parent.name for parameter in self.parameters for parent in parameter.parents)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A model and a guide with the parameters t, at which value and gradient are asked for.

    `automatic`: the library's autoguide that `guide` says in our words, t its locations. `state`: a number outside of
    the model that it reads, 0 before; `kept`: in the library's own mutable state, which the model writes.
    """

    model: tuple[Site, ...]
    guide: tuple[Site, ...]
    theta: tuple[float, ...]
    plates: tuple[Plate, ...] = ()
    automatic: str = ""
    state: float = 0.0
    kept: bool = False

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


def written_out(pair: Pair) -> Pair:
    """With an obs_mask as the two sites that the libraries document: `<name>_observed` and the latent `_unobserved`."""
    model: list[Site] = []
    for site in pair.model:
        if not site.observed_where:
            model.append(site)
            continue
        plain = replace(site, observed_where=())
        rest = tuple(not each for each in site.observed_where)
        model.append(replace(plain, name=f"{site.name}_unobserved", observed=(), mask=rest))
        model.append(replace(plain, name=f"{site.name}_observed", mask=site.observed_where))
    return replace(pair, model=tuple(model))


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
        **{name: content[name] for name in ("automatic", "state", "kept")},
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
