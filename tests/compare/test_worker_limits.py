"""Limits of a worker: resident memory, and that no cell pays for what another did to their process."""

import numpy as np
import pytest
from processes import processes_with, wait_until

from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.records import Status
from elbo_compare.compare.running.memory import MIB, default_limit, parse_size, resident_bytes

LIMIT = 400 * MIB  # a worker with NumPy and SciPy holds about 100 MiB
OTHERS = ("2-equal", "2-typical", "2-wide", "2-mixed")


def test_a_leak_past_the_limit_costs_the_leaking_cell_alone(faulty, make_cell, run_cells):
    leaking = make_cell(implementation="faulty-leaks", estimator="analytic-kl")
    sound = [make_cell(implementation="faulty-leaks", weights=weights) for weights in OTHERS]
    results = run_cells([*sound[:2], leaking, *sound[2:]], jobs=1, memory=LIMIT)
    by_key = {result.cell.key: result for result in results}
    assert {by_key[cell.key].status for cell in sound} == {Status.OK}
    assert by_key[leaking.key].status is Status.CRASHED
    assert "of memory; 400 MiB are allowed (--cell-memory)" in by_key[leaking.key].reason


@pytest.mark.parametrize(("name", "reason"), [("faulty-segfaults", "signal SIGSEGV"), ("faulty-exits", "exit code 7")])
def test_a_crash_costs_the_crashing_cell_alone(faulty, make_cell, run_cells, name, reason):
    crashing = make_cell(implementation=name, estimator="analytic-kl")
    results = run_cells([make_cell(implementation=name), crashing, make_cell(implementation=name, seed=1)], jobs=1)
    by_key = {result.cell.key: result for result in results}
    assert len(results) == len(by_key) == 3
    assert by_key.pop(crashing.key).reason.startswith(f"the worker process ended with {reason}")
    assert {result.status for result in by_key.values()} == {Status.OK}


def test_a_cell_is_not_blamed_for_a_process_that_an_earlier_cell_killed(
    faulty, make_cell, run_cells, tmp_path, monkeypatch
):
    monkeypatch.setenv("PLANTED_DEATHS", str(tmp_path / "deaths"))
    poison = make_cell(implementation="faulty-late", estimator="analytic-kl")
    later = [make_cell(implementation="faulty-late", weights=weights) for weights in OTHERS[:2]]
    results = run_cells([poison, *later], jobs=1)
    assert (tmp_path / "deaths").read_text() == "died\n"
    assert sorted(result.cell.key for result in results) == sorted(cell.key for cell in (poison, *later))
    assert {result.status for result in results} == {Status.OK}


def test_no_process_outlives_the_worker_that_started_it(faulty, make_cell, run_cells):
    results = run_cells([make_cell(implementation="faulty-forks", estimator="analytic-kl")])
    assert [result.status for result in results] == [Status.OK]
    assert wait_until(lambda: not processes_with("7654.25"))


def test_resident_memory_is_that_of_touched_pages():
    import os

    before = resident_bytes(os.getpid())
    reserved = np.empty(2**25)  # 256 MiB of addresses
    assert resident_bytes(os.getpid()) - before < 64 * MIB
    reserved[:] = 1
    assert resident_bytes(os.getpid()) - before > 192 * MIB
    assert default_limit() > 256 * MIB


@pytest.mark.parametrize(("text", "size"), [("800M", 800 * MIB), ("4G", 4096 * MIB), ("1.5GiB", 1536 * MIB)])
def test_a_size_is_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "800", "-1G", "0M", "1e3M", "nanM", "infG", "4 lots", "1K", "9999999T"])
def test_what_is_no_size_is_refused_in_one_line(text):
    with pytest.raises(UsageError, match="--cell-memory must be a size") as caught:
        parse_size(text)
    assert "\n" not in str(caught.value)
