"""The child's side of `compare search`: pairs through a library's classes, judged; candidates measured anew."""

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from math import isfinite
from time import process_time
from typing import Any

import numpy as np

from elbo_compare.compare.launching.target import CALLING, IMPORTING
from elbo_compare.compare.launching.target_child import Tell
from elbo_compare.compare.records import Outcome
from elbo_compare.compare.searching.judging import Judged, differing, judged, worst
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching import shrinking
from elbo_compare.suites.semantics.searching.description import Pair, from_json, to_json
from elbo_compare.suites.semantics.searching.grammar import draw
from elbo_compare.suites.semantics.searching.objectives import exact_of, has_objective
from elbo_compare.suites.semantics.searching.productions import productions
from elbo_compare.suites.semantics.searching.ways import (
    PYTHON_DRAWS,
    RELATIVES,
    WAYS,
    Particles,
    Way,
    applicable,
    per_block,
)

STEPS = 40  # of shrinking, each a measurement
# Where a class works out its loss, of what it has itself.
COMPUTING = ("_differentiable_loss_particle", "loss_and_grads", "loss_with_mutable_state", "loss", "__call__")
ANEW = 1_000_003  # added to the seed where a candidate is measured again


def answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Every pair of `indices`, or the given `pairs`, in the library's ways."""
    tell(IMPORTING)
    bench = Bench(request)
    tell(CALLING)
    if "pairs" in request:
        peers = [bench.peer(from_json(each["pair"]), Way(**_way(each["way"]))) for each in request["pairs"]]
        return _plain({"peers": peers})
    pairs = [bench.searched(index) for index in request["indices"]]
    return _plain({"pairs": pairs, "known": [[name, sorted(kinds), sorted(core)] for name, kinds, core in bench.known]})


