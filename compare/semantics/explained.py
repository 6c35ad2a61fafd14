"""A pair and what was measured on it -> one explanation: plain numbers and texts for screen, JSON and frame alike."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from math import isclose, isfinite
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.semantics.measuring import MOST_S, UNIT, ClassMeasured, FindingMeasured, Measured, measure
from elbo_compare.suites import roster
from elbo_compare.suites.semantics.explaining.applying import order_remark
from elbo_compare.suites.semantics.explaining.facts import ClassFacts, Pair
from elbo_compare.suites.semantics.explaining.needs import needs_of
from elbo_compare.suites.semantics.explaining.objective import constants, optimised
from elbo_compare.suites.semantics.explaining.roles import (
    ELBOS,
    Treatment,
    objective_of,
    raising_site,
    site_remarks,
    sums_jointly,
    total,
    treatment,
    without_density,
)
from elbo_compare.suites.semantics.findings import FINDINGS

TITLES = {finding.id: finding.title for finding in FINDINGS}


def explained(pair: Pair, most_s: float = MOST_S, draws: int | None = None) -> dict[str, Any]:
    """The explanation of a pair that is ready to be drawn from, in `most_s` seconds of drawing or by `draws` draws."""
    if not pair.sites:
        raise TargetError(
            f"Neither model nor guide has a sample site of {roster.TITLES[pair.library]}: nothing is there to explain. "
            "A pair of the other library is explained with --library."
        )
    tried = import_module(f"elbo_compare.suites.semantics.explaining.{pair.library}_trials").trials(pair)
    return explanation(pair, measure(pair, most_s, draws, tried))


def explanation(pair: Pair, measured: Measured) -> dict[str, Any]:
    """Everything that is told of a pair. Numbers are in nats with ELBO sign, but `loss`, which is the library's."""
    asked = [each for each in pair.classes if each.asked]
    classes = [_class(each, pair, measured.classes.get(each.name, ClassMeasured())) for each in asked]
    kinds = {each.kind for each in asked}
    remark = order_remark(pair.order)
    names = {each.kind: each.name.partition("(")[0] for each in reversed(asked)}
    findings = [_finding(each, names[each.candidate.kind]) for each in measured.findings
                if each.candidate.kind in kinds]  # fmt: skip
    return {
        "library": str(pair.library),
        "versions": pair.versions,
        "bits": pair.bits,
        "objective": list(optimised(pair.sites)),
        "reference": measured.reference,
        "exact": measured.exact.value if measured.exact else None,
        "draws": measured.n,
        "sites": [asdict(site) | {"remarks": list(site_remarks(site, pair.library))} for site in pair.sites],
        "classes": classes,
        "findings": findings,
        "wrong": _is_wrong(classes, findings),
        "without_shape": needs_of(str(pair.library), {each["id"] for each in findings}),
        "remarks": [*pair.remarks, *([remark] if remark and "TraceMeanField_ELBO" in kinds else [])],
    }


def _class(facts: ClassFacts, pair: Pair, measured: ClassMeasured) -> dict[str, Any]:
    jointly = sums_jointly(pair.sites, facts.kind, pair.library)
    by_site = {site.name: treatment(site, facts.kind, pair.library, jointly=jointly) for site in pair.sites}
    added = total(list(by_site.values()), facts)
    analytic = [name for name, each in by_site.items() if without_density(each)]
    return {
        "name": facts.name,
        "kind": facts.kind,
        "estimates_elbo": facts.kind in ELBOS,
        "objective": objective_of(facts.kind, pair.sites, pair.library),
        "loss": -facts.value,
        "error": facts.error,
        "raises_at": raising_site(pair.sites, facts.kind, facts.error) if facts.error else "",
        "case": _case(facts, pair),
        "particles": facts.particles,
        "roles": {name: list(map(str, each.roles)) for name, each in by_site.items()},
        "terms": {name: each.term for name, each in by_site.items()},
        "total": None if added is None else -added,
        "adds_up": None if added is None else _adds_up(added, facts.value, list(by_site.values()), pair.bits),
        "constants": constants(pair.sites, analytic),
        "mean": _plain(measured.mean),
        "difference": _plain(measured.difference),
        "gradient": None if measured.gradient is None else {
            "direction": measured.gradient.direction, "relative": measured.gradient.relative,
            "widest": measured.gradient.widest, **(_plain(measured.gradient.worst) or {}),
        },
    }  # fmt: skip


def _plain(estimate: Any) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return asdict(estimate) | {"seen": estimate.seen, "outcome": str(estimate.outcome)}


def _adds_up(added: float, value: float, terms: Sequence[Treatment], bits: int) -> bool:
    """The class returned the sum of the terms: float32 sums of a few thousand densities differ by their order."""
    size = sum(abs(each.term) for each in terms if isfinite(each.term))
    return isclose(added, value, abs_tol=64 * UNIT[bits] * (size + 1), rel_tol=0.0)


def _finding(each: FindingMeasured, name: str) -> dict[str, Any]:
    found = each.candidate
    gradient = each.gradient
    return {
        "id": found.id,
        "title": TITLES.get(found.id, ""),
        "class": name,
        "sites": list(found.sites),
        "costs": each.costs,
        "cost": _plain(each.cost),
        "gradient": None if gradient is None else {
            "direction": gradient.direction, "relative": gradient.relative, "widest": gradient.widest,
            **(_plain(gradient.worst) or {}),
        },
        "fact": found.fact,
        "condition": found.condition,
    }  # fmt: skip


def _case(facts: ClassFacts, pair: Pair) -> str:
    """The case that a message belongs to, or what it means where it says nothing."""
    error = facts.error
    if "expected scale > 0" in error.lower() or ("scale" in error and "positive" in error):
        return "SEM-SCALE-004"
    if facts.kind == "ReweightedWakeSleep" and not any(site.guide for site in pair.sites):
        return "the guide draws nothing, and so no particle has a weight"
    if isfinite(facts.unchecked):
        return f"it is Pyro's validation that refuses: without it the loss is {-facts.unchecked:.6g} nats"
    return ""


def _is_wrong(classes: Sequence[Mapping[str, Any]], findings: Sequence[Mapping[str, Any]]) -> bool:
    """A class that estimates the ELBO is seen to be off, in value or in gradient, or a finding costs something."""
    off = any(
        (each["difference"] or {}).get("seen") or (each["gradient"] or {}).get("seen")
        for each in classes if each["estimates_elbo"]
    )  # fmt: skip
    return bool(off or any(each["costs"] and not each["condition"] for each in findings))
