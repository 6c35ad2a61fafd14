"""Whether the small numbers of a function are epsilons, by its source: what they stand in, and what they multiply.

An epsilon keeps a logarithm, a root or a divisor from its edge: it is added to something within one, bounds a clamp, or
is added to a spread. A small number that multiplies a term is a weight, however small.
"""

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

from elbo_compare.compare.checking.guards import LARGEST_EPSILON
from elbo_compare.compare.checking.names import Role, WrittenAs, read_name
from elbo_compare.compare.checking.source import body_nodes

GUARDS = frozenset(
    [
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "xlogy",
        "clamp",
        "clamp_min",
        "clamp_max",
        "clip",
        "clip_by_value",
        "maximum",
        "minimum",
        "max",
        "min",
        "where",
        "softplus",
        "isclose",
        "allclose",
        "nan_to_num",
        "norm",
        "normalize",
        "div",
        "divide",
        "true_divide",
        "logit",
    ]
)
PRODUCTS = frozenset(["mul", "multiply", "einsum", "matmul", "dot", "addcmul", "lerp"])
VALUES = frozenset(["sum", "mean", "abs", "exp", "square", "pow", "prod", "nansum", "reduce_sum", "reduce_mean"])
NAMED = ("eps", "min", "max", "floor", "tol")  # what a keyword that takes one is called
SUMS = frozenset(["add", "sub", "subtract"])
SAME = frozenset(
    [
        "float",
        "tensor",
        "array",
        "asarray",
        "as_tensor",
        "full",
        "full_like",
        "float32",
        "float64",
        "constant",
        "to",
        "type",
    ]
)
HANDED_ON = 3  # calls from one of the person's functions to the next
MADE = frozenset(["exp", "softplus", "sqrt", "sigmoid", "softmax", "var", "std", "clamp", "elu"])
LOGARITHMS = (WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA)
SPREADS = (Role.SPREAD, Role.PRIOR_SPREAD, Role.OUTPUT_SPREAD, Role.OUTPUT, Role.X)
Parents = dict[ast.AST, ast.AST]


def are_epsilons(functions: Iterable[FunctionType], holder: Any, constants: Mapping[str, Any]) -> bool | None:
    """Whether every small number that the functions read is one; False where one is a weight; None where it can't be
    seen in the source. constants: numbers that parameters get from elsewhere."""
    found: list[bool | None] = []
    bodies = {function: body_nodes(function) for function in functions}
    names = {function: _small_names(function, nodes, constants) for function, nodes in bodies.items()}
    for _ in range(HANDED_ON):  # what one function hands on is small in the next
        for function, nodes in bodies.items():
            for node in nodes:
                other = _own_function(node, function, holder, bodies)
                if other is not None and isinstance(node, ast.Call):
                    names[other] |= _parameters_of(node, other, lambda n, f=function: _small(n, names[f], f, holder))
    for function, nodes in bodies.items():
        if not nodes and _holds_one(function):
            found.append(None)
        parents: Parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
        for node in nodes:
            if _small(node, names[function], function, holder):
                other = _own_function(_call_of(node, parents), function, holder, bodies)
                found.append(_guards(node, parents, nodes) if other is None else True if bodies[other] else None)
    if False in found:
        return False
    return True if found and all(found) else None


def _call_of(node: ast.AST, parents: Parents) -> ast.AST | None:
    """The call that a bare number is an argument of."""
    above = parents.get(node)
    above = parents.get(above) if isinstance(above, ast.keyword) else above
    return above if isinstance(above, ast.Call) and above.func is not node else None


def _own_function(
    node: ast.AST | None, function: FunctionType, holder: Any, known: Iterable[FunctionType]
) -> FunctionType | None:
    """Which of the person's own functions a node calls."""
    called = node.func if isinstance(node, ast.Call) else None
    found = None
    if isinstance(called, ast.Name):
        found = function.__globals__.get(called.id)
    elif isinstance(called, ast.Attribute) and getattr(called.value, "id", "") == "self":
        found = inspect.unwrap(getattr(type(holder), called.attr, None) or _holds_one)
    return next((one for one in known if one is found), None)


