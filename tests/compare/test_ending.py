"""Exit codes: 1 means that a claim differs, and nothing else; a closed pipe is quiet; encodings fall back."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import heedful

from elbo_compare.compare.errors import CompareError, InternalError
from elbo_compare.compare.launching import ending, interruption

COMPARE = [sys.executable, "-m", "elbo_compare"]


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ZeroDivisionError("x"), 70),
        (InternalError("ours"), 70),
        (CompareError("yours"), 2),
        (FileNotFoundError(2, "No such file", "f"), 2),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda each: type(each).__name__,
)
def test_whatever_a_verb_raises_ends_with_a_code_of_its_own_and_a_line(error, code, capsys):
    assert ending.of(raising(error)) == code
    err = capsys.readouterr().err
    assert err.strip()
    assert ("Traceback" in err) == isinstance(error, ZeroDivisionError)


def test_a_full_disk_is_told_with_how_to_go_on(capsys):
    interruption.advise(interruption.REPEAT)  # as at the start of a process
    full = OSError(errno.ENOSPC, "No space left on device", "out/verdicts.parquet")
    assert ending.of(raising(full)) == 2
    assert capsys.readouterr().err == (
        "compare: No space left on device (out/verdicts.parquet). Free some space; then: "
        "Nothing is left half done; give the same command again.\n"
    )


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_a_verb_s_own_code_is_kept(code):
    assert ending.of(lambda: code) == code


def test_an_interruption_amid_text_that_is_executed_has_its_exit_code_too(tmp_path):
    """The interpreter kills itself by SIGINT at the end of `-m`, where its own mark is not taken away: seen as -2."""
    (tmp_path / "amid.py").write_text(
        "import sys; from elbo_compare.compare.launching import ending\n"
        "sys.exit(ending.of(lambda: exec('raise KeyboardInterrupt')))"
    )
    done = subprocess.run([sys.executable, "-m", "amid"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr


STRUCK = """
import os, runpy, signal, sys

class Strikes:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Strikes())
runpy.run_module("elbo_compare", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "module",
    ["typing", "elbo_compare.compare.entry", "elbo_compare.compare.launching.ending", "typer"],
)
def test_ctrl_c_while_a_verb_is_imported_is_one_line(module):
    command = heedful("-c", STRUCK, module)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert done.stderr == "\nInterrupted (SIGINT). Nothing is left half done; give the same command again.\n"


def test_ctrl_c_when_the_verb_has_ended_is_silent():
    program = (
        "import atexit, os, signal, sys; from elbo_compare.compare import entry; sys.argv = ['compare', 'list']; "
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT)); entry.main()"
    )
    done = subprocess.run(heedful("-c", program), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_a_fault_of_ours_says_that_it_is_ours():
    program = (
        "import sys; from elbo_compare.compare import cli, entry; "
        "cli.command = lambda: 1 / 0; sys.argv = ['compare']; entry.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "a fault of elbo-compare itself: ZeroDivisionError: division by zero. Please report it" in done.stderr


def test_a_reader_that_goes_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMPARE, "list"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_encoding_without_greek_gets_escapes():
    done = subprocess.run(
        [*COMPARE, "list"], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_nothing_about_the_work(closed, tmp_path):
    profile = tmp_path / "one.toml"
    profile.write_text(
        '[[cells]]\nprocedure = "evaluate"\nproblems = ["gaussian-kl@2-typical"]\n'
        'implementations = ["numpy-oracle"]\nestimators = ["sampled-kl"]\nsize = 5\n'
    )
    line = f"{sys.executable} -m elbo_compare run --profile {profile} -o {tmp_path / 'out'} {closed}"
    assert subprocess.run(["sh", "-c", line], capture_output=True, check=False).returncode == 0
    assert len(list((tmp_path / "out").glob("cells/??/*.json"))) == 1


def test_a_full_disk_behind_the_output_is_said():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMPARE, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
