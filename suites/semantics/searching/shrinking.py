"""Smaller pairs and plainer ways: the single steps of shrinking. Each step takes one thing away."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import exp

from elbo_compare.suites.semantics.searching.description import (
    JOINT,
    PARAMETERS,
    SUPPORTS,
    Expression,
    Family,
    Link,
    Pair,
    Site,
    Via,
    written_out,
)
from elbo_compare.suites.semantics.searching.productions import EQUAL
from elbo_compare.suites.semantics.searching.rendering import AUTOMATIC_FAMILY, AUTOMATIC_SCALE
from elbo_compare.suites.semantics.searching.ways import Particles, Way

BASELINE = frozenset(("model: normal latent", "guide: normal latent", "model: normal data", "local latent", EQUAL))
_NORMAL = (Expression(const=(0.0,)), Expression(const=(1.0,)))
_LINKED: Mapping[Link, Callable[[float], float]] = {
    Link.IDENTITY: float,
    Link.EXP: exp,
    Link.LOGIT: lambda u: 1 / (1 + exp(-u)),
}


def plainer(way: Way, every: Collection[Way]) -> Iterator[Way]:
    """Ways with one thing less that are among these."""
    known = set(every)
    tries = [
        replace(way, reused=False),
        replace(way, updated=False),
        replace(way, compiled=False),
        replace(way, updated=False, compiled=False),
        replace(way, elbo=way.elbo.removeprefix("Jit"), updated=False),
        replace(way, through=""),
        replace(way, elbo=way.elbo.removeprefix("Jit")),
        replace(way, elbo=way.elbo.removeprefix("Jit"), reused=False),
        replace(way, double=True),
        replace(way, particles=Particles.VECTORISED),
        replace(way, option=""),
        replace(way, enumerated=False),
    ]
    yield from (each for each in dict.fromkeys(tries) if each != way and each in known)


def smaller(pair: Pair) -> Iterator[Pair]:
    """Every pair that lacks one thing of this one, the largest things first."""
    steps = (_without_whole, _without_site, _without_plate, _without_weight, _without_mark, _without_parent,
             _plain_site, _fewer_parameters)  # fmt: skip
    for step in steps:
        yield from (compact(found) for found in step(pair) if sound(found))


def sound(pair: Pair) -> bool:
    """Whether a step left what the grammar could have drawn."""
    model = {site.name: site for site in written_out(pair).model}
    families = {site.name: site.family for site in (*pair.guide, *pair.model)}
    for site in (*pair.model, *pair.guide):
        for parent in (each for parameter in site.parameters for each in parameter.parents):
            if parent.via is not Via.TENSOR and families.get(parent.name) is not Family.BERNOULLI:
                return False  # a branch is no multiple of a real number; .item() cuts its path, in every class
        if site.joint and site.event != JOINT[site.family]:
            return False
        if site.expanded and (site.plates or site.parents or not site.event):
            return False
        if site.observed_where and len(site.observed_where) != pair.count(site):
            return False
    own = [site for site in pair.guide if not site.auxiliary and site.family is not Family.FACTOR]
    if any(site.name not in model for site in own):
        return False
    return not pair.automatic or all(_automatic(pair, site, model[site.name]) for site in pair.guide)


def _automatic(pair: Pair, site: Site, prior: Site) -> bool:
    """Whether an autoguide has this site for that latent."""
    where, scale = site.parameters
    whole = where.theta is not None and where.const == (0.0,) and (where.each or pair.count(site) == 1)
    ours = site.family is AUTOMATIC_FAMILY.get(SUPPORTS[prior.family])
    return whole and ours and scale.const == (AUTOMATIC_SCALE,) and site.plates == prior.plates and not site.mask


def size(pair: Pair) -> tuple[int, ...]:
    """What shrinking makes less: scalars, sites, parents, weights, parameters."""
    sites = (*pair.model, *pair.guide)
    weights = sum(len(site.scale) + len(site.mask) + bool(site.log_density) + bool(site.event) for site in sites)
    weights += sum(len(site.observed_where) + site.summed + site.scored + site.expanded for site in sites)
    weights += 3 * bool(pair.automatic) + sum(each.state for site in sites for each in site.parameters)
    parents = sum(len(each.parents) for site in sites for each in site.parameters)
    other = sum(site.family not in (Family.NORMAL,) for site in sites)
    python = sum(p.via is not Via.TENSOR for s in sites for e in s.parameters for p in e.parents)
    return (len(sites), sum(pair.count(site) for site in sites), parents + python, weights, other, len(pair.theta))


def compact(pair: Pair) -> Pair:
    """Without the plates and entries of t that nothing uses."""
    sites = (*pair.model, *pair.guide)
    plates = tuple(plate for plate in pair.plates if any(plate.name in site.plates for site in sites))
    pair = replace(pair, plates=plates)
    used: dict[int, int] = {}
    guide = []
    for site in pair.guide:
        parameters = []
        for expression in site.parameters:
            if expression.theta is not None:
                count = pair.count(site) if expression.each else 1
                start = len(used)
                used |= {expression.theta + k: start + k for k in range(count)}
                expression = replace(expression, theta=start, each=expression.each and count > 1)
            parameters.append(expression)
        guide.append(replace(site, parameters=tuple(parameters)))
    return replace(pair, guide=tuple(guide), theta=tuple(pair.theta[old] for old in used))


def _without_site(pair: Pair) -> Iterator[Pair]:
    guided = {site.name for site in pair.guide if site.family is not Family.FACTOR}
    for name in dict.fromkeys(site.name for site in (*pair.model, *pair.guide)):
        if len(guided - {name}) == 0:
            continue
        yield _mapped(pair, lambda site, gone=name: None if site.name == gone else _orphan(site, gone))


def _orphan(site: Site, gone: str) -> Site:
    parameters = []
    for expression in site.parameters:
        parents = tuple(parent for parent in expression.parents if parent.name != gone)
        changed = replace(expression, parents=parents)
        parameters.append(_still(site, len(parameters), changed))
    return replace(site, parameters=tuple(parameters))


def _still(site: Site, position: int, changed: Expression) -> Expression:
    """What is left of a parameter; a number alone is the parameter, so that the link is in it: a guide that was the
    prior stays the prior."""
    if not changed.bare or site.parameters[position].bare:
        return changed
    linked = _LINKED[PARAMETERS[site.family][position][1]]
    return Expression(const=tuple(map(linked, changed.const)))


def _without_plate(pair: Pair) -> Iterator[Pair]:
    for plate in pair.plates:
        if plate.rows or plate.subsample:
            yield replace(pair, plates=tuple(replace(each, rows=0, subsample=()) if each is plate else each
                                             for each in pair.plates))  # fmt: skip
        yield _mapped(pair, lambda site, name=plate.name: _first_cells(pair, site, name))


def _first_cells(pair: Pair, site: Site, plate: str) -> Site:
    """The site outside a plate: what it had in the plate's first cell."""
    if plate not in site.plates:
        return site
    where = pair.axes(site).index(plate)
    outer = [k for k, cell in enumerate(pair.cells(replace(site, event=0))) if cell[where] == 0]
    every = [k for k, cell in enumerate(pair.cells(site)) if cell[where] == 0]

    def cut(numbers: tuple, kept: Sequence[int]) -> tuple:
        return tuple(numbers[k] for k in kept) if len(numbers) > 1 else numbers

    parameters = tuple(replace(each, const=cut(each.const, every)) for each in site.parameters)
    return replace(
        site,
        plates=tuple(name for name in site.plates if name != plate),
        parameters=parameters,
        observed=cut(site.observed, every),
        scale=cut(site.scale, outer),
        mask=cut(site.mask, outer),
        observed_where=cut(site.observed_where, outer),
    )


