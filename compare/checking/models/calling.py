"""How a model's forward is called: with x, with labels where it wants them, with a mapping where it reads one."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from elbo_compare.compare.checking.models.labels import CLASSES, NAMES, Labels
from elbo_compare.compare.checking.models.making import TREES
from elbo_compare.compare.checking.source import returned_names, surface, unpacked
from elbo_compare.suites.bridge.user_arrays import leaves

LABELS = re.compile(r"label|target|class|^ys?$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """How forward is called. extra: what it wants beside x, by name; labels: of a conditional model; columns: a number
    is given as one for each datum, (batch, 1), as scVI takes the mean and variance of a library's size."""

    model: Any
    extra: Mapping[str, Any]
    labels: Labels | None = None
    columns: bool = False

    @property
    def given(self) -> tuple[str, ...]:
        """What nobody gave and we chose."""
        return self.labels.given if self.labels else ()

    def forward(self, x: Any) -> Any:
        """model(x); a model that reads its data by names from a mapping gets one."""
        labels = dict.fromkeys(self.labels.parameters, self.labels.of(x)) if self.labels else {}
        given = {**labels, **self.extra}
        keys = _keys_read(self.model)
        batch = {key: zeros(x) if LABELS.search(key) else x for key in keys} if keys else x
        if self.columns:
            given |= {name: x.new_full((len(x), 1), each) for name, each in given.items() if isinstance(each, float)}
        return self.model(batch, **given)


def _keys_read(model: Any) -> tuple[str, ...]:
    """The names by which a forward reads its data, the first parameter but a tree of weights: `inputs["data"]`."""
    try:
        text, first = inspect.getsource(called(model)), next((n for n in _required(model) if n not in TREES), "")
    except (OSError, TypeError):
        return ()
    pattern = rf"\b{re.escape(first)}(?:\[|\.get\(|\.pop\()\s*['\"](\w+)['\"]"
    return tuple(dict.fromkeys(re.findall(pattern, text))) if first else ()


def called(model: Any) -> Callable[..., Any]:
    """What a call of the model runs: its forward, or the `__call__` behind a view of a JAX module."""
    return getattr(model, "__dict__", {}).get("called") or surface(model)


def labelled(model: Any, constants: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters of forward that are labels by their names and that nobody gave; keys of its `**kwargs`, too. Those
    that it can do without, where the number of classes was given."""
    read = called(model)
    wanted = [name for name in [*_required(model)[1:], *unpacked(read)[1]] if name not in constants]
    found = tuple(name for name in wanted if NAMES.search(name))
    if len(found) < len(wanted):
        return ()
    optional = [name for name in parameters_of(model) if CLASSES in constants and name not in (*constants, *found)]
    return (*found, *(name for name in optional if NAMES.search(name)))


def _required(model: Any) -> list[str]:
    """The parameters of a call but self, those without a default."""
    try:
        parameters = inspect.signature(called(model)).parameters.values()
    except (TypeError, ValueError):
        return []
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.name != "self" and p.kind not in starred]


def parameters_of(model: Any) -> list[str]:
    """The names of all parameters of a call; none where it has no signature."""
    try:
        return list(inspect.signature(called(model)).parameters)
    except (TypeError, ValueError):
        return []


def named_outputs(caller: Caller, out: Any) -> list[tuple[str, Any]]:
    """What forward gave, in order, with the names that its return statement has."""
    found = list(leaves(out))
    if isinstance(out, (tuple, list)):
        names = returned_names(called(caller.model), len(found))
        if len(names) == len(found):
            found = [(name, value) for name, (_, value) in zip(names, found, strict=True)]
    return found


def zeros(x: Any) -> Any:
    """A whole number 0 for each row: labels of a loader's batch."""
    return (
        (x.reshape(len(x), -1)[:, 0] * 0).long()
        if hasattr(x, "long")
        else (x.reshape(len(x), -1)[:, 0] * 0).astype(int)
    )
