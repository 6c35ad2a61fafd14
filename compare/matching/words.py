"""How a formula differs from the pair's own objective, site by site, in words."""

from collections.abc import Iterator, Sequence

from elbo_compare.compare.matching.gradients import term_name
from elbo_compare.compare.matching.measured import Measured
from elbo_compare.compare.matching.naming import IRREGULAR, SUMMED, Named, Reduction, Weighed, constant_words
from elbo_compare.suites.bridge.pairs.records import SAMPLERS, SiteFacts, Term, Total, What

# A Gaussian term in parts, as it is right: log q - log p at a draw, and KL(q || p).
SAMPLED_PARTS = {What.LOG_VAR: -0.5, What.NOISE2: -0.5, What.PRIOR_RESIDUAL2: 0.5, What.PRIOR_LOG_VAR: 0.5}
ANALYTIC_PARTS = {What.LOG_VAR: -0.5, What.MEAN2: 0.5, What.VAR: 0.5, What.PRIOR_LOG_VAR: 0.5}
OWN = (What.LOG_LIKELIHOOD, What.LOG_Q, What.LOG_P)
PART_NAMES = {
    What.LOG_VAR: "log sigma^2 of q",
    What.NOISE2: "((z - mean) / sigma)^2",
    What.PRIOR_RESIDUAL2: "the prior's z^2",
    What.PRIOR_LOG_VAR: "the prior's log sigma^2",
    What.MEAN2: "mean^2",
    What.VAR: "sigma^2",
    What.SIGMA: "sigma",
    What.VAR2: "sigma^4",
}


def estimator(one: Named, found: Measured) -> Total | None:
    """Which ELBO object has these terms, whatever their weights: all KLs sampled, or analytic wherever one is known."""
    if any(each.term.what is What.ENUMERATED for each in one.terms):
        return Total.ENUM
    latents = [site.name for site in found.sites if not site.observed]
    analytic = {each.term.site for each in one.terms if each.term.what is What.KL and each.weight}
    sampled = {each.term.site for each in one.terms if each.term.what in (What.LOG_Q, What.LOG_P) and each.weight}
    known = {term.site for term in found.terms if term.what is What.KL and term.draw == 1}
    if sampled and not analytic:
        return Total.TRACE
    if analytic and not (sampled & known) and analytic <= set(latents):
        return Total.MEAN_FIELD
    return None


def differences(one: Named, found: Measured) -> list[str]:
    """One sentence part per difference; empty where all is the pair's own."""
    said: list[str] = []
    if one.factor < 0:
        said.append("the sign is turned: what is minimised is the ELBO itself")
    whole = [each for each in one.terms if each.term.what is What.ENUMERATED]
    for each in (bound for bound in one.terms if bound.term.what is What.IMPORTANCE):
        said.append(f"it is the importance-weighted bound (IWAE) of {each.term.draw} draws, no ELBO")
        return said
    for each in whole:
        said += _weight("TraceEnum_ELBO", each, 1.0, one.reduction)
    particles = _particles(one)
    if particles:
        return [*said, f"it is the average of {particles} draws, as with num_particles = {particles}"]
    for site in () if whole else found.sites:
        terms = [each for each in one.terms if each.term.site.partition("[")[0] == site.name]
        said += _observed(site, terms, one.reduction) if site.observed else _latent(site, terms, one.reduction)
    constant = constant_words(one.constant, found)
    if constant and any(" is missing: its log q" in each for each in said):
        said.append(f"a constant stands there, {constant}, as a clamped KL (free bits) leaves it")
    mixed = {each.term.site for each in one.terms if each.term.what is What.KL and each.weight}
    sampled = {each.term.site for each in one.terms if each.term.what is What.LOG_Q and each.weight}
    if not said and mixed and sampled and estimator(one, found) is None:
        said.append(f"the KL of {', '.join(sorted(mixed))} is analytic, that of {', '.join(sorted(sampled))} sampled")
    return said


def _particles(one: Named) -> int:
    """How many draws are averaged, each with all of its terms; 0 where it is none or one."""
    present = [each for each in one.terms if each.weight]
    draws = {each.term.draw for each in present}
    even = all(each.weight == 1.0 and each.reduction == one.reduction and each.term.what in OWN for each in present)
    return len(draws) if even and len(draws) > 1 and abs(one.factor * len(draws) - 1.0) < 1e-9 else 0


