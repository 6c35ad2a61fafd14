"""Shape types are checked in every call of the tests' own process: see `elbo_compare.suites.shapes`."""

import os
import sys
from importlib.util import find_spec

SWITCH = "ELBO_COMPARE_SHAPE_TYPES"
# Modules whose annotations are shape types, with everything below them.
CHECKED = ("elbo_compare.suites.contract", "elbo_compare.suites.exact")
LACKING = tuple(name for name in ("jaxtyping", "beartype") if find_spec(name) is None)

if not LACKING:
    from beartype import BeartypeConf, beartype

    checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for a type checker


def check_shape_types() -> None:
    """From now on, the modules of CHECKED are imported with jaxtyping's hook. Children of the tests run without it."""
    if LACKING:
        return
    early = [name for name in sys.modules if name.startswith(CHECKED)]
    assert not early, f"imported before their shape types could be checked: {early}"
    from jaxtyping import install_import_hook

    os.environ[SWITCH] = "1"
    import elbo_compare.suites.shapes  # noqa: F401

    del os.environ[SWITCH]
    install_import_hook(list(CHECKED), f"{__name__}.checked")
