"""FILE.py:NAME -> a class, an instance or a factory of a whole model, and the names around it.

Where the file can't be imported as a whole (it wants a data set, a package for its plots, arguments, or trains at once)
its statements are run one by one: what fails or would train is left out, and said.
"""

import ast
import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.aged import became, of_syntax
from elbo_compare.compare.checking.models.lacking import lacks
from elbo_compare.compare.checking.models.making import PAIRED, Pair, is_model, takes_weights, tree_among
from elbo_compare.compare.checking.models.scopes import no_arguments
from elbo_compare.compare.checking.names import Role, read_name
from elbo_compare.compare.checking.target import WHOLE
from elbo_compare.compare.errors import unknown

LOOPS = (ast.For, ast.While, ast.With)
TORCH = "torch"
SHOWN = 2  # left-out statements that are named


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was named, and where it stands. `left_out`: statements of the file that were not run, and why."""

    found: Any
    names: dict[str, Any]
    left_out: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What was left out, in one sentence; "" where nothing was."""
        if not self.left_out:
            return ""
        more = f" and {len(self.left_out) - SHOWN} more" if len(self.left_out) > SHOWN else ""
        return f"not run of its file: {'; '.join(self.left_out[:SHOWN])}{more}"


def load_model(target: str) -> Loaded:
    """The object that a target names. Raises TargetError, in one line, for whatever keeps it from being loaded."""
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise TargetError(f"A target is FILE.py:NAME or MODULE:NAME; {target!r} arrived.")
    sys.path.insert(0, str(Path.cwd()))
    if place.endswith(".py") or os.sep in place:
        module, left_out = _statement_by_statement(Path(place))
    else:
        module, left_out = _imported(place), ()
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [key for key, value in vars(found).items() if isinstance(value, type) or callable(value)]
            known = [key for key in known if not key.startswith("_")]
            why = f" (not run of its file: {'; '.join(left_out[-SHOWN:])})" if left_out else ""
            raise TargetError(f"{place}: {unknown('model', part, known)}{why}")
        found = getattr(found, part)
    found = _pair(found, name, module) or found
    return Loaded(found=found, names=dict(vars(module)), left_out=tuple(left_out))


def _pair(found: Any, name: str, module: ModuleType) -> Pair | None:
    """The pair of which a function named model, beside one named guide, is a half."""
    if name != "model" or not inspect.isfunction(found) or not inspect.isfunction(getattr(module, "guide", None)):
        return None
    known = {str(getattr(each, "__name__", "")).split(".")[0] for each in vars(module).values()}
    known |= {str(getattr(each, "__module__", "")).split(".")[0] for each in vars(module).values()}
    library = next((each for each in PAIRED if each in known), None)
    return Pair(library=library, model=found, guide=module.guide) if library else None


def _imported(place: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        raise TargetError(f"{place} needs {error.name!r}, which is not installed here.") from error
    except Exception as error:
        said = f"{_first_line(error)}{became(str(error))}{lacks(str(error))}"
        raise TargetError(f"{place} raises {type(error).__name__} on import: {said}.") from error


def _statement_by_statement(file: Path) -> tuple[ModuleType, list[str]]:
    path = file.resolve()
    if not path.is_file():
        raise TargetError(f"There is no file {file}.")
    sys.path.insert(0, str(path.parent))
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except SyntaxError as error:
        raise TargetError(f"{file}: {of_syntax(error)}") from error
    package = _package_of(path)
    name = f"{package}.{path.stem}" if package else path.stem
    module = ModuleType(name if name not in sys.modules or package else f"checked_{path.stem}")
    module.__file__, module.__package__ = str(path), package
    sys.modules[module.__name__] = module
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    left_out: list[str] = []
    with no_arguments(str(path)):
        for node in tree.body:
            known = TORCH in sys.modules
            left_out += _run(node, module, path, defined)
            if not known and TORCH in sys.modules:
                importlib.import_module("elbo_compare.suites.bridge.torch_optimizers").left_alone()
    return module, left_out


def _package_of(path: Path) -> str:
    """The package that a file belongs to, for its relative imports; its root goes onto sys.path."""
    parts, folder = [], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    if parts:
        sys.path.insert(0, str(folder))
        try:
            importlib.import_module(".".join(parts))
        except Exception:  # what the package's other files lack is no matter of this one
            made = ModuleType(".".join(parts))
            made.__path__, made.__package__ = [str(path.parent)], made.__name__
            sys.modules[made.__name__] = made
            tree = ast.parse((path.parent / "__init__.py").read_text(encoding="utf-8"))
            for node in tree.body:
                list(_run(node, made, path.parent / "__init__.py", set()))
    return ".".join(parts)


def _run(node: ast.stmt, module: ModuleType, path: Path, defined: set[str]) -> Iterator[str]:
    """Run one statement; yields what was left out of it."""
    if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        return
    called = {each.func.id for each in ast.walk(node) if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)}
    trains = isinstance(node, LOOPS) or (isinstance(node, ast.Expr) and bool(called & defined))
    if trains:
        yield f"line {node.lineno}, {ast.unparse(node).splitlines()[0][:40]!r}"
        return
    try:
        code = compile(ast.Module(body=[node], type_ignores=[]), str(path), "exec")
        exec(code, vars(module))
    except ModuleNotFoundError as error:
        yield f"line {node.lineno} needs {error.name!r}, which is not installed{became(str(error))}"
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}"
        yield f"line {node.lineno} raises {type(error).__name__} ({_first_line(error)}){became(text)}{lacks(text)}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:120]


