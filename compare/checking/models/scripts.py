"""The loss of a script: the statements of a training loop from the batch to `loss.backward()`, run once on one batch.

Tutorials have no loss function: the loss is made inside `for x, _ in loader:`. The loop's own statements are run, in
the names of its file, with the model in place of whatever the file calls its own; nothing is written anew.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LOSS = "_the_loss"


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One training loop: `label` (`training loop, line 62`), and its code up to the backward."""

    label: str
    before: tuple[Any, ...]
    code: Any
    target: Any
    enumerated: bool
    parameters: tuple[str, ...] = ()

    def loss(self, model: Any, names: Mapping[str, Any], x: Any, labels: Any) -> Any:
        """The loss of one batch. Whatever the statements raise passes through."""
        scope = dict(names)
        kinds = {name for name, value in names.items() if isinstance(value, type) and isinstance(model, value)}
        own = {name for name, value in names.items() if type(value) in {names[kind] for kind in kinds}}
        scope |= dict.fromkeys({*own, "model", "vae", "net"}, model) | dict.fromkeys(self.parameters, 1)
        scope |= {name: getattr(model, name) for name in self.parameters if hasattr(model, name)}
        scope |= {name: model for name in self.parameters if name in {"model", "vae", "net"}}
        scope |= {"epoch": 1, "train_loader": [()], **({"args": names["args"]} if "args" in names else {})}
        for statement in self.before:
            try:
                exec(statement, scope)
            except Exception:  # what a loop's surroundings count or print is no matter of its loss
                continue
        scope["_batch"] = (0, (x, labels)) if self.enumerated else (x, labels)
        try:
            exec(self.target, scope)
        except (ValueError, TypeError):
            scope["_batch"] = (0, x) if self.enumerated else x
            exec(self.target, scope)
        exec(self.code, scope)
        return scope[LOSS]


def loops_of(source: str, file: str, first: int = 1) -> list[Loop]:
    """Every loop of a source with a `.backward()` in its body."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return []
    ast.increment_lineno(tree, first - 1)
    return list(_loops(tree.body, (), (), file))


def loops_in(function: Callable[..., Any]) -> list[Loop]:
    """Those of one function."""
    try:
        lines, first = inspect.getsourcelines(function)
        return loops_of("".join(lines), inspect.getsourcefile(function) or "", first)
    except (OSError, TypeError):
        return []


def _loops(body: list[ast.stmt], before: tuple[ast.stmt, ...], names: tuple[str, ...], file: str) -> Iterator[Loop]:
    for place, node in enumerate(body):
        so_far = (*before, *body[:place])
        if isinstance(node, ast.For):
            stop = next((i for i, each in enumerate(node.body) if _backward(each) is not None), None)
            if stop is not None:
                yield _loop(node, stop, so_far, names, file)
            else:
                yield from _loops(node.body, so_far, names, file)
        elif isinstance(node, ast.FunctionDef):
            yield from _loops(node.body, (), tuple(each.arg for each in node.args.args), file)
        elif isinstance(node, (ast.If, ast.With, ast.While)):
            yield from _loops(node.body, so_far, names, file)


def _backward(node: ast.stmt) -> ast.expr | None:
    """What `.backward()` is called on, where a statement is that."""
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "backward":
        return call.func.value
    return None


def _loop(node: ast.For, stop: int, before: tuple[ast.stmt, ...], names: tuple[str, ...], file: str) -> Loop:
    value = _backward(node.body[stop])
    assert value is not None
    kept = [each for each in node.body[:stop] if not _steps(each)]
    loss = ast.Assign(targets=[ast.Name(id=LOSS, ctx=ast.Store())], value=value)
    target = ast.Assign(targets=[node.target], value=ast.Name(id="_batch", ctx=ast.Load()))
    enumerated = isinstance(node.iter, ast.Call) and getattr(node.iter.func, "id", "") in {
        "enumerate",
        "tqdm_enumerate",
    }
    simple = [each for each in before if isinstance(each, (ast.Assign, ast.If)) and not _makes(each)]
    return Loop(
        label=f"training loop, line {node.lineno}",
        before=tuple(_compiled([each], file) for each in simple),
        code=_compiled([*kept, loss], file),
        target=_compiled([target], file),
        enumerated=enumerated,
        parameters=names,
    )


def _steps(node: ast.stmt) -> bool:
    """`optimizer.zero_grad()` and prints."""
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in {
        "zero_grad",
        "print",
    }


def _makes(node: ast.stmt) -> bool:
    """Whether a statement calls something: its result stands in the file's names already, or is no number."""
    return any(isinstance(each, (ast.Call, ast.For, ast.While)) for each in ast.walk(node) if each is not node)


def _compiled(body: list[Any], file: str) -> Any:
    module = ast.Module(body=body, type_ignores=[])
    return compile(ast.fix_missing_locations(module), file, "exec")
