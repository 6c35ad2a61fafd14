"""What TraceMeanField_ELBO does with each site of a user's model and guide, from facts that a backend extracted.

No framework is imported here: `explain_pyro` and `explain_numpyro` run the pair once under a fixed seed and give `Site`
records; `explain` says what the library makes of them and which findings apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import log, nan, pi

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.pairs.sweep import KNOWN

HALF_LOG_2PI = 0.5 * log(2 * pi)


class Treatment(StrEnum):
    """What TraceMeanField_ELBO does with a site."""

    ANALYTIC = "analytic"  # minus the registered KL(q || p)
    SAMPLED = "sampled"  # log p - log q at the guide's draw
    WRONG_SCALE = "wrong scale"  # the KL is multiplied by the guide's scale, where the model's differs
    MASK_IGNORED = "mask ignored"  # the KL is masked by the guide's mask or by none, where the model's differs
    LIKELIHOOD = "log-likelihood"  # an observed site: + log p(x | z)
    AUXILIARY = "auxiliary"  # only in the guide: - log q
    RAISES = "raises"


@dataclass(frozen=True, kw_only=True)
class Plate:
    """One plate around a site: `size` as declared, `rows` drawn by subsampling."""

    name: str
    size: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Side:
    """A site in the model or in the guide.

    `scale`: (least, largest) in force; `kept`: share of the elements that the masks keep (handlers and dist.mask), and
    `own_mask`: the distribution itself is masked. `weight`: sum of scale * mask over elements, event dimensions
    included. `log_prob`: scaled and masked sum in nats. `log_density`: of a Delta, summed. `edge`: parameters or data
    lie where a finding about the family begins (a saturated logit, a shared end, a concentration of 8, a grey pixel).
    """

    family: str
    shown: str
    scale: tuple[float, float] = (1.0, 1.0)
    kept: float = 1.0
    own_mask: bool = False
    mask_digest: str = ""
    weight: float = 0.0
    plates: tuple[Plate, ...] = ()
    log_prob: float = nan
    log_density: float = 0.0
    gaussian: bool = False
    discrete: bool = False
    edge: bool = False


@dataclass(frozen=True, kw_only=True)
class Site:
    """One name. `kl`: the library's own term (KL scaled and masked as it does it), None where none is registered;
    `error`: what the library would raise for this site."""

    name: str
    model: Side | None = None
    guide: Side | None = None
    observed: bool = False
    auxiliary: bool = False
    kl: float | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A site with what happens: `term` is its contribution to the ELBO in nats at the draw of this run."""

    site: Site
    treatments: tuple[Treatment, ...]
    term: float
    sampled_term: float
    constants: str
    remarks: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The whole pair. `loss`: what TraceMeanField_ELBO().loss returned under the same seed, nan where it raised."""

    library: Library
    versions: str
    sites: tuple[Explained, ...]
    loss: float
    trace_loss: float
    error: str = ""
    remarks: tuple[str, ...] = ()
    findings: tuple[str, ...] = field(default_factory=tuple)

    @property
    def total(self) -> float:
        """Minus the sum of the sites' terms: equal to `loss` where this explanation is complete."""
        return -sum(each.term for each in self.sites)


def explain_site(site: Site, library: Library) -> Explained:
    """Treatment, terms, constants, remarks and findings of one site."""
    treatments, remarks, findings = _treated(site, library)
    model = site.model.log_prob if site.model else 0.0
    guide = site.guide.log_prob if site.guide and not site.observed else 0.0
    term = model - guide if site.kl is None else -site.kl
    return Explained(
        site=site,
        treatments=treatments,
        term=nan if Treatment.RAISES in treatments else term,
        sampled_term=model - guide,
        constants=_constants(site),
        remarks=remarks,
        findings=findings,
    )


def _treated(site: Site, library: Library) -> tuple[tuple[Treatment, ...], tuple[str, ...], tuple[str, ...]]:
    remarks, findings = list(_notes(site, library)), _distribution_findings(site, library)
    if site.error:
        return (Treatment.RAISES,), (site.error, *remarks), tuple(findings)
    if site.observed or site.model is None:
        kind = Treatment.LIKELIHOOD if site.model is not None else Treatment.AUXILIARY
        return (kind,), tuple(remarks), tuple(findings)
    if site.guide is None:
        findings.append(_finding(library, 4))
        remarks.append("the guide lacks this latent; Trace_ELBO draws it from the prior and adds log p alone")
        return (Treatment.RAISES,), tuple(remarks), tuple(findings)
    treatments = [Treatment.SAMPLED if site.kl is None else Treatment.ANALYTIC]
    for found, text, identifier in _weights(site, site.model, site.guide, library):
        treatments += [found] if found is not None and found not in treatments else []
        remarks.append(text)
        findings += [identifier] if identifier else []
    return tuple(treatments), tuple(remarks), tuple(dict.fromkeys(findings))


