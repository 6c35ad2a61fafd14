"""`path/to/file.py:function`, `:Class.method`, `:object` or `package.module:name` -> what is called.

The file's top level is run; of a class an object is made where that needs no argument.
"""

import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.names import Role, read_name
from elbo_compare.compare.checking.objects import of_arrays
from elbo_compare.compare.errors import unknown

_RUN: dict[tuple[Path, int, int], ModuleType] = {}  # files that were run, as they stood
SIZE = re.compile(
    r"dim|size|channels|features|width|hidden|units|latent|input|output|^n_|^num_|^n[a-z]$|^[a-z]_?(dim|size)$"
)
ANY_SIZE = 8
LOSS = re.compile(r"loss|likelihood|elbo|nll|entropy|error|criterion")
CALLED = ("forward", "__call__", "call")
EXTRAS = {"torch", "jax"}  # that elbo-compare installs by name
WHOLE = {"encode", "decode", "encoder", "decoder", "reparameterize", "reparametrize", "reparameterise"}


def load(target: str, init: Any = None) -> Callable[..., Any]:
    """Import the target's module and return the function, bound method or callable object it names; init: arguments of
    the class whose method or whose objects are called, a mapping or a list.

    The working folder (for a file: the file's folder too) is put on sys.path. Raises TargetError, in one line, for
    whatever keeps it from being loaded.
    """
    name = target.rpartition(":")[2]
    owner, found = located(target)
    if isinstance(owner, type) and inspect.isfunction(found) and takes_self(owner, name):
        method = name.rsplit(".", 1)[-1]
        made = of_arrays(owner, method) if init is None else None
        found = made or getattr(_instance(owner, target) if init is None else _given(owner, target, init), method)
    elif isinstance(found, type) and init is not None:
        return _given(found, target, init)
    if isinstance(found, type):
        return _called(found, target)
    if not callable(found):
        raise TargetError(f"{target} is of type {type(found).__name__}; name a function (or a callable object).")
    return found


def located(target: str) -> tuple[Any, Any]:
    """(owner, object): what the target names as it stands, and what holds it. A file is run once in a process."""
    place, separator, name = target.rpartition(":")
    if not separator or not place or not name:
        raise TargetError(f"A target is FILE.py:FUNCTION or MODULE:FUNCTION; {target!r} arrived.")
    owner, found = None, import_of(place)
    for part in name.split("."):
        if not hasattr(found, part):
            members = getattr(found, "__dict__", {})
            known = [key for key, value in members.items() if callable(value) and not key.startswith("_")]
            raise TargetError(f"{place}: {unknown('function', part, known)}")
        owner, found = found, getattr(found, part)
    return owner, found


def names_a_method(target: str) -> bool:
    """Whether a target is CLASS.METHOD: --init makes the object, and the method is judged."""
    if "." not in target.rpartition(":")[2]:
        return False
    try:
        owner, found = located(target)
    except TargetError:  # a whole model may be made of what its file can run: what loads it says what keeps it
        return False
    return isinstance(owner, type) and inspect.isfunction(found)


def names_a_loss(target: str) -> bool:
    """Whether a target is a class whose objects are called with what networks put out, a mean and a spread or data and
    an output: --init makes the object, and its call is judged as one function."""
    try:
        found = located(target)[1]
    except TargetError:
        return False
    called = next((vars(found)[n] for n in CALLED if n in vars(found)), None) if isinstance(found, type) else None
    if not inspect.isfunction(called):
        return False
    roles = {pair[0] for name in list(inspect.signature(called).parameters)[1:] if (pair := read_name(name))}
    of_data = {Role.X, Role.OUTPUT} <= roles and bool(LOSS.search(target.rpartition(":")[2].lower()))
    return {Role.MEAN, Role.SPREAD} <= roles or of_data


def import_of(place: str) -> ModuleType:
    """The module of FILE.py or MODULE, imported. Raises TargetError, in one line, for whatever keeps it from that."""
    sys.path.insert(0, str(Path.cwd()))
    is_file = place.endswith(".py") or os.sep in place
    return _run(place, (lambda: _from_file(place)) if is_file else (lambda: importlib.import_module(place)))


