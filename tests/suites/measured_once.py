"""What a process of its own measures is measured once per test run, whatever number of pytest processes asks for it.

A framework sits in a process of its own (torch and JAX share none, x64 is process-wide), and its compilations are what
the tests cost most. The first that asks runs the program, the others wait for its file.
"""

import fcntl
import functools
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = "ELBO_COMPARE_TESTS_MEASURED"
CHECKED = str(Path(__file__).with_name("checked_process.py"))
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}  # it also keeps the sums' order


@functools.cache
def folder() -> Path:
    """The run's folder, which tests/conftest.py makes and removes."""
    return Path(os.environ[FOLDER])


@functools.cache
def measured(program: str, arguments: tuple[str, ...] = (), *, implementation: str) -> Any:
    """What `python -W error PROGRAM ARGUMENTS FILE` pickles into FILE; a RuntimeError holds the end of its stderr.

    The shape types of the implementation's densities are checked there.
    """
    name = "-".join([Path(program).stem, *arguments])
    file = folder() / f"{name}.pickle"
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            _run([CHECKED, implementation, program, *arguments], file)
    return pickle.loads(file.read_bytes())


def _run(command: Sequence[str], file: Path) -> None:
    with tempfile.TemporaryDirectory(dir=file.parent) as unfinished:
        left = Path(unfinished, "measured.pickle")
        whole = [sys.executable, "-W", "error", *command, str(left)]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=900, env=os.environ | ONE_THREAD)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
        left.rename(file)
