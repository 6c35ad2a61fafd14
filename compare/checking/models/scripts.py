"""The loss of a script: the statements of a training loop from the batch to `loss.backward()`, run once on one batch.

Tutorials have no loss function: the loss is made inside `for x, _ in loader:`, in a main block, a function or a method
of a trainer. The loop's own statements are run, in the names of its file, with the model in place of whatever the file
calls its own; nothing is written anew.
"""

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from elbo_compare.compare.checking.models.scopes import NotKnownError, Scope, Trainer, compiled, holders_of, made_by

LOSS = "_the_loss"
# What a function that trains is handed beside numbers: the step's number and a loader say nothing of a loss.
LOADERS = ("train_loader", "data_loader", "loader", "dataset", "train_dataset")
NO_NUMBERS = MappingProxyType({"epoch": 1, "device": "cpu", **{name: [()] for name in LOADERS}})
USUAL = frozenset(("model", "vae", "net", "network"))
SURELY_COUNTED = ("enumerate", "tqdm_enumerate")


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One training loop: `label` (`training loop, line 62`), and its code up to the backward."""

    label: str
    file: str
    tree: ast.Module
    nearby: tuple[ast.stmt, ...]
    before: tuple[Any, ...]
    code: tuple[tuple[Any, bool], ...]  # statement by statement, and whether it is a bare call
    target: Any
    enumerated: bool
    parameters: tuple[str, ...] = ()
    trainer: ast.ClassDef | None = None
    statements: tuple[ast.stmt, ...] = ()  # those of the code
    form: list[str] = field(default_factory=list)  # of a batch: the one that went through

    def loss(self, model: Any, names: Mapping[str, Any], x: Any, labels: Any, given: Mapping[str, Any]) -> Any:
        """The loss of one batch. Whatever the statements raise passes through."""
        scope = self._scope(model, names, given)
        for statement in self.before:
            try:
                scope.execute(statement)
            except Exception:  # what a loop's surroundings count or print is no matter of its loss
                continue
        forms = {"pair": (x, labels), "rows": x, "list": [x], "dict": {"image": x, "data": x, "x": x}}
        raised: Exception | None = None
        for form in [*self.form] or forms:
            scope["_batch"] = (0, forms[form]) if self.enumerated else forms[form]
            try:
                scope.execute(self.target)
                self._body(scope)
            except NotKnownError as error:
                raise self._all_not_known(scope, error) from error
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                raised = raised or error
                continue
            self.form[:] = [form]
            return scope[LOSS]
        assert raised is not None
        raise raised

    def _all_not_known(self, scope: Scope, first: NotKnownError) -> NotKnownError:
        """All attributes of the trainer that its statements read and that have to be given, that one first."""
        known = str(first.name)
        read = [name for each in _reached(self.statements, scope) for name in _of_self(each)]
        lacking = [known, *(name for name in dict.fromkeys(read) if name != known and not _has(scope["self"], name))]
        return NotKnownError.of(lacking, self.trainer.name if self.trainer else "it")

    def chosen(self, model: Any, names: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
        """The parameters of its function that its statements read as numbers and that are 1 where nobody gives them."""
        read = {name for statement, bare in self.code if not bare for name in statement.co_names}
        others = {*given, *NO_NUMBERS, *USUAL, "self"}
        return [name for name in self._numbers(names) if name in read - others and not hasattr(model, name)]

    def distance(self, model: Any, names: Mapping[str, Any]) -> float:
        """From the model's class to that whose method it is: 0 its own, 1 its parent's, last what is of no model;
        infinite where it is a child's, which is trained in its own way."""
        owner = names.get(self.trainer.name) if self.trainer is not None else None
        kinds = type(model).__mro__
        if owner in kinds:
            return kinds.index(owner)
        return math.inf if isinstance(owner, type) and issubclass(owner, type(model)) else len(kinds)

    def _numbers(self, names: Mapping[str, Any]) -> list[str]:
        """The parameters of its function that its file gives no value elsewhere: `args = parser.parse_args()` does."""
        made = Scope(names, self.tree.body, {}, self.file)
        return [name for name in self.parameters if name in names or not _found(made, name)]

    def _body(self, scope: Scope) -> None:
        for statement, bare in self.code:
            try:
                scope.execute(statement)
            except (NameError, AttributeError):
                if not bare:  # a bar or a log that is not there makes nothing of the loss
                    raise

    def _scope(self, model: Any, names: Mapping[str, Any], given: Mapping[str, Any]) -> Scope:
        """What the statements read: the model by each name that its file gives it, numbers, the file's names."""
        kinds = {key for key, value in names.items() if isinstance(value, type) and isinstance(model, value)}
        own = {key for key, value in names.items() if type(value) in {names[kind] for kind in kinds}}
        attributes: set[str] = set()
        for kind in kinds | {type(model).__name__}:
            held, of_self = holders_of(self.tree, kind)
            own, attributes = own | held, attributes | of_self
        known = dict.fromkeys(self._numbers(names), 1)
        known |= {name: getattr(model, name) for name in self.parameters if hasattr(model, name)}
        known |= dict(NO_NUMBERS) | dict.fromkeys(own or USUAL, model)
        known |= {name: model for name in self.parameters if name in USUAL}
        known |= {name: given[name] for name in given}
        scope = Scope(names, (*reversed(self.nearby), *self.tree.body), known, self.file, given)
        if self.trainer is not None:
            owner = names.get(self.trainer.name)
            if isinstance(owner, type) and isinstance(model, owner):  # a model that trains itself: fit(self, loader)
                scope["self"] = model
            elif isinstance(owner, type):
                scope["self"] = Trainer(owner, self.trainer, model, attributes or set(USUAL), scope, given)
        return scope


