"""Results as pandas frames, `elbo_compare.load(DIR)`: one row per measurement, joined with its cell, or per verdict."""

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.dataset import ParquetFileFormat, ParquetFragmentScanOptions, dataset
from scipy.special import ndtri, stdtrit

from elbo_compare.compare import files
from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.files import atomic_file, write_atomically
from elbo_compare.compare.judging.seal import check, seal
from elbo_compare.compare.judging.verdicts import Verdicts
from elbo_compare.compare.records import Cell, CellResult, Measurement, Verdict
from elbo_compare.compare.running.store import Store
from elbo_compare.reports.spreadsheet import guarded

PART_CELLS, MOST_ROWS = 2_000, 80_000  # of one row group at most: what is in memory at once (a cell is never cut)
PART_ROWS = 50_000  # that are read at once
PART_VERDICTS = 20_000  # of one row group
# A frame is written once and kept in published reports: half a second for the largest one buys a seventh of its size.
WRITTEN: dict[str, Any] = {"compression": "zstd", "compression_level": 19, "write_page_checksum": True}
CELL_FIELDS = tuple(field.name for field in fields(Cell) if field.name != "library")  # a fact about an implementation
CELL_COLUMNS = ("key", "label", *CELL_FIELDS, "status", "reason", "elapsed_s")
ROW_COLUMNS = tuple(field.name for field in fields(Measurement))
VERDICT_COLUMNS = tuple(field.name for field in fields(Verdict))
LATER = {"data", "protocol", "replicas", "least", "largest"}  # columns that published folders of earlier versions lack


@dataclass(frozen=True, kw_only=True)
class Results:
    """A result folder's content. `measurements` and `verdicts` are frames, `environment` is what they were made in.

    >>> from elbo_compare.reports.readme import newest
    >>> results = load(newest())
    >>> print(sorted(vars(results)))
    ['environment', 'measurements', 'verdicts']
    """

    measurements: pd.DataFrame
    verdicts: pd.DataFrame
    environment: dict[str, Any]


def load(folder: str | Path) -> Results:
    """The frames of a result folder that has been judged.

    Raises StoreError where the folder holds no results, or none that were judged.

    >>> from elbo_compare.reports.readme import newest
    >>> results = load(newest())
    >>> print(sorted(results.verdicts['outcome'].unique()))
    ['agrees', 'not run']
    """
    store = Store(Path(folder))
    record = store.record()
    return Results(
        measurements=read_frame(store.folder, "measurements"),
        verdicts=read_frame(store.folder, "verdicts"),
        environment=environment_of(record),
    )


