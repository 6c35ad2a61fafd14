"""Checks of the sentences in words that `compare explain` prints, by the library's own traces and losses alone."""

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from explain_lines import Check, made_anew, one_for_two_pi
from explain_rows import rows

from elbo_compare.compare.records import Outcome
from elbo_compare.compare.semantics.explain_text import text
from elbo_compare.suites.semantics.findings import FINDINGS

PACKAGES = {"pyro": ("pyro-ppl", "torch"), "numpyro": ("numpyro", "jax")}
NEAR = 1e-5  # of the size of a sum: float32 pairs add up a few hundred densities in another order
CHOICE = "no claim: says with what is compared"
QUOTED = "quotation: of the register of findings"


@dataclass(frozen=True, kw_only=True)
class Own:
    """A site of the library's own trace: its log density with and without scale, and what is in force there."""

    scaled: float
    plain: float
    scale: tuple[float, float]
    kept: float
    observed: bool
    plates: tuple[tuple[str, int, int], ...]
    family: str
    reparameterised: bool
    whole: bool
    recorded: bool
    bits: int

    @property
    def factor(self) -> float:
        return math.prod(size / rows for _, size, rows in self.plates)


Trace = Mapping[str, Own]


def sentences(told: dict, again: dict, pair: Any, library: str) -> dict[str, list[Check]]:
    """Printed line -> its checks; of a line that states no fact the reason, without an outcome."""
    model, guide = own_traces(pair, library)
    found: dict[str, list[Check]] = {}
    constants, of_rows = dict(_constants(told, pair, library)), dict(rows(told, pair, library))
    for line in (each.strip() for each in text(told)):
        reason = _reason(line)
        if reason:
            found[line] = [(reason, "")]  # type: ignore[list-item]
            continue
        if line in constants:
            found[line] = [("losses computed with 2 pi = 1", constants[line])]
            continue
        if line in of_rows:
            found[line] = [("rows in the library's own traces", of_rows[line])]
            continue
        for pattern, kind, check in RULES:
            match = re.match(pattern, line)
            if match is not None:
                fits = check(match, told, again, model, guide, library)
                if fits is not None:
                    found[line] = [(kind, Outcome.AGREES if fits else Outcome.DIFFERS)]
                break
    return found


def own_traces(pair: Any, library: str) -> tuple[Trace, Trace]:
    """Model and guide as the library's Trace_ELBO runs them under seed 0."""
    if library == "pyro":
        pyro, poutine = sys.modules["pyro"], sys.modules["pyro.poutine"]
        pyro.set_rng_seed(0)
        if pair.within_model:
            pair.guide(*pair.args, **pair.kwargs)
            model, guide = pair.guide.get_traces()
        else:
            guide = poutine.trace(pair.guide).get_trace(*pair.args, **pair.kwargs)
            model = poutine.trace(poutine.replay(pair.model, trace=guide)).get_trace(*pair.args, **pair.kwargs)
        prune = sys.modules["pyro.poutine.util"].prune_subsample_sites
        pruned = [prune(each) for each in (model, guide)]
        for each in pruned:
            each.compute_log_prob()
        return tuple({name: _of_pyro(node) for name, node in each.nodes.items() if node["type"] == "sample"}
                     for each in pruned)  # type: ignore[return-value]  # fmt: skip
    jax, handlers = sys.modules["jax"], sys.modules["numpyro"].handlers
    held = pair._started.held(pair._params)
    model_key, guide_key = jax.random.split(jax.random.key(0))
    guide = handlers.trace(handlers.substitute(handlers.seed(pair.guide, guide_key), data=held))
    guided = guide.get_trace(*pair.args, **pair.kwargs)
    moved = {name: node["value"] for name, node in guided.items() if node["type"] == "mutable"}
    replayed = handlers.substitute(handlers.replay(handlers.seed(pair.model, model_key), guided), data=held | moved)
    modelled = handlers.trace(replayed).get_trace(*pair.args, **pair.kwargs)
    return _of_numpyro(modelled), _of_numpyro(guided)


