"""Whether a weight on the KL was meant: an option, an argument or an attribute of the model that bears it."""

import inspect
from collections.abc import Iterator, Mapping
from math import isclose
from typing import Any

from elbo_compare.compare.checking.models.entering import WEIGHTS
from elbo_compare.compare.checking.models.objective import Found, total
from elbo_compare.compare.checking.models.opening import Opened
from elbo_compare.compare.checking.models.probing import Probe
from elbo_compare.compare.checking.objectives import Objective
from elbo_compare.compare.checking.source import surface

CLOSE = 1e-6


def declared(
    opened: Opened,
    found: Found,
    objective: Objective,
    probe: Probe,
    model: Any,
    constants: Mapping[str, Any],
    asked: str | None,
) -> str:
    """What declares the objective; "" where nothing does."""
    if asked is not None and str(asked).replace("_", "-") == objective.name:
        return "--objective"
    for name, value in constants.items():
        if isinstance(value, (int, float)) and (WEIGHTS.match(name) or isclose(value, objective.number, rel_tol=CLOSE)):
            return f"--set {name}={value}"
    for name in opened.way.given:
        if WEIGHTS.match(name.split(" ")[0]):
            return f"its argument {name.split(' ')[0]}"
    by_default = _default(opened.way.function, objective.number)
    if by_default:
        return f"its argument {by_default}"
    for name in _attributes(model, objective.number):
        if _bears(opened, probe, found, model, name):
            return f"its attribute {name}"
    return ""


def _default(function: Any, number: float) -> str:
    """The argument of the loss function whose default is the number."""
    parameters = inspect.signature(surface(function)).parameters.values() if function is not None else ()
    same = [p.name for p in parameters if _number(p.default) and isclose(p.default, number, rel_tol=CLOSE)]
    return same[0] if same else ""


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _attributes(model: Any, number: float) -> Iterator[str]:
    held = dict(getattr(model, "__dict__", {}))
    matching = [name for name, value in held.items() if _number(value) and not name.startswith("_")]
    yield from sorted(matching, key=lambda name: not isclose(held[name], number, rel_tol=CLOSE))[:8]


def _bears(opened: Opened, probe: Probe, found: Found, model: Any, name: str) -> bool:
    """Whether twice the attribute adds the KL, at its weight, once more."""
    before = getattr(model, name)
    try:
        setattr(model, name, 2 * before)
        run = opened.program.run(probe.setting)
    except Exception:  # an attribute that can't be set bears nothing
        return False
    finally:
        setattr(model, name, before)
    if run.error or run.loss is None:
        return False
    changed = total(opened.program.value(run, run.loss)) - total(probe.loss)
    return abs(changed) > CLOSE * abs(total(probe.loss)) and isclose(changed, kl_part(found, probe), rel_tol=1e-6)


def kl_part(found: Found, probe: Probe) -> float:
    """The KL's part of the loss at a probe: its weight times the KL that the formula has."""
    from elbo_compare.compare.checking.fitting import by_size
    from elbo_compare.compare.checking.readings import kl_elements

    one = next(each for each in found.observations if each.terms[0].value is probe.loss)
    size = next(iter(by_size([one])))
    law = found.identified.fit.kl
    return float(kl_elements(found.identified.reading, one.inputs).value.sum()) * (law.at(size) if law else 0.0)
