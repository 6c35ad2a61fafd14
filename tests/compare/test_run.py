"""A fault costs its own cell: every planned cell ends with exactly one result, and the others are untouched."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import GENEROUS_S, wait_until

from elbo_compare.compare.procedures.peak_memory import reset_peak
from elbo_compare.compare.records import Procedure, Quantity, Status
from elbo_compare.compare.running import rounds
from elbo_compare.compare.running.memory import MIB
from elbo_compare.compare.running.pool import Pool

HANGS_S = 12.0  # of a cell that takes milliseconds: what is no hang has ended by then on any machine
EXPECTED = {
    "faulty-raises": (Status.FAILED, "RuntimeError: planted: a message of two lines"),
    "faulty-exits": (Status.CRASHED, "exit code 7; it last printed: last words"),
    "faulty-hangs": (Status.TIMED_OUT, f"no result within {HANGS_S:g} s"),
    "faulty-nan": (Status.FAILED, "kl holds 1 of 1 values that are not finite (such as nan)"),
    "faulty-shape": (Status.FAILED, "has shape"),
    "faulty-dtype": (Status.FAILED, "was computed in float32, not in float64"),
    "faulty-value": (Status.OK, ""),
    "faulty-chatty": (Status.CRASHED, "signal SIGABRT"),
    "faulty-unwilling": (Status.NOT_RUN, "has no analytic KL"),
}


def test_each_fault_gives_its_status_and_reason_and_costs_no_other_cell(faulty, make_cell, run_cells):
    cells = [
        make_cell(implementation=name, estimator=estimator, weights=weights)
        for name in EXPECTED
        for estimator, weights in (("analytic-kl", "2-typical"), ("sampled-kl", "2-typical"), ("sampled-kl", "2-wide"))
    ]
    results = run_cells(cells, timeout_s=HANGS_S)
    assert sorted(result.cell.key for result in results) == sorted(cell.key for cell in cells)
    for result in results:
        status, reason = EXPECTED[result.cell.implementation]
        if result.cell.estimator == "sampled-kl":
            assert result.status is Status.OK, result
        else:
            assert result.status is status, result
            assert reason in result.reason
            assert "\n" not in result.reason
            assert len(result.reason) < 500


def test_an_implementation_that_cannot_be_imported_fails_all_its_cells_and_only_those(faulty, make_cell, run_cells):
    cells = [make_cell(implementation="faulty-import", seed=seed) for seed in range(3)]
    results = run_cells([*cells, make_cell()])
    outcomes = {(result.cell.implementation, result.status) for result in results}
    assert outcomes == {("faulty-import", Status.FAILED), ("numpy-oracle", Status.OK)}
    assert all("planted: no import" in result.reason for result in results if result.status is Status.FAILED)


def test_cells_that_cannot_run_here_end_as_not_run_with_the_reason(make_cell, run_cells):
    results = run_cells([make_cell()], reason_not_to_run=lambda cell: "planted reason")
    assert [(result.status, result.reason) for result in results] == [(Status.NOT_RUN, "planted reason")]


def test_the_same_cells_give_the_same_measurements_whatever_ran_before_them(make_cell, run_cells):
    cells = [
        make_cell(weights=weights, procedure=Procedure.DRAW, size=5000, chunk=1000) for weights in ("2-wide", "2-mixed")
    ]
    together = run_cells(cells)
    alone = [result for cell in reversed(cells) for result in run_cells([cell])]
    by_key = {result.cell.key: result.measurements for result in together}
    for result in alone:
        assert repr(by_key[result.cell.key]) == repr(result.measurements)


def test_a_library_goes_on_in_the_process_of_the_hand_written_code_with_the_numbers_that_it_has_alone(
    make_cell, run_cells, monkeypatch
):
    pytest.importorskip("pyro")
    started, start = [], Pool.start
    monkeypatch.setattr(Pool, "start", lambda pool, key: started.append(key.implementation) or start(pool, key))
    procedures = [(Procedure.DRAW, 3000), (Procedure.EVALUATE, 4)]
    cells = [
        make_cell(implementation=name, procedure=procedure, size=size, chunk=1000)
        for name in ("torch-hand", "pyro")
        for procedure, size in procedures
    ]
    together = {result.cell: result for result in run_cells(cells, jobs=1)}
    assert started == ["torch-hand"]
    alone = run_cells([cell for cell in cells if cell.implementation == "pyro"], jobs=1)
    assert started == ["torch-hand", "pyro"]
    for result in alone:
        assert repr(together[result.cell].measurements) == repr(result.measurements)
        assert together[result.cell].status is Status.OK


def test_timed_cells_take_turns_and_survive_a_sibling_that_dies(faulty, make_cell, run_cells, monkeypatch):
    monkeypatch.setattr(rounds, "ROUNDS", 2)
    asked = []
    original = rounds.ask_for

    def spy(worker, cell, options, do="run", **more):
        asked.append((do, cell.implementation, cell.estimator))
        return original(worker, cell, options, do=do, **more)

    def started(pool, key, **options):
        asked.append(("process", key.implementation, ""))
        return start(pool, key, **options)

    start = Pool.start
    monkeypatch.setattr(Pool, "start", started)
    monkeypatch.setattr(rounds, "ask_for", spy)
    names = ("numpy-oracle", "faulty-exits")
    cells = [
        make_cell(implementation=name, estimator=estimator, procedure=Procedure.TIME)
        for estimator in ("sampled-kl", "analytic-kl")
        for name in names
    ]
    results = run_cells(cells)
    status = {(result.cell.implementation, result.cell.estimator): result.status for result in results}
    assert status.pop(("faulty-exits", "analytic-kl")) is Status.CRASHED
    assert set(status.values()) == {Status.OK}
    assert [who for do, *who in asked[:2] if do == "process"] == [[name, ""] for name in names]  # they import together
    turns = [who for do, *who in asked if do == "turn"]
    # One worker's cells follow each other, in whatever order they were planned.
    living = [["numpy-oracle", "sampled-kl"], ["numpy-oracle", "analytic-kl"], ["faulty-exits", "sampled-kl"]]
    assert turns == living * 2
    for result in results:
        if result.status is Status.OK:
            steady = [row for row in result.measurements if row.quantity is Quantity.STEADY_STEP_S]
            assert [row.index for row in steady] == [0, 1]
            assert all(row.value > 0 for row in result.measurements)
            peak = [row.value for row in result.measurements if row.quantity is Quantity.PEAK_BYTES]
            assert [value > 16 * MIB for value in peak] == [True] * reset_peak()  # NumPy alone takes more


def test_stopping_is_quick_keeps_what_is_finished_and_leaves_no_process(faulty, make_cell, run_cells):
    finished = []
    cells = [make_cell(), make_cell(implementation="faulty-hangs", estimator="analytic-kl")]

    def interrupt():
        wait_until(lambda: finished)
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGINT)

    from elbo_compare.compare.running.pool import Options
    from elbo_compare.compare.running.run import run

    threading.Thread(target=interrupt, daemon=True).start()
    options = Options(jobs=2, cores=2, cell_timeout_s=300, fingerprint="test")
    before = set(_children())
    with pytest.raises(KeyboardInterrupt):
        run(cells, options, finished.append)
    assert [result.cell.implementation for result in finished] == ["numpy-oracle"]
    assert set(_children()) <= before


def test_a_worker_ends_when_the_harness_is_killed(faulty, make_cell, tmp_path):
    program = (
        "from elbo_compare.compare.running.executors import LocalWorker, WorkerKey; "
        "from elbo_compare.compare.environment import worker_environment; "
        "import os, signal; "
        "worker = LocalWorker(WorkerKey(implementation='numpy-oracle', device='cpu', dtype='float64'), "
        "worker_environment(device='cpu', dtype='float64', threads=1, compile_cache=False)); "
        "worker.wait_ready(); print(worker.process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=GENEROUS_S)
    pid = int(done.stdout)
    assert wait_until(lambda: not _running(pid))


def _running(pid: int) -> bool:
    fields = _stat(pid)
    return fields is not None and fields[0] != "Z"


def _children() -> list[int]:
    """Living processes whose parent is this one, whichever thread started them; its guardian aside."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    ours = [pid for pid in pids if (fields := _stat(pid)) and int(fields[1]) == os.getpid() and fields[0] != "Z"]
    return [pid for pid in ours if b"guardian.py" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _stat(pid: int) -> list[str] | None:
    """State, parent and the rest of /proc/PID/stat; None where the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