def _of_pyro(node: Any) -> Own:
    scale = np.asarray(node["scale"].detach() if hasattr(node["scale"], "detach") else node["scale"], dtype=float)
    density = np.asarray(node["log_prob"].detach(), dtype=float)
    plates = tuple((each.name, int(each.full_size or each.size), int(each.size)) for each in node["cond_indep_stack"])
    bits = 64 if str(getattr(node["value"], "dtype", "")) == "torch.float64" else 32
    recorded = bool((node["infer"] or {}).get("_deterministic")) or (
        node["is_observed"] and getattr(node["fn"], "_mask", None) is False and hasattr(node["fn"].base_dist, "v")
    )  # a Delta holds `v`
    return _own(node, density, scale, plates, recorded, bits)


def _of_numpyro(trace: Any) -> Trace:
    sizes = {name: int(node["args"][0]) for name, node in trace.items() if node["type"] == "plate"}
    found = {}
    for name, node in trace.items():
        if node["type"] != "sample":
            continue
        between = [node["intermediates"]] if node["intermediates"] else []
        scale = np.asarray(1.0 if node["scale"] is None else node["scale"], dtype=float)
        found_density = np.asarray(node["fn"].log_prob(node["value"], *between))
        density = scale * found_density.astype(float)
        plates = tuple((each.name, sizes.get(each.name, each.size), each.size) for each in node["cond_indep_stack"])
        bits = 8 * found_density.dtype.itemsize
        found[name] = _own(node, density, scale, plates, False, bits)
    return found


def _own(node: Any, density: np.ndarray, scale: np.ndarray, plates: Any, recorded: bool, bits: int) -> Own:
    base = node["fn"]
    while hasattr(base, "base_dist") and type(base).__name__ in ("Independent", "MaskedDistribution",
                                                                 "ExpandedDistribution"):  # fmt: skip
        base = base.base_dist
    return Own(
        scaled=float(density.sum()), plain=float((density / scale).sum()),
        scale=(float(scale.min()), float(scale.max())),
        kept=float((density != 0).mean()) if density.size else 1.0, observed=bool(node["is_observed"]), plates=plates,
        family=type(base).__name__, reparameterised=bool(node["fn"].has_rsample),
        whole=bool(node["fn"].support.is_discrete), recorded=recorded, bits=bits,
    )  # fmt: skip


def _near(one: float, other: float, size: float = 0.0) -> bool:
    return one == other or abs(one - other) <= NEAR * (abs(one) + size + 1)


def _constants(told: dict, pair: Any, library: str) -> Iterator[tuple[str, Outcome]]:
    """What is left of ½ log 2π in each class: by how much its loss moves where the library computes with 2 pi = 1."""
    lines = [each for each in text(told) if each.startswith("½ log 2π")]
    runs = [each for each in told["classes"] if not each["error"] and each["estimates_elbo"]]
    for line in lines:
        left = re.search(r"([-+][0-9.e+-]+) nats stay", line)
        due = float(left.group(1)) if left else 0.0
        names = re.search(r"\(((?:\w+(?:, )?)+)\)\.$", line)
        of = [each for each in runs if names is None or each["name"] in names.group(1).split(", ")]
        fits = []
        for each in of:
            before = made_anew(each["kind"], pair, library)
            with one_for_two_pi(library):
                after = made_anew(each["kind"], pair, library)
            fits.append(math.isinf(before) or _near(after - before, due, 1e-3 * abs(before)))
        if fits:
            yield line, Outcome.AGREES if all(fits) else Outcome.DIFFERS


def _reason(line: str) -> str:
    if line.startswith("The reference: ") and not line.startswith("The reference: exact"):
        return CHOICE
    return QUOTED if "the registered divergence of this pair is not exact" in line else ""


def _opening(match: re.Match, told: dict, _again: dict, model: Trace, _guide: Trace, library: str) -> bool:
    versions = all(f"{name} {version(name)}" in match.string or name == "torch" for name in PACKAGES[library])
    return versions and int(match.group(1)) == max((each.bits for each in model.values()), default=told["bits"])