def _parameters_of(call: ast.Call, other: FunctionType, small: Callable[[ast.AST], bool]) -> set[str]:
    """The parameters of a function that a call gives a small number."""
    names = list(inspect.signature(other, follow_wrapped=False).parameters)
    names = names[1:] if isinstance(call.func, ast.Attribute) and names[:1] == ["self"] else names
    by_place = {name for name, argument in zip(names, call.args, strict=False) if small(argument)}
    return by_place | {k.arg for k in call.keywords if k.arg in names and small(k.value)}


def _holds_one(function: FunctionType) -> bool:
    held = [*function.__code__.co_consts, *(function.__defaults__ or ())]
    return any(_tiny(value) for value in held)


def _tiny(value: Any) -> bool:
    return isinstance(value, float) and 0 < abs(value) <= LARGEST_EPSILON


def _small_names(function: FunctionType, nodes: tuple[ast.AST, ...], constants: Mapping[str, Any]) -> set[str]:
    """Parameters, variables of the file and local ones that hold a small number."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function, follow_wrapped=False).parameters.items()
    }
    given = {**function.__globals__, **defaults, **{k: v for k, v in constants.items() if k in defaults}}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    given |= {name: cell.cell_contents for name, cell in cells if cell.cell_contents is not None}
    found = {name for name, value in given.items() if _tiny(value)}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target, value in _pairs(node):
                found |= {target.id} if isinstance(target, ast.Name) and _literal(value) else set()
    return found


def _pairs(node: ast.Assign) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each name with what it is given, of `a = b = 1` and of `a, b = 1, 2`."""
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=False)
        else:
            yield target, node.value


