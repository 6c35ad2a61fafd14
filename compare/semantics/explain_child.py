"""The child's side of `compare explain`: imports a user's model and guide, seeded, and explains the pair."""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from math import isfinite
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.launching.seeding import seeded_imports
from elbo_compare.compare.launching.target import CALLING, IMPORTING
from elbo_compare.compare.launching.target_child import Tell
from elbo_compare.compare.semantics.explain_raised import raised_by_pair
from elbo_compare.compare.semantics.explain_target import arguments, loaded
from elbo_compare.suites.semantics.case import OF_PROGRAMS

LIBRARIES = tuple(map(str, OF_PROGRAMS))


def answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """One pair explained; whatever the user's code raises becomes a message."""
    try:
        content = _explain(request, tell)
    except TargetError as error:
        content = {"message": str(error), "loaded": False}
    return plain(content)


def _explain(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    tell(IMPORTING)
    seeded_imports()
    model, guide = loaded(request["model"]), loaded(request["guide"])
    library = request["library"] or _library()
    if find_spec(library) is None:
        raise TargetError(f"{library} is not installed here.")
    backend = import_module(f"elbo_compare.suites.semantics.explaining.{library}_pair")
    elbos = named_elbo(request["elbo"], backend) if request["elbo"] else {}
    from elbo_compare.compare.semantics.explained import explained

    tell(CALLING)
    args, kwargs = arguments(request["args"])
    try:
        pair = backend.prepare(model, guide, args, kwargs, elbos)
        return {"explanation": explained(pair, request["seconds"])}
    except TargetError:
        raise
    except Exception as error:
        return {"message": raised_by_pair(error, args, kwargs), "loaded": True}


def named_elbo(text: str, backend: Any) -> dict[str, Any]:
    """How it is shown -> object, of NAME(key=value) or FILE.py:NAME. Raises TargetError in one line."""
    from elbo_compare.suites.semantics.explaining.named import elbo_classes, made

    if ":" in text:
        found = loaded(text, called=False)
        if isinstance(found, type):
            raise TargetError(f"{text} is a class; name an object of it, or its class with arguments.")
        if not isinstance(found, backend.base_class):
            raise TargetError(f"{text} is no ELBO of {backend.module.__name__}, but of type {type(found).__name__}.")
        return {type(found).__name__: found}
    try:
        return dict([made(text, elbo_classes(backend.module, backend.base_class))])
    except ValueError as error:
        raise TargetError(str(error)) from error


def _library() -> str:
    """The library that the two modules imported. Raises TargetError where that is none, or both."""
    found = [name for name in LIBRARIES if name in sys.modules]
    if len(found) != 1:
        which = "both pyro and numpyro" if found else "neither pyro nor numpyro"
        raise TargetError(f"The modules import {which}: say which one runs the pair with --library.")
    return found[0]


def plain(value: Any) -> Any:
    """Strict JSON: what is not finite is written as text."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value
