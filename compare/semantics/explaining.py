"""`compare explain`: runs a user's model and guide in a process of its own and says what TraceMeanField_ELBO does."""

import json
from collections.abc import Mapping
from typing import Any

from elbo_compare.compare.checking.process import Answer, program_of
from elbo_compare.compare.launching.target import IMPORTS_S, Limits, run_target
from elbo_compare.suites.semantics.findings import FINDINGS

TITLES = {finding.id: finding.title for finding in FINDINGS}


def explain_pair(
    model: str, guide: str, args: str, library: str | None, timeout_s: float, imports_s: float = IMPORTS_S
) -> Answer:
    """The explanation of MODULE:MODEL and MODULE:GUIDE on arguments, by `suites.semantics.explain_<library>`. Exit code
    0: explained, 2: can't be loaded, 3: raises or hangs."""
    request = {"model": model, "guide": guide, "args": args, "library": library}
    limits = Limits(calls_s=timeout_s, imports_s=imports_s)
    returned = run_target("elbo_compare.compare.semantics.explain_child:answer", request, program_of(model), limits)
    content = returned.answer or {"message": returned.reason, "loaded": True}
    if "explanation" not in content:
        code = 3 if content["loaded"] else 2
        return Answer(exit_code=code, text=content["message"], json=json.dumps({"message": content["message"]}))
    explanation = content["explanation"]
    return Answer(exit_code=0, text="\n".join(_text(explanation)), json=json.dumps(explanation, indent=1))


def _text(explanation: Mapping[str, Any]) -> list[str]:
    lines = [f"TraceMeanField_ELBO on this pair ({explanation['versions']}), one draw, seed 0:", ""]
    for each in explanation["sites"]:
        lines += [*_site(each), ""]
    loss, total = explanation["loss"], explanation["total"]
    if explanation["error"]:
        lines.append(f"TraceMeanField_ELBO raises {explanation['error']}")
    else:
        lines.append(f"TraceMeanField_ELBO().loss = {_nats(loss)}; the terms above add up to {_nats(total)}")
    lines.append(f"Trace_ELBO().loss = {_nats(explanation['trace_loss'])} under the same seed")
    lines += explanation["remarks"]
    found = [*explanation["findings"], *(name for each in explanation["sites"] for name in each["findings"])]
    lines += ["", "Findings that apply:" if found else "No finding applies."]
    lines += [f"  {name}  {TITLES.get(name, '')}" for name in dict.fromkeys(found)]
    return lines


def _site(each: Mapping[str, Any]) -> list[str]:
    site = each["site"]
    lines = [f"{site['name']}: {' + '.join(each['treatments'])}"]
    for role in ("guide", "model"):
        side = site[role]
        if side is not None and not (role == "guide" and site["observed"]):
            lines.append(f"  {role + ':':<10}{side['shown']}; {_context(side)}")
    lines.append(f"  term:     {_nats(each['term'])}; Trace_ELBO's at this draw: {_nats(each['sampled_term'])}")
    lines.append(f"  constants: {each['constants']}")
    return lines + [f"  ! {remark}" for remark in each["remarks"]]


def _context(side: Mapping[str, Any]) -> str:
    """Plates, scale and mask in force."""
    low, high = side["scale"]
    plates = ", ".join(
        f"{plate['name']} {plate['rows']} of {plate['size']}" if plate["rows"] != plate["size"]
        else f"{plate['name']} {plate['size']}" for plate in side["plates"]
    )  # fmt: skip
    mask = f"mask keeps {side['kept']:.0%}" if side["kept"] < 1 else "no mask"
    scale = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"plates: {plates or 'none'}; scale {scale}; {mask}"


def _nats(value: Any) -> str:
    return f"{value:.6g} nats" if isinstance(value, float | int) else f"{value}"
