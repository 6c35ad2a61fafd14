"""Whether a function's own file minimises what it returns, or minus that: `loss = -elbo(...)`, `loss.backward()`.

A name says what is meant, the file what is done: a function called elbo that is minimised as it stands is no ELBO that
somebody maximises. Followed are names, signs, sums, means and functions that hand it on; what can't be followed says
nothing.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from elbo_compare.compare.checking.source import surface

KEPT = frozenset(
    ["mean", "sum", "squeeze", "item", "reshape", "view", "reduce_mean", "reduce_sum", "average", "float", "scale"]
)
GRADIENTS = frozenset(["grad", "value_and_grad", "filter_grad", "filter_value_and_grad"])
DESCENT = ("apply_updates", "opt_update", "apply_gradients")  # what steps against a gradient
# A step upwards, or a gradient that is turned before the step.
ASCENT = re.compile(
    r"maximi[sz]e\s*=\s*True|\+=.*\.grad|ascent|scale\(\s*(lr|1)|\.maximi[sz]e\("
    r"|grad\w*\.neg_|\.grad\s*(\*=|=\s*-)|\bnegative\b|lambda (?P<one>\w+): -(?P=one)\b"
)
CALLED = frozenset(["forward", "__call__", "call"])  # of an object: called by another name
ROUNDS = 3  # functions that hand it on to others


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a line minimises: `sign` x the function's value."""

    sign: int
    line: int

    @property
    def text(self) -> str:
        """`line 12 of its file minimises it`."""
        return f"line {self.line} of its file minimises {'it' if self.sign > 0 else 'minus it'}"


def minimised(function: Callable[..., Any]) -> Use | None:
    """What the file of a function minimises of it; None where no line says so, or two say otherwise."""
    inner = surface(function)
    name = getattr(inner, "__name__", "")
    try:
        file = inspect.getsourcefile(inner)
    except TypeError:
        return None
    if not file or not name or name in CALLED or not Path(file).is_file():
        return None
    return _of_file(file, name)


@lru_cache(maxsize=64)
def _of_file(file: str, name: str) -> Use | None:
    try:
        text = Path(file).read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return None
    if ASCENT.search(text):
        return None
    places = _defined(tree)
    if len(places.get(name, [])) > 1:  # which of them a call means can't be told
        return None
    known: dict[str, int] = {name: 1}
    uses: list[Use] = []
    descends = any(word in text for word in DESCENT)
    for _ in range(ROUNDS):
        uses, handed = [], dict(known)
        for scope in (tree, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))):
            follower = _Follower(known, places, descends=descends)
            follower.run(scope.body)
            uses += follower.uses
            own = getattr(scope, "name", "")
            if own != name and len(places.get(own, [])) == 1 and follower.returned:
                handed[own] = follower.returned
        if handed == known:
            break
        known = handed
    signs = {use.sign for use in uses}
    return uses[0] if len(signs) == 1 else None


