"""Rows of a run's frames: held in memory, or kept in a Parquet file, of which only what a section asks for is read."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from elbo_compare.reports.content import Frame

AT_ONCE = 80_000  # rows: a file of at most so many is read once by each process; 60 MB as Python sees them

# What rows are made into: text as str, numbers as float64, the named columns (all documented ones by default) first.
Complete = Callable[[Frame, Sequence[str] | None], Frame]


class Rows(Protocol):
    """The rows of one frame."""

    def of(self, column: str, values: Collection[str], columns: Sequence[str] | None = None) -> Frame:
        """The rows in which `column` holds one of `values`; `columns`: those wanted, all by default."""
        ...

    def parts(self, column: str, values: Collection[str], columns: Sequence[str]) -> Iterator[Frame]:
        """The rows of `of`, some at a time, for what is worked out of many."""
        ...

    def columns(self, *names: str) -> Frame:
        """Some columns of all rows."""
        ...

    def firsts(self, column: str, columns: Sequence[str]) -> Frame:
        """The first row of each value of `column`, some columns of it."""
        ...

    def all(self) -> Frame:
        """Every row."""
        ...

    @property
    def empty(self) -> bool:
        """Whether there is no row."""
        ...

    @property
    def short(self) -> bool:
        """Whether all of it may be in the memory of one process."""
        ...


@dataclass(frozen=True)
class Held:
    """Rows in memory."""

    frame: Frame

    def of(self, column: str, values: Collection[str], columns: Sequence[str] | None = None) -> Frame:
        """See `Rows`."""
        rows = self.frame[self.frame[column].isin(list(values))]
        return rows if columns is None else rows.reindex(columns=list(columns))

    def parts(self, column: str, values: Collection[str], columns: Sequence[str]) -> Iterator[Frame]:
        """See `Rows`."""
        yield self.of(column, values, columns)

    def columns(self, *names: str) -> Frame:
        """See `Rows`."""
        return self.frame.reindex(columns=list(names))

    def firsts(self, column: str, columns: Sequence[str]) -> Frame:
        """See `Rows`."""
        return self.frame.drop_duplicates(column).reindex(columns=list(columns))

    def all(self) -> Frame:
        """See `Rows`."""
        return self.frame

    @property
    def empty(self) -> bool:
        """See `Rows`."""
        return self.frame.empty

    @property
    def short(self) -> bool:
        """See `Rows`: it is."""
        return True


@dataclass(frozen=True)
class Kept:
    """Rows of a Parquet file that nobody writes meanwhile. A short one is read whole, once in a process."""

    path: Path
    complete: Complete  # a function of a module: it travels to the processes that draw

    def of(self, column: str, values: Collection[str], columns: Sequence[str] | None = None) -> Frame:
        """See `Rows`."""
        if whole := self._whole():
            return whole.of(column, values, columns)
        return self.complete(_read(self.path, columns, (column, pa.array(list(values), pa.string()))), columns)

    def parts(self, column: str, values: Collection[str], columns: Sequence[str]) -> Iterator[Frame]:
        """See `Rows`."""
        if whole := self._whole():
            yield from whole.parts(column, values, columns)
            return
        for part in _parts(self.path, columns, (column, pa.array(list(values), pa.string()))):
            yield self.complete(part, columns)

    def columns(self, *names: str) -> Frame:
        """See `Rows`."""
        if whole := self._whole():
            return whole.columns(*names)
        return self.complete(_read(self.path, names), names)

    def firsts(self, column: str, columns: Sequence[str]) -> Frame:
        """See `Rows`."""
        if whole := self._whole():
            return whole.firsts(column, columns)
        parts = _parts(self.path, [*columns, *({column} - set(columns))])
        found = _below(self.path, [part.drop_duplicates(column) for part in parts])
        return self.complete(found.drop_duplicates(column), columns)[list(columns)]

    def all(self) -> Frame:
        """See `Rows`."""
        whole = self._whole()
        return whole.frame if whole else self.complete(_read(self.path), None)

    @property
    def empty(self) -> bool:
        """See `Rows`."""
        return _rows(self.path) == 0

    @property
    def short(self) -> bool:
        """See `Rows`."""
        return _rows(self.path) <= AT_ONCE

    def _whole(self) -> Held | None:
        if not self.short:
            return None
        stat = self.path.stat()
        return _read_once(self, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=4)  # two frames of the report at hand, and of the one before it
def _read_once(kept: Kept, _: tuple[int, int]) -> Held:
    return Held(kept.complete(_read(kept.path), None))


def _read(path: Path, columns: Sequence[str] | None = None, wanted: tuple[str, pa.Array] | None = None) -> Frame:
    return _below(path, [part for part in _parts(path, columns, wanted) if len(part)])


def _below(path: Path, parts: Sequence[Frame]) -> Frame:
    """The parts one below the other; without any, no row of every column that the file has."""
    return pd.concat(parts, ignore_index=True) if parts else pq.read_schema(path).empty_table().to_pandas()


def _parts(path: Path, columns: Sequence[str] | None, wanted: tuple[str, pa.Array] | None = None) -> Iterator[Frame]:
    """A row group after the other; of one without a row that is wanted (column, values), that column alone is read."""
    with pq.ParquetFile(path, read_dictionary=_texts(path)) as file:
        names = [name for name in columns or file.schema_arrow.names if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            if wanted is None:
                yield _shared(file.read_row_group(group, names, use_threads=False))
                continue
            column, values = wanted
            (texts,) = file.read_row_group(group, [column], use_threads=False).columns
            mask = pc.is_in(texts.cast(pa.string()), values)
            if pc.any(mask).as_py():
                yield _shared(file.read_row_group(group, names, use_threads=False).filter(mask))
    pa.default_memory_pool().release_unused()


def _texts(path: Path) -> list[str]:
    """The columns of text: a few words often, which are read as numbers into a list of the words."""
    return [field.name for field in pq.read_schema(path) if _is_text(field.type)]


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _shared(table: pa.Table) -> Frame:
    """A frame in which equal texts are one object."""
    columns = {name: _column(table[name]) for name in table.schema.names}
    # As objects by name: pandas 3 would make Arrow's strings of them, which become one object a row again.
    return pd.DataFrame({name: pd.Series(each, dtype=each.dtype, copy=False) for name, each in columns.items()})


def _column(values: pa.ChunkedArray) -> np.ndarray:
    if not pa.types.is_dictionary(values.type):
        return values.to_numpy()
    encoded = values.combine_chunks()
    texts = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    return texts[encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)]


def _rows(path: Path) -> int:
    return pq.read_metadata(path).num_rows