def environment_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The environment of the run's last part, with the run's own facts: profile, command, date, account."""
    environment = dict(record["environments"][record["fingerprint"]])
    facts = ("profile", "command", "date", "digest", "account", "planned", "fingerprint", "xla_cache_held")
    return {name: record.get(name) for name in facts} | environment


def measurement_frame(results: Iterable[CellResult]) -> pd.DataFrame:
    """One row per measurement with the fields of its cell; a cell without measurements has one row, quantity "".

    `low` and `high` are Student's 95% interval for the mean of `n` values where a standard error is given and no other
    bounds are (of ten data it is 15% wider than the normal one, of 45,000 draws as wide).
    """
    rows = []
    for result in results:
        cell = tuple(_text(value) for value in _cell_values(result))
        if not result.measurements:
            rows.append((*cell, "", float("nan"), *EMPTY_ROW))
        for row in result.measurements:
            rows.append((*cell, *(getattr(row, name) for name in ROW_COLUMNS)))
    frame = pd.DataFrame.from_records(rows, columns=[*CELL_COLUMNS, *ROW_COLUMNS])
    frame["quantity"] = frame["quantity"].map(str)
    half = half_widths(frame["n"]) * frame["standard_error"]
    frame["low"] = frame["low"].where(frame["low"].notna(), frame["value"] - half)
    frame["high"] = frame["high"].where(frame["high"].notna(), frame["value"] + half)
    return frame.sort_values(["label", "key"], kind="stable", ignore_index=True)


def half_widths(n: pd.Series) -> np.ndarray:
    """Of 95% intervals, in standard errors: Student's quantile with n - 1 degrees of freedom.

    A number that came from one value has a standard error of another route (a simulation's own): the normal quantile.
    """
    freedom = n.to_numpy(float) - 1
    return np.where(freedom > 0, stdtrit(np.maximum(freedom, 1), 0.975), ndtri(0.975))


# Every column of `Measurement` after quantity and value, at its default.
EMPTY_ROW = tuple(field.default for field in fields(Measurement)[2:])


def _cell_values(result: CellResult) -> tuple[Any, ...]:
    cell = result.cell
    own = (getattr(cell, name) for name in CELL_FIELDS)
    return (cell.key, cell.label, *own, result.status, result.reason, result.elapsed_s)


def write_measurements(
    folder: Path, results: Iterable[CellResult], cells: int = PART_CELLS, rows: int = MOST_ROWS
) -> None:
    """measurements.parquet and measurements.csv of `measurement_frame`, made and written at most `cells` cells and
    `rows` rows at a time.

    `results` are in the order of labels and keys. See `write_parts`.
    """
    pieces = _pieces(results, cells, rows)
    write_parts(folder, "measurements", map(measurement_frame, pieces), measurement_frame([]))


def write_verdicts(folder: Path, verdicts: Verdicts, rows: int = PART_VERDICTS) -> None:
    """verdicts.parquet and verdicts.csv of `verdict_frame`, at most `rows` verdicts at a time. See `write_parts`."""
    write_parts(folder, "verdicts", map(pd.DataFrame, verdicts.columns(rows)), verdict_frame([]))


def _pieces(results: Iterable[CellResult], cells: int, rows: int) -> Iterator[list[CellResult]]:
    piece: list[CellResult] = []
    held = 0
    for result in results:
        own = max(len(result.measurements), 1)
        if piece and (len(piece) == cells or held + own > rows):
            yield piece
            piece, held = [], 0
        piece.append(result)
        held += own
    if piece:
        yield piece


def write_parts(folder: Path, name: str, frames: Iterable[pd.DataFrame], empty: pd.DataFrame) -> None:
    """NAME.parquet and NAME.csv of the frames one below the other, each whole or absent; `empty` where there is none.

    The Parquet file has a row group for every frame and a checksum for every page; see `parts`. The CSV is `guarded`.
    """
    schema = None
    with (
        atomic_file(folder / f"{name}.parquet") as table_file,
        atomic_file(folder / f"{name}.csv") as text_file,
        ExitStack() as stack,
    ):
        writer = None
        for frame in frames:
            table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
            if writer is None:
                schema = table.schema
                writer = stack.enter_context(pq.ParquetWriter(table_file, schema, **WRITTEN, **_encoded(schema)))
            writer.write_table(table, row_group_size=len(frame))
            guarded(frame).to_csv(text_file, index=False, header=text_file.tell() == 0, mode="wb")
            del frame, table  # before the next one is made
        if writer is None:
            empty.to_parquet(table_file, index=False, **WRITTEN)
            text_file.write(empty.to_csv(index=False).encode())
    seal(folder / f"{name}.parquet")


def _encoded(schema: pa.Schema) -> dict[str, list[str]]:
    """Numbers of which hardly two are equal byte by byte, the first bytes of all of them first, in place of a
    dictionary that repeats each: a fifth of the file. Source: Apache Parquet, Encodings, BYTE_STREAM_SPLIT."""
    split = [field.name for field in schema if pa.types.is_floating(field.type)]
    return {"use_dictionary": [name for name in schema.names if name not in split], "use_byte_stream_split": split}


def parts(folder: str | Path, name: str, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
    """The frame NAME of a judged folder a part at a time, for results too large to be read as one frame.

    `columns`: those to read. Raises StoreError as `load` does.
    """
    path = _path_of(Path(folder), name)
    try:
        for batch in dataset(_regular(path), format="parquet").to_batches(columns=columns, batch_size=PART_ROWS):
            yield batch.to_pandas()
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} can't be read ({error}): run `compare judge {folder}` again.") from error


def rows_of(folder: Path, name: str) -> int:
    """How many rows the frame NAME has, from its file's end alone. Raises StoreError as `read_frame` does."""
    path = _path_of(folder, name)
    try:
        return pq.ParquetFile(_regular(path)).metadata.num_rows
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} can't be read ({error}): run `compare judge {folder}` again.") from error


