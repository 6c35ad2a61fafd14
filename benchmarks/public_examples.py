"""Public examples run as they stand, up to the step where they hand a model and a guide to an ELBO object.

EXAMPLES names the folder `examples` of a checkout. Used by `explain_examples_pyro` and `explain_examples_numpyro`.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from unittest.mock import patch

ROOT = Path(os.environ["EXAMPLES"])
PARTS = ("model", "guide", "elbo", "arguments")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What one training step is given."""

    model: Callable
    guide: Callable
    elbo: Any
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    def arguments(self) -> tuple[tuple, dict[str, Any]]:
        """What model and guide are called with."""
        return self.args, self.kwargs


class Caught(BaseException):
    """Ends an example where it starts to train."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.pair = pair


class _Empty(ModuleType):
    """A package that is not installed and has no part in the pair: each name is an empty class or module."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name.islower():
            return _Empty(f"{self.__name__}.{name}")
        return type(name, (), {"__init__": lambda self, *args, **kwargs: None})


class Empty:
    """Finds empty packages under the given names, where none is installed."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Of such a name alone."""
        if name.split(".")[0] in self.names:
            return importlib.util.spec_from_loader(name, self)  # type: ignore[arg-type]
        return None

    @staticmethod
    def create_module(spec: Any) -> ModuleType:
        """An empty one."""
        return _Empty(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Nothing."""


@contextmanager
def placed(path: str, library: ModuleType, version: str) -> Iterator[Path]:
    """The example's folder is first on sys.path, and the version that it asks for is said to be there."""
    file = ROOT / path
    with patch.object(library, "__version__", version), patch.object(sys, "path", [str(file.parent), *sys.path]):
        yield file


def module_of(file: Path) -> Any:
    """An example as a module, whose parts are put together by hand."""
    spec = importlib.util.spec_from_file_location(f"example_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names_of(runs: dict[str, tuple[str, Callable[[], Pair]]]) -> Callable[[str], Any]:
    """What a module's `__getattr__` is: NAME__model, NAME__guide, NAME__elbo and NAME__arguments of one run."""

    @cache
    def made(name: str) -> Pair:
        return runs[name][1]()

    def found(name: str) -> Any:
        pair, _, part = name.rpartition("__")
        if pair not in runs or part not in PARTS:
            raise AttributeError(name)
        return getattr(made(pair), part)

    return found
