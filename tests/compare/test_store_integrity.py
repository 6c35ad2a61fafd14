"""What the store refuses: altered bytes, other schemas, damaged records; and how it names what it set aside."""

import json
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elbo_compare.compare.errors import DamagedRecordError, IncompleteError, StoreError
from elbo_compare.compare.records import SCHEMA_VERSION, CellResult, Measurement, Quantity, Status
from elbo_compare.compare.running.store import Store, sealed, unsealed


def a_result(cell):
    return CellResult(cell=cell, status=Status.OK, measurements=(Measurement(quantity=Quantity.ELBO, value=-1.25),))


@given(st.binary(max_size=300))
def test_sealing_is_undone_by_unsealing_whatever_the_body(body):
    assert unsealed(sealed(body)) == body


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_one_flipped_bit_anywhere_is_found_and_never_read_as_data(tmp_path, make_cell, data):
    store = Store(tmp_path)
    result = a_result(make_cell())
    store.write(result)
    path = store.path(result.cell)
    body = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(body)
    assert store.read(result.cell) is None
    assert path.with_suffix(".damaged").read_bytes() == body  # nothing is destroyed
    assert f"{path.name} set aside as damaged: it is truncated, altered or no result" in store.damaged[-1]


def test_a_changed_digit_in_a_valid_json_file_is_found(tmp_path, make_cell):
    store = Store(tmp_path)
    result = a_result(make_cell())
    store.write(result)
    path = store.path(result.cell)
    altered = path.read_text().replace("-1.25", "-1.26")
    json.loads(altered)
    path.write_text(altered)
    assert list(store.results()) == []
    assert store.read(result.cell) is None


def test_a_foreign_file_among_the_cells_is_set_aside(tmp_path, make_cell):
    store = Store(tmp_path)
    store.write(a_result(make_cell()))
    foreign = tmp_path / "cells" / "ab" / "notes.json"
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text('{"mine": 1}')
    assert [result.cell for result in store.results()] == [make_cell()]
    assert foreign.with_suffix(".damaged").read_text() == '{"mine": 1}'


@pytest.mark.parametrize(("schema", "whose"), [(SCHEMA_VERSION - 1, "an older version"), (99, "another version")])
def test_another_schema_is_refused_with_both_versions_and_left_as_it_is(tmp_path, schema, whose):
    path = tmp_path / "run.json"
    path.write_text(f'{{"schema": {schema}, "spec": {{}}}}')
    with pytest.raises(StoreError, match=f"{whose} of elbo-compare: schema {schema}; .* reads schema {SCHEMA_VERSION}"):
        Store(tmp_path).record()
    assert path.exists()


def test_an_altered_run_record_is_refused_and_named(tmp_path):
    store = Store(tmp_path)
    sound = {"digest": "0", "planned": 1, "fingerprint": "f", "environments": {"f": {}}}
    store.write_record({"spec": {"alpha": 1e-6}} | sound)
    assert store.record()["spec"] == {"alpha": 1e-6}
    text = store.record_path.read_text()
    store.record_path.write_text(text.replace("1e-06", "1e-01"))
    with pytest.raises(DamagedRecordError, match=r"run.json can't be read \(it has been altered"):
        store.record()


def test_a_full_disk_is_one_line_that_says_how_to_go_on(tmp_path, make_cell, monkeypatch):
    store = Store(tmp_path)
    store.write(a_result(make_cell()))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IncompleteError, match=r"is full .* What has finished is kept; make room .* --resume") as caught:
        store.write(a_result(make_cell(seed=1)))
    assert caught.value.exit_code == 3
    monkeypatch.undo()
    assert [result.cell.seed for result in store.results()] == [0]
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_lock_of_another_host_is_respected_and_says_what_to_do(tmp_path):
    (tmp_path / "lock").write_text('{"pid": 12, "host": "elsewhere"}')
    expected = f"in use by process 12 on elsewhere.*remove {tmp_path}/lock where that run is known to have ended"
    with pytest.raises(StoreError, match=expected), Store(tmp_path).held():
        pass


def test_a_lock_whose_process_id_now_belongs_to_another_process_is_passed_over(tmp_path):
    (tmp_path / "lock").write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    with Store(tmp_path).held():
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_of_many_that_want_a_stale_lock_at_once_one_gets_it(tmp_path):
    (tmp_path / "lock").write_text("what a kill has left")
    program = (
        "import sys, time; from pathlib import Path\n"
        "from elbo_compare.compare.errors import StoreError; from elbo_compare.compare.running.locking import held\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try:\n"
        "    with held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.readline()\n"
        "except StoreError as error: print('refused', error, flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    answers = [run.stdout.readline() for run in runs]
    holders = [run.pid for run, answer in zip(runs, answers, strict=True) if answer == "held\n"]
    for run in runs:
        run.communicate("end\n")
    assert len(holders) == 1
    assert sum(answer.startswith("refused") and "is in use by" in answer for answer in answers) == 3
