"""Programs by their names. Methods of one class share one object, so that a model and its guide share their weights."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.target import located, takes_self


def load_programs(targets: Sequence[str], made: dict[type, Any]) -> tuple[Callable[..., Any], ...]:
    """What the targets name, called as it stands; `made` keeps the objects. Raises TargetError in one line."""
    return tuple(_program(target, made) for target in targets)


def load_value(target: str) -> Any:
    """Whatever a target names: an array, a tuple of them, a function."""
    return located(target)[1]


def _program(target: str, made: dict[type, Any]) -> Callable[..., Any]:
    owner, found = located(target)
    name = target.rpartition(":")[2].rpartition(".")[2]
    if isinstance(found, type):
        found = _made(found, target, made)
    elif isinstance(owner, type) and inspect.isfunction(found) and takes_self(owner, name):
        found = getattr(_made(owner, target, made), name)
    if not callable(found):
        raise TargetError(
            f"{target} is of type {type(found).__name__}; name a function, a method or a callable object."
        )
    return found


def _made(owner: type, target: str, made: dict[type, Any]) -> Any:
    if owner not in made:
        try:
            made[owner] = owner()
        except Exception as error:  # whatever a person's constructor raises
            said = f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"
            raise TargetError(
                f"{target}: {owner.__name__}() can't be made without arguments ({said}); make an object in the file, "
                f"and name its method, as in FILE.py:my_vae.{target.rpartition('.')[2]}."
            ) from error
    return made[owner]
