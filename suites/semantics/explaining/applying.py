"""Which findings have their shape in a pair, and of what their cost is to be measured. None is told before it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isinf

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.explaining.facts import ClassFacts, Draw, Pair, Side, SiteFacts

PYRO = Library.PYRO
SAMPLING = ("Trace_ELBO", "TraceGraph_ELBO")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A finding whose shape a pair has.

    Its cost in the ELBO is the mean of a column that the draws give, what the class has less what is intended.
    `measure` is "kl" (analytic term less the sampled one, of `sites`), "prior" (log p of `sites`), "guide" (nothing but
    what follows), "given" (`nats`, the same at each draw), "gradient" (of the class), "class" (its value), "trial"
    (`draws`, of an experiment with the library's own objects) or "fact" (`fact`, which was observed: `seen`). Where a
    plate of the guide lacks the mini-batch factor, (factor - 1) log q is added. `condition`: what else has to happen
    for the cost to be paid, in words; empty where training this pair pays it.
    """

    id: str
    kind: str
    sites: tuple[str, ...] = ()
    measure: str = "kl"
    nats: float = 0.0
    factor: float = 1.0
    fact: str = ""
    draws: tuple[float, ...] = ()
    seen: bool = True
    condition: str = ""


def candidates(pair: Pair) -> tuple[Candidate, ...]:
    """Every finding whose shape the pair has under one of its classes."""
    kinds = {each.kind for each in pair.classes if not each.error}
    found = [each for site in pair.sites for each in _of_site(site, pair.library, pair.bits)]
    if any(each.enumerate for site in pair.sites for each in (site.model, site.guide) if each):
        # A clamp at the values of this draw says nothing of a sum over all of them.
        found = [each for each in found if each.measure != "given" or each.kind != "TraceEnum_ELBO"]
    found += [each for facts in pair.classes for each in _of_class(facts, pair)]
    found += list(_of_order(pair))
    return tuple(_together(_merged([each for each in dict.fromkeys(found) if each.kind in kinds])))


def _together(found: Sequence[Candidate]) -> Iterator[Candidate]:
    """What a term is off by is one number: where two findings meet at a site, each says so."""
    for each in found:
        same = [other for other in found if (other.kind, other.measure, each.measure) == (each.kind, "kl", "kl")]
        others = sorted({other.id for other in same if other.id != each.id and set(other.sites) & set(each.sites)})
        yield replace(each, fact=f"together with {', '.join(others)}") if others else each


def _merged(found: Sequence[Candidate]) -> list[Candidate]:
    """One candidate for all sites of which a class is told the same; their costs are added up."""
    groups: dict[tuple, list[Candidate]] = {}
    for each in found:
        groups.setdefault((each.id, each.kind, each.measure, each.factor, each.fact), []).append(each)
    return [
        replace(same[0], sites=tuple(dict.fromkeys(name for each in same for name in each.sites)),
                nats=sum(each.nats for each in same))
        for same in groups.values()
    ]  # fmt: skip


def _of_site(site: SiteFacts, library: Library, bits: int) -> Iterator[Candidate]:
    yield from _of_data(site, library)
    model, guide = site.model, site.guide
    if site.observed or model is None:
        return
    if guide is None:
        if not model.enumerate:
            for kind in SAMPLING:
                yield Candidate(id=numbered(library, 4), kind=kind, sites=(site.name,), measure="prior")
        return
    if bits == 64 and site.kl is not None and site.exact_kl is not None and (model.edge or guide.edge):
        nats = site.exact_kl - site.kl
        yield Candidate(id="FIND-NUMPYRO-013", kind="TraceMeanField_ELBO", sites=(site.name,), measure="given",
                        nats=nats)  # fmt: skip
    yield from _of_weights(site, library)
    if site.kl is not None:
        for identifier in _of_families(site, library):
            yield Candidate(id=identifier, kind="TraceMeanField_ELBO", sites=(site.name,))


def _of_data(site: SiteFacts, library: Library) -> Iterator[Candidate]:
    model = site.model
    if not site.observed or model is None:
        return
    if model.clamp:
        for kind in (*SAMPLING, "TraceMeanField_ELBO", "TraceEnum_ELBO"):
            yield Candidate(id=numbered(library, 5), kind=kind, sites=(site.name,), measure="given", nats=model.clamp)
    if library is Library.NUMPYRO and model.family.startswith("Bernoulli") and model.edge and isinf(model.log_prob):
        yield Candidate(id="FIND-NUMPYRO-010", kind="Trace_ELBO", sites=(site.name,), measure="given",
                        nats=model.log_prob)  # fmt: skip


