"""Real runs that are interrupted: what has finished is kept, and going on gives the numbers of an uninterrupted run."""

import json
import signal
import subprocess
import sys

import pytest
from processes import GENEROUS_S, wait_until

from elbo_compare.suites.problems import CASES

PROFILE = """
[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@2-*"]
implementations = ["numpy-oracle", "faulty-hangs"]
size = 5
"""
RUN = [sys.executable, "-m", "elbo_compare", "run", "-j", "2"]


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "slow.toml"
    path.write_text(PROFILE)
    return path


def started(profile, folder, *more):
    return subprocess.Popen(
        [*RUN, "--profile", str(profile), "-o", str(folder), *more],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for_cells(folder, count):
    assert wait_until(lambda: len(list(folder.glob("cells/??/*.json"))) >= count)


def measured(folder):
    """What each cell's file holds, the time it took aside."""
    found = {}
    for path in folder.glob("cells/??/*.json"):
        content = json.loads(path.read_text())["result"]
        found[path.name] = {name: value for name, value in content.items() if name != "elapsed_s"}
    return found


def test_ctrl_c_keeps_what_has_finished_and_gives_up_the_folder(faulty, profile, tmp_path):
    process = started(profile, tmp_path / "out")
    wait_for_cells(tmp_path / "out", 14)  # all of the oracle's; the other implementation hangs
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 130, err
    assert len(measured(tmp_path / "out")) >= 14
    assert not (tmp_path / "out" / "lock").exists()


def test_a_killed_run_resumes_to_the_numbers_of_an_uninterrupted_one(faulty, profile, tmp_path):
    only = ("-k", "numpy-oracle or sampled-kl")  # the cells that do not hang
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = started(profile, killed, *only)
    wait_for_cells(killed, 3)
    process.kill()
    process.communicate(timeout=GENEROUS_S)
    process = started(profile, killed, *only, "--resume")
    process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 0
    process = started(profile, whole, *only)
    process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 0
    assert len(measured(whole)) == 3 * len(CASES)  # of the profile: three implementations under sampled-kl
    assert measured(killed) == measured(whole)


DESTROYED = """
import os, signal, time
from elbo_compare.compare.launching.interruption import listening

class Kept:
    def __del__(self):
        self.release()

    def release(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.001)  # the handler runs before this is over

with listening():
    try:
        kept = Kept()
        del kept
        time.sleep(60.0)
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_a_signal_in_the_midst_of_a_destructor_interrupts_after_it_and_leaves_no_traceback():
    done = subprocess.run([sys.executable, "-c", DESTROYED], capture_output=True, text=True, timeout=GENEROUS_S)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
