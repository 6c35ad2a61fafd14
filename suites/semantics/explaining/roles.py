"""What each ELBO class does with each site of a pair: its role, in the field's words, and its term.

No framework is imported here. The rules are those of the libraries' sources; every explanation checks them on the pair:
the terms add up to what the class returned, and its mean is compared with the exact one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum, isfinite, nan

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.explaining.facts import ClassFacts, SiteFacts
from elbo_compare.suites.semantics.pairs.sweep import KNOWN
from elbo_compare.suites.tracing.site import Draw

# Estimates of the ELBO; the other classes bound or optimise something else, and their mean is no bias.
ELBOS = ("Trace_ELBO", "TraceMeanField_ELBO", "TraceGraph_ELBO", "TraceEnum_ELBO")
OTHER_OBJECTIVE = {
    "TraceTMC_ELBO": "tensor Monte Carlo's estimate of log p(x)",
    "RenyiELBO": "a Rényi bound of order alpha (0: IWAE), no estimate of the ELBO",
    "ReweightedWakeSleep": "two losses: -log mean weight for the model, the weighted -log q for the guide",
    "Trace_MMD": "a log-likelihood less the discrepancy (MMD) of aggregate q and prior, no estimate of the ELBO",
    "TraceTailAdaptive_ELBO": "a gradient alone; its value is inf by design",
}


class Role(StrEnum):
    """What a class does with a site."""

    ANALYTIC = "analytic"  # minus the registered KL(q || p)
    REPARAMETERISED = "reparameterised"  # log p - log q at the draw, the gradient through the draw
    SCORE = "score function"  # log p - log q at the draw, the gradient through log q
    BASELINE = "baseline"  # with a control variate that the site names
    NO_SCORE = "no score function"  # a draw that is not reparameterised, whose score is left out
    ENUMERATED = "enumerated"  # a sum over the support, weighted by q; in the model alone: marginalised
    SAMPLES = "enumerated over samples"  # tensor Monte Carlo
    POINT = "point"  # a Delta: log p at the point, plus its log_density as the class has it
    WEIGHT = "importance weight"  # log p - log q goes into log w
    WRONG_SCALE = "wrong scale"  # the KL is multiplied by the guide's scale, where the model's differs
    MASK_IGNORED = "mask ignored"  # the KL is masked by the guide's mask or by none, where the model's differs
    LIKELIHOOD = "log-likelihood"  # an observed site: + log p(x | z)
    AUXILIARY = "auxiliary"  # only in the guide: - log q
    PRIOR = "drawn from the prior"  # only in the model: + log p at a draw from it
    GIVEN = "observed in the guide"  # a factor too: - log q at the value
    LEFT_OUT = "left out"
    DETERMINISTIC = "deterministic"  # a recorded value, without a density
    RAISES = "raises"


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """What a class makes of one site: `term` in nats at the draw of seed 0, nan where the site has none of its own."""

    roles: tuple[Role, ...]
    term: float = nan


def treatment(site: SiteFacts, kind: str, library: Library, *, jointly: bool = False) -> Treatment:
    """Roles and term of a site under a class of the given kind; jointly: it sums over states of the whole pair."""
    if site.deterministic:
        return Treatment(roles=(Role.DETERMINISTIC,))
    if jointly:
        return Treatment(roles=_own(site, kind, library))
    if kind == "TraceMeanField_ELBO":
        return _mean_field(site)
    own = _own(site, kind, library)
    if own == (Role.PRIOR,) and kind == "TraceEnum_ELBO" and library is Library.NUMPYRO:
        return Treatment(roles=own, term=0.0)  # integrated, by one draw from the prior
    if own == (Role.LEFT_OUT,):
        return Treatment(roles=own, term=0.0)
    if kind in OTHER_OBJECTIVE and kind != "TraceTMC_ELBO":
        return Treatment(roles=tuple(dict.fromkeys((Role.WEIGHT, *own))), term=site.term)
    return Treatment(roles=own, term=site.term)


def objective_of(kind: str, sites: Sequence[SiteFacts], library: Library) -> str:
    """What a class optimises that does not estimate the ELBO; of a Rényi bound over what it is taken."""
    said = OTHER_OBJECTIVE.get(kind, "")
    plates = [{each for each in site.model.plates if each.vectorised} for site in sites if site.model is not None]
    if kind != "RenyiELBO" or not plates:
        return said
    shared = sorted(set.intersection(*plates), key=lambda each: each.name)
    if not shared:
        return f"{said}, one of all sites together"
    said += f", one of each element of plate {', '.join(repr(each.name) for each in shared)}, added up"
    if all(each.size == each.rows for each in shared):
        return said
    return f"{said}, N/B times" if library is Library.NUMPYRO else f"{said}, each weight to the power N/B"


def without_density(each: Treatment) -> bool:
    """Whether a site's densities are gone from a class's value: into a closed form, or integrated to one."""
    return Role.ANALYTIC in each.roles or (each.roles == (Role.PRIOR,) and each.term == 0.0)


def _own(site: SiteFacts, kind: str, library: Library) -> tuple[Role, ...]:
    """The roles under a class that samples."""
    if site.observed:
        return (Role.LIKELIHOOD,)
    if site.guide is not None and site.guide.given:  # TraceTMC_ELBO skips what is observed there
        return (Role.LEFT_OUT,) if kind == "TraceTMC_ELBO" else (Role.GIVEN,)
    side = site.guide or site.model
    marked = side.enumerate if side is not None and kind in ("TraceEnum_ELBO", "TraceTMC_ELBO") else ""
    if marked and (library is Library.PYRO or marked == "parallel"):
        return (Role.SAMPLES if marked == "samples" else Role.ENUMERATED,)
    if site.guide is None:
        return (Role.PRIOR,)
    shared = () if site.model is not None else (Role.AUXILIARY,)
    if site.guide.draw is Draw.POINT:
        return (*shared, Role.POINT)
    if site.guide.draw is Draw.REPARAMETERISED:
        return (*shared, Role.REPARAMETERISED)
    if site.guide.draw is Draw.PARTLY:
        return (*shared, Role.REPARAMETERISED, Role.NO_SCORE if kind == "TraceTMC_ELBO" else Role.SCORE)
    if kind == "TraceTMC_ELBO" or (library is Library.NUMPYRO and kind in ("Trace_ELBO", "RenyiELBO")):
        return (*shared, Role.NO_SCORE)
    if kind == "ReweightedWakeSleep":
        return (*shared, Role.WEIGHT)
    baseline = (Role.BASELINE,) if site.guide.baseline and kind == "TraceGraph_ELBO" else ()
    return (*shared, Role.SCORE, *baseline)


def _mean_field(site: SiteFacts) -> Treatment:
    if site.error or (site.guide is None and not site.observed):
        return Treatment(roles=(Role.RAISES,))
    if site.observed:
        return Treatment(roles=(Role.LIKELIHOOD,), term=site.term)
    model, guide = site.model, site.guide
    how = () if guide is None else {
        Draw.POINT: (Role.POINT,), Draw.REPARAMETERISED: (Role.REPARAMETERISED,), Draw.SCORE: (Role.NO_SCORE,),
        Draw.PARTLY: (Role.REPARAMETERISED,),
    }[guide.draw]  # fmt: skip
    if guide is not None and guide.given:
        return Treatment(roles=(Role.GIVEN,), term=site.term)
    if model is None or guide is None:
        return Treatment(roles=(Role.AUXILIARY, *how), term=site.term)
    if site.kl is None:
        return Treatment(roles=how, term=site.term)
    roles = [Role.POINT if guide.draw is Draw.POINT else Role.ANALYTIC]
    roles += [Role.WRONG_SCALE] if model.scale != guide.scale else []
    roles += [Role.MASK_IGNORED] if site.loses_mask else []
    return Treatment(roles=tuple(roles), term=-site.kl)


def sums_jointly(sites: Sequence[SiteFacts], kind: str, library: Library) -> bool:
    """Whether a class enumerates some site of the pair: no site has a term of its own then."""
    return any({Role.ENUMERATED, Role.SAMPLES} & set(_own(site, kind, library)) for site in sites)


def draws_discretely(sites: Sequence[SiteFacts], kind: str, library: Library) -> bool:
    """Whether a class draws values that are not continuous: a few draws may all be alike then."""
    summed = {Role.ENUMERATED}
    sides = [(site, site.guide or site.model) for site in sites if not site.observed]
    return any(side is not None and side.draw is Draw.SCORE and not side.given
               and not summed & set(_own(site, kind, library)) for site, side in sides)  # fmt: skip


def total(site_terms: Sequence[Treatment], facts: ClassFacts) -> float | None:
    """The sum of the terms, which the class returned if the roles are right; None where it has no such sum: sites
    summed together, several particles, another objective, or nothing returned."""
    terms = [each.term for each in site_terms if Role.DETERMINISTIC not in each.roles]
    single = facts.particles == 1 and facts.kind in ELBOS and not facts.error
    if not single or not all(map(isfinite, terms)):
        return None
    added = fsum(terms)
    size = fsum(map(abs, terms)) + 1
    # A compiled class draws other numbers while it is compiled: its terms are then those of another draw.
    return None if facts.name.startswith("Jit") and abs(added - facts.value) > 1e-6 * size else added


def raising_site(sites: Sequence[SiteFacts], kind: str, error: str) -> str:
    """The site for which a class raises what it raised; empty where none is known to."""
    detached = {
        "RenyiELBO": (Draw.PARTLY,), "ReweightedWakeSleep": (Draw.PARTLY,),
        "TraceTailAdaptive_ELBO": (Draw.SCORE, Draw.PARTLY),
    }.get(kind, ())  # fmt: skip

    def raises(site: SiteFacts) -> bool:
        if kind == "TraceMeanField_ELBO":
            return Role.RAISES in _mean_field(site).roles
        if site.guide is None:
            return kind == "TraceGraph_ELBO" and not site.observed and bool(site.model and site.model.discrete)
        said = error.startswith(("NotImplementedError", "AssertionError without"))  # anything else has another reason
        return said and site.guide.draw in detached

    return next((site.name for site in sites if raises(site)), "")


def site_remarks(site: SiteFacts, library: Library) -> tuple[str, ...]:
    """What holds for the site whatever the class: scales, masks, plates that differ, divergences that are inexact."""
    model, guide = site.model, site.guide
    if library is Library.PYRO and guide is not None and guide.given and guide.draw is Draw.SCORE:
        return ("a factor with has_rsample=False: right only where no reparameterised draw enters it",)
    if model is None or guide is None or site.observed:
        return ()
    found = [
        f"plate {p.name!r} has size {p.size} in the model and {q.size} in the guide; nothing warns"
        for p in model.plates for q in guide.plates if p.name == q.name and p.size != q.size
    ]  # fmt: skip
    if model.scale != guide.scale and not found:
        found.append(f"scale {_span(model.scale)} in the model, {_span(guide.scale)} in the guide")
    if model.mask_digest != guide.mask_digest:
        found.append(f"the masks keep {model.kept:.0%} in the model and {guide.kept:.0%} in the guide")
    if model.discrete != guide.discrete and guide.draw is not Draw.POINT:
        whole = "guide draws whole numbers, the model" if guide.discrete else "model's are whole numbers, the guide"
        found.append(f"values: the {whole} has a density: log p - log q compares a mass with a density")
    if guide.log_density:
        found.append(f"the guide is a Delta with log_density {guide.log_density:.6g} nats")
    case = KNOWN.get((library, f"{guide.family}|{model.family}"), "") if site.kl is not None else ""
    return (*found, f"the registered divergence of this pair is not exact: see {case}") if case else tuple(found)


def _span(scale: tuple[float, float]) -> str:
    low, high = scale
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
