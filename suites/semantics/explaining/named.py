"""`TraceEnum_ELBO(max_plate_nesting=1)` as a person writes it -> an object of the library's public class."""

import ast
from collections.abc import Iterable, Mapping
from typing import Any

ORDER = ("Trace_ELBO", "TraceMeanField_ELBO", "TraceGraph_ELBO", "TraceEnum_ELBO", "RenyiELBO", "TraceTMC_ELBO")


def in_order(names: Iterable[str]) -> list[str]:
    """The classes that estimate the ELBO first, then the rest as they come.

    >>> in_order(["Other", "Trace_ELBO"])
    ['Trace_ELBO', 'Other']
    """
    return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def elbo_classes(module: Any, base: type) -> dict[str, type]:
    """The public classes of a library's `infer` module that extend `base`, compiled variants too."""
    found = {name: getattr(module, name, None) for name in in_order(module.__all__)}
    return {
        name: each for name, each in found.items()
        if isinstance(each, type) and issubclass(each, base) and each is not base
    }  # fmt: skip


def one_line(error: BaseException, width: int = 300) -> str:
    """TypeError: what it says, on one line, without the table of shapes that Pyro puts behind it."""
    text = " ".join(str(error).partition("Trace Shapes:")[0].split())[:width]
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__} without a message"


def kind_of(elbo: Any, public: Iterable[str]) -> str:
    """The public class that says what this object does: its own, or the one that it extends or compiles.

    >>> kind_of(3, ["int"])
    'int'
    """
    known = set(public)
    kind = next((base.__name__ for base in type(elbo).__mro__ if base.__name__ in known), type(elbo).__name__)
    return kind.removeprefix("Jit")


def parsed(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Class name, arguments and keyword arguments of `NAME`, `NAME()` or `NAME(key=literal)`.

    Raises ValueError, in one line, for anything else.

    >>> parsed("TraceEnum_ELBO(max_plate_nesting=1)")
    ('TraceEnum_ELBO', [], {'max_plate_nesting': 1})
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
        call = node if isinstance(node, ast.Call) else None
        name = call.func if call else node
        if not isinstance(name, ast.Name):
            raise ValueError
        given = [ast.literal_eval(each) for each in call.args] if call else []
        named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords} if call else {}
    except (ValueError, SyntaxError) as error:
        raise ValueError(
            f"--elbo is a class by its bare name with literal arguments, as in 'TraceEnum_ELBO(max_plate_nesting=1)'; "
            f"{text!r} arrived."
        ) from error
    return name.id, given, named


def made(text: str, classes: Mapping[str, type]) -> tuple[str, Any]:
    """(how it is shown, object). Raises ValueError in one line: no such class, or arguments that it refuses."""
    name, given, named = parsed(text)
    if name not in classes:
        raise ValueError(f"No ELBO class {name!r}. Known: {', '.join(sorted(classes))}.")
    shown = ", ".join([*map(repr, given), *(f"{key}={value!r}" for key, value in named.items())])
    try:
        return f"{name}({shown})", classes[name](*given, **named)
    except Exception as error:
        raise ValueError(f"{name}({shown}) can't be made: {one_line(error)}") from error