def loops_of(source: str, file: str, first: int = 1) -> list[Loop]:
    """Every loop of a source with a `.backward()` in its body."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return []
    ast.increment_lineno(tree, first - 1)
    return [replace(loop, tree=tree) for loop in _loops(tree.body, (), (), file, None)]


def loops_in(function: Callable[..., Any]) -> list[Loop]:
    """Those of one function or method, in its file."""
    try:
        file = inspect.getsourcefile(function) or ""
        lines, first = inspect.getsourcelines(function)
        found = loops_of(Path(file).read_text(encoding="utf-8"), file)
    except (OSError, TypeError, UnicodeDecodeError):
        return []
    return [loop for loop in found if first <= int(loop.label.rsplit(" ", 1)[1]) < first + len(lines)]


def _loops(
    body: list[ast.stmt],
    before: tuple[ast.stmt, ...],
    names: tuple[str, ...],
    file: str,
    trainer: ast.ClassDef | None,
) -> Iterator[Loop]:
    for place, node in enumerate(body):
        so_far = (*before, *body[:place])
        if isinstance(node, (ast.For, ast.While)):
            inner = _opened(node.body)
            stop = next((i for i, each in enumerate(inner) if _backward(each) is not None), None)
            if stop is not None and isinstance(node, ast.For):
                yield _loop(node, inner, stop, so_far, names, file, trainer)
            else:
                yield from _loops(node.body, so_far, names, file, trainer)
        elif isinstance(node, ast.FunctionDef):
            yield from _loops(node.body, (), tuple(each.arg for each in node.args.args), file, trainer)
        elif isinstance(node, ast.ClassDef):
            yield from _loops(node.body, (), (), file, node)
        elif isinstance(node, (ast.If, ast.With, ast.Try)):
            yield from _loops(node.body, so_far, names, file, trainer)


def _opened(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a body, those of its `try` and `with` blocks in their place."""
    found: list[ast.stmt] = []
    for node in body:
        found += _opened(node.body) if isinstance(node, (ast.Try, ast.With)) else [node]
    return found


def _found(scope: Scope, name: str) -> bool:
    try:
        return scope[name] is not None
    except KeyError:
        return False


def _backward(node: ast.stmt) -> ast.expr | None:
    """What `.backward()` is called on, where a statement is that."""
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "backward":
        return call.func.value
    return None


def _loop(
    node: ast.For,
    body: list[ast.stmt],
    stop: int,
    before: tuple[ast.stmt, ...],
    names: tuple[str, ...],
    file: str,
    trainer: ast.ClassDef | None,
) -> Loop:
    value = _backward(body[stop])
    assert value is not None
    kept = [each for each in body[:stop] if not _steps(each)]
    loss = ast.Assign(targets=[ast.Name(id=LOSS, ctx=ast.Store())], value=value)
    target = ast.Assign(targets=[node.target], value=ast.Name(id="_batch", ctx=ast.Load()))
    iterated = node.iter
    if isinstance(iterated, ast.Name):  # stream = tqdm(enumerate(loader))
        made = [each for each in before if isinstance(each, ast.Assign) and iterated.id in made_by(each)]
        iterated = made[-1].value if made else iterated
    while isinstance(iterated, ast.Call) and getattr(iterated.func, "id", "") not in SURELY_COUNTED and iterated.args:
        iterated = iterated.args[0]  # tqdm(enumerate(loader))
    enumerated = isinstance(iterated, ast.Call) and getattr(iterated.func, "id", "") in SURELY_COUNTED
    simple = [each for each in before if isinstance(each, (ast.Assign, ast.If)) and not _makes(each)]
    return Loop(
        label=f"training loop, line {node.lineno}",
        file=file,
        tree=ast.Module(body=[], type_ignores=[]),
        nearby=before,
        before=tuple(compiled([each], file) for each in simple),
        code=tuple((compiled([each], file), isinstance(each, ast.Expr)) for each in [*kept, loss]),
        target=compiled([target], file),
        enumerated=enumerated,
        parameters=names,
        trainer=trainer,
        statements=(*kept, loss),
    )


def _reached(body: Iterable[ast.stmt], scope: Scope) -> Iterator[ast.AST]:
    """The statements that run: of an `if` whose test is known already the test and the branch that it takes."""
    for node in body:
        try:
            taken = node.body if isinstance(node, ast.If) and scope.value(node.test) else getattr(node, "orelse", [])
        except Exception:  # what the test reads is not known yet
            yield node
            continue
        if isinstance(node, ast.If):
            yield node.test
            yield from _reached(taken, scope)
        else:
            yield node


def _of_self(node: ast.AST) -> list[str]:
    """The attributes of self that a statement reads, in the order of its text."""
    read = [
        (each.lineno, each.col_offset, each.attr)
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and getattr(each.value, "id", "") == "self"
    ]
    return [name for _, _, name in sorted(read)]


def _has(trainer: Any, name: str) -> bool:
    try:
        getattr(trainer, name)
    except NotKnownError:
        return False
    return True


def _steps(node: ast.stmt) -> bool:
    """`optimizer.zero_grad()` and prints."""
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in {
        "zero_grad",
        "print",
    }


def _makes(node: ast.stmt) -> bool:
    """Whether a statement calls something: what it makes is made where it is asked for."""
    return any(isinstance(each, (ast.Call, ast.For, ast.While)) for each in ast.walk(node) if each is not node)
