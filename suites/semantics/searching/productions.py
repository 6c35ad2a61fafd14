"""What of the grammar a pair uses, in words: what the tables count and what a group is named after."""

from collections.abc import Iterable

from elbo_compare.suites.semantics.searching.description import (
    DISCRETE,
    SUPPORTS,
    Family,
    Pair,
    Site,
    Support,
    Via,
    written_out,
)
from elbo_compare.suites.semantics.searching.quiet import is_prior

EQUAL = "guide equal to the prior"
FAR = 8.0  # |location| or |logit| from here on, and e^+-3 for a scale or a shape, count as extreme


def productions(pair: Pair) -> tuple[str, ...]:
    """The productions that a pair uses, sorted."""
    found = ["obs_mask" for site in pair.model if site.observed_where]
    found += [f"automatic guide: {pair.automatic}"] if pair.automatic else []
    if any(each.state for site in (*pair.model, *pair.guide) for each in site.parameters):
        found.append("mutable state" if pair.kept else "Python global")
    pair = written_out(pair)
    found += [*_of_sites(pair.model, "model"), *_of_sites(pair.guide, "guide"), *_of_plates(pair), *_of_sides(pair)]
    found += ["extreme parameters"] if _extreme(pair) else []
    return tuple(sorted(dict.fromkeys(found)))


def _of_sides(pair: Pair) -> Iterable[str]:
    families = {site.name: site for site in pair.guide}
    latents = [site for site in pair.model if not site.observed and site.family is not Family.FACTOR]
    if any(site.name not in families and not site.summed for site in latents):
        yield "latent in the model only"
    shared = [site.name for site in latents if site.name in families]
    if [name for name in families if name in shared] != shared:
        yield "guide in another order"
    for site in latents:
        other = families.get(site.name)
        if other is not None and other.family is not site.family and other.family is not Family.DELTA:
            yield "another family in the guide"
    if is_prior(pair):
        yield EQUAL
    if len(pair.model) > 1 and any(site.parents for site in pair.guide):
        yield "guide with dependence"


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
    if site.event and not site.joint:
        yield "expand and to_event" if site.expanded else "to_event"
    if site.log_density:
        yield "Delta with a log_density"
    if site.summed:
        yield "summed out in the model"
    if site.scored:
        yield "marked as not reparameterised"
    certain = site.family is Family.BERNOULLI and site.observed and site.parameters[0].bare
    if certain and set(site.parameters[0].const) & {0.0, 1.0}:
        yield "impossible data"
    for expression in site.parameters:
        for parent in expression.parents:
            if parent.via is not Via.TENSOR:
                yield f"dependence by {parent.via}"


def _of_plates(pair: Pair) -> Iterable[str]:
    sites = (*pair.model, *pair.guide)
    used = {name for site in sites for name in site.plates}
    plates = [plate for plate in pair.plates if plate.name in used]
    for plate in plates:
        if plate.subsample:
            yield "subsample, fixed"
        elif plate.rows:
            yield "subsample, random"
        yield "plate"
    if len(plates) > 1:
        yield f"plates, {_relation([{site.name for site in sites if plate.name in site.plates} for plate in plates])}"
    if any(site.plates and not site.observed for site in pair.model):
        yield "local latent"


def _relation(members: list[set[str]]) -> str:
    """Of the sites in two plates."""
    one, other = members[:2]
    if not one & other:
        return "side by side"
    return "nested" if one <= other or other <= one else "crossed"


def _extreme(pair: Pair) -> bool:
    """A location or logit far out, or a scale or a shape that is a thousandth or a thousand times of the usual."""
    for site in (*pair.model, *pair.guide):
        for place, expression in enumerate(site.parameters):
            count = pair.count(site) if expression.each else 1
            entries = pair.theta[expression.theta : expression.theta + count] if expression.theta is not None else ()
            location = place == 0 and SUPPORTS.get(site.family) in (Support.REAL, Support.VECTOR, Support.BINARY)
            limit = FAR if location else 3.0
            if any(abs(each) >= limit for each in entries):
                return True
            number = expression.bare and location and site.family is not Family.BERNOULLI
            if number and any(abs(each) >= FAR for each in expression.const):
                return True
    return False
