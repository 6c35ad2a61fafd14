"""Compiled modules: kept in the user's cache where Python may write none beside sources that have none."""

import os
import sys
from importlib.util import cache_from_source, find_spec
from pathlib import Path

FORBIDDEN, PREFIX = "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"
WITNESSES = ("pandas", "matplotlib", "torch", "jax")  # the largest: pip compiles all that it installs, or nothing


def keep() -> None:
    """Let this process and its children keep what they compile in the cache, beside XLA's programs.

    Only where PYTHONDONTWRITEBYTECODE is set and a package was installed without bytecode: else each of a run's ten
    processes compiles torch, JAX or pandas anew (`import torch` takes 2.6 s of CPU so, 1.0 s otherwise; loaded).
    """
    if not os.environ.get(FORBIDDEN) or os.environ.get(PREFIX) or all(map(_is_compiled, WITNESSES)):
        return
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return
    sys.pycache_prefix = os.environ[PREFIX] = str(root / "elbo-compare" / "bytecode")
    del os.environ[FORBIDDEN]
    sys.dont_write_bytecode = False


def _is_compiled(package: str) -> bool:
    """Whether a package has its bytecode beside it; True for one that is not there."""
    found = find_spec(package)
    return found is None or found.origin is None or Path(cache_from_source(found.origin)).exists()
