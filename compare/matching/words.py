"""How a formula differs from the pair's own objective, site by site, in words."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from elbo_compare.compare.matching.fitting import ALONE
from elbo_compare.compare.matching.gradients import term_name
from elbo_compare.compare.matching.measured import Measured
from elbo_compare.compare.matching.naming import (
    HALF_LOG_2PI,
    IRREGULAR,
    SUMMED,
    Named,
    Reduction,
    Weighed,
    constant_words,
    plain_number,
)
from elbo_compare.compare.matching.readings import (
    FITTED,
    STEADY,
    as_beta,
    log_variance,
    misread,
    particles,
    squares,
)
from elbo_compare.suites.bridge.pairs.records import (
    EXPECTED,
    SAMPLERS,
    SiteFacts,
    Term,
    Total,
    What,
)

# A Gaussian term in parts, as it is right: log q - log p at a draw, and KL(q || p).
SAMPLED_PARTS = {What.LOG_VAR: -0.5, What.NOISE2: -0.5, What.PRIOR_RESIDUAL2: 0.5, What.PRIOR_LOG_VAR: 0.5}
ANALYTIC_PARTS = {What.LOG_VAR: -0.5, What.MEAN2: 0.5, What.VAR: 0.5, What.PRIOR_LOG_VAR: 0.5}
DENSITIES = (What.LOG_Q, What.LOG_P, What.KL, What.STANDARD, What.KL_STANDARD)
PART_NAMES = {
    What.LOG_VAR: "log sigma^2 of q",
    What.NOISE2: "((z - mean) / sigma)^2",
    What.PRIOR_RESIDUAL2: "the prior's z^2",
    What.PRIOR_LOG_VAR: "the prior's log sigma^2",
    What.MEAN2: "mean^2",
    What.VAR: "sigma^2",
    What.SIGMA: "sigma",
    What.VAR2: "sigma^4",
    What.MEAN: "the mean of q",
    What.LOG_VAR2: "(log sigma^2)^2 of q",
    What.EXP_MEAN: "exp(mean) of q",
}


def estimator(one: Named, found: Measured) -> Total | None:
    """Which ELBO object has these terms, whatever their weights: all KLs sampled, or analytic wherever one is known;
    TraceEnum_ELBO where discrete latents are summed over."""
    if any(each.term.what is What.ENUMERATED or each.term.draw == EXPECTED for each in one.terms):
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
    taken = misread(one)
    if taken:
        return [*said, taken]
    count = particles(one)
    if count:
        return [*said, f"it is the average of {count} draws, as with num_particles = {count}"]
    for site in () if whole else found.sites:
        if any(each.term.draw == EXPECTED for each in one.terms) and not _measured(site, found):
            continue  # a discrete latent of the model alone, summed over within a density that is there
        terms = [
            replace(each, term=replace(each.term, draw=1)) if each.term.draw == EXPECTED else each
            for each in one.terms
            if each.term.site.partition("[")[0] == site.name and each.term.what not in ALONE
        ]
        said += _observed(site, terms, one.reduction) if site.observed else _latent(site, terms, one, found)
    if len(said) == 1 and said[0].startswith("log p(") and (weight := as_beta(one)):
        said[0] += f" (as beta = {weight:.10g})"
    constant = constant_words(one.constant, found)
    if constant and any(" is missing: its log q" in each for each in said):
        said.append(f"a constant stands there, {constant}, as a clamped KL (free bits) leaves it")
    return [*squares(one, found), *said] if said else said


def _measured(site: SiteFacts, found: Measured) -> bool:
    """Whether a term of the site is there where discrete latents are summed over."""
    return any(term.site == site.name and term.draw == EXPECTED for term in found.terms)


def mixture(one: Named) -> tuple[str, str]:
    """(latents whose KL is analytic, latents whose KL is sampled) of a formula, each empty without."""
    analytic = {each.term.site for each in one.terms if each.term.what is What.KL and each.weight}
    sampled = {each.term.site for each in one.terms if each.term.what is What.LOG_Q and each.weight}
    return ", ".join(sorted(analytic)), ", ".join(sorted(sampled))


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
    what, times = term_name(each.term), "" if each.weight == 1 else f"{each.weight:.10g} x "
    if each.term.what is What.TEMPERED:
        return f"{times}{what}"
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


def _latent(site: SiteFacts, terms: Sequence[Weighed], one: Named, found: Measured) -> Iterator[str]:
    weights = {(each.term.what, each.term.draw): each for each in terms if each.weight}
    if not weights:
        yield f"site {site.name!r} is missing: its log q, log p and KL are absent"
        return
    coordinates = [each for each in terms if each.term.what is What.COORDINATE]
    if coordinates:
        yield from _coordinates(site, coordinates, one.reduction)
        return
    if not any(what in DENSITIES for what, _ in weights):
        yield from _parts(site, [each for each in terms if each.term.draw == 1])
        return
    yield from _determinants(site, weights, found)
    draws = sorted({draw for _, draw in weights})
    if len(draws) > 1:
        at = dict(weights.keys()) if len(weights) == 2 else {}
        q, p, name = at.get(What.LOG_Q, 0), at.get(What.LOG_P, 0), site.name
        if q == 1 and p > 1:
            yield f"log p({name}) comes from a second draw (draw {p} of the tape), log q from the first"
        elif p == 1 and q > 1:
            yield f"log q({name}) comes from a second draw (draw {q} of the tape), log p from the first"
        else:
            yield f"the KL of {site.name} mixes draws {', '.join(map(str, draws))} of the tape"
        return
    if draws[0] in SAMPLERS:
        yield f"the KL of {site.name} is taken {SAMPLERS[draws[0]]}"
    elif draws != [1]:
        yield f"the KL of {site.name} comes from a second draw (draw {draws[0]} of the tape)"
    yield from _of_one_draw(site, {what: each for (what, _), each in weights.items()}, one, found)


def _of_one_draw(site: SiteFacts, weights: dict[What, Weighed], one: Named, found: Measured) -> Iterator[str]:
    """What the densities and the KL of one site, all at one draw, say of its prior and their weights."""
    q, p, kl = (weights.get(what) for what in (What.LOG_Q, What.LOG_P, What.KL))
    standard, closed = weights.get(What.STANDARD), weights.get(What.KL_STANDARD)
    if standard is not None and p is None:
        yield f"log N(0, I) stands where log p({site.name}) belongs: it is another prior than the model's"
    if closed is not None and kl is None:
        yield f"KL(q || N(0, I)) stands where KL({site.name}) belongs: it is another prior than the model's"
    width = _other_width(site, q, p, one, found)
    if width:
        yield width
        return
    yield from _densities(site, q, p or standard, kl or closed, one.reduction)


def _determinants(site: SiteFacts, weights: dict[tuple[What, int], Weighed], found: Measured) -> Iterator[str]:
    """What a loss has of the transforms' determinants; they are taken out of `weights`. Where both transforms are one,
    the log densities have the same number: what is twice there in q is absent from p."""
    for what, name, sign in ((What.LOG_DET_Q, "q", 1.0), (What.LOG_DET_P, "p", -1.0)):
        each = weights.pop((what, 1), None)
        if each is None:
            continue
        of, missing = name, sign * each.weight
        if what is What.LOG_DET_Q and abs(missing + 1.0) < STEADY and _one_transform(site, found):
            of, missing = "p", 1.0
        yield _determinant(f"the log determinant of {of}({site.name})", missing)


def _one_transform(site: SiteFacts, found: Measured) -> bool:
    q, p = (found.terms.get(Term(what, site.name)) for what in (What.LOG_DET_Q, What.LOG_DET_P))
    return q is not None and p is not None and all((abs(q[n].values - p[n].values) <= STEADY).all() for n in q)


def _determinant(name: str, missing: float) -> str:
    if abs(missing - 1.0) < STEADY:
        return f"{name} is absent"
    if abs(missing - 2.0) < STEADY:
        return f"{name} has the other sign"
    return f"{name} weighs {1 - missing:.6g} times as much"


def _other_width(site: SiteFacts, q: Weighed | None, p: Weighed | None, one: Named, found: Measured) -> str:
    """Where another weight of log p and the constant beside it are what a normal prior of another width gives."""
    own = log_variance(Term(What.PRIOR_LOG_VAR, site.name), site, found)
    if q is None or p is None or own is None or q.weight != 1.0 or p.weight in (0.0, 1.0) or p.weight < 0:
        return ""
    width, count = math.exp(0.5 * own), found.per_datum(site.name)
    other = width / math.sqrt(p.weight)
    expected = count * (math.log(other) - p.weight * math.log(width) + (1 - p.weight) * HALF_LOG_2PI)
    per_datum = [value / size for value, size in zip(one.constant, found.sizes, strict=True)]
    if any(abs(each - expected) > FITTED * (1.0 + abs(expected)) for each in per_datum):
        return ""
    name = f"log p({site.name})"
    return f"{name} is of another prior than the model's: of standard deviation {other:.6g}, not {width:.6g}"


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
    elif each.reduction.batch < 0 or rest.batch < 0:
        yield from _subsampled(name, each, scale, rest)
    elif each.reduction != rest:
        times = "" if each.weight == 1.0 else f" and weighs {each.weight:.6g} times as much"
        if each.weight >= 2 and (each.reduction, rest) == (Reduction(batch=1), SUMMED):
            times += f", as the scale {each.weight:.6g} / batch of a subsampling plate gives"
        yield f"{name} is {each.reduction.words}{times}, the rest {rest.words}"
    elif each.weight == -1.0:
        yield f"{name} has the other sign"
    elif each.weight != 1.0:
        because = f" (beta = {each.weight:.10g})" if beta and each.weight > 0 else ""
        if scale != 1.0 and abs(each.weight * scale - 1.0) < FITTED:
            because = f": the pair's scale {scale:.6g} is on it, and not in the loss"
        elif scale != 1.0 and plain_number(each.weight * scale) in range(1, 100):
            because = f": by {each.weight * scale:.3g}, where the pair's scale is {scale:.6g}"
        yield f"{name} weighs {each.weight:.10g} times as much{because}"


def _subsampled(name: str, each: Weighed, scale: float, rest: Reduction) -> Iterator[str]:
    """The pair's plate multiplies by size / batch, and the loss does not do so for this term, or for the rest."""
    if (each.reduction, each.weight) == (rest, 1.0):
        return
    lacking = each.reduction.batch < 0
    yield (
        f"{name} lacks the scale size / batch: the pair's scale {scale:.6g} is on it, and not in the loss"
        if lacking
        else f"{name} has the pair's scale size / batch, {scale:.6g} here, and the rest of the loss does not"
    )


def _parts(site: SiteFacts, terms: Sequence[Weighed]) -> Iterator[str]:
    """A Gaussian term that is no multiple of the KL: which of its parts is off."""
    weights = {each.term.what: each.weight for each in terms}
    right = ANALYTIC_PARTS if What.MEAN2 in weights else SAMPLED_PARTS
    of_prior = [weights.get(what, 0.0) for what in (What.MEAN2, What.VAR, What.PRIOR_RESIDUAL2) if what in weights]
    if len(set(of_prior)) == 1 and of_prior[0] not in (0.0, 0.5) and weights.get(What.LOG_VAR) == -0.5:
        times = (0.5 / of_prior[0]) ** 0.5 if of_prior[0] > 0 else float("nan")
        yield f"the prior of {site.name} is another than the model's: standard deviation {times:.6g} times as large"
        return
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
