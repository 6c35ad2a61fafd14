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
from pyarrow.dataset import dataset, field

from elbo_compare.reports.content import Frame

AT_ONCE = 150_000  # rows: a file of at most so many is read once by each process; 100 MB as Python sees them
BATCH = 20_000  # rows of a larger one that are decoded at once

# What rows are made into: text as str, numbers as float64, the named columns (all documented ones by default) first.
Complete = Callable[[Frame, Sequence[str] | None], Frame]


class Rows(Protocol):
    """The rows of one frame."""

    def of(self, column: str, values: Collection[str], columns: Sequence[str] | None = None) -> Frame:
        """The rows in which `column` holds one of `values`; `columns`: those wanted, all by default."""
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


@dataclass(frozen=True)
class Held:
    """Rows in memory."""

    frame: Frame

    def of(self, column: str, values: Collection[str], columns: Sequence[str] | None = None) -> Frame:
        """See `Rows`."""
        rows = self.frame[self.frame[column].isin(list(values))]
        return rows if columns is None else rows.reindex(columns=list(columns))

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


@dataclass(frozen=True)
class Kept:
    """Rows of a Parquet file that nobody writes meanwhile. A short one is read whole, once in a process."""

    path: Path
    complete: Complete  # a function of a module: it travels to the processes that draw

    def of(self, column: str, values: Collection[str], columns: Sequence[str] | None = None) -> Frame:
        """See `Rows`."""
        if whole := self._whole():
            return whole.of(column, values, columns)
        return self.complete(self._read(columns, field(column).isin(pa.array(values, pa.string()))), columns)

    def columns(self, *names: str) -> Frame:
        """See `Rows`."""
        if whole := self._whole():
            return whole.columns(*names)
        return self.complete(self._read(names), names)

    def firsts(self, column: str, columns: Sequence[str]) -> Frame:
        """See `Rows`."""
        if whole := self._whole():
            return whole.firsts(column, columns)
        seen: set[str] = set()
        found = []
        for batch in self._batches([*columns, *({column} - set(columns))]):
            rows = _shared(batch).drop_duplicates(column)
            rows = rows[~rows[column].isin(seen)]
            seen.update(rows[column])
            found.append(rows)
        return self.complete(pd.concat(found, ignore_index=True), columns)[list(columns)]

    def all(self) -> Frame:
        """See `Rows`."""
        whole = self._whole()
        return whole.frame if whole else self.complete(self._read(None), None)

    @property
    def empty(self) -> bool:
        """See `Rows`."""
        return _rows(self.path) == 0

    def _whole(self) -> Held | None:
        if _rows(self.path) > AT_ONCE:
            return None
        stat = self.path.stat()
        return _read_once(self, (stat.st_mtime_ns, stat.st_size))

    def _batches(self, columns: Sequence[str] | None, wanted: pc.Expression | None = None) -> Iterator[pa.RecordBatch]:
        source = dataset(self.path, format="parquet")
        known = None if columns is None else [name for name in columns if name in source.schema.names]
        # One batch after the other: what is read ahead would be memory, and time is in the decoding.
        yield from source.to_batches(
            columns=known, filter=wanted, batch_size=BATCH, batch_readahead=1, fragment_readahead=1, use_threads=False
        )

    def _read(self, columns: Sequence[str] | None, wanted: pc.Expression | None = None) -> Frame:
        parts = [part for batch in self._batches(columns, wanted) if len(part := _shared(batch))]
        if parts:
            return pd.concat(parts, ignore_index=True)
        return dataset(self.path, format="parquet").schema.empty_table().to_pandas()


def _shared(batch: pa.RecordBatch) -> Frame:
    """A batch as a frame in which equal texts are one object."""
    return pd.DataFrame({name: _column(batch.column(name)) for name in batch.schema.names})


def _column(values: pa.Array) -> np.ndarray:
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return values.to_numpy(zero_copy_only=False)
    encoded = values.dictionary_encode()
    texts = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    return texts[encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)]


def _rows(path: Path) -> int:
    return dataset(path, format="parquet").count_rows()


@lru_cache(maxsize=4)  # two frames of the report at hand, and of the one before it
def _read_once(kept: Kept, _: tuple[int, int]) -> Held:
    return Held(kept.complete(kept._read(None), None))