def _defined(tree: ast.Module) -> dict[str, list[bool]]:
    """By name, of every function of that name whether it is a method."""
    methods = {id(f) for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for f in n.body}
    found: dict[str, list[bool]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(id(node) in methods)
    return found


class _Follower:
    """One body, statement by statement: the sign with which the value stands in each variable."""

    def __init__(self, known: Mapping[str, int], places: Mapping[str, list[bool]], *, descends: bool) -> None:
        self.known, self.places, self.descends = known, places, descends
        self.signs: dict[str, int] = {}
        self.uses: list[Use] = []
        self.returned = 0

    def run(self, body: list[ast.stmt]) -> None:
        """Every statement, those of loops and branches too; functions inside are bodies of their own."""
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                continue
            if isinstance(node, ast.If):
                self._either(node)
                continue
            blocks = [block for field in ("body", "orelse", "finalbody") if (block := getattr(node, field, []))]
            if not blocks:
                self._statement(node)
            for block in blocks:
                self.run(block)

    def _either(self, node: ast.If) -> None:
        """What is left in a variable where both branches leave the same."""
        before = dict(self.signs)
        self.run(node.body)
        one, self.signs = self.signs, before
        self.run(node.orelse)
        names = one.keys() | self.signs.keys()
        self.signs = {n: sign for n in names if (sign := one.get(n, 0)) == self.signs.get(n, 0)}

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign):
            sign = self.of(node.value)
            for name in _first_names(node.targets):
                self.signs[name] = sign
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            added = self.of(node.value) * (-1 if isinstance(node.op, ast.Sub) else 1)
            if isinstance(node.op, (ast.Add, ast.Sub)) and added:
                self.signs[node.target.id] = added
        elif isinstance(node, ast.Return) and node.value is not None:
            first = node.value.elts[0] if isinstance(node.value, ast.Tuple) and node.value.elts else node.value
            self.returned = self.of(first) or self.returned
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            self._minimising(call)

    def _minimising(self, call: ast.Call) -> None:
        called = getattr(call.func, "attr", getattr(call.func, "id", ""))
        sign = 0
        if any(keyword.arg in ("gradient", "grad_tensors") for keyword in call.keywords):
            return
        if called == "backward" and isinstance(call.func, ast.Attribute):
            sign = self.of(call.args[0]) if call.args else self.of(call.func.value)
        elif called == "minimize" and call.args:
            sign = self._of_function(call.args[0]) or self.of(call.args[0])
        elif called in GRADIENTS and call.args and self.descends:
            sign = self._of_function(call.args[0])
        if sign:
            self.uses.append(Use(sign=sign, line=call.lineno))

    def _of_function(self, node: ast.expr) -> int:
        """Of a function that is handed on: by its name, or a lambda's body."""
        if isinstance(node, ast.Lambda):
            return self.of(node.body)
        return self.known.get(getattr(node, "attr", getattr(node, "id", "")), 0)

    def of(self, node: ast.expr) -> int:
        """The sign with which the value stands in an expression; 0 where it does not, or can't be told."""
        if isinstance(node, ast.Name):
            return self.signs.get(node.id, 0)
        if isinstance(node, ast.UnaryOp):
            return self.of(node.operand) * (-1 if isinstance(node.op, ast.USub) else 1)
        if isinstance(node, ast.BinOp):
            return self._of_two(node)
        if isinstance(node, ast.Subscript):  # of what a function returns, the first is the loss
            return self.of(node.value) if getattr(node.slice, "value", None) == 0 else 0
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in self.known and self.places.get(called, [True])[0] is isinstance(node.func, ast.Attribute):
                return self.known[called]
            owner = self.of(node.func.value) if isinstance(node.func, ast.Attribute) else 0
            return (owner or (self.of(node.args[0]) if node.args else 0)) if called in KEPT else 0
        return 0

    def _of_two(self, node: ast.BinOp) -> int:
        left, right = self.of(node.left), self.of(node.right)
        if isinstance(node.op, ast.Sub):
            right = -right
        if isinstance(node.op, (ast.Add, ast.Sub)):
            return 0 if left * right < 0 else left or right
        if isinstance(node.op, (ast.Mult, ast.Div)) and not (left and right):
            return (left or right) * _sign_of_factor(node.right if left else node.left, node.op)
        return 0


def _first_names(targets: list[ast.expr]) -> Iterator[str]:
    """The variables that get the value; of a tuple the first, which is the loss."""
    for target in targets:
        first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else target
        if isinstance(first, ast.Name):
            yield first.id


def _sign_of_factor(factor: ast.expr, op: ast.operator) -> int:
    """Of a number that is written; what one divides by is a size, and what else one multiplies by may be -1."""
    if isinstance(factor, ast.UnaryOp) and isinstance(factor.op, ast.USub):
        return -_sign_of_factor(factor.operand, op)
    return int(isinstance(factor, ast.Constant) or isinstance(op, ast.Div))
