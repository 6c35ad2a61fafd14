"""Of what a file takes the gradient, read in its text: `loss.backward()`, `jax.grad(f)`, `optimizer.minimize(loss)`.

A loop that can be run is run; this reads what no way could run. The sign with which the model's own value enters is
followed through assignments, returns, sums and means; what is not surely read has the sign 0.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from elbo_compare.compare.checking.models.calling import called as asked
from elbo_compare.compare.checking.models.scopes import called, held_by_others, holders_of
from elbo_compare.compare.checking.models.scripts import USUAL

OF_A_FUNCTION = frozenset(("grad", "value_and_grad", "filter_grad", "filter_value_and_grad"))
OF_A_VALUE = frozenset(("manual_backward", "gradient", "minimize", "minimise", *OF_A_FUNCTION))
BY_OTHERS = frozenset(("accelerator", "fabric", "self"))  # accelerator.backward(loss)
KEPT = frozenset(
    ("mean", "sum", "nanmean", "squeeze", "reshape", "view", "float", "double", "scale", "Tensor", "asarray")
)
NEGATED = frozenset(("neg", "negative"))
APPLIED = frozenset(("forward", "apply", "apply_fn", "__call__"))
NEGATING = re.compile(r"-\s*(g|grads?|gradients?)\b|ascent|ascend|neg\w*, *g", re.IGNORECASE)
DEEPEST = 6
STEPPING = re.compile(r"\.step\(|optax|optimi[sz]er|adam|minimi[sz]e", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Descent:
    """line: where a gradient is taken; text: of what; sign: of the model's value in it, 0 where that was not read."""

    line: int
    text: str
    sign: int


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """names, attributes: what stands for the model; functions: of the file, by name; own: the model's classes."""

    names: set[str]
    attributes: set[str]
    functions: Mapping[str, ast.FunctionDef]
    own: set[str]
    alone: str  # the function that is the model

    def sign(self, node: ast.expr, body: ast.AST, owner: str, deep: int = 0) -> int:
        """+1 or -1 times the model's value, and what no model gave; else 0."""
        if deep > DEEPEST:
            return 0
        if isinstance(node, ast.UnaryOp):
            inner = self.sign(node.operand, body, owner, deep + 1)
            return -inner if isinstance(node.op, ast.USub) else inner if isinstance(node.op, ast.UAdd) else 0
        if isinstance(node, ast.BinOp):
            return self._of_two(node, body, owner, deep)
        if isinstance(node, ast.Name):
            return self._of_name(node, body, owner, deep)
        return self._of_call(node, body, owner, deep) if isinstance(node, ast.Call) else 0

    def _of_two(self, node: ast.BinOp, body: ast.AST, owner: str, deep: int) -> int:
        left, right = (self.sign(each, body, owner, deep + 1) for each in (node.left, node.right))
        if isinstance(node.op, ast.Div):
            return left * (_of_number(node.right) or 1) if not right else 0
        if isinstance(node.op, ast.Mult):
            return left * _of_number(node.right) or right * _of_number(node.left)
        right = -right if isinstance(node.op, ast.Sub) else right
        adds = isinstance(node.op, (ast.Add, ast.Sub))
        return (left or right) if adds and not (left and right and left != right) else 0

    def _of_name(self, node: ast.Name, body: ast.AST, owner: str, deep: int) -> int:
        """By the last assignment above; of several in a row, as in an accumulated loss, the one above again."""
        made = [
            each
            for each in ast.walk(body)
            if isinstance(each, (ast.Assign, ast.AugAssign, ast.AnnAssign))
            and _place(each) < _place(node)
            and any(getattr(target, "id", "") == node.id for target in _targets(each))
        ]
        if not made or (last := max(made, key=_place)).value is None:
            return 0
        inner = self.sign(last.value, body, owner, deep + 1)
        if not isinstance(last, ast.AugAssign):
            return inner
        if isinstance(last.op, (ast.Add, ast.Sub)):
            return -inner if isinstance(last.op, ast.Sub) else inner
        above = ast.copy_location(ast.Name(id=node.id, ctx=ast.Load()), last)
        return self.sign(ast.copy_location(ast.BinOp(above, last.op, last.value), last), body, owner, deep + 1)

    def _of_call(self, node: ast.Call, body: ast.AST, owner: str, deep: int) -> int:
        if self._is_the_model(node.func, owner):
            return 1
        name = called(node)
        if name in self.functions:
            return self.returned(self.functions[name], owner, deep + 1)
        if name not in KEPT | NEGATED:
            return 0
        holder = node.func.value if isinstance(node.func, ast.Attribute) else None
        of_module = not isinstance(holder, ast.expr) or getattr(holder, "id", "") in {"torch", "jnp", "np", "tf", "F"}
        inside = node.args[0] if node.args and (of_module or name == "scale") else holder
        inner = self.sign(inside, body, owner, deep + 1) if inside is not None else 0
        return -inner if name in NEGATED else inner

    def _is_the_model(self, func: ast.expr, owner: str) -> bool:
        if isinstance(func, ast.Attribute) and func.attr in APPLIED:
            of_state = func.attr == "apply_fn"
            return of_state or self._is_the_model(func.value, owner)
        if isinstance(func, ast.Name):
            return func.id in {*self.names, self.alone} or (func.id == "self" and owner in self.own)
        return (
            isinstance(func, ast.Attribute) and getattr(func.value, "id", "") == "self" and func.attr in self.attributes
        )

    def returned(self, function: ast.FunctionDef | ast.Lambda, owner: str, deep: int = 0) -> int:
        """The one sign of all that a function returns."""
        if isinstance(function, ast.Lambda):
            return self.sign(function.body, function, owner, deep)
        given = [each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value is not None]
        signs = {self.sign(each, function, owner, deep) for each in given}
        return signs.pop() if len(signs) == 1 else 0


