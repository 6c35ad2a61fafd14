"""`benchmarks/gpu_day.sh`: one command, in time, few files, nothing lost. Here the tool behind it is a stand-in."""

import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_day.sh"
# Stands for `python -m elbo_compare VERB ...`: leaves a file for every call; the verb SLOW takes a minute, the
# first time. As the real tool does, it keeps what it has at a notice to stop.
TOOL = """#!/bin/bash
[ "$1" = - ] && exec python3 "$@"
[ "$2" = pip ] && { echo "pip ${*: -1}" >>"$CALLS"; exit 0; }
verb=$3 folder=''
for word in "$@"; do [ "$before" = -o ] && folder=$word; before=$word; done
echo "${*:3}" >>"$CALLS"
[ "$verb" = doctor ] && [ -n "$SHOW" ] && { nvidia-smi; exit 0; }
[ "$verb" = doctor ] && { echo "GPU: none (a stand-in)"; exit 0; }
[ "$verb" = judge ] && { echo "Verdicts: 3 agrees"; exit 3; }
[ "$verb" = report ] && exit 0
mkdir -p "$folder"
trap 'kill $!; echo kept >>"$folder/kept"; exit 130' TERM
[ "$verb" != "$SLOW" ] || [ -e "$folder/kept" ] || { sleep 60 & echo slow >>"$CALLS"; wait; }
echo whole >>"$folder/whole"
exit ${CODE:-0}
"""


@pytest.fixture
def day(tmp_path):
    """Run the script with the stand-in; returns its exit code, the names in OUT and the calls."""
    tool, calls = tmp_path / "python", tmp_path / "calls"
    tool.write_text(TOOL)
    tool.chmod(0o755)

    def run(*options, ended_by=None, **variables):
        """`ended_by`: a signal for the script as soon as its slow part is at work."""
        calls.write_text("")
        surroundings = os.environ | {"PYTHON": str(tool), "CALLS": str(calls), "SLOW": "nothing"} | variables
        arguments = [str(SCRIPT), str(tmp_path / "out"), "--work", str(tmp_path / "work"), "--device", "cpu", *options]
        with (tmp_path / "said").open("w+") as said, (tmp_path / "errors").open("w+") as errors:
            started = subprocess.Popen(arguments, env=surroundings, stdout=said, stderr=errors, text=True)
            if ended_by is not None:
                until(lambda: "slow" in calls.read_text().splitlines())
                started.send_signal(ended_by)
            code = started.wait(timeout=300)
            said.seek(0), errors.seek(0)
            done = subprocess.CompletedProcess(arguments, code, said.read(), errors.read())
        return done, sorted(path.name for path in (tmp_path / "out").glob("*")), calls.read_text().splitlines()

    return run


def until(there):
    """Wait for something that another process does."""
    end = time.monotonic() + 300
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_every_part_is_asked_once_in_order_of_worth_and_leaves_few_files(day, tmp_path):
    done, names, calls = day("--minutes", "8")
    assert done.returncode == 0, done.stderr
    assert names == ["bench.tar.gz", "claims.tar.gz", "day.log", "doctor.txt", "output.log", "parts.tsv"]
    assert [call.split()[0] for call in calls] == ["doctor", "run", *["bench"] * 5, "judge", "bench", "report"]
    parts = [call.split("--part ")[1].split()[0] for call in calls if "--part " in call]
    assert parts == ["ceilings", "steps", "steps", "replicas", "draws"]
    assert all("--resume" in call and "--device cpu" in call for call in calls[1:7])
    assert "--profile gpu" in calls[1]
    assert "--single-file" in calls[-1]  # of a folder of pages only one would be copied
    assert "Verdicts: 3 agrees" in (tmp_path / "out" / "day.log").read_text()


