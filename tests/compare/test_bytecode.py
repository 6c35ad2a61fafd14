"""Where Python may write no bytecode, none is written: not beside the sources, not in the user's cache, by no child."""

import os
import subprocess
import sys

PROGRAM = """
import sys
sys.path.insert(0, {packages!r})
from elbo_compare.compare import cli, entry
from elbo_compare.compare.launching.child import printed_by
cli.command = lambda: print(printed_by("import os, sys; sys.path.insert(0, sys.argv[1]); import witness; "
    "print(sys.dont_write_bytecode, os.environ.get('PYTHONPYCACHEPREFIX'))", {packages!r}, timeout_s=60))
entry.main()
"""


def test_under_pythondontwritebytecode_nothing_is_written_and_children_heed_it(tmp_path):
    packages, cache = tmp_path / "packages", tmp_path / "cache"
    packages.mkdir()
    for name in ("witness", "pandas", "matplotlib", "torch", "jax"):  # as installed without bytecode
        (packages / f"{name}.py").write_text("")
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(packages=str(packages))],
        env=surroundings | {"XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "None"]
    assert not cache.exists()
    assert not (packages / "__pycache__").exists()
