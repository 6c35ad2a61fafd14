"""`compare search`: children that search, then the second routes, the groups, and the register."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elbo_compare.compare.launching.target import Limits, run_target
from elbo_compare.compare.searching.grouping import Group, grouped
from elbo_compare.compare.statistics import ErrorBudget
from elbo_compare.suites.semantics.case import OF_PROGRAMS, Library
from elbo_compare.suites.semantics.searching.ways import RELATIVES, WAYS

CHILD = "elbo_compare.compare.searching.child:answer"
CHUNK = 5  # pairs of one process: what a crash costs
PAIR_S = 600.0  # that a pair may take in all its ways, shrinking included
QUANTITIES = 12  # of a run, at most: the loss and the entries of t
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """`models` pairs from `first` on, of `seed`; `ways` of a library's ways for a pair, 0: all; `elbo`: one class.

    `alone`: pairs of one production each, which are every second one. `relatives`: the classes that estimate something
    else than the ELBO, instead. `planned`: models that the error budget is for, where a search is done in parts; at
    least `models` in any case.
    """

    models: int = 20
    planned: int = 0
    seed: int = 0
    first: int = 0
    ways: int = 0
    elbo: str = ""
    libraries: tuple[Library, ...] = OF_PROGRAMS
    shrink: bool = True
    relatives: bool = False
    alone: bool = False

    @property
    def indices(self) -> range:
        """Of the pairs."""
        step = 2 if self.alone else 1
        return range(self.first, self.first + step * self.models, step)

    def classes(self, library: Library) -> set[str]:
        """Names of the ELBO classes that are searched, without Jit."""
        every = (RELATIVES if self.relatives else WAYS)[library]
        return {way.elbo.removeprefix("Jit") for way in every if self.elbo in ("", way.elbo)}

    @property
    def level(self) -> float:
        """Of one test: the suite's budget over every quantity that could be judged, in both libraries."""
        every = RELATIVES if self.relatives else WAYS
        ways = sum(min(self.ways or 99, len(every[library])) for library in OF_PROGRAMS)
        return ErrorBudget(tests=max(1, max(self.models, self.planned) * ways * QUANTITIES)).per_test


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What came of it. `pairs`: by library, one entry per pair; `lost`: why a chunk's pairs are not there."""

    request: Request
    pairs: Mapping[Library, Sequence[Mapping[str, Any]]]
    groups: Sequence[Group]
    lost: Sequence[str] = field(default_factory=tuple)


def search(
    request: Request,
    say: Say,
    kept: Callable[[Library, Sequence[int]], Mapping[str, Any] | None] = lambda library, indices: None,
    keep: Callable[[Library, Sequence[int], Mapping[str, Any]], None] = lambda library, indices, content: None,
) -> Searched:
    """Run it all, one process at a time. Deterministic by the request and the versions of the libraries.

    `kept`: what an earlier run had of these pairs; `keep` is given what is new of them.
    """
    pairs: dict[Library, list[Mapping[str, Any]]] = {}
    lost: list[str] = []
    for library in request.libraries:
        pairs[library], known = [], []
        for start in range(0, request.models, CHUNK):
            indices = list(request.indices[start : start + CHUNK])
            content = kept(library, indices) or _asked(
                request, library, {"indices": indices, "known": known}, PAIR_S * len(indices)
            )
            if isinstance(content, str):
                lost.append(f"{library}, pairs {indices[0]} to {indices[-1]}: {content}")
            else:
                keep(library, indices, content)
                pairs[library] += content["pairs"]
                known = content["known"]
            say(f"{library}: {len(pairs[library])} of {request.models} pairs")
    groups = grouped({library: [each for pair in found for each in pair["candidates"]]
                      for library, found in pairs.items()})  # fmt: skip
    return Searched(request=request, pairs=pairs, groups=_with_peers(request, groups), lost=tuple(lost))


def _with_peers(request: Request, groups: Sequence[Group]) -> list[Group]:
    """Each group with what the other library's class gives for its smallest pair."""
    found: dict[int, Mapping[str, Any]] = {}
    for library in OF_PROGRAMS:
        mine = [(k, group) for k, group in enumerate(groups) if group.library is not library]
        if not mine:
            continue
        asked = [{"pair": group.example["pair"], "way": group.example["way_fields"]} for _, group in mine]
        content = _asked(request, library, {"pairs": asked}, PAIR_S * len(asked))
        peers = (
            [{"outcome": "not run", "raised": content}] * len(mine) if isinstance(content, str) else content["peers"]
        )
        found |= {k: peer for (k, _), peer in zip(mine, peers, strict=True)}
    return [group.with_peer(found.get(k, {"outcome": "not run"})) for k, group in enumerate(groups)]


def _asked(request: Request, library: Library, more: Mapping[str, Any], seconds: float) -> Mapping[str, Any] | str:
    """The child's answer, or why there is none."""
    asked = {"library": str(library), "seed": request.seed, "level": request.level, "ways": request.ways,
             "shrink": request.shrink, "elbo": request.elbo, "relatives": request.relatives, **more}  # fmt: skip
    returned = run_target(CHILD, asked, "compare search", Limits(calls_s=seconds))
    return returned.answer if returned.answer is not None else returned.reason