@pytest.mark.slow
def test_a_part_that_takes_too_long_is_cut_keeps_what_it_has_and_the_next_ones_still_run(day, tmp_path):
    done, _, calls = day("--minutes", "1", SLOW="run")
    assert done.returncode == 0
    assert "claims: cut after" in done.stdout
    assert "draws: whole" in done.stdout
    with tarfile.open(tmp_path / "out" / "claims.tar.gz") as archive:
        assert "claims/kept" in archive.getnames()
    # What was cut gets the time that the others left; what was whole is not asked again.
    assert [call.split()[0] for call in calls].count("run") == 2
    assert "claims: whole" in done.stdout
    assert sum("--part steps" in call for call in calls) == 2


def test_a_rehearsal_finds_the_pretend_device_in_every_process_and_measures_little(day, tmp_path):
    _, _, calls = day("--device", "pretend", "--small", "--minutes", "8", SHOW="1")
    assert "pretend (no GPU; a rehearsal)" in (tmp_path / "out" / "doctor.txt").read_text()
    assert all("--device cuda" in call for call in calls[1:7])
    assert sum("--setting hidden" in call for call in calls) == 1  # narrow here; see tests/device/rehearsal
    assert [call.split("--only ")[1].split(" -k")[0] for call in calls if "--only" in call] == [
        "torch-hand and vae-small",
        "pyro and gaussian-kl and not numpyro",
    ]
    program = "import torch; from elbo_compare.suites.bridge.torch_arrays import open_device as o; print(o('cuda'))"
    rehearsal = SCRIPT.parents[1] / "tests" / "device" / "rehearsal"
    paths = os.environ | {"PYTHONPATH": f"{rehearsal}:{SCRIPT.parents[1]}", "CUDA_VISIBLE_DEVICES": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=paths, capture_output=True, text=True, check=True)
    assert done.stdout == "pretend:0\n"


def test_a_second_call_goes_on_from_the_results_alone(day, tmp_path):
    day("--minutes", "8")
    for path in sorted((tmp_path / "work").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    day("--minutes", "8")
    with tarfile.open(tmp_path / "out" / "claims.tar.gz") as archive:
        member = archive.extractfile("claims/whole")
        assert member is not None and member.read() == b"whole\nwhole\n"


def test_a_notice_to_stop_lets_the_part_keep_what_it_has_and_packs(day, tmp_path):
    done, names, _ = day("--minutes", "8", SLOW="run", ended_by=signal.SIGTERM)
    assert (done.returncode, done.stderr) == (143, "")
    assert "cut; the same command goes on" in done.stdout
    assert "claims.tar.gz" in names
    with tarfile.open(tmp_path / "out" / "claims.tar.gz") as archive:
        assert "claims/kept" in archive.getnames()


def test_a_part_that_a_killed_call_left_is_ended_before_the_next_call_works(day, tmp_path):
    done, _, _ = day("--minutes", "8", SLOW="run", ended_by=signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "work" / "claims" / "kept").exists()  # it is still at work
    again, _, _ = day("--minutes", "8")
    assert "the part of a killed call is ended first" in again.stdout
    assert (tmp_path / "work" / "claims" / "kept").exists()
    assert "claims: whole" in again.stdout


def test_only_wheels_of_what_is_missing_are_installed_and_ours_always(day, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("pytest-1.0", "no_such_distribution-2.0", "elbo_compare-0.1.0"):
        (wheels / f"{name}-py3-none-any.whl").write_text("")
    done, _, calls = day("--minutes", "8", "--wheels", str(wheels))
    assert done.returncode == 0
    assert {Path(name).name for name in (tmp_path / "work" / "wanted").read_text().split()} == {
        "no_such_distribution-2.0-py3-none-any.whl",
        "elbo_compare-0.1.0-py3-none-any.whl",
    }
    assert sum(call.startswith("pip ") for call in calls) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "gpu"], "--device is cuda, cpu or pretend, not gpu"),
        (["--minutes", "few"], "--minutes is a whole number, not few"),
        (["--wheels", "nowhere"], "--wheels nowhere is no folder"),
        (["--frob"], "no option --frob"),
        (["--minutes"], "--minutes needs a value"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(day, arguments, message):
    done, _, calls = day(*arguments)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not calls