def _objective(match: re.Match, told: dict, _again: dict, model: Trace, guide: Trace, _library: str) -> bool | None:
    """The sentence's own formula at the draw of seed 0, against the loss that Trace_ELBO returned there."""
    value = next((-float(each["loss"]) for each in told["classes"] if each["kind"] == "Trace_ELBO"
                  and not each["error"]), math.nan)  # fmt: skip
    if not math.isfinite(value):
        return None
    data = (match.group(1) or "").split(", ") if match.group(1) else []
    moved = (match.group(3) or "").split(", ") if match.group(3) else []
    if {name for name, each in model.items() if each.observed and not each.recorded} - set(data):
        return False  # a datum that the sentence leaves out
    scales = {model[name].scale[0] / model[name].factor for name in data if model[name].observed}
    unit = next(iter(scales), 1.0)
    terms = [model[name].scaled - (guide[name].scaled if name in guide else 0.0) for name in data]
    prior, own = _weights(match.group(2) or "")
    for name in moved:
        p, q, weight = model[name], guide[name], unit * model[name].factor
        if prior is None:
            terms += [p.scaled, -q.scaled]
        else:
            terms += [weight * prior * p.plain, -weight * own * q.plain]
    named = {*data, *moved}
    terms += [-each.scaled for name, each in guide.items() if name not in named and name not in model]
    terms += [each.scaled for name, each in model.items() if name not in named and not each.recorded]
    return _near(math.fsum(terms), value, sum(map(abs, terms)))


def _weights(term: str) -> tuple[float | None, float]:
    """(beta of log p, beta of log q) of the sentence's divergence; None where each site has its own scale."""
    if "own scale" in term:
        return None, 1.0
    both = re.match(r"E_q\[([0-9.e+-]+) log q\(z\) - ([0-9.e+-]+) log p", term)
    if both:
        return float(both.group(2)), float(both.group(1))
    beta = re.search(r"effective beta ([0-9.e+-]+)\)", term) or re.match(r"([0-9.e+-]+) E_q\[log q", term)
    both_alike = float(beta.group(1)) if beta else 1.0
    return both_alike, both_alike


def _summed(_match: re.Match, told: dict, *_: Any) -> bool | None:
    loss = next((-float(each["loss"]) for each in told["classes"] if each["kind"] == "TraceEnum_ELBO"
                 and not each["error"]), None)  # fmt: skip
    return None if loss is None or told["exact"] is None else _near(loss, told["exact"])


def _batch(match: re.Match, _told: dict, _again: dict, model: Trace, *_: Any) -> bool:
    found = {each for site in model.values() for each in site.plates if each[1] != each[2]}
    said = {(name, int(size), int(rows)) for name, rows, size in
            re.findall(r"plate '([^']+)': (\d+) of (\d+)", match.string)}  # fmt: skip
    return found == said


def _no_batch(match: re.Match, _told: dict, _again: dict, model: Trace, *_: Any) -> bool:
    whole = all(size == rows for site in model.values() for _, size, rows in site.plates)
    scaled = any(site.scale != (1.0, 1.0) for site in model.values() if site.observed and not site.recorded)
    return whole and scaled == (" times" in match.string and "N/B times" not in match.string)


def _masks(match: re.Match, _told: dict, _again: dict, model: Trace, guide: Trace, _library: str) -> bool:
    said = re.findall(r"(\S+) keeps (\d+)% in the (model|guide)", match.string)
    return bool(said) and all(f"{(model if role == 'model' else guide)[name].kept:.0%}" == f"{share}%"
                              for name, share, role in said)  # fmt: skip


def _apart(match: re.Match, _told: dict, _again: dict, model: Trace, guide: Trace, _library: str) -> bool:
    names = match.group(1).split(", ")
    if "a point in the guide" in match.string:
        return all(guide[name].family == "Delta" for name in names)
    return all(name in model and name not in guide and not model[name].observed for name in names)


def _weighted(match: re.Match, _told: dict, _again: dict, model: Trace, guide: Trace, _library: str) -> bool:
    return all(_span(side[match.group(1)].scale) == match.group(k) for side, k in ((model, 2), (guide, 3)))


def _span(scale: tuple[float, float]) -> str:
    return f"{scale[0]:g}" if scale[0] == scale[1] else f"{scale[0]:g} to {scale[1]:g}"


def _heading(match: re.Match, told: dict, _again: dict, model: Trace, guide: Trace, _library: str) -> bool | None:
    name = match.group(1)
    return name in model or name in guide if name in {each["name"] for each in told["sites"]} else None


