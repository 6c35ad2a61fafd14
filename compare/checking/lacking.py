"""A method whose object lacks what it reads: asked for, or taken for an axis's size where it is called like one."""

from collections.abc import Callable, Mapping
from typing import Any

from elbo_compare.compare.checking.asking import set_option
from elbo_compare.compare.checking.attributes import holder_of, read_of, with_arrays, with_attributes
from elbo_compare.compare.checking.failure import LackingError, TargetError
from elbo_compare.compare.checking.names import OWN, read_name
from elbo_compare.compare.checking.result import GOOD, CheckResult


def judged_with(
    function: Callable[..., Any], constants: Mapping[str, Any], once: Callable[[Callable[..., Any]], CheckResult]
) -> CheckResult:
    """What `once` says of the function; attributes that its object lacks become parameters, all of them at once.

    Raises TargetError that asks for them where nothing says what they are, or where one is taken for the size of an
    axis and the function is not right so.
    """
    function = with_attributes(with_arrays(function), [n.removeprefix(OWN) for n in constants if n.startswith(OWN)])
    try:
        return once(function)
    except LackingError as error:
        missing = [n for n in (error.attribute, *read_of(function)) if not hasattr(holder_of(function), n)]
        asked = " ".join(set_option(OWN + name) for name in dict.fromkeys(missing) if OWN + name not in constants)
        more = with_attributes(function, missing)
        if not asked or more is function:
            raise
        try:
            result = once(more)
        except TargetError as other:
            raise TargetError(f"{str(error).rstrip('.')}; or give what it reads: {asked}.") from other
        if result.verdict not in GOOD and any(read_name(name) is None for name in missing):  # a size was guessed
            raise TargetError(f"{str(error).rstrip('.')}; or give what it reads: {asked}.") from error
        return result
