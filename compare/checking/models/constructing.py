"""A class that needs arguments, made as its own file makes it: `vae = VAE(784, 400, 20).to(device)`."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from elbo_compare.compare.checking.models.scopes import Scope, called

WEIGHTS = re.compile(r"(init(ial)?_)?(params|parameters|weights|variables)")
MOST = 6  # constructions that are tried


def as_its_file_makes_it(found: Any, names: Mapping[str, Any]) -> tuple[Any, str] | None:
    """(the object, `as line 60 of its file does: VAE(784, 400, 20)`); None where no construction goes through.

    Its arguments are evaluated, and the assignments that these read; nothing else of what was not run is.
    """
    file = Path(str(names.get("__file__") or ""))
    if file.suffix != ".py" or not file.is_file():
        return None
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return None
    for node, nearby in list(_constructions(tree.body, (), getattr(found, "__name__", "")))[:MOST]:
        scope = Scope(names, (*reversed(nearby), *tree.body), {}, str(file))
        try:
            args = [scope.value(each) for each in node.args if not isinstance(each, ast.Starred)]
            kwargs = {each.arg: scope.value(each.value) for each in node.keywords if each.arg}
            made = found(*args, **kwargs)
        except (Exception, SystemExit):  # the next one, or the line that asks for the arguments
            continue
        return made, f"as line {node.lineno} of its file does: {ast.unparse(node)[:80]}"
    return None


def weights_of_its_file(names: Mapping[str, Any]) -> tuple[Any, str] | None:
    """(a tree of weights that the file assigns, `as line 60 of its file does: init_params = ...`); None without one."""
    file = Path(str(names.get("__file__") or ""))
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, OSError):
        return None
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        name = getattr(node.targets[0], "id", "")
        if WEIGHTS.fullmatch(name):
            try:
                made = Scope(names, tree.body, {}, str(file))[name]
            except (Exception, SystemExit):  # the next one, or the line that asks for what makes them
                continue
            return made, f"as line {node.lineno} of its file does: {ast.unparse(node)[:60]}"
    return None


def _constructions(
    body: list[ast.stmt], before: tuple[ast.stmt, ...], name: str
) -> Iterator[tuple[ast.Call, tuple[ast.stmt, ...]]]:
    """(call, the statements before it in its own body) of each construction."""
    for place, node in enumerate(body):
        so_far = (*before, *body[:place])
        blocks = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
        if isinstance(node, ast.ClassDef) and node.name == name:
            continue
        if any(blocks):
            for block in blocks:
                yield from _constructions(block, so_far, name)
        else:
            yield from (
                (each, so_far) for each in ast.walk(node) if isinstance(each, ast.Call) and called(each) == name
            )


def with_configurations(found: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The same arguments, an object for each that is annotated as a class of settings: VAEConfig(**given)."""
    made = dict(kwargs)
    for name, value in kwargs.items():
        kind = _annotation(found, name)
        if (
            isinstance(value, Mapping)
            and isinstance(kind, type)
            and not issubclass(kind, Mapping)
            and kind is not object
        ):
            tuples = {key: tuple(each) if isinstance(each, list) else each for key, each in value.items()}
            try:
                made[name] = kind(**tuples)
            except Exception:  # it stays an object of JSON
                continue
    return made


def _annotation(found: Any, name: str) -> Any:
    function = found.__init__ if isinstance(found, type) else found
    for each in getattr(found, "__mro__", (found,)):
        function = vars(each).get("__init__", function) if isinstance(each, type) else each
        try:
            parameter = inspect.signature(function, eval_str=True).parameters.get(name)
        except (TypeError, ValueError, NameError):
            continue
        if parameter is not None and parameter.annotation is not parameter.empty:
            return parameter.annotation
    return None
