"""What a run's end says first: what was asked for, where that is less than a profile, and every claim that differs."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from math import isfinite, isnan
from pathlib import Path

from elbo_compare.compare.claims.pointwise import relative_size
from elbo_compare.compare.records import Outcome, Verdict
from elbo_compare.suites.roster import BY_NAME

SHOWN = 12  # claims that differ, or stayed open, with a line each; the frame has all


def plug_ins(implementations: Iterable[str]) -> list[str]:
    """Those that are none of ours."""
    return sorted(set(implementations) - BY_NAME.keys())


def asked_for(verdicts: Sequence[Verdict], expression: str | None, others: Collection[str]) -> list[str]:
    """What a choice of cells (-k) or each third party's implementation came to; nothing for a whole profile of ours.

    A verdict is about a plug-in where its cell is, or the one that it is compared with.
    """
    lines = [f"-k {expression!r}: {_counted(verdicts)}"] if expression is not None else []
    for name in others:
        mine = [each for each in verdicts if name == each.implementation or name in each.other.split("/")]
        lines.append(f"{name}: {_counted(mine)}")
    return lines


def _counted(verdicts: Sequence[Verdict]) -> str:
    """`14 claims on 6 cells: 40 agree, 1 differs`; claims and cells that were judged, then every verdict."""
    judged = [each for each in verdicts if each.outcome is not Outcome.NOT_RUN]
    claims, cells = len({each.claim for each in judged}), len({each.key for each in judged})
    counts = Counter(each.outcome for each in verdicts)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    return f"{_many(claims, 'claim')} on {_many(cells, 'cell')}: {told or 'nothing was judged'}"


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def differing(verdicts: Sequence[Verdict], folder: Path) -> list[str]:
    """Two lines for each verdict that differs, the worst of every claim first: what, where, by how many tolerances; and
    the command that shows it. Then one for each that stayed open."""
    return [
        *_told(verdicts, Outcome.DIFFERS, "Differs", folder),
        *_told(verdicts, Outcome.INCONCLUSIVE, "Not decided", folder),
    ]


def _told(verdicts: Sequence[Verdict], outcome: Outcome, head: str, folder: Path) -> Iterator[str]:
    mine = [each for each in verdicts if each.outcome is outcome]
    if not mine:
        return
    claims = len({each.claim for each in mine})
    yield f"{head}: {_many(len(mine), 'verdict')} on {_many(claims, 'claim')}"
    for each in list(_worst_first(mine))[:SHOWN]:
        yield f"  {each.claim}  {where(each)}: {how_far(each)}"
        yield f"    compare why {each.claim} {each.key} {folder}"
    if len(mine) > SHOWN:
        yield f"  and {len(mine) - SHOWN} more: {folder / 'verdicts.csv'}"


def _worst_first(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """The worst of each claim, then the second worst of each, ..."""
    by_claim: dict[str, list[Verdict]] = {}
    for each in sorted(verdicts, key=lambda each: -_size(each)):
        by_claim.setdefault(each.claim, []).append(each)
    turns = max(map(len, by_claim.values()), default=0)
    return (mine[turn] for turn in range(turns) for mine in by_claim.values() if turn < len(mine))


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
