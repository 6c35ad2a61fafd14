"""Many machines by Dask: a real scheduler and workers in processes of their own, one of them killed during the run."""

import json
import signal
import subprocess
import sys

import pandas as pd
import pytest
from real_runs import cell_files, wait_for

pytest.importorskip("distributed")
DASK = [sys.executable, "-m", "dask"]


@pytest.fixture
def cluster(bench, tmp_path):
    """A scheduler and two workers: its address, the workers' processes."""
    started = []
    contact = tmp_path / "scheduler.json"

    def start(*words):
        with (tmp_path / f"dask-{len(started)}.log").open("w") as log:
            process = subprocess.Popen(
                [*DASK, *words, "--no-dashboard"],
                env=bench.environment | {"TRIVIAL_WAIT_S": "0.1"},
                stdout=log,
                stderr=log,
                cwd=tmp_path,
            )
        started.append(process)
        return process

    start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(contact))
    wait_for(lambda: contact.exists() and contact.read_text().endswith("}"))
    address = json.loads(contact.read_text())["address"]
    workers = [start("worker", address, "--nthreads", "1", "--no-nanny", "--death-timeout", "20") for _ in range(2)]
    wait_for(lambda: sum("Registered to" in path.read_text() for path in tmp_path.glob("dask-*.log")) == 2)
    yield address, workers
    for process in started:
        process.kill()
        process.wait()


def test_a_cluster_gives_the_same_numbers_and_a_killed_worker_costs_only_a_retry(bench, whole, cluster, tmp_path):
    address, workers = cluster
    folder = tmp_path / "out"
    arguments = ("--profile", bench.profile, "-o", folder, "--executor", "dask", "--scheduler", address)
    process = bench.start("run", *arguments)
    wait_for(lambda: len(cell_files(folder)) >= 3, process)
    workers[0].send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err + out
    assert workers[1].poll() is None
    _, measurements, verdicts = whole
    over_dask = bench.frames(folder)
    pd.testing.assert_frame_equal(over_dask[0], measurements)
    pd.testing.assert_frame_equal(over_dask[1], verdicts)
    assert set(over_dask[0]["status"]) == {"ok"}


def test_ctrl_c_stops_the_cluster_s_work_too(bench, cluster, tmp_path):
    address, _ = cluster
    folder = tmp_path / "out"
    arguments = ("--profile", bench.profile, "-o", folder, "--executor", "dask", "--scheduler", address)
    process = bench.start("run", *arguments)
    wait_for(lambda: len(cell_files(folder)) >= 3, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert process.returncode == 130, err
    assert "--resume" in err
    assert "Traceback" not in err
    code, _, err = bench.finish("run", *arguments, "--resume")
    assert code == 0
    assert "cells are there" in err


def test_an_address_where_nobody_answers_is_one_line(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("elbo_compare.compare.running.dask_cluster.CONNECT_S", 1.0)
    from elbo_compare.compare.errors import UsageError
    from elbo_compare.compare.running.dask_cluster import connected

    nobody = connected("tcp://127.0.0.1:9", "cpu", {})
    with pytest.raises(UsageError, match=r"No Dask scheduler answers at 'tcp://127.0.0.1:9'") as caught, nobody:
        pass
    assert "\n" not in str(caught.value)