def descents(text: str, model: Any, names: Mapping[str, Any]) -> list[Descent]:
    """Every gradient that a file takes, but in a child of the model's class, which is trained in its own way."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    owner = getattr(model, "owner", type(model))
    owner = owner if isinstance(owner, type) else type(model)  # of a pair of functions it is no class
    own = {each.__name__ for each in getattr(owner, "__mro__", ())}
    held, attributes = holders_of(tree, getattr(owner, "__name__", ""))
    others, of_others = held_by_others(tree, names, owner)
    reader = _Reader(
        names=held | (USUAL - others),
        attributes=attributes | (USUAL - of_others),
        functions={each.name: each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)},
        own=own,
        alone=_name(model) if getattr(type(model), "alone", False) else "",
    )
    # Without an optimiser, or with a gradient that is negated, the step may be up it.
    steps = STEPPING.search(text) is not None and not NEGATING.search(text)
    upward = any(_ascends(each) for each in ast.walk(tree))
    return [
        Descent(line=node.lineno, text=ast.unparse(of)[:60], sign=(-sign if upward else sign) * steps)
        for node, of, body, of_class in _taken(tree, tree, "")
        if not _of_a_child(names.get(of_class), owner)
        for sign in [_read(reader, of, body, of_class)]
    ]


def direction(found: list[Descent]) -> int:
    """1 where the model's value is minimised by all that was read, -1 where its negative is; else 0."""
    signs = {each.sign for each in found if each.sign}
    return signs.pop() if len(signs) == 1 else 0


def _read(reader: _Reader, of: ast.expr, body: ast.AST, owner: str) -> int:
    name = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
    if name and name == reader.alone:
        return 1
    function = of if isinstance(of, ast.Lambda) else reader.functions.get(name)
    return reader.sign(of, body, owner) or (reader.returned(function, owner) if function is not None else 0)


def _name(model: Any) -> str:
    """Of the function that a view of it calls."""
    return str(getattr(asked(model), "__name__", ""))


def _of_a_child(found: Any, owner: Any) -> bool:
    return isinstance(found, type) and found is not owner and issubclass(found, owner)


def _taken(
    node: ast.AST, body: ast.AST, owner: str
) -> Iterator[tuple[ast.Call | ast.FunctionDef, ast.expr, ast.AST, str]]:
    """(where, of what, in which function, of which class) for each gradient below a node."""
    if isinstance(node, ast.FunctionDef):
        body = node
        if any(_last(each) in OF_A_FUNCTION for each in node.decorator_list):
            yield node, ast.copy_location(ast.Name(id=node.name, ctx=ast.Load()), node), node, owner
    owner = node.name if isinstance(node, ast.ClassDef) else owner
    if isinstance(node, ast.Call) and (of := _of_what(node)) is not None:
        yield node, of, body, owner
    for each in ast.iter_child_nodes(node):
        yield from _taken(each, body, owner)


def _of_what(node: ast.Call) -> ast.expr | None:
    name, holder = called(node), getattr(node.func, "value", None)
    if name == "backward":
        by_another = getattr(holder, "id", getattr(holder, "attr", "")) in BY_OTHERS
        return (node.args[0] if node.args else None) if by_another else holder
    return node.args[0] if name in OF_A_VALUE and node.args else None


def _last(node: ast.expr) -> str:
    """The last name of a decorator: `jax.value_and_grad`, `partial(jax.grad, ...)`."""
    if isinstance(node, ast.Call):
        inner = [_last(each) for each in node.args[:1]]
        return called(node) if called(node) != "partial" else "".join(inner)
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _ascends(node: ast.AST) -> bool:
    """`Adam(..., maximize=True)`."""
    return isinstance(node, ast.keyword) and node.arg == "maximize" and getattr(node.value, "value", None) is True


def _place(node: ast.stmt | ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _targets(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _of_number(node: ast.expr) -> int:
    """The sign of a number that is written out; 0 for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_of_number(node.operand)
    value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
    return (value > 0) - (value < 0) if isinstance(value, (int, float)) else 0
