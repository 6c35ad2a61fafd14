"""Names that a piece of a script needs, made when they are asked for by the script's own assignments.

A training loop or a construction stands in a main block or a function; what it reads was made some lines above it.
Only what is asked for is made: a loader or a writer that nothing reads is never opened.
"""

import ast
import builtins
import sys
import types
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any


class Scope(dict):
    """What is known by name; another name is made by the assignment that makes it.

    names: of the file (they go before its assignments); statements: where its assignments are looked for, nearest
    first; known: what goes before everything; given: what stands for the defaults of a file's own command line.
    """

    def __init__(
        self,
        names: Mapping[str, Any],
        statements: Sequence[ast.stmt],
        known: Mapping[str, Any],
        file: str,
        given: Mapping[str, Any] = MappingProxyType({}),
    ):
        super().__init__(known)
        self.names, self.file, self.why, self.given = dict(names), file, "", given
        self._makers = list(_assignments(statements))
        self._told = _filled(statements)
        self._making: set[int] = set()

    def __missing__(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        for targets, node in () if hasattr(builtins, name) else self._makers:
            if name in targets and id(node) not in self._making:
                self._making.add(id(node))
                try:
                    self.run([node, *self._told[id(node)]])
                except Exception as error:  # told where the name is asked for in vain
                    self.why = self.why or f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:80]}"
                    continue
                finally:
                    self._making.discard(id(node))
                if dict.__contains__(self, name):
                    made = dict.__getitem__(self, name)
                    if isinstance(made, Namespace):
                        vars(made).update({key: each for key, each in self.given.items() if key in vars(made)})
                    return made
        raise KeyError(name)

    def run(self, body: Sequence[ast.stmt]) -> None:
        """Run statements in it. Whatever they raise passes through."""
        self.execute(compiled(body, self.file))

    def execute(self, code: types.CodeType) -> None:
        """Run code in it; a function of the file that lacks a name of its main block is given it."""
        for _ in range(8):
            try:
                with no_arguments(self.file):
                    exec(code, self.names, self)
                return
            except NameError as error:
                if not self._given(error):
                    raise

    def value(self, node: ast.expr) -> Any:
        """What an expression comes to."""
        with no_arguments(self.file):
            return eval(compile(ast.Expression(body=node), self.file, "eval"), self.names, self)

    def _given(self, error: NameError) -> bool:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        if frame is None or not error.name or error.name in frame.tb_frame.f_globals:
            return False
        try:
            frame.tb_frame.f_globals[error.name] = self[error.name]
        except KeyError:
            return False
        return True


@contextmanager
def no_arguments(file: str) -> Iterator[None]:
    """Within, a file that parses its arguments gets none: its own defaults."""
    before, sys.argv = sys.argv, [file]
    try:
        yield
    finally:
        sys.argv = before


def compiled(body: Sequence[ast.stmt], file: str) -> types.CodeType:
    """The code of some statements."""
    module = ast.Module(body=list(body), type_ignores=[])
    return compile(ast.fix_missing_locations(module), file, "exec")


def _assignments(statements: Iterable[ast.stmt]) -> Iterable[tuple[set[str], ast.stmt]]:
    """(names, statement) of each assignment, those of blocks and functions after those of the statements themselves."""
    later: list[ast.stmt] = []
    for node in statements:
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)):
            yield made_by(node), node
        elif isinstance(node, (ast.If, ast.With, ast.For, ast.While, ast.Try)):
            later += [*node.body, *getattr(node, "orelse", ())]
        elif isinstance(node, ast.FunctionDef):
            yield {node.name}, node  # a loss that is defined within main; what the file itself defines is known before
            later += node.body
    if later:
        yield from _assignments(later)


FILLING = frozenset(("add_argument", "set_defaults"))


def _filled(statements: Iterable[ast.stmt]) -> dict[int, list[ast.stmt]]:
    """Of each assignment the calls below it that make what it gives whole: `parser.add_argument(...)`."""
    found: dict[int, list[ast.stmt]] = defaultdict(list)
    makers: dict[str, ast.stmt] = {}
    for node in statements:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            makers |= dict.fromkeys(made_by(node), node)
        elif isinstance(node, ast.Expr) and isinstance(call := node.value, ast.Call):
            owner = getattr(getattr(call.func, "value", None), "id", "")
            if owner in makers and getattr(call.func, "attr", "") in FILLING:
                found[id(makers[owner])].append(node)
        for field in ("body", "orelse"):
            found |= _filled(getattr(node, field, ()))
    return found


