"""The registered divergences under random parameters, batch shapes and boundaries, against quadrature, in a child."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from math import isfinite, isnan
from typing import Any

import numpy as np

from elbo_compare.compare.launching.target import CALLING, IMPORTING, Limits, run_target
from elbo_compare.compare.launching.target_child import Tell
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.pairs.drawn import FIXED, Drawn, Trial, own, place, trials
from elbo_compare.suites.semantics.pairs.nodes import Divergence, conditions, divergence
from elbo_compare.suites.semantics.pairs.sweep import KNOWN

CHILD = "elbo_compare.compare.searching.divergences:answer"
PAIR_S = 120.0  # that the trials of one pair of classes may take
# Fixed nodes leave 1e-9 of the terms that are integrated, differences of the fourth order 1e-7 of the derivative.
VALUE, SLOPE = 1e-8, 1e-6
# float32: 256 roundings of terms of the size of E |log q| + E |log p|, log-gamma functions among them.
# A derivative's terms are no smaller: |dKL/dt|, and what a relative change of each parameter does to it (`conditions`).
SINGLE = 256 * 2.0**-24
SAID = 6  # examples of a pair
# Of registered divergences: the pairs of classes; those of `sweep.KNOWN` come from there.
_DIVERGENCES: Mapping[str, tuple[str, ...]] = {
    "FIND-PYRO-008": ("Delta|Distribution",),
    "FIND-PYRO-010": ("TransformedDistribution|TransformedDistribution",),
    "FIND-PYRO-011": ("ExponentialFamily|ExponentialFamily",),
    "FIND-PYRO-028": ("ExponentialFamily|ExponentialFamily",),
    "FIND-PYRO-012": (
        "ContinuousBernoulli|ContinuousBernoulli",
        "Beta|ContinuousBernoulli",
        "ContinuousBernoulli|Exponential",
        "ContinuousBernoulli|Normal",
    ),
    "FIND-PYRO-019": ("ContinuousBernoulli|Uniform",),
    "FIND-PYRO-034": ("Geometric|Geometric", "Poisson|Binomial", "Poisson|Bernoulli"),
    "FIND-NUMPYRO-013": ("Beta|Beta",),
}


# Of every pair: what has another shape than the batch, and what raises where batches broadcast.
OF_SHAPES: Mapping[Library, str] = {Library.PYRO: "FIND-PYRO-032"}
OF_ERRORS: Mapping[Library, str] = {Library.PYRO: "FIND-PYRO-033"}


# No divergence: what the integral takes otherwise.
_CONVENTIONS: Mapping[tuple[Library, str], str] = {
    (Library.NUMPYRO, "CategoricalProbs|CategoricalProbs"): "no divergence: probabilities are taken as they are where "
    "the integral divides by their sum: gradients differ along (1, 1, 1) alone, values by the rounding of that sum",
}


@dataclass(frozen=True, kw_only=True)
class Off:
    """One number of a trial that is not the integral's: `what` is value, shape, or gradient q.scale."""

    trial: str
    what: str
    found: float
    right: float
    given: str
    double: bool


def answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Every trial of the library, judged: by pair how many numbers there are, and which are off."""
    tell(IMPORTING)
    library = Library(request["library"])
    backend = import_module(f"elbo_compare.suites.semantics.pairs.measure_{library}")
    tell(CALLING)
    rows: dict[str, dict[str, Any]] = {}
    for trial in trials(library, int(request["seed"]), int(request["each"])):
        row = rows.setdefault("|".join(trial.pair), {"numbers": 0, "raised": [], "off": []})
        right = {index: divergence(q, p, FIXED) for index, q, p in trial.cells()}
        spread = {index: conditions(q, p, FIXED) if isfinite(right[index].value) else right[index].slopes
                  for index, q, p in trial.cells()}  # fmt: skip
        for double in (True, False):
            found = backend.measure_trial(trial, double=double)
            if found.raised:
                row["raised"].append(found.raised)
                continue
            numbers, off = judged(trial, found, right, None if double else spread)
            row["numbers"] += numbers
            row["off"] += [{**asdict(each), "found": repr(each.found), "right": repr(each.right)} for each in off]
    return {"pairs": rows}


def judged(
    trial: Trial, found: Drawn, right: Mapping[tuple, Divergence], spread: Mapping[tuple, Mapping] | None = None
) -> tuple[int, list[Off]]:
    """How many numbers were compared, and those that are off; `spread`: the cells' conditions, of a float32 result."""
    double = spread is None
    shape = np.broadcast_shapes(*trial.shapes)
    said = _given(trial)
    if found.value.shape != shape:
        return 1, [Off(trial=trial.label, what="shape", found=found.value.size, right=np.prod(shape, dtype=int),
                       given=said, double=double)]  # fmt: skip
    numbers, off = 0, []
    for index, exact in right.items():
        numbers += 1
        value, size = float(found.value[index]), exact.size if isfinite(exact.size) else 1.0
        allowed = VALUE * (1 + abs(exact.value)) if double else SINGLE * (1 + size)
        if _apart(value, exact.value, allowed):
            off.append(Off(trial=trial.label, what="value", found=value, right=exact.value, given=said, double=double))
    for (side, name), slopes in found.slopes.items():
        axes = own((trial.q if side == "q" else trial.p)[0], name)
        expected, allowed = np.zeros(slopes.shape), np.zeros(slopes.shape)
        for index, exact in right.items():
            where, slope = place(expected, axes, index), exact.slopes[side, name]
            expected[where] += slope
            allowed[where] += 0.0 if spread is None else SINGLE * (abs(slope) + spread[index][side, name])
        allowed += SLOPE * (1 + abs(expected))
        for entry in np.ndindex(slopes.shape):
            if isfinite(expected[entry]) and isfinite(allowed[entry]):
                numbers += 1
                if _apart(float(slopes[entry]), float(expected[entry]), float(allowed[entry])):
                    off.append(Off(trial=trial.label, what=f"gradient {side}.{name}", found=float(slopes[entry]),
                                   right=float(expected[entry]), given=said, double=double))  # fmt: skip
    return numbers, off