def _of_weights(site: SiteFacts, library: Library) -> Iterator[Candidate]:
    """Scales, plates and masks that differ between model and guide."""
    model, guide, here = site.model, site.guide, (site.name,)
    if model is None or guide is None:
        return
    plates = [(p, q) for p in model.plates for q in guide.plates if p.name == q.name and p.size != q.size]
    if plates:
        factor = model.batch_factor / guide.batch_factor
        for kind in SAMPLING:
            yield Candidate(id=numbered(library, 2), kind=kind, measure="guide", factor=factor, sites=here)
        if site.kl is not None:
            yield Candidate(id=numbered(library, 2), kind="TraceMeanField_ELBO", factor=factor, sites=here)
    if site.kl is None:
        return
    if model.scale != guide.scale and not plates:
        yield Candidate(id=numbered(library, 1), kind="TraceMeanField_ELBO", sites=here)
    if site.loses_mask:
        both = model.own_mask and guide.own_mask
        pyro = "FIND-PYRO-020" if both else "FIND-PYRO-007"
        identifier = pyro if library is PYRO else "FIND-NUMPYRO-012"
        yield Candidate(id=identifier, kind="TraceMeanField_ELBO", sites=here)


def _of_families(site: SiteFacts, library: Library) -> Iterator[str]:
    """Findings about a registered divergence."""
    model, guide = site.model, site.guide
    if model is None or guide is None:
        return
    pair = f"{guide.family}|{model.family}"
    if library is Library.NUMPYRO:
        if pair == "Kumaraswamy|Beta":
            yield "FIND-NUMPYRO-009"
        return
    always = {
        "Wishart|Wishart": "FIND-PYRO-011", "FoldedDistribution|FoldedDistribution": "FIND-PYRO-010",
        "Poisson|Poisson": "FIND-PYRO-017", "Binomial|Binomial": "FIND-PYRO-018",
    }  # fmt: skip
    edges = {"ContinuousBernoulli|ContinuousBernoulli": "FIND-PYRO-012", "Uniform|ContinuousBernoulli": "FIND-PYRO-019"}
    if pair in always:
        yield always[pair]
    if pair in edges and (guide.edge or model.edge):
        yield edges[pair]
    if guide.family == "Delta" and guide.log_density:
        yield "FIND-PYRO-008"


def _of_class(facts: ClassFacts, pair: Pair) -> Iterator[Candidate]:
    """Findings about a class on sites that are not reparameterised, and about subsampling."""
    latents = [site for site in pair.sites if site.guide is not None and not site.observed and not site.guide.given]
    scored = tuple(site.name for site in latents if site.guide and site.guide.draw is Draw.SCORE)
    if scored and pair.directions and not facts.error:
        if pair.library is Library.NUMPYRO and facts.kind in ("Trace_ELBO", "TraceMeanField_ELBO"):
            yield Candidate(id="FIND-NUMPYRO-008", kind=facts.kind, sites=scored, measure="gradient")
        weighted = tuple(site.name for site in latents if site.name in scored and site.guide and weighs(site.guide))
        if pair.library is Library.NUMPYRO and facts.kind == "TraceGraph_ELBO" and weighted:
            yield Candidate(id="FIND-NUMPYRO-016", kind=facts.kind, sites=weighted, measure="gradient")
        if pair.library is PYRO and facts.kind == "TraceGraph_ELBO":
            yield Candidate(id="FIND-PYRO-021", kind=facts.kind, sites=scored, measure="gradient")
    given = tuple(site.name for site in pair.sites if site.guide is not None and site.guide.given)
    if given and pair.library is Library.NUMPYRO and facts.kind == "TraceGraph_ELBO" and pair.directions:
        yield Candidate(id="FIND-NUMPYRO-017", kind=facts.kind, sites=given, measure="gradient")
    if facts.kind == "Trace_ELBO" and "multi_sample_guide=True" in facts.name and not facts.error:
        yield Candidate(id="FIND-NUMPYRO-007", kind=facts.kind, measure="class")
    if facts.kind == "TraceEnum_ELBO" and pair.enumerates_other_rows:
        fact = "data of some rows meet latents of others, and nothing warns"
        yield Candidate(id="FIND-NUMPYRO-018", kind=facts.kind, measure="fact", fact=fact)
    if pair.latents_of_positions and facts.kind == "Trace_ELBO":
        fact = f"the guide keeps {pair.latents_of_positions} local posteriors, whichever data are in the mini-batch"
        yield Candidate(id="FIND-PYRO-025", kind=facts.kind, measure="fact", fact=fact)


def weighs(side: Side) -> bool:
    """Whether a scale, a mini-batch or a mask multiplies its log density."""
    return side.scale != (1.0, 1.0) or side.kept < 1 or side.batch_factor != 1


def _of_order(pair: Pair) -> Iterator[Candidate]:
    """Analytic sites that stand in another order in the guide than in the model."""
    model, guide = pair.order
    if model == guide:
        return
    analytic = tuple(site.name for site in pair.sites if site.kl is not None)
    if analytic:
        yield Candidate(id=numbered(pair.library, 3), kind="TraceMeanField_ELBO", sites=analytic)


def order_remark(order: tuple[Sequence[str], Sequence[str]]) -> str:
    """What is said of another order of the sites; empty where there is none."""
    model, guide = order
    if list(model) == list(guide):
        return ""
    return (
        f"Order of sites: {', '.join(model)} in the model, {', '.join(guide)} in the guide; TraceMeanField_ELBO warns."
    )


def numbered(library: Library, number: int) -> str:
    """FIND-PYRO-001; the first six numbers mean the same in both libraries."""
    return f"FIND-{library.upper()}-{number:03d}"
