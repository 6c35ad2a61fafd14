"""Where compiled modules go: the user's cache, and only where Python may write none beside sources that have none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
sys.path.insert(0, {packages!r})
from elbo_compare.compare.launching import bytecode
bytecode.WITNESSES = ("witness", "not_installed")
bytecode.keep()
import witness
print(os.environ.get("PYTHONDONTWRITEBYTECODE"), os.environ.get("PYTHONPYCACHEPREFIX"), witness.__cached__)
"""


@pytest.fixture
def kept(tmp_path):
    """(whether writing is still forbidden, the prefix, where a module's bytecode goes) in a process of its own."""
    packages, cache = tmp_path / "packages", tmp_path / "cache"
    packages.mkdir()
    (packages / "witness.py").write_text("")

    def ask(**environment):
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(packages=str(packages))],
            env=surroundings | {"XDG_CACHE_HOME": str(cache)} | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    return ask


def test_what_may_not_be_written_beside_the_sources_is_kept_in_the_cache_for_all_children(kept, tmp_path):
    forbidden, prefix, where = kept(PYTHONDONTWRITEBYTECODE="1")
    assert forbidden == "None"
    assert prefix == str(tmp_path / "cache" / "elbo-compare" / "bytecode")
    assert where.startswith(prefix) and Path(where).exists()
    assert not (tmp_path / "packages" / "__pycache__").exists()


def test_where_python_writes_beside_the_sources_nothing_is_changed(kept, tmp_path):
    assert kept()[:2] == ["None", "None"]
    assert (tmp_path / "packages" / "__pycache__").exists()


def test_bytecode_that_is_there_is_used_and_a_prefix_of_the_user_s_own_is_left(kept):
    kept()  # compiles beside the source
    assert kept(PYTHONDONTWRITEBYTECODE="1")[:2] == ["1", "None"]
    assert kept(PYTHONDONTWRITEBYTECODE="1", PYTHONPYCACHEPREFIX="/elsewhere")[:2] == ["1", "/elsewhere"]
