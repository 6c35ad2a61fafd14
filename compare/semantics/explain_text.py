"""An explanation as lines of text: the objective first, then the classes, the findings with their cost, the sites."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from elbo_compare.suites.roster import TITLES

LEAST = 10  # draws; the interval of fewer says nothing
Explanation = Mapping[str, Any]  # or a part of it, as the JSON of `compare explain` has it


def text(told_of: Explanation) -> list[str]:
    """The lines that `compare explain` prints."""
    library = TITLES[told_of["library"]]
    lines = [f"{library}, float{told_of['bits']} ({told_of['versions']}); numbers in nats.", *told_of["objective"], ""]
    for site in told_of["sites"]:
        lines += [*_site(site, told_of["classes"]), ""]
    lines += [f"The reference: {told_of['reference']}{_exact(told_of)}."]
    for each in told_of["classes"]:
        lines += _class(each)
    lines += [*_constants(told_of["classes"]), *told_of["remarks"], "", *_findings(told_of["findings"])]
    lines.append(f"{len(told_of['without_shape'])} further findings have no shape here; --json says what each needs.")
    return lines


def _exact(told_of: Explanation) -> str:
    return f": ELBO {_nats(told_of['exact'])}" if told_of["exact"] is not None else ""


def _site(site: Explanation, classes: Sequence[Explanation]) -> list[str]:
    lines = [f"{site['name']}:"]
    if site["deterministic"]:
        return [f"{site['name']}: a recorded value, without a density"]
    for role in ("guide", "model"):
        side = site[role]
        if side is not None and not (role == "guide" and site["observed"]):
            lines.append(f"  {role + ':':<7}{side['shown']}; {_context(side)}")
    for names, roles, term in _grouped(site["name"], classes, site["error"]):
        lines.append(f"  {names}: {roles}{term}")
    return lines + [f"  ! {remark}" for remark in site["remarks"]]


def _grouped(name: str, classes: Sequence[Explanation], error: str) -> list[tuple[str, str, str]]:
    """Classes that do the same with a site, on one line."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in classes:
        if each["error"] and "raises" not in each["roles"][name]:
            continue  # the class says below what it raises, and it is not this site
        roles, term = " + ".join(each["roles"][name]), each["terms"][name]
        shown = f", {_nats(term)}" if isinstance(term, float) and isfinite(term) else ""
        if each["roles"][name] == ["raises"]:
            before = each["raises_at"] not in ("", name)
            shown = f" {error}" if error else f" at {each['raises_at']!r} before" if before else f" {each['error']}"
        groups.setdefault((roles, shown), []).append(each["name"])
    return [(", ".join(names), roles, shown) for (roles, shown), names in groups.items()]


def _context(side: Explanation) -> str:
    """Plates, scale and mask in force."""
    low, high = side["scale"]
    plates = ", ".join(
        f"{plate['name']} {plate['rows']} of {plate['size']}" if plate["rows"] != plate["size"]
        else f"{plate['name']} {plate['size']}" for plate in side["plates"]
    )  # fmt: skip
    mask = f"mask keeps {side['kept']:.0%}" if side["kept"] < 1 else "no mask"
    scale = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"plates: {plates or 'none'}; scale {scale}; {mask}"


def _class(each: Explanation) -> list[str]:
    if each["error"]:
        where = f" at site {each['raises_at']!r}" if each["raises_at"] else ""
        case = f" ({each['case']})" if each["case"] else ""
        return [f"{each['name']}: raises{where}: {each['error']}{case}"]
    if isinstance(each["loss"], str) and not each["estimates_elbo"]:
        return [f"{each['name']}: {each['objective']}; returned {each['loss']}"]
    parts = [f"loss {_nats(each['loss'])} at seed 0"]
    if each["adds_up"] is not None:
        parts[0] += ", the sum of the terms" if each["adds_up"] else f", but the terms add up to {_nats(each['total'])}"
    if each["estimates_elbo"]:
        reference = (each["difference"] or {}).get("beside") == each["name"]
        parts.append("the reference" if reference else _difference(each["difference"]))
        parts.append("" if reference else _gradient(each["gradient"]))
    else:
        parts.append(each["objective"])
        parts.append(_above(each["difference"]))
    return [f"{each['name']}: {'; '.join(part for part in parts if part)}."]