def _remark(match: re.Match, told: dict, _again: dict, model: Trace, guide: Trace, _library: str) -> bool | None:
    """A remark below a site: some site of the pair has what it says."""
    said, both = match.group(1), [(model[name], guide[name]) for name in model if name in guide]
    plate = re.match(r"plate '([^']+)' has size (\d+) in the model and (\d+) in the guide", said)
    if plate:
        name, size, other = plate.groups()
        return any((name, int(size)) in {x[:2] for x in p.plates} and (name, int(other)) in {x[:2] for x in q.plates}
                   for p, q in both)  # fmt: skip
    if said.startswith("values: "):
        return any(p.whole != q.whole and q.whole == ("guide draws whole" in said) for p, q in both)
    if said.startswith("scale "):
        return any(said == f"scale {_span(p.scale)} in the model, {_span(q.scale)} in the guide" for p, q in both)
    if said.startswith("the masks keep"):
        return any(said == f"the masks keep {p.kept:.0%} in the model and {q.kept:.0%} in the guide" for p, q in both)
    if said.startswith("the guide is a Delta"):
        return any(q.family == "Delta" and said.endswith(f"{q.plain:.6g} nats") for _, q in both)
    if "has_rsample=False" in said:
        return any(not each.reparameterised for each in guide.values() if each.observed)
    return None


def _recorded(match: re.Match, _told: dict, _again: dict, model: Trace, *_: Any) -> bool:
    return model[match.group(1)].recorded


def _order(match: re.Match, _told: dict, _again: dict, model: Trace, guide: Trace, _library: str) -> bool:
    return (match.group(1).split(", ") == [name for name in model if name in guide]
            and match.group(2).split(", ") == [name for name in guide if name in model])  # fmt: skip


def _costs(_match: re.Match, told: dict, again: dict, *_: Any) -> bool | None:
    """The heading of the findings against other seeds; where they disagree, neither is known to be wrong."""
    one, other = (any(each["costs"] and not each["condition"] for each in side["findings"]) for side in (told, again))
    return True if one == other else None


def _waiting(_match: re.Match, told: dict, again: dict, *_: Any) -> bool:
    one, other = ({each["id"] for each in side["findings"] if each["costs"] and each["condition"]}
                  for side in (told, again))  # fmt: skip
    return one == other


def _further(match: re.Match, told: dict, _again: dict, _model: Trace, _guide: Trace, library: str) -> bool:
    registered = {each.id for each in FINDINGS if each.id.startswith(f"FIND-{library.upper()}-")}
    return int(match.group(1)) == len(registered - {each["id"] for each in told["findings"]})


Rule = tuple[str, str, Callable[..., bool | None]]
RULES: tuple[Rule, ...] = (
    (r"\w+, float(\d+) \(", "versions of the packages, dtype of the library's trace", _opening),
    (
        r"Maximised on average(?: \(no site is observed\): 0|: E_q\[log p\((.*?)\)\])(?: - (.*), z = (.*))?\.$",
        "the sentence's formula equals Trace_ELBO's loss",
        _objective,
    ),
    (r"Maximised: log p", "TraceEnum_ELBO's loss equals the sum over states", _summed),
    (r"Mini-batch factor N/B", "plates of the library's trace", _batch),
    (r"No mini-batch factor", "plates and scales of the library's trace", _no_batch),
    (r"Masks: ", "log densities that are zero in the library's trace", _masks),
    (
        r"(.+) is weighted differently: (.+) in the model, (.+) in the guide\.$",
        "scales of the library's trace",
        _weighted,
    ),
    (r"(.+): (?:a point in the guide|not in the guide)", "sites of the library's trace", _apart),
    (r"(\S+): a recorded value", "mark in the library's trace", _recorded),
    (r"(\S+):$", "site of the library's trace", _heading),
    (r"! (.+)$", "plates, scales, masks and densities of the library's trace", _remark),
    (r"Order of sites: (.+) in the model, (.+) in the guide;", "order of the library's traces", _order),
    (r"(?:No finding is seen|Findings that cost)", "the same under other seeds", _costs),
    (r"Findings that depend", "the same when tried again", _waiting),
    (r"(\d+) further findings have no shape", "the register less what is listed", _further),
)