def alarms(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Pairs in ways that are known to be right, under many seeds: how many runs are told to differ, once and twice."""
    tell(IMPORTING)
    bench = Bench(request)
    tell(CALLING)
    counts = {"runs": 0, "agrees": 0, "inconclusive": 0, "raises": 0, "differs once": 0, "differs twice": 0}
    for seed in request["seeds"]:
        pair = draw(bench.seed, request["indices"][seed % len(request["indices"])])
        for way in (Way(**_way(each)) for each in request["in_ways"]):
            found, raised = bench.run(pair, way, seed)
            again = bench.run(pair, way, seed + ANEW)[0] if worst(found) is Outcome.DIFFERS else []
            counts["runs"] += 1
            counts["raises"] += bool(raised)
            counts["agrees"] += not raised and worst(found) is Outcome.AGREES
            counts["inconclusive"] += worst(found) is Outcome.INCONCLUSIVE
            counts["differs once"] += worst(found) is Outcome.DIFFERS
            counts["differs twice"] += bool(_both(found, again))
    return counts


def _plain(value: Any) -> Any:
    """Strict JSON: what is not finite is written as text."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _options(way: Way) -> frozenset[str]:
    """What of a way counts beside the productions of its pair."""
    return frozenset([way.option] if way.option else [])


def _way(content: Mapping[str, Any]) -> dict[str, Any]:
    return {**content, "particles": Particles(content["particles"])}


class Bench:
    """One library, ready to measure; `known` are the cores that earlier candidates were shrunk to."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.library = Library(request["library"])
        self.backend = import_module(f"elbo_compare.suites.semantics.searching.measure_{self.library}")
        self.seed, self.level = int(request["seed"]), float(request["level"])
        self.ways_per_pair, self.elbo = int(request["ways"]), str(request.get("elbo", ""))
        self.known: list[tuple[str, frozenset[str], frozenset[str]]] = [
            (name, frozenset(kinds), frozenset(core)) for name, kinds, core in request.get("known", ())
        ]
        self.shrinks = bool(request["shrink"])
        self.every = (RELATIVES if request.get("relatives") else WAYS)[self.library]

    def searched(self, index: int) -> dict[str, Any]:
        """One drawn pair: every run, and what differs twice; seconds of the CPU, on a busy machine, too."""
        began = process_time()
        pair = draw(self.seed, index)
        runs, candidates = [], []
        for way in self.ways(pair, index):
            started = process_time()
            found, raised = self.run(pair, way, self.seed + index)
            again = self.run(pair, way, self.seed + index + ANEW)[0] if worst(found) is Outcome.DIFFERS else []
            twice = _both(found, again)
            outcome = _outcome(found, again, twice, raised)
            runs.append({"way": way.label, "elbo": way.elbo, "outcome": outcome, "raised": raised,
                         "seconds": process_time() - started})  # fmt: skip
            if twice:
                candidates.append(self.candidate(pair, way, twice, index))
        return {"index": index, "productions": productions(pair), "runs": runs, "candidates": candidates,
                "seconds": process_time() - began}  # fmt: skip

    def ways(self, pair: Pair, index: int) -> list[Way]:
        """Those that apply, or some of them, drawn by seed and index: one of each class before a second of any."""
        every = [way for way in self.every if self.elbo in ("", way.elbo) and self.applicable(way, pair)]
        if not self.ways_per_pair or len(every) <= self.ways_per_pair:
            return every
        seen: Counter[str] = Counter()
        turns: list[tuple[int, int]] = []
        for place in map(int, np.random.default_rng([self.seed, index, 1]).permutation(len(every))):
            name = every[place].elbo.removeprefix("Jit")
            turns.append((seen[name], place))
            seen[name] += 1
        first = sorted(turns, key=lambda each: each[0])[: self.ways_per_pair]
        return [every[place] for place in sorted(place for _, place in first)]

    def applicable(self, way: Way, pair: Pair) -> bool:
        """Whether the library promises a number here that the oracle has."""
        return applicable(way, pair, self.library) and has_objective(way, pair, self.library)

    def run(self, pair: Pair, way: Way, seed: int, least: int = 1) -> tuple[list[Judged], str]:
        """Judged quantities, or what was raised; of `least` draws in a block."""
        right = exact_of(pair, way)
        measured = self.backend.measure(pair, way, seed, max(least, per_block(way, self.library, pair)))
        if measured.raised:
            return [], measured.raised
        found = judged(measured, right, self.level, double=way.double, size=right.size)
        return [each for each in found if way.valued or each.quantity != "value"], ""

    def differs(self, pair: Pair, way: Way, kinds: Iterable[str]) -> Mapping[str, Judged]:
        """The quantities of these kinds that differ at two seeds; with more draws, as less is off in a smaller pair."""
        if not self.applicable(way, pair):
            return {}
        try:
            first = differing(self.run(pair, way, self.seed, PYTHON_DRAWS)[0])
        except (ValueError, ArithmeticError):  # a step that made something the grammar does not have
            return {}
        if not set(kinds) <= set(first):
            return {}
        second = differing(self.run(pair, way, self.seed + ANEW, PYTHON_DRAWS)[0])
        return {kind: second[kind] for kind in second if kind in first}

    def candidate(self, pair: Pair, way: Way, off: Mapping[str, Judged], index: int) -> dict[str, Any]:
        """Shrunk, unless it holds all of what an earlier one of the same class was shrunk to."""
        elbo, uses = way.elbo.removeprefix("Jit"), {*productions(pair), *_options(way)}
        for name, kinds, core in self.known:
            if name == f"{elbo} {way.reused}" and kinds >= set(off) and core <= uses:
                return {"index": index, "elbo": elbo, "way": way.label, "kinds": sorted(kinds), "core": sorted(core),
                        "reused": way.reused, "presumed": True}  # fmt: skip
        if self.shrinks:
            pair, way, off = self.shrunk(pair, way, off)
        core = (frozenset(productions(pair)) - shrinking.BASELINE) | _options(way)
        self.known.append((f"{way.elbo.removeprefix('Jit')} {way.reused}", frozenset(off), core))
        right = exact_of(pair, way)
        return {
            "index": index, "elbo": way.elbo, "way": way.label, "way_fields": asdict(way), "reused": way.reused,
            "kinds": sorted(off), "core": sorted(core), "pair": to_json(pair), "presumed": False,
            "off": {kind: asdict(each) for kind, each in off.items()}, "theta": len(pair.theta),
            "exact": {"value": right.value, "gradient": right.gradient}, "source": self.source(way.elbo),
        }  # fmt: skip

    def shrunk(
        self, pair: Pair, way: Way, off: Mapping[str, Judged]
    ) -> tuple[Pair, Way, Mapping[str, Judged]]:  # fmt: skip
        """Greedy: the first step after which the same kinds still differ, repeatedly. The value alone where it is off:
        a wrong value has a wrong gradient."""
        kinds = ("value",) if "value" in off else tuple(off)
        left = STEPS
        progress = True
        while progress and left > 0:
            progress = False
            for other in shrinking.plainer(way, self.every):
                left -= 1
                found = self.differs(pair, other, kinds)
                if found:
                    way, off, progress = other, found, True
                    break
            for step in shrinking.smaller(pair):
                if left <= 0 or shrinking.size(step) >= shrinking.size(pair):
                    continue
                left -= 1
                found = self.differs(step, way, kinds)
                if found:
                    pair, off, progress = step, found, True
                    break
        return pair, way, off

    def peer(self, pair: Pair, way: Way) -> dict[str, Any]:
        """The same class of this library on a pair that another one is off on."""
        plain = next((each for each in self.every if each.elbo == way.elbo.removeprefix("Jit")
                      and each.enumerated == way.enumerated), None)  # fmt: skip
        if plain is None or not self.applicable(plain, pair):
            return {"outcome": "not run", "raised": "this library has no such class, or cannot say the pair"}
        found, raised = self.run(pair, plain, self.seed + ANEW)
        return {"outcome": "raises" if raised else str(worst(found)), "raised": raised,
                "off": {kind: asdict(each) for kind, each in differing(found).items()}}  # fmt: skip

    def source(self, elbo: str) -> dict[str, str]:
        """Where the class stands, and what it says of itself."""
        owner = getattr(import_module(f"{self.library}.infer"), elbo)
        line = inspect.getsourcelines(owner)[1]
        module = owner.__module__.replace(".", "/")
        own = next((vars(owner)[name] for name in COMPUTING if name in vars(owner)), None)
        says = " ".join((inspect.getdoc(owner) or "").split())
        where = f"; {own.__name__}, line {inspect.getsourcelines(own)[1]}" if own is not None else ""
        return {"line": f"{module}.py, line {line}{where}", "says": says.partition(". ")[0][:300]}


def _both(first: Sequence[Judged], second: Sequence[Judged]) -> dict[str, Judged]:
    one, other = differing(first), differing(second)
    return {kind: other[kind] for kind in other if kind in one}


def _outcome(found: Sequence[Judged], again: Sequence[Judged], twice: Mapping, raised: str) -> str:
    if raised:
        return "raises"
    if again and not twice:
        return "not confirmed"
    return str(worst(found))
