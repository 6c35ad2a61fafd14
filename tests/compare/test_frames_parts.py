"""Large results: written and read by parts, the same frame as in one piece; damage inside a part is found."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from elbo_compare.compare.commands.report import BYTES_A_ROW, report_folder
from elbo_compare.compare.errors import StoreError, UsageError
from elbo_compare.compare.judging.frames import measurement_frame, parts, read_frame, write_measurements
from elbo_compare.compare.judging.ordered import InMemory
from elbo_compare.compare.records import CellResult, Measurement, Quantity, Status
from elbo_compare.compare.running.store import Store

RECORD = {"command": "c", "date": "2026-01-02", "fingerprint": "f", "environments": {"f": {}}}


@pytest.fixture
def results(make_cell):
    rows = (Measurement(quantity=Quantity.ELBO, value=-1.25), Measurement(quantity=Quantity.KL, value=0.5, note="n"))
    sound = [CellResult(cell=make_cell(seed=seed), status=Status.OK, measurements=rows) for seed in range(11)]
    return [*sound, CellResult(cell=make_cell(seed=11), status=Status.FAILED, reason="planted")]


@pytest.mark.parametrize("cells", [1, 3, 12, 100])
def test_the_parts_are_the_whole_frame(tmp_path, results, cells):
    write_measurements(tmp_path, InMemory(reversed(results)), cells=cells)
    whole = measurement_frame(results)
    pd.testing.assert_frame_equal(read_frame(tmp_path, "measurements"), whole)
    pd.testing.assert_frame_equal(pd.concat(parts(tmp_path, "measurements"), ignore_index=True), whole)
    text = pd.read_csv(tmp_path / "measurements.csv", keep_default_na=False)
    assert list(text["key"]) == list(whole["key"])
    columns = next(iter(parts(tmp_path, "measurements", ["key", "value"]))).columns
    assert list(columns) == ["key", "value"]


def test_no_part_has_more_rows_than_are_allowed_and_no_cell_is_cut(tmp_path, results):
    write_measurements(tmp_path, InMemory(results), cells=100, rows=5)
    metadata = pq.ParquetFile(tmp_path / "measurements.parquet").metadata
    sizes = [metadata.row_group(each).num_rows for each in range(metadata.num_row_groups)]
    assert sizes == [4, 5, 4, 4, 4, 2]  # two rows a cell, one for the cell that failed
    pd.testing.assert_frame_equal(read_frame(tmp_path, "measurements"), measurement_frame(results))


def test_a_report_of_more_than_memory_holds_is_refused_before_it_is_read(tmp_path, results, monkeypatch):
    write_measurements(tmp_path, results)
    Store(tmp_path).write_record({"profile": "p", "spec": {}, "digest": "d", "planned": 1} | RECORD)
    monkeypatch.setattr("elbo_compare.compare.running.memory._physical_bytes", lambda: 23 * BYTES_A_ROW)
    with pytest.raises(UsageError, match=r"has 23 measurements: to draw them takes about 0 MiB of memory, and 0 MiB"):
        report_folder(tmp_path)
    assert not (tmp_path / "report").exists()


def test_no_results_give_an_empty_frame_with_its_columns(tmp_path):
    write_measurements(tmp_path, [])
    assert list(read_frame(tmp_path, "measurements").columns) == list(measurement_frame([]).columns)


def test_an_altered_page_is_found_and_never_read(tmp_path, results):
    write_measurements(tmp_path, results)
    path = tmp_path / "measurements.parquet"
    body = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    begins = column.dictionary_page_offset or column.data_page_offset
    place = begins + column.total_compressed_size // 2
    body[place] ^= 1
    path.write_bytes(body)
    (tmp_path / "seal.json").unlink()  # without a seal the checksum of the page finds it
    with pytest.raises(StoreError, match=r"measurements.parquet can't be read .*: run `compare judge"):
        read_frame(tmp_path, "measurements")


def test_numbers_are_kept_byte_by_byte_and_words_once(tmp_path, results):
    """A dictionary that repeats almost every number is larger than the numbers: a fifth of a published folder."""
    write_measurements(tmp_path, results)
    group = pq.ParquetFile(tmp_path / "measurements.parquet").metadata.row_group(0)
    kept = {column.path_in_schema: set(column.encodings) for column in map(group.column, range(group.num_columns))}
    assert "BYTE_STREAM_SPLIT" in kept["value"]
    assert "RLE_DICTIONARY" in kept["label"] and "RLE_DICTIONARY" not in kept["value"]
