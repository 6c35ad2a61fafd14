"""Faults in real runs: nothing measured is lost, nothing wrong is read, and going on gives the undisturbed frames."""

import dataclasses
import random
import shutil
import subprocess

import pandas as pd
import pytest
from folder_faults import mountable, renamed_and_back
from injections import complete, damage, fill_disk, finished, interrupt, kill_harness, kill_worker
from real_runs import GENEROUS_S, cell_files, wait_for
from worker_faults import exiting_worker

HOLDS_S = 2 * GENEROUS_S  # a cell of a run that must still be there when another one has been started and refused


def assert_as_undisturbed(bench, folder, whole):
    """Bit for bit, the time that each cell took aside."""
    _, measurements, verdicts = whole
    again = bench.frames(folder)
    pd.testing.assert_frame_equal(again[0], measurements, check_exact=True)
    pd.testing.assert_frame_equal(again[1], verdicts, check_exact=True)


def test_twenty_kills_at_random_moments_cost_no_finished_cell_and_change_no_number(bench, whole, tmp_path):
    rng, folder, before = random.Random(20), tmp_path / "out", {}
    undisturbed = finished(whole[0])
    for strike in range(20):  # a thousand: benchmarks/soak.py
        rng.choice([kill_harness, kill_harness, kill_worker])(bench, folder, rng)
        now = finished(folder)
        assert before.items() <= now.items()
        assert now.items() <= undisturbed.items()
        before = now
        if now == undisturbed:  # strike a fresh folder with what is left of the kills
            folder, before = tmp_path / f"out-{strike}", {}
    complete(bench, folder)
    assert_as_undisturbed(bench, folder, whole)
    assert not list(folder.rglob("*.tmp"))


def test_damaged_files_are_named_set_aside_and_measured_again(bench, whole, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(whole[0], folder)
    sound = {path.name: path.read_bytes() for path in cell_files(folder)}
    damage(bench, folder, random.Random(3))
    harmed = [path.name for path in cell_files(folder) if path.read_bytes() != sound[path.name]]
    said = complete(bench, folder)
    assert all(f"{name} set aside as damaged" in said for name in harmed)
    assert len(harmed) >= 4
    assert_as_undisturbed(bench, folder, whole)


@pytest.mark.parametrize("inject", [interrupt, fill_disk], ids=lambda inject: inject.__name__)
def test_an_interruption_and_a_refused_write_are_recovered_from(bench, whole, tmp_path, inject):
    folder = tmp_path / "out"
    inject(bench, folder, random.Random(7))
    complete(bench, folder)
    assert_as_undisturbed(bench, folder, whole)


@pytest.mark.parametrize("inject", [exiting_worker, renamed_and_back], ids=lambda inject: inject.__name__)
def test_a_worker_or_a_folder_that_misbehaves_costs_no_cell(bench, whole, tmp_path, inject):
    folder = tmp_path / "out"
    assert inject(bench, folder, random.Random(5))
    complete(bench, folder)
    assert_as_undisturbed(bench, folder, whole)
    assert not list(folder.rglob("*.tmp"))


FULL = """
mount -t tmpfs -o size=96k none "$OUT" || exit 99
"$@" -o "$OUT/run"; echo "first $?"
mount -o remount,size=20m "$OUT"
"$@" -o "$OUT/run" --resume; echo "second $?"
cp -r "$OUT/run" "$KEPT"
"""


def test_a_full_file_system_ends_in_one_line_and_the_run_goes_on_when_there_is_room(bench, whole, tmp_path):
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount; `fill_disk` covers it by a limit of file size")
    small, kept = tmp_path / "small", tmp_path / "kept"
    small.mkdir()
    script = ("unshare", "-rm", "env", f"OUT={small}", f"KEPT={kept}", "sh", "-c", FULL, "sh")
    process = bench.start("run", "--profile", bench.profile, "-j", 2, command=script)
    out, err = process.communicate(timeout=GENEROUS_S)
    if process.returncode == 99:
        pytest.skip("this system lets nobody mount")
    assert "first 3" in out
    assert "second 0" in out, err
    assert "is full (No space left on device). What has finished is kept; make room" in err
    assert "Traceback" not in err
    assert_as_undisturbed(bench, kept, whole)


READ_ONLY = """
mount --bind "$OUT" "$OUT" && mount -o remount,bind,ro "$OUT" || exit 99
"$@" -o "$OUT/whole" --resume; echo "whole $?"
"$@" -o "$OUT/lacking" --resume; echo "lacking $?"
"""


def test_resume_with_nothing_to_do_needs_no_writable_folder(bench, whole, tmp_path):
    if not mountable():
        pytest.skip("this system lets nobody mount")
    for name in ("whole", "lacking"):
        shutil.copytree(whole[0], tmp_path / name)
    cell_files(tmp_path / "lacking")[0].unlink()
    script = ("unshare", "-rm", "sh", "-c", READ_ONLY, "sh")
    arguments = ("run", "--profile", bench.profile, "-j", 2)
    process = bench.start(*arguments, command=script, environment={"OUT": str(tmp_path)})
    out, err = process.communicate(timeout=GENEROUS_S)
    if process.returncode == 99:
        pytest.skip("this system lets nobody mount")
    assert "whole 0" in out, out + err
    assert "lacking 2" in out, out + err
    assert "cells are there; nothing is to be run" in err
    assert "lacking can't be written to: Read-only file system. Choose -o DIR." in err
    assert "Traceback" not in err


def test_a_second_run_into_the_folder_is_refused_with_process_and_host(bench, tmp_path):
    folder = tmp_path / "out"
    first = bench.start("run", "--profile", bench.profile, "-j", 2, "-o", folder, wait_s=HOLDS_S)
    wait_for(lambda: cell_files(folder), first)
    code, _, err = bench.run(folder, "--resume")
    first.kill()
    first.communicate()
    assert code == 2
    assert f"is in use by process {first.pid} on " in err
    complete(bench, folder)  # the lock died with its holder


def test_a_folder_that_is_emptied_during_the_run_is_no_success(bench, tmp_path):
    folder = tmp_path / "out"
    process = bench.start("run", "--profile", bench.profile, "-o", folder, wait_s=0.1)
    wait_for(lambda: len(cell_files(folder)) >= 2, process)
    shutil.rmtree(folder / "cells", ignore_errors=True)
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 3, err
    assert "Traceback" not in err
    assert "--resume" in err
    code, _, err = bench.run(folder, "--resume")
    assert code == 0, err


def test_a_drawing_backend_that_does_not_exist_is_nobody_s_business(bench, tmp_path):
    surroundings = dataclasses.replace(bench, environment=bench.environment | {"MPLBACKEND": "nope"})
    folder = tmp_path / "out"
    assert surroundings.run(folder)[0] == 0
    assert surroundings.finish("judge", folder)[0] in (0, 3)
    code, out, err = surroundings.finish("report", folder)
    assert code == 0, err
    assert "Report:" in out