def _given(trial: Trial) -> str:
    sides = []
    for name, (family, arguments) in (("q", trial.q), ("p", trial.p)):
        values = ", ".join(f"{key}={np.array2string(np.asarray(each), precision=4, separator=', ')}"
                           for key, each in arguments.items())  # fmt: skip
        sides.append(f"{name} = {family}({' '.join(values.split())})")
    return ", ".join(sides)


def _apart(one: float, other: float, allowed: float) -> bool:
    if not (isfinite(one) and isfinite(other)):
        return not (one == other or (isnan(one) and isnan(other)))
    return abs(one - other) > allowed


def divergences(library: Library, seed: int, each: int) -> Mapping[str, Any] | str:
    """By pair of classes, or why there is nothing."""
    asked = {"library": str(library), "seed": seed, "each": each}
    returned = run_target(CHILD, asked, "compare search", Limits(calls_s=PAIR_S * 100))
    return returned.answer["pairs"] if returned.answer is not None else returned.reason


def of_divergences(library: Library) -> Mapping[str, list[str]]:
    """By registered pair of classes, the findings about it."""
    found: dict[str, list[str]] = {}
    mine = {finding.id for finding in FINDINGS if finding.library is library}
    for name, pairs in _DIVERGENCES.items():
        for pair in pairs:
            if name in mine:
                found.setdefault(pair, []).append(name)
    for (owner, pair), case in KNOWN.items():
        names = [finding.id for finding in FINDINGS if case in finding.cases and finding.library is owner]
        if owner is library:
            found.setdefault(pair.partition("#")[0], []).extend(names)
    return {pair: list(dict.fromkeys(names)) for pair, names in found.items()}


def recognised(library: Library, name: str, pair: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The findings that a pair's numbers are known for, and whether any of them is known for none."""
    shapes = [one for one in pair["off"] if one["what"] == "shape"]
    found = list(of_divergences(library).get(name, ())) if len(shapes) < len(pair["off"]) else []
    fresh = len(shapes) < len(pair["off"]) and not found and (library, name) not in _CONVENTIONS
    for seen, known in ((shapes, OF_SHAPES), (pair["raised"], OF_ERRORS)):
        found += [known[library]] if seen and library in known else []
        fresh = fresh or (bool(seen) and library not in known)
    return list(dict.fromkeys(found)), fresh


def lines(library: Library, pairs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Counts, then each pair with something off: what, an example, and the registered finding that it is known for."""
    numbers = sum(each["numbers"] for each in pairs.values())
    off = {name: each for name, each in pairs.items() if each["off"]}
    yield (
        f"{library}: {len(pairs)} registered divergences, {numbers} numbers against quadrature, "
        f"{len(off)} pairs with any off."
    )
    for name, each in off.items():
        what = Counter(f"{one['what']}{'' if one['double'] else ' in float32'}" for one in each["off"])
        found, fresh = recognised(library, name, each)
        identifiers = ", ".join([*found, *(["NEW"] if fresh else [])]) or _CONVENTIONS[library, name]
        yield f"  {name} ({identifiers}): " + ", ".join(f"{count} {kind}" for kind, count in what.items())
        for one in each["off"][:SAID]:
            single = "" if one["double"] else ", float32"
            yield f"    {one['what']}{single} {one['found']} for {one['right']}: {one['given']}"
    for name, each in pairs.items():
        if each["raised"]:
            identifiers = ", ".join(recognised(library, name, each)[0]) or "NEW"
            yield f"  {name} ({identifiers}) raised {len(each['raised'])} times: {each['raised'][0]}"
