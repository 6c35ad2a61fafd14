"""Which cells a run still has to do, and why: the heart of `--resume`."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from compare import environment
from compare.records import Cell, CellResult, Procedure, Status
from compare.running.rounds import timing_group
from compare.store import Store

RETRIED = (Status.CRASHED, Status.TIMED_OUT)  # what may end otherwise when it is tried again


class Standing(StrEnum):
    """What the store holds of a cell."""

    DONE = "done"
    MISSING = "missing"
    STALE = "stale"  # measured in an environment that would now give other numbers
    RETRIED = "retried"


def standing(result: CellResult | None, fingerprint: str) -> Standing:
    """What is to be made of a stored result under the present environment's fingerprint."""
    if result is None:
        return Standing.MISSING
    if result.fingerprint != fingerprint:
        return Standing.STALE
    return Standing.RETRIED if result.status in RETRIED else Standing.DONE


def unfinished(
    store: Store,
    cells: Sequence[Cell],
    record: Mapping[str, Any],
    fingerprint: str,
    say: Callable[[str], None],
) -> list[Cell]:
    """The cells to run, in their order: without a result, with a stale one, crashed or timed out; a timing group as a
    whole. `say` gets a line about each reason."""
    pending, stale, retried = set(), Counter(), 0
    for cell in cells:
        result = store.read(cell)
        now = standing(result, fingerprint)
        if now is Standing.STALE and result is not None:
            stale[result.fingerprint] += 1
        retried += now is Standing.RETRIED
        if now is not Standing.DONE:
            pending.add(cell.key)
    groups = {timing_group(cell) for cell in cells if cell.procedure is Procedure.TIME and cell.key in pending}
    chosen = [
        cell
        for cell in cells
        if cell.key in pending or (cell.procedure is Procedure.TIME and timing_group(cell) in groups)
    ]
    _explain(store, record["environments"], fingerprint, stale, retried, say)
    if len(chosen) < len(cells) or store.damaged:
        say(f"{len(cells) - len(chosen)} of {len(cells)} cells are there; {len(chosen)} are to be run")
    return chosen


def _explain(
    store: Store,
    environments: Mapping[str, Any],
    fingerprint: str,
    stale: Counter[str],
    retried: int,
    say: Callable[[str], None],
) -> None:
    for line in store.damaged:
        say(line)
    for old, count in stale.items():
        known = old in environments
        why = environment.changes(environments[old], environments[fingerprint]) if known else "it is not recorded"
        say(f"{count} cells are run again, because the environment has changed: {why}")
    if retried:
        say(f"{retried} cells are run again, because they crashed or timed out")
