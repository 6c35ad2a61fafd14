"""Whether a weight on the KL was meant: an option, an argument or an attribute of the model that bears it."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isclose
from typing import Any

from elbo_compare.compare.checking.fitting import by_size
from elbo_compare.compare.checking.identify import REDUCED
from elbo_compare.compare.checking.models.entering import WEIGHTS
from elbo_compare.compare.checking.models.objective import Found, total
from elbo_compare.compare.checking.models.opening import Opened
from elbo_compare.compare.checking.models.probing import Probe, Probed
from elbo_compare.compare.checking.objectives import Name, Objective
from elbo_compare.compare.checking.readings import Floor
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
    given = _given(opened, objective, constants)
    if given:
        return given
    by_default = _default(opened.way.function, objective.number)
    if by_default:
        return f"its argument {by_default}"
    if found.identified.reading.floor is not Floor.NONE:
        levels = (name for name in _attributes(model, objective.number) if _moves(opened, probe, model, name))
        return next((f"its attribute {name}" for name in levels), "")
    for name in _attributes(model, objective.number):
        if _bears(opened, probe, found, model, name):
            return f"its attribute {name}"
    return ""


def _given(opened: Opened, objective: Objective, constants: Mapping[str, Any]) -> str:
    """The number that was given as the weight; one of 1 announces the ELBO, not a weight that depends on the sizes."""
    sized = "beta x KL" in objective.formula
    for name, value in constants.items():
        if not isinstance(value, (int, float)) or (sized and isclose(value, 1.0)):
            continue
        if WEIGHTS.match(name) or isclose(value, objective.number, rel_tol=CLOSE):
            return f"--set {name}={value}"
    named = (name.split(" ")[0] for name in opened.way.given)
    return next((f"its argument {name}" for name in named if WEIGHTS.match(name) and not sized), "")


def at_one_size(probed: Probed, found: Found) -> tuple[Probed, Found, Objective]:
    """The probes of the first batch size, the loss with its weights as they are there, and the objective: a beta that
    depends on the sizes."""
    one, first = found.identified, found.observations[0]
    (size,) = by_size([first])
    many = sum(each.batch == first.batch for each in found.observations)
    law = REDUCED[one.reduction]
    weights = {
        name: part.at(size) / law.at(size)
        for name, part in (("weight", one.fit.data), ("kl_weight", one.fit.kl))
        if part is not None
    }
    reading = replace(one.reading, **{"scale": 1.0, "sign": 1, "constant": 0.0, **weights})
    data = reading.data.name if reading.data else "reconstruction"
    assert one.beta is not None
    text = f"{data} + beta x KL, beta = {one.beta.text}"
    sized = replace(
        found, identified=replace(one, reading=reading), observations=found.observations[:many], coarse=False
    )
    objective = Objective(name=Name.BETA, formula=text, number=one.beta.factor)
    return replace(probed, probes=probed.probes[:many]), sized, objective


def at_its_scale(found: Found) -> Found:
    """The same, the whole's factor put into its reading where that is 1 / observed or the like: one number for every
    probe, since a model's data have one size."""
    one = found.identified
    if one.scale is None or one.scale.plain or one.scale.powers[0]:
        return found
    (size,) = by_size([found.observations[0]])
    reading = replace(one.reading, scale=one.scale.at(size))
    return replace(found, identified=replace(one, reading=reading))


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


def _moves(opened: Opened, probe: Probe, model: Any, name: str) -> bool:
    """Whether the loss changes with an attribute that has the level's value."""
    return getattr(model, name) > 0 and _changed_by(opened, probe, model, name) != 0.0


def _bears(opened: Opened, probe: Probe, found: Found, model: Any, name: str) -> bool:
    """Whether twice the attribute adds the KL, at its weight, once more."""
    changed = _changed_by(opened, probe, model, name)
    return abs(changed) > CLOSE * abs(total(probe.loss)) and isclose(changed, kl_part(found, probe), rel_tol=1e-6)


def _changed_by(opened: Opened, probe: Probe, model: Any, name: str) -> float:
    """What twice the attribute adds to the loss; 0 where it can't be set."""
    before = getattr(model, name)
    try:
        setattr(model, name, 2 * before)
        run = opened.program.run(probe.setting)
    except Exception:  # an attribute that can't be set bears nothing
        return 0.0
    finally:
        setattr(model, name, before)
    return 0.0 if run.error or run.loss is None else total(opened.program.value(run, run.loss)) - total(probe.loss)


def kl_part(found: Found, probe: Probe) -> float:
    """The KL's part of the loss at a probe: its weight times the KL that the formula has."""
    from elbo_compare.compare.checking.readings import kl_elements

    one = next(each for each in found.observations if each.terms[0].value is probe.loss)
    size = next(iter(by_size([one])))
    law = found.identified.fit.kl
    return float(kl_elements(found.identified.reading, one.inputs).value.sum()) * (law.at(size) if law else 0.0)