def _observed(site: SiteFacts, terms: Sequence[Weighed], rest: Reduction) -> Iterator[str]:
    present = [each for each in terms if each.weight]
    if not present:
        yield f"site {site.name!r} is missing: log p({site.name}) is absent"
    parts = {each.term.what: each for each in present}
    if What.STANDARDISED_ERROR in parts and What.LOG_LIKELIHOOD not in parts:
        if What.OBSERVED_LOG_VAR not in parts:
            yield f"log sigma^2 of {site.name} is absent from its likelihood"
        for what in (What.STANDARDISED_ERROR, What.OBSERVED_LOG_VAR):
            if what in parts and (parts[what].weight, parts[what].reduction) != (0.5, rest):
                reduced = "" if parts[what].reduction == rest else f", {parts[what].reduction.words},"
                times = f"weighs {2 * parts[what].weight:.6g} times as much in log p({site.name})"
                yield f"the {what.value} of {site.name}{reduced} {times}"
        return
    if len(present) > 1:
        draws = sorted(each.term.draw for each in present)
        yield f"log p({site.name}) is a combination of draws {', '.join(map(str, draws))}"
        return
    for each in present:
        what = each.term.what
        if what is What.LOG_LIKELIHOOD:
            yield from _weight(f"log p({site.name})", each, site.model_scale, rest)
            yield from _drawn(each.term)
        else:
            yield f"{_instead(each, rest)} instead of log p({site.name}), which is {site.family}"


def _instead(each: Weighed, rest: Reduction) -> str:
    what, times = term_name(each.term), "" if each.weight == 1 else f"{each.weight:.6g} x "
    if each.term.what is What.UNMASKED:
        what = f"the log density of {each.term.site} without its mask"
    return (f"{times}{what}" if what.startswith("the ") else f"{times}the {what}") + (
        "" if each.reduction == rest else f", {each.reduction.words},"
    )


def _drawn(term: Term) -> Iterator[str]:
    if term.draw in SAMPLERS:
        yield f"log p({term.site}) is taken {SAMPLERS[term.draw]}"
    elif term.draw > 1:
        yield f"log p({term.site}) comes from a later draw than the guide's (draw {term.draw} of the tape)"


def _latent(site: SiteFacts, terms: Sequence[Weighed], rest: Reduction) -> Iterator[str]:
    weights = {(each.term.what, each.term.draw): each for each in terms if each.weight}
    if not weights:
        yield f"site {site.name!r} is missing: its log q, log p and KL are absent"
        return
    coordinates = [each for each in terms if each.term.what is What.COORDINATE]
    if coordinates:
        yield from _coordinates(site, coordinates, rest)
        return
    if not any(what in (What.LOG_Q, What.LOG_P, What.KL) for what, _ in weights):
        yield from _parts(site, [each for each in terms if each.term.draw == 1])
        return
    draws = sorted({draw for _, draw in weights})
    if len(draws) > 1:
        yield f"the KL of {site.name} mixes draws {', '.join(map(str, draws))} of the tape"
        return
    if draws[0] in SAMPLERS:
        yield f"the KL of {site.name} is taken {SAMPLERS[draws[0]]}"
    elif draws != [1]:
        yield f"the KL of {site.name} comes from a second draw (draw {draws[0]} of the tape)"
    q, p, kl = (weights.get((what, draws[0])) for what in (What.LOG_Q, What.LOG_P, What.KL))
    standard = weights.get((What.STANDARD, draws[0]))
    if standard is not None and p is None:
        yield f"log N(0, I) stands where log p({site.name}) belongs: it is another prior than the model's"
    yield from _densities(site, q, p or standard, kl, rest)


def _coordinates(site: SiteFacts, terms: Sequence[Weighed], rest: Reduction) -> Iterator[str]:
    """Which of a datum's latents the KL counts."""
    absent = [each.term.site for each in terms if not each.weight]
    if absent:
        counted = len(terms) - len(absent)
        yield f"the KL of {site.name} counts {counted} of {len(terms)} latents: {', '.join(absent)} absent"
    for each in terms:
        if each.weight:
            yield from _weight(f"KL({each.term.site})", each, 1.0, rest)


