"""What a function's own source says: the names that it returns, what `*args` unpack into, the numbers that it holds."""

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from math import prod
from types import CodeType
from typing import Any

LONGEST_NAME = 120  # characters of a returned expression that stands for its name
BODIES = {"torch": "forward", "keras": "call", "tf_keras": "call"}  # of a module or layer: what a call of it runs
BATCH = re.compile(r"batch|^bs$")
TIME = re.compile(r"^(t|n?_?(time|seq|steps?|timesteps?|frames?|len|length)(_?(steps?|len|length|size|dim))?)$")
AVERAGES = frozenset(["mean", "average", "reduce_mean", "nanmean", "mse_loss", "MSELoss"])
RESHAPES = frozenset(["view", "reshape", "unflatten", "rearrange", "unfold", "chunk", "split"])
SAMPLES = re.compile(r"^(n|k|s|m|n_?samples?|num_?samples?|n_?particles|samples|mc)$")
SMALLEST_AXIS, LARGEST_AXIS = 2, 200_000  # whole numbers that may be the size of an axis


def surface(function: Callable[..., Any]) -> Callable[..., Any]:
    """The Python function whose parameters and body a call reaches: forward of a module, __call__ of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    if type(function).__name__ == "ScriptFunction":  # of torch.jit.script, which keeps what it compiled
        return getattr(function, "_torchdynamo_inline", function)
    if inspect.isroutine(function):
        return inspect.unwrap(function)
    if isinstance(function, type):
        return function
    if hasattr(function, "__wrapped__"):
        return inspect.unwrap(function)
    made_with = {base.__module__.split(".")[0] for base in type(function).__mro__}
    for framework, method in BODIES.items():
        if framework in made_with and hasattr(function, method):
            return getattr(function, method)
    return getattr(function, "__call__", function)  # noqa: B004 - the bound method is wanted, not whether there is one


def source_of(function: Callable[..., Any]) -> str:
    """The text of the body, docstring and comments included; "" where there is none."""
    try:
        return inspect.getsource(surface(function))
    except (OSError, TypeError):
        return ""


def _tree(function: Callable[..., Any]) -> ast.FunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(surface(function))))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None
    found = tree.body[0] if tree.body else None
    return found if isinstance(found, ast.FunctionDef) else None


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a function, without those of functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            yield child
            yield from _own(child)


def own_nodes(function: Callable[..., Any]) -> tuple[ast.AST, ...]:
    """Every node of the body, without those of functions inside it; () where there is no source."""
    tree = _tree(function)
    return tuple(_own(tree)) if tree else ()


def body_nodes(function: Callable[..., Any]) -> tuple[ast.AST, ...]:
    """Every node of the body, those of functions inside it too; () where there is no source."""
    tree = _tree(function)
    return tuple(node for statement in tree.body for node in ast.walk(statement)) if tree else ()


def returned_names(function: Callable[..., Any], count: int) -> tuple[str, ...]:
    """The names (else the expressions) of `count` values that the last matching `return a, b` gives; () if unknown."""
    tree = _tree(function)
    for node in reversed(list(_own(tree))) if tree else ():
        if isinstance(node, ast.Return) and isinstance(node.value, (ast.Tuple, ast.List)):
            for elements in (node.value.elts, list(_flat(node.value))):
                if len(elements) == count:
                    return tuple(ast.unparse(element)[:LONGEST_NAME] for element in elements)
    return ()


def returned_name(function: Callable[..., Any]) -> str:
    """What the last `return` gives, as the source writes it; "" where there is none."""
    tree = _tree(function)
    found = [node.value for node in (_own(tree) if tree else ()) if isinstance(node, ast.Return) and node.value]
    return ast.unparse(found[-1])[:LONGEST_NAME] if found else ""


def _flat(node: ast.expr) -> Iterator[ast.expr]:
    """The elements of a tuple and of tuples in it: `return (a, b), c`."""
    for element in node.elts if isinstance(node, (ast.Tuple, ast.List)) else ():
        yield from _flat(element) if isinstance(element, (ast.Tuple, ast.List)) else (element,)


def unpacked(function: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names that the body gives to `*args` (by unpacking or by index), and keys that it takes from `**kwargs`, each
    with the name that it gives to it, or its own."""
    tree = _tree(function)
    if tree is None:
        return (), {}
    star = tree.args.vararg.arg if tree.args.vararg else None
    double = tree.args.kwarg.arg if tree.args.kwarg else None
    names: dict[int, str] = {}
    keys: dict[str, str] = {}
    for node in _own(tree):
        if isinstance(node, ast.Assign) and star and len(node.targets) == 1:
            names |= positions(node.targets[0], node.value, star)
        value = node.value if isinstance(node, ast.Assign) else node
        if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and value.value.id == double:
            key = getattr(value.slice, "value", None)
            if isinstance(key, str):
                given = node.targets[0] if isinstance(node, ast.Assign) else None
                keys.setdefault(key, given.id if isinstance(given, ast.Name) else key)
    ordered = tuple(names.get(position, "") for position in range(max(names, default=-1) + 1))
    return (ordered if all(ordered) else ()), keys


