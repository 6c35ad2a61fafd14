"""A person's model, guide and arguments for `compare explain`."""

import inspect
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.target import import_of
from elbo_compare.compare.errors import unknown
from elbo_compare.compare.files import parse_json


def loaded(target: str, *, called: bool = True) -> Any:
    """The object that FILE.py:NAME or MODULE:NAME names; of FILE.py:Class.method the bound method of an object that
    needs no arguments. Raises TargetError in one line."""
    place, separator, name = target.rpartition(":")
    if not separator or not place or not name:
        raise TargetError(f"A model or guide is FILE.py:NAME or MODULE:NAME; {target!r} arrived.")
    found: Any = import_of(place)
    parts = name.split(".")
    for i, part in enumerate(parts):
        if not hasattr(found, part):
            known = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
            raise TargetError(f"{place}: {unknown('function', part, known)}")
        # Of a module, or an object, the name may be one that its __getattr__ gives (a torch module's parts).
        static = inspect.getattr_static(found, part, None)
        if isinstance(found, type) and not isinstance(static, staticmethod | classmethod | type):
            found = _instance(found, f"{place}:{'.'.join(parts[:i])}")
        found = getattr(found, part)
    if called and isinstance(found, type):
        found = _instance(found, target)
    if called:
        _runs(found, target)
    return found


def _runs(found: Any, target: str) -> None:
    """Raises TargetError for what can't be a model or a guide: its body would not run, or it is an ELBO object."""
    if not callable(found):
        raise TargetError(f"{target} is of type {type(found).__name__}; name a function or a callable object.")
    if any(base.__name__ == "ELBO" for base in type(found).__mro__):
        raise TargetError(f"{target} is an ELBO object ({type(found).__name__}); name it with --elbo.")
    bodies = [found, getattr(found, "__call__", None), getattr(found, "forward", None)]  # noqa: B004
    if any(map(inspect.isgeneratorfunction, bodies)) or any(map(inspect.iscoroutinefunction, bodies)):
        kind = "generator (its body has a yield)" if any(map(inspect.isgeneratorfunction, bodies)) else "coroutine"
        raise TargetError(f"{target} returns a {kind}: a call of it draws nothing. Name a plain function.")


_MADE: dict[type, Any] = {}  # model and guide of one class are methods of one object


def _instance(owner: type, target: str) -> Any:
    name = owner.__name__.lower()
    if owner not in _MADE:
        try:
            _MADE[owner] = owner()
        except Exception as error:
            raise TargetError(
                f"{target} is a class that can't be made without arguments ({type(error).__name__}: "
                f"{(str(error).splitlines() or ['no message'])[0]}); name an object of it, as in FILE.py:my_{name}."
            ) from error
    return _MADE[owner]


def arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of model and guide.

    A JSON list; [[...], {...}] where a list and an object alone stand in it are (args, kwargs); or MODULE:FUNCTION that
    returns a tuple of arguments, or (tuple or list, dict of keyword arguments); or the name of such an object.
    """
    if text.lstrip().startswith(("[", "{")):
        try:
            given = parse_json(text)
        except ValueError as error:
            raise TargetError(f"--args is not a JSON list ({error}); or name FILE.py:FUNCTION.") from error
        return _split(([], given) if isinstance(given, dict) else given)
    if ":" not in text:
        raise TargetError(f"--args is a JSON list, as in '[1.0]', or FILE.py:FUNCTION; {text!r} arrived.")
    found = loaded(text, called=False)
    if callable(found):
        try:
            found = found()
        except Exception as error:
            said = (str(error).splitlines() or ["no message"])[0]
            raise TargetError(
                f"--args: {text} raises {type(error).__name__}: {said}; it is called without arguments."
            ) from error
    if found is None:
        raise TargetError(f"--args: {text} gives None; return a tuple of arguments, or (args, kwargs).")
    return _split(found)


def _split(given: Any) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(given, tuple | list) and len(given) == 2:
        args, kwargs = given
        if isinstance(args, tuple | list) and isinstance(kwargs, dict) and all(isinstance(key, str) for key in kwargs):
            return list(args), kwargs
    if isinstance(given, dict) and all(isinstance(key, str) for key in given):
        raise TargetError("--args gives keyword arguments alone; return ((), {...}), or a tuple of arguments.")
    return (list(given) if isinstance(given, tuple | list) else [given]), {}
