"""Which cells a run still has to do, and why: the heart of `--resume`."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from elbo_compare.compare import environment
from elbo_compare.compare.records import Cell, CellResult, Procedure, Status
from elbo_compare.compare.running.rounds import timing_group
from elbo_compare.compare.running.store import Store

RETRIED = (Status.CRASHED, Status.TIMED_OUT)  # what may end otherwise when it is tried again


class Standing(StrEnum):
    """What the store holds of a cell."""

    DONE = "done"
    MISSING = "missing"
    STALE = "stale"  # measured in an environment that would now give other numbers
    RETRIED = "retried"


def standing(result: CellResult | None, fresh: Collection[str]) -> Standing:
    """What is to be made of a stored result; `fresh`: the fingerprints of the machines that would now measure it."""
    if result is None:
        return Standing.MISSING
    if result.fingerprint not in fresh:
        return Standing.STALE
    return Standing.RETRIED if result.status in RETRIED else Standing.DONE


def replaces(store: Store, result: CellResult) -> bool:
    """Whether a result is to be stored: not where a process or a cluster was lost and a whole one is there, measured
    elsewhere or earlier. It stays, and the next `--resume` tries again.

    A timed cell is always replaced: its group is timed anew as a whole, and a ratio is one of rounds of one run.
    """
    if result.status not in RETRIED or result.cell.procedure is Procedure.TIME:
        return True
    earlier = store.read(result.cell)
    return earlier is None or earlier.status is not Status.OK


def unfinished(
    store: Store,
    cells: Sequence[Cell],
    record: Mapping[str, Any],
    fresh: Collection[str],
    say: Callable[[str], None],
) -> list[Cell]:
    """The cells to run, in their order: without a result, with a stale one, crashed or timed out; a timing group as a
    whole. `say` gets a line about each reason."""
    pending: set[str] = set()
    reasons, stale = Counter[Standing](), Counter[str]()
    for cell in cells:
        result = store.read(cell)
        now = standing(result, fresh)
        if now is Standing.STALE and result is not None:
            stale[result.fingerprint] += 1
        if now is not Standing.DONE:
            reasons[now] += 1
            pending.add(cell.key)
    groups = {timing_group(cell) for cell in cells if cell.procedure is Procedure.TIME and cell.key in pending}
    chosen = [
        cell
        for cell in cells
        if cell.key in pending or (cell.procedure is Procedure.TIME and timing_group(cell) in groups)
    ]
    for line in store.damaged:
        say(line)
    if len(chosen) < len(cells) or len(reasons) > 1 or Standing.MISSING not in reasons or store.damaged:
        say(f"{len(cells) - len(chosen)} of {len(cells)} cells are there; {len(chosen)} are to be run")
        for line in _why(reasons, stale, len(chosen) - len(pending), record):
            say(line)
    return chosen


def _why(
    reasons: Counter[Standing],
    stale: Counter[str],
    regrouped: int,
    record: Mapping[str, Any],
) -> Iterator[str]:
    """Why cells are run, a line for each reason, with the number of cells."""
    if reasons[Standing.MISSING]:
        yield f"{_cells(reasons[Standing.MISSING])} run, because no result is there"
    for old, count in stale.items():
        known = record["environments"].get(old)
        why = (
            environment.changes(known, record["environments"][record["fingerprint"]]) if known else "it is not recorded"
        )
        yield f"{_cells(count)} run again, because the environment has changed: {why}"
    if reasons[Standing.RETRIED]:
        yield f"{_cells(reasons[Standing.RETRIED])} run again, because they crashed or timed out"
    if regrouped:
        yield f"{_cells(regrouped)} timed again, because a cell of the same timing group is"


def _cells(count: int) -> str:
    return "1 cell is" if count == 1 else f"{count} cells are"