def _weights(site: Site, model: Side, guide: Side, library: Library):
    """(treatment, remark, finding) for every way in which scale, mask or plates differ between the two sides."""
    analytic = site.kl is not None
    pairs = [(p, q) for p in model.plates for q in guide.plates if p.name == q.name and p.size != q.size]
    for p, q in pairs:
        text = f"plate {p.name!r} has size {p.size} in the model and {q.size} in the guide; nothing warns"
        yield (Treatment.WRONG_SCALE if analytic else None), text, _finding(library, 2)
    if model.scale != guide.scale and not pairs:
        shown = f"scale {_span(model.scale)} in the model, {_span(guide.scale)} in the guide"
        if analytic:
            yield Treatment.WRONG_SCALE, f"{shown}: the KL is multiplied by the guide's", _finding(library, 1)
        else:
            yield None, f"{shown}: each log density has its own, as in Trace_ELBO", ""
    if model.mask_digest == guide.mask_digest:
        return
    if not analytic:
        yield None, "the masks differ: each log density has its own, as in Trace_ELBO; this is why it samples", ""
    elif model.own_mask and guide.own_mask:
        text = "the masks differ: the KL keeps what both keep"
        yield Treatment.MASK_IGNORED, text, "FIND-PYRO-020" if library is Library.PYRO else "FIND-NUMPYRO-012"
    else:
        text = f"the mask keeps {model.kept:.0%} in the model and {guide.kept:.0%} in the guide: the guide's is used"
        yield Treatment.MASK_IGNORED, text, "FIND-PYRO-007" if library is Library.PYRO else ""


def _distribution_findings(site: Site, library: Library) -> list[str]:
    """Findings about a distribution or a pair of families rather than about handlers."""
    model, guide = site.model, site.guide
    found = []
    if site.observed and model is not None and model.family == "BernoulliProbs":
        found.append(_finding(library, 5))
    if site.observed and model is not None and model.family.startswith("Bernoulli") and model.edge:
        found += ["FIND-NUMPYRO-010"] if library is Library.NUMPYRO else []
    if model is None or guide is None or site.observed:
        return found
    pair = f"{guide.family}|{model.family}"
    if library is Library.NUMPYRO:
        found += ["FIND-NUMPYRO-009"] if pair == "Kumaraswamy|Beta" and site.kl is not None else []
        found += ["FIND-NUMPYRO-013"] if pair == "Beta|Beta" and (model.edge or guide.edge) else []
        found += ["FIND-NUMPYRO-008"] if guide.discrete else []
    elif site.kl is not None:
        always = {"Wishart|Wishart": "FIND-PYRO-011", "FoldedDistribution|FoldedDistribution": "FIND-PYRO-010"}
        edges = {
            "ContinuousBernoulli|ContinuousBernoulli": "FIND-PYRO-012",
            "Uniform|ContinuousBernoulli": "FIND-PYRO-019",
        }
        found += [always[pair]] if pair in always else []
        found += [edges[pair]] if pair in edges and (guide.edge or model.edge) else []
        found += ["FIND-PYRO-008"] if guide.family == "Delta" and guide.log_density else []
    return found


def _notes(site: Site, library: Library) -> tuple[str, ...]:
    notes = []
    if site.guide is not None and site.guide.log_density and site.kl is not None:
        notes.append(f"the guide is a Delta with log_density {site.guide.log_density:.6g} nats")
    case = approximate(site, library)
    return (*notes, f"the registered divergence of this pair is not exact: see {case}") if case else tuple(notes)


def approximate(site: Site, library: Library) -> str:
    """The case that says how the registered divergence of this pair is not exact; empty where it is."""
    if site.model is None or site.guide is None or site.kl is None:
        return ""
    return KNOWN.get((library, f"{site.guide.family}|{site.model.family}"), "")


def _constants(site: Site) -> str:
    """½ log 2π per normal dimension, as the site's scales and masks weight it: what stands in log q and in log p."""
    q = site.guide if not site.observed else None
    shares = [
        f"{name} holds {-HALF_LOG_2PI * side.weight:+.6g}"
        for name, side in (("log q", q), ("log p", site.model))
        if side is not None and side.gaussian
    ]
    if not shares:
        return "no ½ log 2π; every density is fully normalised"
    if q is None or site.model is None:
        return f"½ log 2π: {shares[0]} nats; it stays in the ELBO"
    if site.kl is not None and q.gaussian and site.model.gaussian:
        return f"½ log 2π: {', '.join(shares)} nats; both are gone from the analytic KL"
    left = HALF_LOG_2PI * (q.weight * q.gaussian - site.model.weight * site.model.gaussian)
    return f"½ log 2π: {', '.join(shares)} nats; {left:+.6g} stay in log p - log q"


def pair_remarks(model_order: Sequence[str], guide_order: Sequence[str], library: Library) -> tuple[str, str]:
    """(remark, finding) where the shared sites stand in another order in the guide; two empty texts where not."""
    if list(model_order) == list(guide_order):
        return "", ""
    text = (
        f"order of sites: {', '.join(model_order)} in the model, {', '.join(guide_order)} in the guide; the library "
        "warns. Where a site's parents in the model depend on it in the guide, the analytic KL is wrong"
    )
    return text, _finding(library, 3)


def _finding(library: Library, number: int) -> str:
    """FIND-PYRO-001; the first six numbers mean the same in both libraries."""
    return f"FIND-{library.upper()}-{number:03d}"


def _span(scale: tuple[float, float]) -> str:
    low, high = scale
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
