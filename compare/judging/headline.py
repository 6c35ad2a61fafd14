"""What a run's end says first: what was asked for, where that is less than a profile, and every claim that differs."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from math import isfinite, isnan
from pathlib import Path

from elbo_compare.compare.claims.pointwise import relative_size
from elbo_compare.compare.judging.verdicts import Verdicts
from elbo_compare.compare.records import Outcome, Verdict
from elbo_compare.suites.roster import BY_NAME

SHOWN = 12  # claims that differ, or stayed open, with a line each; the frame has all


def plug_ins(implementations: Iterable[str]) -> list[str]:
    """Those that are none of ours."""
    return sorted(set(implementations) - BY_NAME.keys())


def asked_for(verdicts: Iterable[Verdict], expression: str | None, others: Collection[str]) -> list[str]:
    """What a choice of cells (-k) or each third party's implementation came to; nothing for a whole profile of ours.

    A verdict is about a plug-in where its cell is, or the one that it is compared with.
    """
    if expression is None and not others:
        return []
    all_of_it, each_of_them = _Count(), {name: _Count() for name in others}
    for verdict in verdicts:
        all_of_it.add(verdict)
        for name in {verdict.implementation, *verdict.other.split("/")} & each_of_them.keys():
            each_of_them[name].add(verdict)
    lines = [f"-k {expression!r}: {all_of_it}"] if expression is not None else []
    return lines + [f"{name}: {count}" for name, count in each_of_them.items()]


class _Count:
    """`14 claims on 6 cells: 40 agree, 1 differs`; claims and cells that were judged, then every verdict."""

    def __init__(self) -> None:
        self.claims: set[str] = set()
        self.cells: set[str] = set()
        self.outcomes: Counter[Outcome] = Counter()

    def add(self, verdict: Verdict) -> None:
        """Count one in."""
        self.outcomes[verdict.outcome] += 1
        if verdict.outcome is not Outcome.NOT_RUN:
            self.claims.add(verdict.claim)
            self.cells.add(verdict.key)

    def __str__(self) -> str:
        told = ", ".join(f"{self.outcomes[outcome]} {outcome}" for outcome in Outcome if self.outcomes[outcome])
        judged = f"{_many(len(self.claims), 'claim')} on {_many(len(self.cells), 'cell')}"
        return f"{judged}: {told or 'nothing was judged'}"


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def differing(verdicts: Verdicts, folder: Path) -> list[str]:
    """Two lines for each verdict that differs, the worst of every claim first: what, where, by how many tolerances; and
    the command that shows it. Then one for each that stayed open."""
    worst = {Outcome.DIFFERS: _Worst(), Outcome.INCONCLUSIVE: _Worst()}
    for verdict in verdicts.that(*worst):
        worst[verdict.outcome].add(verdict)
    return [
        *_told(worst[Outcome.DIFFERS], "Differs", folder),
        *_told(worst[Outcome.INCONCLUSIVE], "Not decided", folder),
    ]


class _Worst:
    """The worst verdicts of each claim, as many as are shown at most, and how many there are."""

    def __init__(self) -> None:
        self.count = 0
        self._of: dict[str, list[Verdict]] = {}

    def add(self, verdict: Verdict) -> None:
        """Keep it where it is among the worst of its claim."""
        self.count += 1
        mine = self._of.setdefault(verdict.claim, [])
        mine.append(verdict)
        if len(mine) > 4 * SHOWN:
            self._cut(mine)

    def _cut(self, mine: list[Verdict]) -> None:
        mine.sort(key=lambda each: -_size(each))  # stable: of equal ones the first stays first
        del mine[SHOWN:]

    @property
    def claims(self) -> int:
        """How many claims they are about."""
        return len(self._of)

    def first(self) -> Iterator[Verdict]:
        """The worst of each claim, then the second worst of each, ..."""
        for mine in self._of.values():
            self._cut(mine)
        by_claim = sorted(self._of.values(), key=lambda mine: -_size(mine[0]))
        turns = max(map(len, by_claim), default=0)
        return (mine[turn] for turn in range(turns) for mine in by_claim if turn < len(mine))


def _told(worst: _Worst, head: str, folder: Path) -> Iterator[str]:
    if not worst.count:
        return
    yield f"{head}: {_many(worst.count, 'verdict')} on {_many(worst.claims, 'claim')}"
    for each in islice(worst.first(), SHOWN):
        yield f"  {each.claim}  {where(each)}: {how_far(each)}"
        yield f"    compare why {each.claim} {each.key} {folder}"
    if worst.count > SHOWN:
        yield f"  and {worst.count - SHOWN} more: {folder / 'verdicts.csv'}"


def _size(verdict: Verdict) -> float:
    size = relative_size(verdict.difference, verdict.tolerance)
    return -1.0 if isnan(size) else size


def where(verdict: Verdict) -> str:
    """The cell, the part of it, and the cell that it is compared with."""
    part = f", {verdict.part}" if verdict.part else ""
    return verdict.label + part + (f" against {verdict.other}" if verdict.other else "")


def how_far(verdict: Verdict) -> str:
    """`off by 0.3 nats, 12 tolerances`; or the reason why there is no such number."""
    size = relative_size(verdict.difference, verdict.tolerance)
    if verdict.outcome is Outcome.INCONCLUSIVE or isnan(verdict.difference):
        return (
            verdict.reason or f"[{verdict.low:.3g}, {verdict.high:.3g}] crosses the margin of {verdict.tolerance:.3g}"
        )
    off = f"off by {verdict.difference:.3g} {verdict.unit}"
    if not isfinite(size):
        return f"{off}, allowed {verdict.tolerance:.3g}" + (f" ({verdict.reason})" if verdict.reason else "")
    return f"{off}, {size:.3g} times what is allowed ({verdict.tolerance:.3g})"
