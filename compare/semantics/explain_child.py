"""The child's side of `compare explain`: imports a user's model and guide and explains the pair."""

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.target import load
from elbo_compare.compare.launching.target import CALLING, IMPORTING
from elbo_compare.compare.launching.target_child import Tell
from elbo_compare.suites.semantics.case import Library

LIBRARIES = tuple(map(str, Library))


def answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """One pair explained; whatever the user's code raises becomes a message."""
    try:
        content = {"explanation": _explain(request, tell)}
    except TargetError as error:
        content = {"message": str(error), "loaded": False}
    except Exception as error:
        text = " ".join(str(error).split())[:400]
        content = {"message": f"The pair raises {type(error).__name__}: {text}", "loaded": True}
    return _plain(content)


def _explain(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    tell(IMPORTING)
    model, guide = load(request["model"]), load(request["guide"])
    library = request["library"] or _library()
    backend = importlib.import_module(f"elbo_compare.suites.semantics.explain_{library}")
    tell(CALLING)
    args, kwargs = _arguments(request["args"])
    explanation = backend.explain(model, guide, args, kwargs)
    return asdict(explanation) | {"total": explanation.total}


def _library() -> str:
    """The library that the two modules imported. Raises TargetError where that is none, or both."""
    found = [name for name in LIBRARIES if name in sys.modules]
    if len(found) != 1:
        which = "both pyro and numpyro" if found else "neither pyro nor numpyro"
        raise TargetError(f"The modules import {which}: say which one runs the pair with --library.")
    return found[0]


def _arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """A JSON list, or MODULE:FUNCTION that returns a tuple of arguments, or (tuple, dict of keyword arguments)."""
    if not text.lstrip().startswith("["):
        given = load(text)()
        if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], tuple) and isinstance(given[1], dict):
            return list(given[0]), given[1]
        return list(given) if isinstance(given, tuple) else [given], {}
    try:
        return json.loads(text), {}
    except ValueError as error:
        raise TargetError(f"--args is not a JSON list ({error}); or name FILE.py:FUNCTION.") from error


def _plain(value: Any) -> Any:
    """Strict JSON: what is not finite is written as text."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
