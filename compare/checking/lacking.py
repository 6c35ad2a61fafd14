"""A method whose object lacks what it reads: asked for, or taken for an axis's size where it is called like one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from elbo_compare.compare.checking.asking import set_option
from elbo_compare.compare.checking.attributes import (
    ARRAYS,
    holder_of,
    prior_held,
    read_of,
    with_arrays,
    with_attributes,
)
from elbo_compare.compare.checking.diagnosis import DifferenceForm
from elbo_compare.compare.checking.failure import FunctionError, LackingError, TargetError
from elbo_compare.compare.checking.names import OWN, read_name
from elbo_compare.compare.checking.objects import MadeWith, takes_arrays
from elbo_compare.compare.checking.result import GOOD, CheckResult, CheckVerdict


def judged_with(
    function: Callable[..., Any], constants: Mapping[str, Any], once: Callable[[Callable[..., Any]], CheckResult]
) -> CheckResult:
    """What `once` says of the function; attributes that its object lacks become parameters, all of them at once.

    Raises TargetError that asks for them where nothing says what they are, or where one is taken for the size of an
    axis and the function is not right so.
    """
    function = with_attributes(with_arrays(function), [n.removeprefix(OWN) for n in constants if n.startswith(OWN)])
    try:
        result = _of_its_own_arrays(function, once(function), once)
        return result if result.verdict in GOOD else _to_a_held_prior(function, result, once)
    except LackingError as error:
        missing = [n for n in (error.attribute, *read_of(function)) if not hasattr(holder_of(function), n)]
        asked = " ".join(set_option(OWN + name) for name in dict.fromkeys(missing) if OWN + name not in constants)
        more = with_attributes(function, missing)
        made = [n for n in missing if (pair := read_name(n)) and pair[0] in ARRAYS]
        if not asked or more is function or (made and takes_arrays(type(holder_of(function)))):
            raise
        try:
            result = once(more)
        except TargetError as other:
            raise TargetError(f"{str(error).rstrip('.')}; or give what it reads: {asked}.") from other
        if result.verdict not in GOOD and any(read_name(name) is None for name in missing):  # a size was guessed
            raise TargetError(f"{str(error).rstrip('.')}; or give what it reads: {asked}.") from error
        return result


def _to_a_held_prior(
    function: Callable[..., Any], result: CheckResult, once: Callable[[Callable[..., Any]], CheckResult]
) -> CheckResult:
    """A method that is not right for N(0, I): the arrays of a prior that its object holds are fed, and it is right for
    them, or wrong for them in its own words."""
    held = prior_held(function)
    if not held:
        return result
    try:
        within = once(with_attributes(function, held))
    except (TargetError, FunctionError):
        return result
    plain = result.verdict in (CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED)
    return within if within.verdict in GOOD or (within.verdict is CheckVerdict.WRONG and plain) else result


def _of_its_own_arrays(
    function: Callable[..., Any], result: CheckResult, once: Callable[[Callable[..., Any]], CheckResult]
) -> CheckResult:
    """A method that is wrong for no known cause, and right for the arrays that its objects hold: its constructor makes
    something else of what it takes, which accuses nobody."""
    unknown = result.diagnosis is not None and result.diagnosis.form is DifferenceForm.UNKNOWN
    if not (isinstance(function, MadeWith) and unknown and result.verdict is CheckVerdict.WRONG):
        return result
    method = function.__wrapped__
    held = [name for name in read_of(method) if (pair := read_name(name)) and pair[0] in ARRAYS]
    try:
        within = once(with_attributes(method, held))
    except (TargetError, FunctionError):
        return result
    if within.verdict not in GOOD:
        return result
    text = (
        f"{result.target}: right for the arrays that its objects hold ({within.equation.rstrip('.')}); their "
        "constructor makes something else of the arrays that it takes, a clamp perhaps: not judged"
    )
    return replace(result, verdict=CheckVerdict.NOT_JUDGED, message=text, diagnosis=None)