def _difference(estimate: Explanation | None) -> str:
    if estimate is None:
        return "its mean was not compared"
    other = f"that of {estimate['beside']}" if estimate["beside"] else "the exact one"
    if estimate["same"]:
        return f"value {other} at each of {estimate['n']} draws"
    if estimate["seen"]:
        return f"mean ELBO off by {interval(estimate)}"
    if estimate["n"] < LEAST or not _finite(estimate["low"]):
        return f"its mean was not compared: {estimate['n']} draws are too few"
    return f"mean ELBO less {other} {interval(estimate)}: no bias seen"


def _gradient(slope: Explanation | None) -> str:
    if slope is None:
        return ""
    if slope["same"]:
        return "gradient too"
    if slope["seen"]:
        share = f", {slope['relative']:.0%} of its length" if _finite(slope["relative"]) else ""
        return f"gradient off by {interval(slope)} along {slope['direction']}{share}"
    if slope["n"] < LEAST or not _finite(slope["low"]):
        return ""
    return f"gradient: no bias seen (each direction within ±{slope['widest']:.2g})"


def _above(estimate: Explanation | None) -> str:
    if estimate is None or not _finite(estimate["low"]):
        return ""
    if estimate["n"] < LEAST and estimate["low"] != estimate["high"]:
        return ""
    if estimate["same"]:
        return f"the ELBO here, at each of {estimate['n']} draws"
    return f"its mean less the ELBO {interval(estimate)}"


def interval(estimate: Explanation) -> str:
    """-0.31 nats (-0.33 to -0.29, n = 200)."""
    low, high, mean = estimate["low"], estimate["high"], estimate["mean"]
    if not _finite(mean):
        return f"{mean} nats"
    if low == high:
        return f"{mean:.4g} nats (the same at each of {estimate['n']} draws)"
    if not (_finite(low) and _finite(high)):
        return f"{mean:.4g} nats (no interval: n = {estimate['n']})"
    return f"{mean:.3g} nats ({low:.3g} to {high:.3g}, n = {estimate['n']})"


def _constants(classes: Sequence[Explanation]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for each in classes:
        if not each["error"] and each["estimates_elbo"]:
            groups.setdefault(each["constants"], []).append(each["name"])
    if len(groups) == 1:
        return [f"{line}." for line in groups]
    return [f"{line} ({', '.join(names)})." for line, names in groups.items()]


def _findings(findings: Sequence[Explanation]) -> list[str]:
    costly = [each for each in findings if each["costs"] and not each["condition"]]
    waiting = [each for each in findings if each["costs"] and each["condition"]]
    free = [each for each in findings if not each["costs"]]
    lines = [
        "Findings that cost something on this pair:" if costly else "No finding is seen to cost anything on this pair."
    ]
    for identifier in dict.fromkeys(each["id"] for each in costly):
        same = [each for each in costly if each["id"] == identifier]
        lines += [f"  {identifier}  {same[0]['title']}", *(f"    {_finding(each)}" for each in same)]
    if waiting:
        lines.append("Findings that depend on what else the program does:")
    for each in waiting:
        lines += [f"  {each['id']}  {each['title']}", f"    {_finding(each)}; {each['condition']}"]
    lines += [f"  {each['id']} ({each['class']}) has its shape here; {_nothing(each)}." for each in free]
    return lines


def _finding(each: Explanation) -> str:
    where = f" at {', '.join(each['sites'])}" if each["sites"] else ""
    measured = "; ".join(part for part in (_cost(each["cost"]), _slope(each["gradient"])) if part)
    return f"{each['class']}{where}: {' '.join(part for part in (measured, each['fact']) if part)}"


def _cost(cost: Explanation | None) -> str:
    if cost is None:
        return ""
    return f"off by {interval(cost)}" if cost["seen"] else f"{interval(cost)}, no bias seen"


def _slope(slope: Explanation | None) -> str:
    return _gradient(slope) if slope is not None else ""


def _nothing(each: Explanation) -> str:
    cost = each["cost"]
    if cost is None and each["fact"]:
        return f"not seen: {each['fact']}"
    if cost is None and (each["gradient"] or {}).get("same"):
        return f"it costs nothing: the gradient is the right one at each of {each['gradient']['n']} draws"
    if cost is None:
        return _gradient(each["gradient"]) or "its cost could not be measured"
    if cost["same"]:
        return f"it costs nothing, at none of {cost['n']} draws"
    settled = "it costs nothing" if cost["outcome"] == "agrees" else "no cost seen"
    slope = _slope(each["gradient"])
    return f"{settled}: {interval(cost)}" + (f"; {slope}" if slope else "")


def _finite(value: Any) -> bool:
    return isinstance(value, float | int) and isfinite(value)


def _nats(value: Any) -> str:
    return f"{value + 0.0:.6g} nats" if isinstance(value, float | int) else f"{value} nats"
