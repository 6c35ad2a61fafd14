"""How a program of JAX is compiled that is run once or a few dozen times."""

from collections.abc import Hashable
from importlib.metadata import version
from typing import Any

# Of an XLA that still has both ways to make loops: the older one takes a third of the time. A flag that XLA does not
# know is an error.
_BOTH_WAYS = tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11)
_OLDER_LOOPS: dict[str, Any] = {"xla_cpu_use_fusion_emitters": False} if _BOTH_WAYS else {}
# For a few dozen calls. IEEE arithmetic stays what it is: values differ from XLA's own settings in the order of sums.
HALF_AS_LONG: dict[str, Any] = {
    "xla_backend_optimization_level": 1,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_parallel_codegen_split_count": 1,  # small programs are not worth several modules
} | _OLDER_LOOPS
# For a call or a few: compiling is most of the time there.
QUICK_TO_COMPILE: dict[str, Any] = {
    **HALF_AS_LONG,
    "xla_backend_optimization_level": 0,
    # Where other work keeps the cores busy, threads wait for one another by turning, which counts as CPU.
    "xla_cpu_multi_thread_eigen": False,
}


def each_once(jaxpr: Any) -> Any:
    """The same program, in which equations that are alike stand once.

    The classes of a library compute the same densities at the same draws, and a compiler finds that out late and at its
    own cost. Alike: one primitive without effects, the same inputs, parameters and context.
    """
    first: dict[Hashable, Any] = {}  # how an equation is told -> the first one of it
    instead: dict[Any, Any] = {}  # a variable of a later one -> that of the first

    def read(variable: Any) -> Any:
        return variable if _literal(variable) else instead.get(variable, variable)

    kept = []
    for equation in jaxpr.eqns:
        given = equation.replace(invars=[read(each) for each in equation.invars])
        other = first.setdefault(_told(given), given)
        pairs = list(zip(given.outvars, other.outvars, strict=True))
        if given.effects or other is given or any(_dropped(theirs) > _dropped(own) for own, theirs in pairs):
            kept.append(given)
        else:
            instead |= {own: theirs for own, theirs in pairs if not _dropped(own)}
    return jaxpr.replace(eqns=kept, outvars=[read(each) for each in jaxpr.outvars])


def _told(equation: Any) -> Hashable:
    inputs = tuple((str(each.aval), repr(each.val)) if _literal(each) else each for each in equation.invars)
    results = tuple(str(each.aval) for each in equation.outvars)
    return equation.primitive, inputs, results, _hashable(sorted(equation.params.items())), id(equation.ctx)


def _literal(variable: Any) -> bool:
    return hasattr(variable, "val")


def _dropped(variable: Any) -> bool:
    return type(variable).__name__ == "DropVar"


def _hashable(value: Any) -> Hashable:
    if hasattr(value, "eqns"):
        return str(value)
    if hasattr(value, "consts"):
        return str(value.jaxpr), tuple(map(id, value.consts))
    if isinstance(value, tuple | list):
        return tuple(map(_hashable, value))
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value
