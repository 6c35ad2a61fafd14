"""A user's modules that are called as ours: theirs are imported by their code, ours by our processes, in every verb."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

NAMES = ("compare", "suites", "reports", "claims", "records", "contract")
IMPORTS = "".join(f"import {name}\nassert {name}.WHOSE == 'the user'\n" for name in NAMES)
KL = """
import numpy as np


def kl(mean, log_var):
    return 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
"""
PAIR = """
import torch
import pyro
from pyro import distributions as dist


def model():
    pyro.sample("z", dist.Normal(torch.zeros(()), torch.ones(())))


def guide():
    pyro.sample("z", dist.Normal(torch.ones(()), torch.ones(())))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working folder of a user: modules and a package of our names, a loss and a pair that import them."""
    folder = tmp_path_factory.mktemp("users")
    for name in NAMES:
        (folder / f"{name}.py").write_text("WHOSE = 'the user'\n")
    (folder / "suites.py").unlink()
    (folder / "suites").mkdir()
    (folder / "suites" / "__init__.py").write_text("WHOSE = 'the user'\n")
    (folder / "elbo_compare.py").write_text("raise RuntimeError('the user has a file of this name too')\n")
    (folder / "loss.py").write_text(IMPORTS + KL)
    (folder / "pair.py").write_text(IMPORTS + PAIR)
    return folder


def compare(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """The script `compare`, called in the folder. -P: as of a script, the working folder is not searched by itself."""
    command = [sys.executable, "-P", "-m", "elbo_compare", *arguments]
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "loss.py:kl", "--timeout", "120"),
        ("check", "loss:kl", "--timeout", "120"),
        ("vectors", "run", "loss.py:kl", "--timeout", "120"),
        ("vectors", "run", "loss:kl", "--timeout", "120"),
    ],
    ids=" ".join,
)
def test_a_function_beside_namesakes_is_judged(folder, arguments):
    done = compare(folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(find_spec("pyro") is None, reason="pyro is not installed")
@pytest.mark.parametrize("place", ["pair", "pair.py"])
def test_a_pair_beside_namesakes_is_explained(folder, place):
    done = compare(folder, "explain", f"{place}:model", f"{place}:guide", "--timeout", "120")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "analytic" in done.stdout


def test_a_run_and_its_report_use_our_modules(folder):
    small = ("--profile", "quick", "-k", "40-shifted and numpy-oracle and evaluate", "-j", "1", "-o", "out")
    done = compare(folder, "run", *small)
    assert done.returncode == 0, done.stdout + done.stderr
    for verb in ("judge", "report"):
        done = compare(folder, verb, "out")
        assert "Traceback" not in done.stderr, done.stderr
    assert (folder / "out" / "report" / "report.html").exists(), done.stdout + done.stderr


SUITES = {
    "semantics": "from elbo_compare.suites.semantics.case import PROGRAMS\n"
    "asked = [str(PROGRAMS / 'scale' / 'scale_001_pyro.py')]",
    "questions": "asked = ['elbo_compare.suites.questions.normaliser:measure']",
}


@pytest.mark.skipif(find_spec("pyro") is None, reason="pyro is not installed")
@pytest.mark.parametrize("suite", SUITES)
def test_the_suites_workers_use_our_modules(folder, suite):
    code = (
        f"from elbo_compare.compare.running.programs import run_programs\n{SUITES[suite]}\n"
        "(done,) = run_programs(asked)\nassert not done.error, done.error"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
