"""A call that raises because of what we feed: it accuses nobody, and says what is asked for instead.

An assertion on a shape, a support, class labels where pixels arrive, a number where an array does: the function was not
made for what its names were read as. What raises for another reason is the function's own.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.result import GOOD, CheckResult, CheckVerdict
from elbo_compare.compare.checking.roles import Assignment
from elbo_compare.compare.checking.source import own_nodes

OF_SHAPES = re.compile(
    r"shape|broadcast|dimension|(?<!recursion )size|axis|multi-target|target tensor|out of (bounds|range)|must match"
    r"|too many (indices|values)|not enough values|expected .*scalar type|long tensor|class indices"
)
OF_A_SUPPORT = re.compile(r"Expected (value argument|parameter)|within the support|not of the correct type|domain of")
OF_A_NUMBER = re.compile(
    r"requires grad|converted to (a )?(Python )?[sS]calar|(length|size)-1 arrays|only .*elements? t"
)
OF_NO_LAYOUT = re.compile(r"but got -?([5-9]|\d\d+)\)")  # an axis beyond every array that is fed
MADE_OF = (RuntimeError, ValueError, TypeError, IndexError)
SPREAD = re.compile(r"Expected parameter \w*(scale|cov|prec)\w*|GreaterThan|positive", re.IGNORECASE)
LOGARITHMS = (WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA)
NOT_LOGARITHMS = (WrittenAs.SIGMA, WrittenAs.VAR)
SPREAD_ROLES = (Role.SPREAD, Role.PRIOR_SPREAD, Role.OUTPUT_SPREAD)
ADVICE = "--map, --latent, --observed or --batch may say"


def raised(
    error: FunctionError,
    assignment: Assignment,
    described: Mapping[str, Any],
    again: Callable[[Assignment], CheckResult],
) -> CheckResult:
    """What a call that raised comes to: a spread that is no logarithm, arrays it is not made for, or its own error.
    again: the check under another reading."""
    for taken, name in _otherwise(error, assignment):
        result = again(taken)
        if result.verdict in GOOD:
            cause = _refused_as_named(assignment, taken, name)
            return CheckResult(verdict=CheckVerdict.WRONG, diagnosis=cause, **described)
    text = _misfed(error, assignment)
    if text:
        return CheckResult(verdict=CheckVerdict.NOT_JUDGED, message=text, **described)
    return CheckResult(verdict=CheckVerdict.FAILED, message=str(error), **described)


def _misfed(error: FunctionError, assignment: Assignment) -> str:
    """Why a call that raised is not judged; "" where what it raised is its own."""
    cause = error.__cause__
    text = str(cause)
    said = str(error).rstrip(".")
    if isinstance(cause, IndexError) and OF_NO_LAYOUT.search(text):
        return ""
    if isinstance(cause, MADE_OF) and OF_A_NUMBER.search(text):
        numbers = [p.name for p in assignment.callee.parameters if p.name in _turned_into_numbers(assignment)]
        asked = " ".join(f"--set {name}=1" for name in numbers)
        if numbers:
            return f"{said}: {' and '.join(numbers)} must be a number there; give it, {asked}."
    fed = isinstance(cause, AssertionError) or (isinstance(cause, ValueError) and OF_A_SUPPORT.search(text))
    fed = fed or (isinstance(cause, MADE_OF) and OF_A_NUMBER.search(text))
    if fed or (isinstance(cause, MADE_OF) and OF_SHAPES.search(text.lower())):
        return f"{said}: it is made for other arrays than its names are read as, and is not judged; {ADVICE} for which."
    return ""


def _turned_into_numbers(assignment: Assignment) -> set[str]:
    """The names inside a `float(...)`, a `math.log(...)`, an `np.log(...)`: what can be no array with a gradient."""
    found: set[str] = set()
    for node in own_nodes(assignment.callee.function):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and (
            called in ("float", "int") or called.split(".")[0] in ("math", "np", "numpy")
        ):
            found |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return found


def _otherwise(error: FunctionError, assignment: Assignment) -> Iterator[tuple[Assignment, str]]:
    """Where a spread that is called a logarithm is refused for being negative: the readings in which it is none, each
    with the name of its argument."""
    if not SPREAD.search(str(error.__cause__)):
        return
    for argument in assignment.signature.arguments:
        if argument.role in SPREAD_ROLES and argument.form in LOGARITHMS:
            for form in NOT_LOGARITHMS:
                taken = replace(argument, form=form, forms=(form,))
                arguments = tuple(taken if a is argument else a for a in assignment.signature.arguments)
                signature = replace(assignment.signature, arguments=arguments)
                yield replace(assignment, signature=signature), argument.name


def _refused_as_named(assignment: Assignment, taken: Assignment, name: str) -> Diagnosis:
    """The cause of a function that raises for a logarithm where its argument is called one."""
    named, form = (next(a.form.value for a in one.signature.arguments if a.name == name) for one in (assignment, taken))
    text = f"is right if {name} is taken for {form}; as the {named} that it is called it raises where that is negative"
    advice = f"convert {name}, rename it, or pass --map {name}={form}"
    return Diagnosis(form=DifferenceForm.MISREAD, text=text, advice=advice)
