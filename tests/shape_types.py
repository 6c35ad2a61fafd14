"""Shape types are checked in every call of the tests' own process: see `elbo_compare.suites.shapes`."""

import inspect
import os
import sys
from importlib import import_module
from importlib.util import find_spec

SWITCH = "ELBO_COMPARE_SHAPE_TYPES"
# Modules whose annotations are shape types, with everything below them.
CHECKED = ("elbo_compare.suites.contract", "elbo_compare.suites.exact")
# The densities of each backend that writes them itself: what bears a shape type is checked, in a process of
# its own framework.
DENSITIES = {
    "numpy-oracle": "elbo_compare.suites.numpy_oracle.vae",
    "torch-hand": "elbo_compare.suites.torch_hand.vae",
    "jax-hand": "elbo_compare.suites.jax_hand.vae",
}
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


def check_densities(*implementations: str) -> list[str]:
    """The functions of these implementations' `vae.py` that bear shape types; their calls are checked from now on."""
    if LACKING:
        return []
    from jaxtyping import AbstractArray, jaxtyped

    found = []
    for implementation in implementations:
        module = import_module(DENSITIES[implementation])
        for name, function in inspect.getmembers(module, inspect.isfunction):
            hints = [getattr(hint, "__args__", (hint,))[0] for hint in function.__annotations__.values()]
            if any(isinstance(hint, type) and issubclass(hint, AbstractArray) for hint in hints):
                setattr(module, name, jaxtyped(typechecker=checked)(function))
                found.append(name)
    return found
