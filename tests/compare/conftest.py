"""Fixtures: the command line in this process, a third party's package of faulty implementations, cells and results."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from elbo_compare.compare.cli import main
from elbo_compare.compare.records import Cell, Procedure
from elbo_compare.compare.running.pool import Options
from elbo_compare.compare.running.run import run

HERE = Path(__file__).parent
FAULTS = {
    "faulty-raises": "Raises",
    "faulty-exits": "Exits",
    "faulty-hangs": "Hangs",
    "faulty-nan": "GivesNaN",
    "faulty-shape": "WrongShape",
    "faulty-dtype": "WrongDType",
    "faulty-value": "WrongValue",
    "faulty-chatty": "Chatty",
    "faulty-unwilling": "Unwilling",
    "faulty-leaks": "Leaks",
    "faulty-segfaults": "Segfaults",
    "faulty-late": "DiesLate",
    "faulty-forks": "LeavesAProcess",
    "faulty-together": "TrainsTogether",
}


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line in this process: exit code, standard output, standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def third_party(tmp_path_factory) -> Path:
    """A folder with an installed distribution that registers faulty implementations and one that can't be imported."""
    folder = tmp_path_factory.mktemp("third-party")
    shutil.copy(HERE / "faulty_implementations.py", folder / "faulty_implementations.py")
    (folder / "unimportable.py").write_text("raise SystemExit('planted: no import')\n")
    record = folder / "faulty-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    lines = [f"{entry} = faulty_implementations:{name}" for entry, name in FAULTS.items()]
    lines.append("faulty-import = unimportable:Nothing")
    (record / "entry_points.txt").write_text("[elbo_compare.implementations]\n" + "\n".join(lines) + "\n")
    return folder


@pytest.fixture
def faulty(third_party, monkeypatch) -> Path:
    """The third party's package, importable here and in worker processes."""
    monkeypatch.syspath_prepend(str(third_party))
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(third_party), inherited])))
    return third_party


def a_cell(**changes) -> Cell:
    """A small EVALUATE cell of the oracle, with changes."""
    fields = {
        "problem": "gaussian-kl",
        "weights": "2-typical",
        "dataset": "none",
        "implementation": "numpy-oracle",
        "estimator": "sampled-kl",
        "procedure": Procedure.EVALUATE,
        "dtype": "float64",
        "device": "cpu",
        "seed": 0,
        "size": 5,
    }
    return Cell(**(fields | changes))


@pytest.fixture
def make_cell():
    return a_cell


@pytest.fixture
def run_cells():
    """Run cells in real workers; returns the results."""

    def run_them(cells, *, jobs=2, timeout_s=120.0, memory=None, **more):
        results = []
        options = Options(jobs=jobs, cores=jobs, cell_timeout_s=timeout_s, cell_memory=memory, fingerprint="test")
        run(cells, options, results.append, **more)
        return results

    return run_them
