"""What an earlier call left in the bench's folder, and which of two measurements of one unit is kept."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.files import read_json

WHOLE, CUT = "whole", "cut"  # what became of a unit
NOTICES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UNIT = "unit"  # the column that says to which unit a row belongs
Tables = dict[str, pd.DataFrame]


def opened(folder: Path, names: Sequence[str], device: str, *, resume: bool) -> tuple[Tables, dict[str, str]]:
    """The tables so far, empty ones without `resume`, and what became of the units. Makes the folder.

    Raises StoreError for a folder that holds something else, or to resume a bench on another device.
    """
    empty = {name: pd.DataFrame() for name in names}
    record = folder / "bench.json"
    if folder.exists() and any(folder.iterdir()) and not record.exists():
        raise StoreError(f"{folder} is not empty and holds no bench of ours. Choose -o DIR.")
    folder.mkdir(parents=True, exist_ok=True)
    if not resume or not record.exists():
        return empty, {}
    try:
        old = read_json(record)
        if not isinstance(old, dict) or not isinstance(old.get("units", {}), dict):
            raise ValueError("bench.json is no record of one")
        found = {name: pd.read_parquet(path) for name in names if (path := folder / f"{name}.parquet").exists()}
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder} holds a bench that can't be read ({error}). Choose -o DIR.") from error
    if old.get("device") != device:
        raise StoreError(f"{folder} holds a bench on {old.get('device')}, this one is on {device}. Choose -o DIR.")
    return empty | found, dict(old.get("units", {}))


def keep(tables: Tables, unit: str, found: Tables, cut: bool) -> bool:
    """Put a unit's rows in the place of its old ones, unless it was cut and the old ones hold at least as much.

    Returns whether they were put there: not either where nothing was measured before the cut.
    """
    if cut and rows(found, unit, every=True) <= rows(tables, unit):
        return False
    for name in tables:
        old = tables[name]
        rest = old[old[UNIT] != unit] if UNIT in old else old
        more = found.get(name, pd.DataFrame())
        parts = [part for part in (rest, more.assign(**{UNIT: unit}) if len(more) else more) if len(part)]
        tables[name] = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return True


def rows(tables: Tables, unit: str, *, every: bool = False) -> int:
    """How many measured rows of the unit there are: timed turns of forms, else whatever rows it has."""
    mine = {
        name: len(table) if every else int((table[UNIT] == unit).sum())
        for name, table in tables.items()
        if len(table) and (every or UNIT in table)
    }
    return mine.get("rounds", 0) if "steps" in mine else sum(mine.values())


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A notice to stop waits for the end of the block, so that what it writes is whole; then KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():  # only that one receives signals
        yield
        return
    arrived: list[int] = []
    before = {each: signal.signal(each, lambda number, _: arrived.append(number)) for each in NOTICES}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if arrived:
        raise KeyboardInterrupt
