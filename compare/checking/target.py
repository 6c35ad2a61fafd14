"""`path/to/file.py:function` or `package.module:name` -> the function. The file's top level is run, nothing else."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.errors import unknown
from elbo_compare.suites.bridge.user_arrays import ADAPTERS


def load(target: str) -> Callable[..., Any]:
    """Import the target's module and return the function it names.

    The working folder (for a file: the file's folder too) is put on sys.path. Raises TargetError, in one line, for
    whatever keeps it from being loaded.
    """
    place, separator, name = target.rpartition(":")
    if not separator or not place or not name:
        raise TargetError(f"A target is FILE.py:FUNCTION or MODULE:FUNCTION; {target!r} arrived.")
    sys.path.insert(0, str(Path.cwd()))
    is_file = place.endswith(".py") or os.sep in place
    module = _run(place, (lambda: _from_file(place)) if is_file else (lambda: importlib.import_module(place)))
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
            raise TargetError(f"{place}: {unknown('function', part, known)}")
        found = getattr(found, part)
    if isinstance(found, type) or not callable(found):
        kind = "a class" if isinstance(found, type) else f"of type {type(found).__name__}"
        raise TargetError(f"{target} is {kind}; name a function (or a callable object).")
    return found


def _from_file(place: str) -> ModuleType:
    path = Path(place).resolve()
    if not path.is_file():
        raise TargetError(f"There is no file {place}.")
    sys.path.insert(0, str(path.parent))
    # A file may be called like a module that is already here (check.py, torch.py); that one keeps its name.
    name = path.stem if path.stem not in sys.modules else f"checked_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{place} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _run(place: str, import_it: Callable[[], ModuleType]) -> ModuleType:
    try:
        return import_it()
    except TargetError:
        raise
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing == place.split(".")[0]:
            raise TargetError(f"There is no module {place!r} (looked in {Path.cwd()} and on sys.path).") from error
        hint = f": pip install 'elbo-compare[{missing}]'" if missing in ADAPTERS else ""
        raise TargetError(f"{place} needs {missing!r}, which is not installed here{hint}.") from error
    except SystemExit as error:
        raise TargetError(f"{place} ends the process while it is imported: sys.exit({error.code!r}).") from error
    except Exception as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        message = (str(error).splitlines() or ["no message"])[0]
        raise TargetError(f"{place} raises {type(error).__name__} on import: {message}{where}.") from error