def takes_self(owner: type, name: str) -> bool:
    """Whether a class's function is a method of its objects."""
    return not isinstance(inspect.getattr_static(owner, name.rsplit(".", 1)[-1]), (staticmethod, classmethod))


def _called(found: type, target: str) -> Callable[..., Any]:
    """An instance of a class whose objects are called; a whole VAE is not judged by one function's claims."""
    methods = [key for base in found.__mro__ for key in vars(base) if inspect.isfunction(vars(base)[key])]
    own = [key for key in vars(found) if inspect.isfunction(vars(found)[key]) and not key.startswith("_")]
    losses = [key for key in own if re.search(r"loss|kl|elbo", key.lower())]
    made = getattr(vars(found).get("__init__"), "__code__", None)
    if WHOLE & {*methods, *(made.co_names if made else ())}:
        names = ", ".join(f"{target}.{key}" for key in losses) or f"{target}.METHOD"
        raise TargetError(f"{target} is a whole model, and one function is judged here: name its loss ({names}).")
    if not set(CALLED) & set(vars(found)):
        names = ", ".join(f"{target}.{key}" for key in losses or own) or "it has no method of its own"
        raise TargetError(f"{target} is a class; name one of its methods: {names}.")
    return _instance(found, target, bare=False)


def _given(owner: type, target: str, init: Any) -> Any:
    """An object of the arguments that --init gives."""
    try:
        return owner(*init) if isinstance(init, list) else owner(**init)
    except Exception as error:  # whatever its constructor raises
        wanted = f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"
        raise TargetError(f"{target} can't be made of --init {init!r} ({wanted}).") from error


def _instance(owner: type, target: str, *, bare: bool = True) -> Any:
    """An object of the class; where its constructor wants arguments, one that was never initialised (`self` may be
    of no use to the method)."""
    try:
        return owner()
    except Exception as error:  # whatever its constructor raises, the method may still need no instance of its own
        if not bare:
            wanted = f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"
            raise TargetError(
                f"{target} can't be made without arguments ({wanted}); name an instance of it, as in FILE.py:my_loss."
            ) from error
    made: Any = _of_sizes(owner)
    if made is not None:
        return made
    made = owner.__new__(owner)  # pyright: ignore
    for base in owner.__mro__:
        if base.__name__ == "Module" and base.__module__.split(".")[0] == "torch":
            base.__init__(made)  # type: ignore[misc]
    return made


def _of_sizes(owner: type) -> Any:
    """An object whose constructor wants nothing but sizes, made with a small one; None where that is not enough."""
    try:
        shown = list(inspect.signature(owner.__init__).parameters.values())[1:]
        wanted = [p for p in shown if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        whole = all(SIZE.search(p.name.lower()) and p.annotation in (p.empty, int, "int") for p in wanted)
        return owner(**{p.name: ANY_SIZE for p in wanted}) if wanted and whole else None
    except Exception:  # whatever its constructor raises
        return None


def _from_file(place: str) -> ModuleType:
    path = Path(place).resolve()
    if not path.is_file():
        raise TargetError(f"There is no file {place}.")
    sys.path.insert(0, str(path.parent))
    stamp = (path, path.stat().st_mtime_ns, path.stat().st_size)
    if stamp in _RUN:
        return _RUN[stamp]
    # A file may be called like a module that is already here (check.py, torch.py); that one keeps its name.
    name = path.stem if path.stem not in sys.modules else f"checked_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{place} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    _RUN[stamp] = module
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
        hint = f": pip install 'elbo-compare[{missing}]'" if missing in EXTRAS else ""
        raise TargetError(f"{place} needs {missing!r}, which is not installed here{hint}.") from error
    except SystemExit as error:
        raise TargetError(f"{place} ends the process while it is imported: sys.exit({error.code!r}).") from error
    except Exception as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        message = (str(error).splitlines() or ["no message"])[0]
        raise TargetError(f"{place} raises {type(error).__name__} on import: {message}{where}.") from error
