"""What is lost in a run takes the place of nothing that was measured."""

import pytest

from elbo_compare.compare.commands import run as it
from elbo_compare.compare.records import CellResult, Measurement, Procedure, Quantity, Status
from elbo_compare.compare.running.pool import Options
from elbo_compare.compare.running.store import Store

OPTIONS = Options(jobs=1, cores=1, cell_timeout_s=60.0, fingerprint="the cluster's")


def measured(cell, value, fingerprint):
    row = Measurement(quantity=Quantity.ELBO, value=value)
    return CellResult(cell=cell, status=Status.OK, measurements=(row,), fingerprint=fingerprint)


@pytest.mark.parametrize("lost", [Status.CRASHED, Status.TIMED_OUT])
@pytest.mark.parametrize(
    ("procedure", "earlier", "kept"),
    [
        (Procedure.EVALUATE, Status.OK, True),
        (Procedure.EVALUATE, Status.FAILED, False),
        (Procedure.EVALUATE, None, False),
        (Procedure.TIME, Status.OK, False),  # its group is timed anew: rounds of two runs are not mixed
    ],
)
def test_a_lost_cell_leaves_an_earlier_whole_result(monkeypatch, tmp_path, make_cell, lost, procedure, earlier, kept):
    store, cell = Store(tmp_path), make_cell(procedure=procedure)
    if earlier is Status.OK:
        store.write(measured(cell, 1.0, "here"))
    elif earlier is not None:
        store.write(CellResult(cell=cell, status=earlier, reason="raised", fingerprint="here"))
    ended = CellResult(cell=cell, status=lost, reason="the worker was lost", fingerprint="the cluster's")
    monkeypatch.setattr(it, "run", lambda pending, options, finish, *_: finish(ended) or [])
    broken, _ = it._run_cells([cell], OPTIONS, store, None, 0.0)
    assert broken == 1  # the run says that it is not whole
    now = store.read(cell)
    assert now is not None and (now.status is Status.OK) is kept
    assert now.fingerprint == ("here" if kept else "the cluster's")


def test_a_new_measurement_takes_the_place_of_an_earlier_one(monkeypatch, tmp_path, make_cell):
    store, cell = Store(tmp_path), make_cell()
    store.write(measured(cell, 1.0, "here"))
    monkeypatch.setattr(it, "run", lambda pending, options, finish, *_: finish(measured(cell, 2.0, "there")) or [])
    it._run_cells([cell], OPTIONS, store, None, 0.0)
    assert store.read(cell).measurements[0].value == 2.0