def _literal(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and _tiny(node.value)


def _small(node: ast.AST, names: set[str], function: FunctionType, holder: Any) -> bool:
    if isinstance(node, ast.Name):
        return isinstance(node.ctx, ast.Load) and node.id in names
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        owner = holder if node.value.id in ("self", "cls") else function.__globals__.get(node.value.id)
        return _tiny(getattr(owner, node.attr, None))
    return _literal(node)


def _called(node: ast.AST | None) -> str:
    """`log` of torch.log(...), of x.log() and of log(...)."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", "")).lower()


def _guards(node: ast.AST, parents: Parents, nodes: tuple[ast.AST, ...]) -> bool | None:
    """Climbs from a small number to what it stands in, as long as it is added to something."""
    beside: list[ast.AST] = []
    keyword = ""
    while True:
        above = parents.get(node)
        if isinstance(above, ast.keyword):
            node, above, keyword = above, parents.get(above), (above.arg or "").lower()
        if above is None or not _goes_on(above):
            return _ended(above, node, beside, keyword, parents, nodes)
        if isinstance(above, ast.BinOp):
            beside.append(above.right if above.left is node else above.left)
        elif isinstance(above, ast.Call) and _called(above) in SUMS:
            others = (*above.args, getattr(above.func, "value", None))
            beside += [each for each in others if each is not None and each is not node]
        node = above


def _goes_on(above: ast.AST | None) -> bool:
    """Whether what it stands in is a sum, or the same number in another dress."""
    if isinstance(above, ast.BinOp):
        return isinstance(above.op, (ast.Add, ast.Sub))
    same = isinstance(above, ast.Call) and _called(above) in SUMS | SAME
    return same or isinstance(above, (ast.UnaryOp, ast.IfExp, ast.Tuple, ast.List, ast.Starred))


def _ended(
    above: ast.AST | None,
    node: ast.AST,
    beside: list[ast.AST],
    keyword: str,
    parents: Parents,
    nodes: tuple[ast.AST, ...],
) -> bool | None:
    """What the first thing says that is no sum any more."""
    if isinstance(above, (ast.Compare, ast.arguments)):
        return True  # a branch at an edge; a default, seen where it is read
    if isinstance(above, ast.BinOp):
        if all(isinstance(one, ast.Constant) for one in beside):
            factor = above.right if above.left is node else above.left
            of_data = isinstance(above.op, ast.Mult) and (_of_a_spread([factor]) or isinstance(factor, ast.Constant))
            return None if of_data else False  # p * (1 - 2 * eps) + eps; else eps * x, x / eps, (1 + eps) * x
        divides = isinstance(above.op, ast.Div) and above.right is node
        return True if divides or _of_a_spread(beside) else None
    if isinstance(above, ast.Attribute):  # (x + eps).log()
        called = _called(parents.get(above))
        return called in GUARDS or _of_a_spread(beside) or (False if called in PRODUCTS else None)
    if isinstance(above, ast.Call):
        guard = _called(above) in GUARDS or any(name in keyword for name in NAMED)
        return guard or _handed(_called(above), beside)
    if isinstance(above, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        return _assigned(above, beside, nodes)
    return True if _of_a_spread(beside) else None


def _handed(called: str, beside: list[ast.AST]) -> bool | None:
    """To any other function: `Normal(mu, std + 1e-8)`; a bare number is seen in that function alone."""
    if called in PRODUCTS:
        return False
    return True if _of_a_spread(beside) or (beside and called not in VALUES) else None


def _of_a_spread(beside: list[ast.AST]) -> bool:
    """Whether one of them is a spread or a probability: by its name, by its square, or by what makes it."""
    for one in beside:
        name = one.id if isinstance(one, ast.Name) else one.attr if isinstance(one, ast.Attribute) else ""
        known = read_name(name) if name else None
        plain = known is not None and known[0] in SPREADS and known[1] not in LOGARITHMS
        if plain or _called(one) in MADE:
            return True
        if (squared := _squared(one)) is not None and _of_a_spread([squared]):
            return True
    return False


def _squared(one: ast.AST) -> ast.AST | None:
    """sigma of sigma**2, sigma * sigma, torch.square(sigma) and sigma.pow(2)."""
    if isinstance(one, ast.BinOp) and isinstance(one.op, (ast.Pow, ast.Mult)):
        return one.left
    if isinstance(one, ast.Call) and _called(one) in ("square", "pow"):
        return one.args[0] if _is_function(one) and one.args else getattr(one.func, "value", None)
    return None


def _is_function(one: ast.Call) -> bool:
    """torch.pow(x, 2) and pow(x, 2), not x.pow(2)."""
    owner = getattr(one.func, "value", None)
    return owner is None or (isinstance(owner, ast.Name) and owner.id in ("torch", "np", "jnp", "numpy", "tf", "math"))


def _assigned(above: ast.AST, beside: list[ast.AST], nodes: tuple[ast.AST, ...]) -> bool | None:
    """`eps = 1e-8` is seen where eps is read; `var = var + eps`, `var += eps`: what is added to a spread."""
    targets = list(above.targets) if isinstance(above, ast.Assign) else [above.target]  # type: ignore[attr-defined]
    if isinstance(above, ast.AugAssign):
        if not isinstance(above.op, (ast.Add, ast.Sub)):
            return False
        beside = [*beside, *targets]
    if not beside:
        return True
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    return _of_a_spread([*beside, *targets]) or _guarded_later(names, nodes) or None


def _guarded_later(names: set[str], nodes: tuple[ast.AST, ...]) -> bool:
    """Whether a logarithm, a root or a division reads one of the names."""
    return any(names & set(_read(part)) for node in nodes for part in _edges(node))


def _edges(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield node.right
    if _called(node) in GUARDS:
        yield node


def _read(node: ast.AST) -> Iterator[str]:
    return (n.id for n in ast.walk(node) if isinstance(n, ast.Name))
