"""The fixed seed of a child process: what a person's code draws when imported or made is the same in every run."""

import importlib.abc
import importlib.util
import random
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np

SEED = 0


class _Seeding(importlib.abc.MetaPathFinder):
    """Seeds torch as soon as it has been imported, by whomever: weights drawn at import are the same in every run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def execute(module: ModuleType) -> None:
                run(module)
                module.manual_seed(SEED)

            spec.loader.exec_module = execute  # type: ignore[method-assign]
        return spec


def seeded_imports() -> None:
    """From here on, what a module draws while it is imported is the same in every run (JAX has explicit keys)."""
    random.seed(SEED)
    np.random.seed(SEED)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)
    else:
        sys.meta_path.insert(0, _Seeding())