def whole(target: str, *, asked: bool) -> Loaded | None:
    """The whole model that a target names, None where it names a function, a loss module or something else.

    asked: an option that only a whole model takes was given. A file is looked at before it is run: a function that
    takes something is not a factory.
    """
    place, _, name = target.rpartition(":")
    is_file = place.endswith(".py") or os.sep in place
    if not asked and is_file and not _may_be_whole(Path(place), name):
        return None
    try:
        loaded = load_model(target)
    except TargetError:
        if asked or is_file:
            raise
        return None  # a module that can't be imported is told by `load`
    return loaded if asked or is_whole(loaded.found) else None


def _may_be_whole(file: Path, name: str) -> bool:
    """Whether a file has a derived class of that name, an object, or a function that takes nothing."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError):
        return False
    name, _, further = name.partition(".")
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if any((each.asname or each.name.split(".")[0]) == name for each in node.names):
                return True
        elif further:
            continue
        elif isinstance(node, ast.ClassDef) and node.name == name:
            return bool(node.bases)
        elif isinstance(node, ast.FunctionDef) and node.name == name:
            if name == "model" and any(isinstance(n, ast.FunctionDef) and n.name == "guide" for n in tree.body):
                return True
            arguments = [each.arg for each in node.args.args]
            return not (arguments or node.args.vararg or node.args.kwonlyargs) or bool(tree_among(arguments))
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return isinstance(node.value, ast.Call)
    return False


def is_whole(found: Any) -> bool:
    """Whether it is a module with an encoder and a decoder, or one that takes data alone, or a factory of one."""
    if takes_weights(found) or isinstance(found, Pair):
        return True
    if inspect.isfunction(found):
        required = [p for p in inspect.signature(found).parameters.values() if p.default is p.empty]
        return not required and bool(is_model(_made(found)))
    if not is_model(found):
        return False
    owner = found if isinstance(found, type) else type(found)
    methods = {key for base in owner.__mro__ for key in vars(base) if inspect.isfunction(vars(base)[key])}
    made = getattr(vars(owner).get("__init__"), "__code__", None)
    fields = set(getattr(owner, "__annotations__", {}))
    is_pair = {"model", "guide"} <= methods
    return is_pair or bool(WHOLE & {*methods, *fields, *(made.co_names if made else ())}) or _takes_data_alone(owner)


def _made(factory: Any) -> Any:
    try:
        return factory()
    except Exception:  # a function that raises without arguments is no factory
        return None


def _takes_data_alone(owner: Any) -> bool:
    call = getattr(owner, "forward", None) or vars(owner).get("__call__")
    try:
        parameters = list(inspect.signature(call).parameters.values())[1:]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    required = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    data = [name for name in required if not re.search("rng|key", name)]  # a key is no data
    read = read_name(data[0]) if len(data) == 1 else None
    return read is not None and read[0] is Role.X
