"""The store: whole files or none, nothing wrong is read as data, one run at a time."""

import json
import os
import subprocess
import sys
from math import inf, isnan

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.files import write_atomically
from elbo_compare.compare.records import Cell, CellResult, Measurement, Procedure, Quantity, Status
from elbo_compare.compare.running.codec import RANGES, dumps, result_from_json, result_to_json
from elbo_compare.compare.running.store import Store

floats = st.floats(allow_nan=True, allow_infinity=True)
STATED = {
    "value": floats,
    "part": st.text(),
    "index": st.integers(0, 10**6),
    "n": st.integers(1, 10**9),
    "standard_error": floats,
    "reference": floats,
    "scale": floats,
    "note": st.text(),
}
# Where one row stands for many draws it has a range; elsewhere an interval.
measurements = st.builds(
    Measurement,
    quantity=st.sampled_from([each for each in Quantity if each not in (*RANGES, Quantity.LOG_PX)]),
    low=floats,
    high=floats,
    **STATED,
) | st.builds(Measurement, quantity=st.sampled_from(sorted(RANGES)), least=floats, largest=floats, **STATED)
whole = st.integers(-(2**63), 2**63 - 1)  # what a frame's column can hold, too
cells = st.builds(
    Cell,
    procedure=st.sampled_from(Procedure),
    **dict.fromkeys(("seed", "size", "datum", "chunk", "data", "replicas"), whole),
)
results = st.builds(
    CellResult,
    cell=cells,
    status=st.sampled_from(Status),
    reason=st.text(),
    measurements=st.lists(measurements, max_size=4).map(tuple),
    images=st.dictionaries(st.text(), st.lists(st.lists(st.integers(0, 255), max_size=3), max_size=3), max_size=2),
    elapsed_s=st.floats(0, 1e6),
    fingerprint=st.text(),
)


@given(results)
def test_a_result_survives_strict_json_bit_for_bit(result):
    body = dumps(result_to_json(result))
    again = result_from_json(json.loads(body, parse_constant=lambda name: pytest.fail(f"{name} is no strict JSON")))
    assert repr(again) == repr(result)  # repr, because nan != nan
    assert again.cell.key == result.cell.key


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_a_truncated_or_altered_file_is_set_aside_and_never_read(tmp_path, make_cell, data):
    store = Store(tmp_path)
    result = CellResult(
        cell=make_cell(), status=Status.OK, measurements=(Measurement(quantity=Quantity.ELBO, value=1),)
    )
    store.write(result)
    path = store.path(result.cell)
    body = path.read_bytes()
    path.write_bytes(body[: data.draw(st.integers(0, len(body) - 1))])
    assert store.read(result.cell) is None
    assert not path.exists()
    assert path.with_suffix(".damaged").exists()
    assert list(store.results()) == []
    assert path.name in store.damaged[-1]


def test_a_file_under_another_cell_s_name_is_not_taken_for_its_result(tmp_path, make_cell):
    store = Store(tmp_path)
    mine, other = make_cell(), make_cell(seed=1)
    store.write(CellResult(cell=other, status=Status.OK))
    store.path(mine).parent.mkdir(parents=True, exist_ok=True)
    store.path(other).rename(store.path(mine))
    assert list(Store(tmp_path).results()) == []
    assert len(list(tmp_path.rglob("*.damaged"))) == 1


def test_writing_leaves_the_old_file_where_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_second_run_is_refused_with_the_holder(tmp_path):
    with Store(tmp_path).held(), pytest.raises(StoreError, match=f"process {os.getpid()} on"), Store(tmp_path).held():
        pass
    with Store(tmp_path).held():
        assert (tmp_path / "lock").exists()
    assert not (tmp_path / "lock").exists()


def test_the_lock_of_a_killed_run_is_passed_over(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from elbo_compare.compare.running.store import Store\n"
        "with Store(Path(sys.argv[1])).held(): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == 9
    assert (tmp_path / "lock").exists()
    with Store(tmp_path).held():
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"schema": 99}', "\x00", '{"schema": "1"}'])
def test_a_run_record_that_is_not_ours_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(StoreError):
        Store(tmp_path).record()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be written to"), Store(tmp_path / "file" / "results").held():
        pass


@pytest.mark.parametrize("quantity", sorted(RANGES))
def test_a_range_that_an_earlier_version_called_an_interval_is_read_as_one(make_cell, quantity):
    (row,) = read_again(make_cell(), {"quantity": quantity, "value": 3.0, "low": -1.0, "high": "inf"})
    assert (row.value, row.least, row.largest) == (3.0, -1.0, inf)
    assert isnan(row.low) and isnan(row.high)


def test_the_mean_log_weight_that_stood_beside_log_px_is_read_as_a_row_of_its_own(make_cell):
    stored = {"quantity": "log_px", "value": -7.0, "index": 4, "n": 50, "standard_error": 0.1, "low": -8.0}
    evidence, elbo = read_again(make_cell(), stored)
    assert (evidence.value, evidence.index, evidence.standard_error, isnan(evidence.low)) == (-7.0, 4, 0.1, True)
    assert (elbo.quantity, elbo.value, elbo.index, elbo.n) == (Quantity.LOG_WEIGHT_MEAN, -8.0, 4, 50)


def test_an_interval_stays_one(make_cell):
    (row,) = read_again(make_cell(), {"quantity": "kl_mean", "value": 3.0, "low": -1.0, "high": 2.0})
    assert (row.low, row.high, isnan(row.least)) == (-1.0, 2.0, True)


def read_again(cell, stored):
    """The measurements of a stored result with this one row."""
    content = result_to_json(CellResult(cell=cell, status=Status.OK))
    return result_from_json({**content, "measurements": [stored]}).measurements