def _without_whole(pair: Pair) -> Iterator[Pair]:
    """Our words for an autoguide; no state; no obs_mask, or a latent where it leaves all of the data out."""
    if pair.automatic:
        yield replace(pair, automatic="")
    if pair.state:
        plain = _mapped(pair, lambda site: replace(site, parameters=tuple(
            _still(site, k, replace(each, state=False)) for k, each in enumerate(site.parameters))))  # fmt: skip
        yield replace(plain, state=0.0, kept=False)
    for site in pair.model:
        if site.observed_where:
            bare = _mapped(pair, lambda each, name=site.name: None if each.name == f"{name}_unobserved" else each)
            if bare.guide:
                yield _one(bare, "model", site, replace(site, observed_where=()))
        if site.observed_where and not any(site.observed_where):
            yield _mapped(pair, lambda each, old=site: _as_latent(each, old.name))


def _as_latent(site: Site, name: str) -> Site:
    """Data of which nothing is observed, and what the guide has for them."""
    if site.name == name:
        return replace(site, observed=(), observed_where=())
    return replace(site, name=name, mask=()) if site.name == f"{name}_unobserved" else site


def _without_mark(pair: Pair) -> Iterator[Pair]:
    for side in ("model", "guide"):
        for site in getattr(pair, side):
            for name in ("scored", "expanded"):
                if getattr(site, name):
                    yield _one(pair, side, site, replace(site, **{name: False}))


