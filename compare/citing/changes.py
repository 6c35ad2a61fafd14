"""What changed between two folders in the suites: semantics, findings, questions, mutants; ID by ID."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elbo_compare.compare.citing.evidence import Evidence
from elbo_compare.compare.citing.identifiers import Sort
from elbo_compare.compare.citing.outcomes import SOURCES, Source

Frame = Any  # pandas.DataFrame
COMPARED = (
    Sort.FINDING,
    Sort.CASE,
    Sort.SWEEP,
    Sort.QUESTION,
    Sort.MUTANT,
)  # a check is a mutant's: its rows are there
# Columns that say more about a change, where the frame has them: why, how much, with which version.
FURTHER = ("value", "measured", "measured_error", "reason", "detail", "versions")


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Of one sort: a row for each verdict that changed (`id`, `place`, `old`, `new`, ...), how many were compared, and
    the IDs that only one folder has."""

    sort: Sort
    changed: Frame
    compared: int
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]


def changes(before: Evidence, after: Evidence) -> Iterator[Changes]:
    """One for each sort that both folders hold."""
    for sort in COMPARED:
        source = SOURCES[sort]
        frames = [each.frame(source.frame) for each in (before, after)]
        if frames[0] is not None and frames[1] is not None:
            yield _changes(sort, source, frames[0], frames[1])


def _changes(sort: Sort, source: Source, old: Frame, new: Frame) -> Changes:
    first, second = (_keyed(source, frame) for frame in (old, new))
    both = first.merge(second, on=["id", "place", "turn"], suffixes=("_old", "_new"))
    changed = both[both["outcome_old"] != both["outcome_new"]]
    columns = {"id": "id", "place": "place", "outcome_old": "old", "outcome_new": "new"}
    further = [f"{name}_{side}" for name in FURTHER for side in ("old", "new")]
    columns |= {name: name for name in further if name in changed}
    return Changes(
        sort=sort,
        changed=changed[list(columns)].rename(columns=columns).reset_index(drop=True),
        compared=len(both),
        only_old=_only(first, second),
        only_new=_only(second, first),
    )


def _keyed(source: Source, frame: Frame) -> Frame:
    """The judged rows, with an ID, a place in words, and a turn for those that share both."""
    judged = frame[(frame["outcome"] != "") & (frame[source.identifier] != "")]
    judged = source.told(judged)
    place = judged[[name for name in source.place if name in judged]]
    words = [" ".join(str(part) for part in row if part not in ("", None) and part == part) for row in place.values]
    keyed = judged.rename(columns={source.identifier: "id"}).assign(place=words)
    keyed["turn"] = keyed.groupby(["id", "place"]).cumcount()
    return keyed[["id", "place", "turn", "outcome", *(name for name in FURTHER if name in keyed)]]


def _only(these: Frame, those: Frame) -> tuple[str, ...]:
    return tuple(dict.fromkeys(these[~these["id"].isin(those["id"])]["id"]))


def versions_changed(before: Evidence, after: Evidence) -> dict[str, tuple[str, str]]:
    """What the suites were run with, by library, where it is not the same in both folders."""
    known: list[dict[str, str]] = []
    for each in (before, after):
        frame = each.frame(SOURCES[Sort.CASE].frame)
        known.append({} if frame is None or "versions" not in frame else dict(frame[["library", "versions"]].values))
    names = [name for name in known[0] if name in known[1] and known[0][name] != known[1][name]]
    return {f"semantics in {name}": (known[0][name], known[1][name]) for name in names}