def verdict_frame(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row per verdict."""
    rows = [tuple(_text(getattr(verdict, name)) for name in VERDICT_COLUMNS) for verdict in verdicts]
    return pd.DataFrame.from_records(rows, columns=list(VERDICT_COLUMNS))


def claim_frame(claims: Iterable[Any]) -> pd.DataFrame:
    """One row per claim: what it states and why its tolerance is what it is."""
    names = ("id", "family", "strength", "statement", "derivation", "source", "tolerance", "reason")
    return pd.DataFrame.from_records([[str(getattr(claim, name)) for name in names] for claim in claims], columns=names)


def write_frame(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """NAME.parquet and NAME.csv, each whole or absent; the CSV is `guarded`."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, **WRITTEN)
    write_atomically(folder / f"{name}.parquet", buffer.getvalue())
    seal(folder / f"{name}.parquet")
    write_atomically(folder / f"{name}.csv", guarded(frame).to_csv(index=False).encode())


def read_frame(folder: Path, name: str) -> pd.DataFrame:
    """The frame that `write_frame` wrote. Raises StoreError where there is none, or a damaged one."""
    path = _path_of(folder, name)
    try:
        table = pq.read_table(_regular(path), page_checksum_verification=True)
        if wrong := _wrong(table, KINDS.get(name, {})):
            raise ValueError(wrong)
        return table.to_pandas()
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} can't be read ({error}): run `compare judge {folder}` again.") from error


def checked(folder: Path, name: str) -> Path:
    """The file of the frame NAME, once all of it has been read a part at a time. Raises StoreError as `read_frame`."""
    path = _path_of(folder, name)
    try:
        pages = ParquetFragmentScanOptions(page_checksum_verification=True)
        kind = ParquetFileFormat(default_fragment_scan_options=pages)
        for batch in dataset(_regular(path), format=kind).to_batches(batch_size=PART_ROWS, use_threads=False):
            if wrong := _wrong(batch, KINDS.get(name, {})):
                raise ValueError(wrong)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} can't be read ({error}): run `compare judge {folder}` again.") from error
    return path


def _kinds(*records: type, **more: type) -> dict[str, type]:
    found = {field.name: field.type for record in records for field in fields(record)}
    return {name: kind if kind in (int, float) else str for name, kind in (found | more).items() if name != "library"}


# What the columns of the two frames that every verb reads hold: whole numbers, numbers, or text.
KINDS = {
    "measurements": _kinds(Cell, Measurement, key=str, label=str, status=str, reason=str, elapsed_s=float),
    "verdicts": _kinds(Verdict),
}


def _wrong(table: pa.Table | pa.RecordBatch, kinds: Mapping[str, type]) -> str:
    """Which column is not there or holds something else, in words; "" where none is."""
    for name, kind in kinds.items():
        if name not in table.schema.names:
            if name not in LATER:
                return f"it has no column {name!r}"
        elif len(table) and not _holds(table[name], kind):
            return f"its column {name!r} holds {table[name].type}, {WORDS[kind]} expected"
    return ""


WORDS = {int: "whole numbers are", float: "numbers are", str: "text is"}


def _holds(column: pa.ChunkedArray | pa.Array, kind: type) -> bool:
    if kind is float:
        return bool(pa.types.is_floating(column.type) or pa.types.is_integer(column.type))
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return bool(text if kind is str else pa.types.is_integer(column.type)) and not column.null_count


def _regular(path: Path) -> Path:
    """The path of a regular file. Raises OSError for anything else, which would be waited for."""
    os.close(files.open_regular(path))
    return path


def _path_of(folder: Path, name: str) -> Path:
    path = folder / f"{name}.parquet"
    if not path.exists():
        raise StoreError(f"{folder} holds no {name}.parquet: run `compare judge {folder}` first.")
    try:
        check(path)
    except OSError as error:
        raise StoreError(f"{path} can't be read ({error}): run `compare judge {folder}` again.") from error
    return path


def write_json(folder: Path, name: str, content: Any) -> None:
    """NAME.json as strict JSON; what is not finite becomes null."""
    path = folder / f"{name}.json"
    write_atomically(path, (json.dumps(_finite(content), indent=1, allow_nan=False) + "\n").encode())
    seal(path)


def read_json(folder: Path, name: str) -> Any:
    """What `write_json` wrote. Raises StoreError where there is none."""
    path = folder / f"{name}.json"
    try:
        content = files.read_json(path)
        check(path)
        return content
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder} holds no readable {name}.json: run `compare judge {folder}` first.") from error


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {str(name): _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not -float("inf") < content < float("inf"):
        return None
    return str(content) if isinstance(content, str) else content


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