def _without_weight(pair: Pair) -> Iterator[Pair]:
    for side in ("model", "guide"):
        for site in getattr(pair, side):
            for name in ("scale", "mask"):
                numbers = getattr(site, name)
                if numbers:
                    yield _one(pair, side, site, replace(site, **{name: ()}))
                if len(numbers) > 1:
                    yield _one(pair, side, site, replace(site, **{name: (min(numbers),)}))
            if site.log_density:
                yield _one(pair, side, site, replace(site, log_density=0.0))
    if any(site.event for site in pair.model):
        yield _mapped(pair, lambda site: replace(site, event=0))


def _without_parent(pair: Pair) -> Iterator[Pair]:
    guide = {site.name: site for site in pair.guide}
    for site in pair.model:
        for gone in (name for name in site.parents if site.name in guide and name in guide[site.name].parents):
            yield _mapped(
                pair, lambda each, own=site.name, gone=gone: _orphan(each, gone) if each.name == own else each
            )
    for side in ("model", "guide"):
        for site in getattr(pair, side):
            for name in site.parents:
                yield _one(pair, side, site, _orphan(site, name))
            if any(parent.via is not Via.TENSOR for each in site.parameters for parent in each.parents):
                yield _one(pair, side, site, _by_tensor(site))
    latents = [site.name for site in pair.model]
    ordered = tuple(sorted(pair.guide, key=lambda site: latents.index(site.name) if site.name in latents else -1))
    if ordered != pair.guide and not any(site.parents for site in pair.guide):
        yield replace(pair, guide=ordered)


def _by_tensor(site: Site) -> Site:
    return replace(site, parameters=tuple(
        replace(each, parents=tuple(replace(parent, via=Via.TENSOR) for parent in each.parents))
        for each in site.parameters
    ))  # fmt: skip


def _plain_site(pair: Pair) -> Iterator[Pair]:
    """A latent becomes normal on both sides, data become normal, a guide takes the model's family."""
    guide = {site.name: site for site in pair.guide}
    for site in pair.model:
        other = guide.get(site.name)
        if site.observed:
            if site.family is not Family.NORMAL and not site.parents:
                yield _one(pair, "model", site, replace(site, family=Family.NORMAL, parameters=_NORMAL))
            elif site.family is not Family.NORMAL:
                first = next(each for each in site.parameters if each.parents)
                made = replace(site, family=Family.NORMAL, parameters=(first, Expression(const=(1.0,))))
                yield _one(pair, "model", site, made)
        elif other is not None and site.family is not Family.NORMAL:
            whole = _one(pair, "model", site, replace(site, family=Family.NORMAL, parameters=_NORMAL))
            yield _one(whole, "guide", other, _normal_guide(other))
            if other.family is not site.family and not site.joint and not any(p.parents for p in site.parameters):
                parameters = (Expression(const=(0.6,)),) * len(other.parameters)
                yield _one(pair, "model", site, replace(site, family=other.family, parameters=parameters))


def _normal_guide(site: Site) -> Site:
    location = next((each for each in site.parameters if not each.bare), site.parameters[0])
    return replace(site, family=Family.NORMAL, parameters=(replace(location, const=(0.0,)), Expression(const=(0.8,))))


def _fewer_parameters(pair: Pair) -> Iterator[Pair]:
    for site in pair.guide:
        for k, expression in enumerate(site.parameters):
            if expression.theta is None:
                continue
            if expression.each:
                shared = _with(site, k, replace(expression, each=False))
                yield _one(pair, "guide", site, shared)
            if len(pair.theta) > 1 and not expression.parents:
                yield _one(pair, "guide", site, _with(site, k, _number(pair, site, k)))


def _number(pair: Pair, site: Site, position: int) -> Expression:
    """What the parameter is at the pair's t, to six digits."""
    expression = site.parameters[position]
    start, count = expression.theta or 0, pair.count(site) if expression.each else 1
    entries = pair.theta[start : start + count]
    count = max(count, len(expression.const))
    linked = _LINKED[PARAMETERS[site.family][position][1]]
    sums = (expression.const[k % len(expression.const)] + entries[k % len(entries)] for k in range(count))
    return Expression(const=tuple(float(f"{linked(each):.6g}") for each in sums))


def _with(site: Site, position: int, expression: Expression) -> Site:
    made = list(site.parameters)
    made[position] = expression
    return replace(site, parameters=tuple(made))


def _one(pair: Pair, side: str, old: Site, new: Site) -> Pair:
    return replace(pair, **{side: tuple(new if each is old else each for each in getattr(pair, side))})


def _mapped(pair: Pair, change: Callable[[Site], Site | None]) -> Pair:
    model = tuple(site for site in map(change, pair.model) if site is not None)
    guide = tuple(site for site in map(change, pair.guide) if site is not None)
    return replace(pair, model=model, guide=guide)