def unpacked_first(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names that the body gives to `args[0][0]`, `args[0][1]`, ...: of a first argument that is a tuple."""
    tree = _tree(function)
    star = tree.args.vararg.arg if tree and tree.args.vararg else None
    names: dict[int, str] = {}
    for node in _own(tree) if tree else ():
        value = node.value if isinstance(node, ast.Assign) else None
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not (isinstance(value, ast.Subscript) and isinstance(target, ast.Name)):
            continue
        position = getattr(value.slice, "value", None)
        if ast.unparse(value.value) == f"{star}[0]" and isinstance(position, int):
            names.setdefault(position, target.id)
    ordered = tuple(names.get(position, "") for position in range(max(names, default=-1) + 1))
    return ordered if all(ordered) else ()


def positions(target: ast.expr, value: ast.expr, star: str) -> dict[int, str]:
    """The names that an assignment gives to the elements of the variable `star`, by their places."""
    whole = isinstance(value, ast.Name) and value.id == star
    if whole and isinstance(target, (ast.Tuple, ast.List)):
        return {i: part.id for i, part in enumerate(target.elts) if isinstance(part, ast.Name)}
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        found: dict[int, str] = {}
        for one, other in zip(target.elts, value.elts, strict=True):
            found |= positions(one, other, star)
        return found
    if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and value.value.id == star:
        position = getattr(value.slice, "value", None)
        if isinstance(position, int) and isinstance(target, ast.Name):
            return {position: target.id}
    return {}


def methods_called(function: Callable[..., Any], name: str) -> tuple[str, ...]:
    """The attributes that the body reads of the variable `name`: what a distribution is asked for."""
    tree = _tree(function)
    found = [
        node.attr
        for node in (_own(tree) if tree else ())
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    ]
    return tuple(dict.fromkeys(found))


def unused(function: Callable[..., Any]) -> frozenset[str]:
    """Parameters that the body never reads, puts aside (`_ = x`), or gives another value before it reads them."""
    tree = _tree(function)
    if tree is None:
        return frozenset()
    names = {a.arg for a in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)}
    if any(isinstance(n, ast.Call) and getattr(n.func, "id", "") in ("locals", "eval", "vars") for n in _own(tree)):
        return frozenset()
    read: set[str] = set()
    written: set[str] = set()
    for statement in tree.body:
        loaded = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        loaded -= _put_aside(statement)
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            loaded |= {statement.target.id}
        read |= loaded - written
        if isinstance(statement, ast.Assign):
            written |= {target.id for target in statement.targets if isinstance(target, ast.Name)} - read
    return frozenset(names - read) if names & read else frozenset()  # a body that reads none is a stub


def _put_aside(node: ast.AST) -> set[str]:
    """The bare names of `_ = log_var` and of `_, _ = mean, log_var`."""
    if not isinstance(node, ast.Assign):
        return set()
    targets = [part for target in node.targets for part in (list(_flat(target)) or [target])]
    values = list(_flat(node.value)) or [node.value]
    to_nothing = all(isinstance(target, ast.Name) and not target.id.strip("_") for target in targets)
    bare = [value.id for value in values if isinstance(value, ast.Name)]
    return set(bare) if to_nothing and len(bare) == len(values) else set()


def deleted(function: Callable[..., Any]) -> frozenset[str]:
    """Names that the body deletes or puts aside: `del log_var`, `_ = log_var` say that an argument is left out on
    purpose."""
    tree = _tree(function)
    nodes = list(_own(tree)) if tree else []
    targets = [t for n in nodes if isinstance(n, ast.Delete) for t in n.targets]
    aside = {name for n in nodes for name in _put_aside(n)}
    return frozenset(target.id for target in targets if isinstance(target, ast.Name)) | aside


def asked_with(function: Callable[..., Any], name: str, method: str) -> tuple[str, ...]:
    """The variables that the body hands to `name.method(...)`."""
    tree = _tree(function)
    found: list[str] = []
    for node in _own(tree) if tree else ():
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr == method and getattr(called.value, "id", "") == name:
            found += [n.id for a in node.args for n in ast.walk(a) if isinstance(n, ast.Name)]  # type: ignore[union-attr]
    return tuple(found)


def reshaped_to_signals(function: Callable[..., Any]) -> bool:
    """Whether the body gives an array the shape (-1, 1, n)."""
    for node in own_nodes(function):
        name = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
        if name in ("view", "reshape") and isinstance(node, ast.Call):
            text = ", ".join(ast.unparse(argument).strip("()[]") for argument in node.args)
            if re.search(r"(?:^|, )-1, 1, \w+$", text):
                return True
    return False


def names_samples_of(function: Callable[..., Any], name: str) -> bool:
    """Whether the body takes an array for (batch, samples, axis): `b, n, d = z.shape`."""
    for node in own_nodes(function):
        axes = node.targets[0] if isinstance(node, ast.Assign) else None
        if not (isinstance(node, ast.Assign) and isinstance(axes, ast.Tuple) and len(axes.elts) == 3):
            continue
        if ast.unparse(node.value) in (f"{name}.shape", f"{name}.size()"):
            return bool(SAMPLES.search(ast.unparse(axes.elts[1]).lower()))
    return False


def given_another_axis(function: Callable[..., Any], name: str) -> bool:
    """Whether the body gives an array a second axis for samples: `mu.unsqueeze(1)`, `mu[:, None]`."""
    for node in own_nodes(function):
        owner = getattr(node.func, "value", None) if isinstance(node, ast.Call) else getattr(node, "value", None)
        if not (isinstance(node, (ast.Call, ast.Subscript)) and getattr(owner, "id", "") == name):
            continue
        text = ast.unparse(node).removeprefix(name)
        if re.match(r"\.unsqueeze\((dim=)?1\)|\[:, (None|np\.newaxis|jnp\.newaxis)\b", text):
            return True
    return False


def time_comes_first(function: Callable[..., Any]) -> bool:
    """Whether the body names three axes of an array with time in front: `T, B, D = x.shape`."""
    for node in own_nodes(function):
        axes = node.targets[0] if isinstance(node, ast.Assign) else None
        if not (isinstance(node, ast.Assign) and isinstance(axes, ast.Tuple) and len(axes.elts) == 3):
            continue
        if re.search(r"\.(shape|size\(\))$", ast.unparse(node.value)):
            return bool(TIME.search(ast.unparse(axes.elts[0]).lower()))
    return False


def sums_an_axis_before_the_last(function: Callable[..., Any]) -> bool:
    """Whether the body reduces the last two axes at once, `sum(dim=[-2, -1])`: an array of two is taken there too."""
    for node in own_nodes(function):
        if isinstance(node, ast.Call):
            axes = [k.value for k in node.keywords if k.arg in ("dim", "axis")] + list(node.args)
            lists = [ast.unparse(axis) for axis in axes if isinstance(axis, (ast.Tuple, ast.List))]
            if any("-2" in text and "-1" in text for text in lists):
                return True
    return False


def divides_by_an_axis(function: Callable[..., Any]) -> bool:
    """Whether the body may average over an axis that is not the batch: a mean over one, a size of one, a reshape."""
    for node in body_nodes(function):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            axes = [k.value for k in node.keywords if k.arg in ("dim", "axis")] + [
                a for a in node.args if isinstance(a, (ast.Constant, ast.Tuple, ast.List, ast.UnaryOp))
            ]
            over = [ast.unparse(axis) for axis in axes]
            if (name in AVERAGES and any(text != "0" for text in over)) or name in RESHAPES:
                return True
            if name == "size" and any(text != "0" for text in over):
                return True
        of_shape = re.search(r"\.shape\[(.+)\]$", ast.unparse(node)) if isinstance(node, ast.Subscript) else None
        if of_shape is not None and of_shape[1] != "0":
            return True
    return False


def mentioned(function: Callable[..., Any]) -> str:
    """Every name that the body reads, in lower case, separated by spaces."""
    tree = _tree(function)
    found = [getattr(node, "id", None) or getattr(node, "attr", None) for node in (_own(tree) if tree else ())]
    return " ".join(dict.fromkeys(str(name).lower() for name in found if name))


def handed_to(function: Callable[..., Any], name: str) -> tuple[str, ...]:
    """The functions that the body calls with the variable `name` as an argument of its own."""
    tree = _tree(function)
    found = []
    for node in _own(tree) if tree else ():
        if isinstance(node, ast.Call) and any(isinstance(a, ast.Name) and a.id == name for a in node.args):
            found.append(ast.unparse(node.func).rsplit(".", 1)[-1])
    return tuple(dict.fromkeys(found))


def calls_with(function: Callable[..., Any], names: set[str]) -> tuple[tuple[str, ...], ...]:
    """The plain variables, in order, that each call of one of these functions is given."""
    found = []
    for node in own_nodes(function):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] in names:
            found.append(tuple(a.id for a in node.args if isinstance(a, ast.Name)))
    return tuple(found)


def numbers(function: Callable[..., Any]) -> tuple[float, ...]:
    """Every number in the compiled body and in the globals that it names; products of neighbours (28 * 28) too."""
    code = getattr(surface(function), "__code__", None)
    if not isinstance(code, CodeType):
        return ()
    found: dict[float, None] = {}
    scope = getattr(surface(function), "__globals__", {})
    for each in _codes(code):
        values = [*each.co_consts, *(scope.get(name) for name in each.co_names)]
        found |= {float(v): None for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return tuple(found)


def axis_sizes(function: Callable[..., Any]) -> tuple[int, ...]:
    """Sizes that the source's whole numbers may name for an axis, largest first: n, n * n, c * n * n."""
    whole = [int(n) for n in numbers(function) if n == int(n) and SMALLEST_AXIS <= abs(n) <= LARGEST_AXIS]
    tree, products = _tree(function), []
    for node in _own(tree) if tree else ():
        if isinstance(node, ast.Call):
            ints = [
                a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, int) and a.value > 0
            ]
            products += [prod(ints)] if len(ints) > 1 else []
    squares = [n * n for n in whole if 8 <= n <= 64]
    sizes = {abs(n) for n in (*whole, *products, *squares) if SMALLEST_AXIS <= abs(n) <= LARGEST_AXIS}
    return tuple(sorted(sizes, reverse=True))


def batch_sizes(function: Callable[..., Any]) -> frozenset[int]:
    """Whole numbers that the body names as a batch size of its own: `BATCH_SIZE`, `opt.batch_size`, `self.bs`."""
    scope, holder = getattr(surface(function), "__globals__", {}), getattr(surface(function), "__self__", None)
    found: set[int] = set()
    for node in own_nodes(function):
        name = getattr(node, "attr", None) or getattr(node, "id", "")
        if not BATCH.search(str(name).lower()):
            continue
        of = getattr(getattr(node, "value", None), "id", "") if isinstance(node, ast.Attribute) else None
        owner = holder if of == "self" else scope.get(of)
        value = scope.get(name) if of is None else getattr(owner, name, None)
        found |= {value} if isinstance(value, int) and not isinstance(value, bool) else set()
    return frozenset(found)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