def made_by(node: ast.stmt) -> set[str]:
    """The names that a statement makes."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(each.asname or each.name).split(".")[0] for each in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", ast.Pass())]
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def holders_of(tree: ast.AST, name: str) -> tuple[set[str], set[str]]:
    """(names, attributes of self) to which an object of that class is given: `vae = VAE(784).to(device)`."""
    names: set[str] = set()
    attributes: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(called(each) == name for each in ast.walk(node.value)):
            names |= made_by(node)
            attributes |= {each.attr for each in node.targets if isinstance(each, ast.Attribute)}
    return names, attributes


def held_by_others(tree: ast.AST, names: Mapping[str, Any], owner: type) -> tuple[set[str], set[str]]:
    """The same of every class of the file that is no relative of a model's: its `net` may be a discriminator."""
    strangers = [
        holders_of(tree, key)
        for key, each in names.items()
        if isinstance(each, type) and not issubclass(owner, each) and not issubclass(each, owner)
    ]
    return set().union(*(held for held, _ in strangers)), set().union(*(of_self for _, of_self in strangers))


def called(node: ast.AST) -> str:
    """The last name of what a call calls; "" for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


class NotKnownError(AttributeError):
    """Attributes of a trainer that have to be given. name: the first one."""

    @classmethod
    def of(cls, lacking: Sequence[str], owner: str) -> "NotKnownError":
        """`self.beta, self.gamma of Solver are not known: give them, as in --set beta=1 --set gamma=1`."""
        names = ", ".join(f"self.{name}" for name in lacking)
        given = " ".join(f"--set {name}=1" for name in lacking)
        one = len(lacking) == 1
        return cls(
            f"{names} of {owner} {'is' if one else 'are'} not known: give {'it' if one else 'them'}, as in {given}",
            name=lacking[0],
        )


ON_THE_CPU = {"device": "cpu", "use_cuda": False, "cuda": False, "use_gpu": False, "no_cuda": True}  # as all is run


class Trainer:
    """What `self` is in the method of a class that trains: each attribute is found when it is asked for.

    owner: the class; model: stands for its network; scope: of its file; given: what --set says.
    """

    def __init__(self, owner: type, node: ast.ClassDef, model: Any, attributes: set[str], scope: Scope, given: Mapping):
        known = {"_owner": owner, "_node": node, "_model": model, "_attributes": attributes, "_scope": scope}
        known["_making"] = set()  # `self.window = plot(self.window)`: an assignment that reads what it makes is none
        vars(self).update(known | dict(given))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        vars(self)[name] = found = self._found(name)
        return found

    def _found(self, name: str) -> Any:
        if name in self._attributes:
            return self._model
        if name in ON_THE_CPU:
            return ON_THE_CPU[name]
        static = getattr(self._owner, name, None)
        if static is not None:
            return types.MethodType(static, self) if isinstance(static, types.FunctionType) else static
        makers = list(self._makers(name))
        own = {ast.dump(node.value) for method, node in makers if method is makers[0][0]}
        several = len(own) > 1 and all(isinstance(node.value, ast.Constant) for _, node in makers)
        for method, node in () if several else makers:  # one of several by an `if`: asked for
            if id(node) in self._making:
                continue
            self._making.add(id(node))
            try:
                return self._value(method, node.value)
            except Exception:  # told below: it has to be given
                continue
            finally:
                self._making.discard(id(node))
        raise NotKnownError.of([name], self._owner.__name__)

    def _makers(self, name: str) -> Iterator[tuple[ast.FunctionDef, ast.Assign]]:
        """The assignments that make an attribute, each in its method."""
        for method in (each for each in self._node.body if isinstance(each, ast.FunctionDef)):
            for node in ast.walk(method):
                if isinstance(node, ast.Assign) and any(_is_own(each, name) for each in node.targets):
                    yield method, node

    def _value(self, method: ast.FunctionDef, node: ast.expr) -> Any:
        """An attribute by its assignment, the method's parameters at their defaults."""
        arguments = method.args.args
        pairs = zip(arguments[len(arguments) - len(method.args.defaults) :], method.args.defaults, strict=True)
        defaults = {each.arg: self._scope.value(default) for each, default in pairs}
        known = {**self._scope, **defaults, "self": self}
        return Scope(self._scope.names, method.body, known, self._scope.file).value(node)


def _is_own(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name and getattr(node.value, "id", "") == "self"
