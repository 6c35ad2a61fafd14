"""Results in the order in which they are judged, one at a time: from disk, so that of many a few are in memory.

Every stage of judging goes through them once or looks one up; what a folder holds then costs time, not memory.
"""

import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from typing import Protocol

from elbo_compare.compare.claims import Rows
from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.records import Cell, CellResult, Status
from elbo_compare.compare.running.store import Store

KEPT = 256  # results that were looked up last: partners of neighbouring cells are the same ones
WITHIN = 100_000  # measurements of a folder that is read once and kept; of a larger one no more than a few results are


class Ordered(Protocol):
    """Results by (label, key). `cells` are theirs in that order, `statuses` counts them."""

    cells: list[Cell]
    statuses: Counter[Status]

    def __iter__(self) -> Iterator[CellResult]: ...

    def __len__(self) -> int: ...

    def rows(self) -> Iterator[Rows]:
        """The rows of every result, in order."""
        ...

    def at(self, index: int) -> Rows:
        """The rows of the result of `cells[index]`."""
        ...

    def where(self, wanted: Callable[[Cell], bool]) -> Iterator[CellResult]:
        """Those of some cells, by key, as the store gives them."""
        ...


class InMemory:
    """Results that are there."""

    def __init__(self, results: Iterable[CellResult]) -> None:
        self._rows = [Rows(result) for result in sorted(results, key=lambda result: _place(result.cell))]
        self.cells = [rows.cell for rows in self._rows]
        self.statuses = Counter(rows.result.status for rows in self._rows)

    def __iter__(self) -> Iterator[CellResult]:
        return (rows.result for rows in self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> Iterator[Rows]:
        """See `Ordered`."""
        return iter(self._rows)

    def at(self, index: int) -> Rows:
        """See `Ordered`."""
        return self._rows[index]

    def where(self, wanted: Callable[[Cell], bool]) -> Iterator[CellResult]:
        """See `Ordered`."""
        found = [rows.result for rows in self._rows if wanted(rows.cell)]
        return iter(sorted(found, key=lambda result: result.cell.key))


class OnDisk:
    """The results of a store: every file is read once to know the cells (a damaged one is set aside then), and where
    there are more than `within` measurements again whenever its numbers are asked for."""

    def __init__(self, store: Store, within: int = WITHIN) -> None:
        self._store = store
        self._latest: OrderedDict[int, Rows] = OrderedDict()
        self._whole: dict[Cell, CellResult] = {}  # all of them, or none
        self.statuses: Counter[Status] = Counter()
        self.cells = []
        measured = 0
        for result in store.results():
            self.statuses[result.status] += 1
            self.cells.append(_sharing(result.cell))
            measured += max(len(result.measurements), 1)
            if measured <= within:
                self._whole[self.cells[-1]] = result
        if measured > within:
            self._whole.clear()
        self.cells.sort(key=_place)

    def __iter__(self) -> Iterator[CellResult]:
        return map(self._read, self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def rows(self) -> Iterator[Rows]:
        """See `Ordered`."""
        return map(Rows, self)

    def at(self, index: int) -> Rows:
        """See `Ordered`. Raises StoreError where it has gone since."""
        if index not in self._latest:
            self._latest[index] = Rows(self._read(self.cells[index]))
            if len(self._latest) > KEPT:
                self._latest.popitem(last=False)
        self._latest.move_to_end(index)
        return self._latest[index]

    def where(self, wanted: Callable[[Cell], bool]) -> Iterator[CellResult]:
        """See `Ordered`. Raises StoreError where one has gone since."""
        return map(self._read, sorted(filter(wanted, self.cells), key=lambda cell: cell.key))

    def _read(self, cell: Cell) -> CellResult:
        result = self._whole.get(cell) or self._store.read(cell)
        if result is None:
            path, folder = self._store.path(cell), self._store.folder
            raise StoreError(f"{path} was changed or removed meanwhile. Judge again: compare judge {folder}")
        return result


def _place(cell: Cell) -> tuple[str, str]:
    return cell.label, cell.key


def _sharing(cell: Cell) -> Cell:
    """The cell with texts of which every other cell has the same object: a hundred thousand of them are kept."""
    texts = {each.name: getattr(cell, each.name) for each in fields(Cell)}
    return replace(cell, **{name: sys.intern(text) for name, text in texts.items() if type(text) is str})