def _densities(
    site: SiteFacts, q: Weighed | None, p: Weighed | None, kl: Weighed | None, rest: Reduction
) -> Iterator[str]:
    name = site.name
    if kl is not None and (q is not None or p is not None):
        yield f"the KL of {name} is {kl.weight:.6g} x the analytic one + {_both(q, p)}"
    elif kl is not None:
        yield from _weight(f"KL({name})", kl, site.guide_scale, rest, beta=True)
    elif q is None:
        yield f"log q({name}) is absent"
    elif p is None:
        yield f"log p({name}) is absent"
    elif (q.weight, q.reduction) == (p.weight, p.reduction):
        yield from _weight(f"KL({name})", q, site.guide_scale, rest, beta=True)
    else:
        yield from _weight(f"log q({name})", q, site.guide_scale, rest)
        yield from _weight(f"log p({name})", p, site.model_scale, rest)


def _both(q: Weighed | None, p: Weighed | None) -> str:
    return " and ".join(f"{each.weight:.6g} x {term_name(each.term)}" for each in (q, p) if each is not None)


def _weight(name: str, each: Weighed, scale: float, rest: Reduction, *, beta: bool = False) -> Iterator[str]:
    """`KL(z) weighs 4 times as much (beta = 4)`; `KL(z) is summed, the rest averaged over the batch`; a scale."""
    if each.reduction == IRREGULAR:
        yield f"{name} weighs {each.weight:.6g} at one batch size and otherwise at the other: no plain reduction"
    elif each.reduction != rest:
        times = "" if each.weight == 1.0 else f" and weighs {each.weight:.6g} times as much"
        yield f"{name} is {each.reduction.words}{times}, the rest {rest.words}"
    elif each.weight == -1.0:
        yield f"{name} has the other sign"
    elif each.weight != 1.0:
        because = f" (beta = {each.weight:.10g})" if beta and each.weight > 0 else ""
        if scale != 1.0 and abs(each.weight * scale - 1.0) < 1e-6:
            because = f": the pair's scale {scale:.6g} is on it, and not in the loss"
        yield f"{name} weighs {each.weight:.10g} times as much{because}"


def _parts(site: SiteFacts, terms: Sequence[Weighed]) -> Iterator[str]:
    """A Gaussian term that is no multiple of the KL: which of its parts is off."""
    weights = {each.term.what: each.weight for each in terms}
    right = ANALYTIC_PARTS if What.MEAN2 in weights else SAMPLED_PARTS
    if weights.get(What.VAR2) == 0.5 and not weights.get(What.VAR):
        yield f"in the KL of {site.name} exp(log variance) is taken for sigma, and squared again"
        return
    if weights.get(What.SIGMA) == 0.5 and not weights.get(What.VAR):
        yield f"in the KL of {site.name} sigma stands where sigma^2 belongs"
        return
    for what, expected in right.items():
        if what not in weights:
            continue
        if not weights[what]:
            yield f"{PART_NAMES[what]}({site.name}) is absent from the KL"
        elif weights[what] != expected:
            yield f"{PART_NAMES[what]}({site.name}) weighs {weights[what] / expected:.6g} times as much in the KL"
    for what in (What.SIGMA, What.VAR2):
        if weights.get(what):
            yield f"{weights[what]:.6g} x {PART_NAMES[what]}({site.name}) is added to the KL"


def formula(one: Named, found: Measured) -> str:
    """`-log p(x) + 4 KL(z) + 0.5 log 2 pi per latent, averaged over the batch`."""
    text, mixed = "", any(each.reduction != one.reduction for each in one.terms if each.weight)
    for each in one.terms:
        if not each.weight:
            continue
        positive = each.term.what in (What.LOG_Q, What.KL, What.ENUMERATED) or each.term.what in PART_NAMES
        weight = each.weight if positive else -each.weight
        times = "" if abs(weight) == 1 else f"{abs(weight):.6g} x "
        sign = ("-" if weight < 0 else "") if not text else (" - " if weight < 0 else " + ")
        text += f"{sign}{times}{term_name(each.term)}" + (f" ({each.reduction.words})" if mixed else "")
    constant = constant_words(one.constant, found)
    text += f" {constant}" if constant else ""
    whole = f"{one.factor:.6g} x ({text})" if one.factor != 1 else text
    return f"{whole}, {one.reduction.words}" if one.reduction != SUMMED and not mixed else whole
