"""An objective other than the ELBO: recognised, judged under its own formula, and declared by an option or argument."""

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import isclose
from typing import Any

import numpy as np

from elbo_compare.compare.checking.balancing import OF_P, OF_Q, sums_of_two
from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import EXACT, SINGLE, Columns
from elbo_compare.compare.checking.guards import LARGEST_EPSILON
from elbo_compare.compare.checking.identify import Identified, Standing, identify
from elbo_compare.compare.checking.judging import JudgedReading, Subject, judged
from elbo_compare.compare.checking.names import TIMES, Role, names_a_size, words_of
from elbo_compare.compare.checking.objectives import Name, Objective, find_floors, linear
from elbo_compare.compare.checking.priors import fixed_priors
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction

FLOORED = ("bernoulli", "normal", "multinomial")  # with --likelihood: the one that it names
MOST_PRIORS = 8  # numbers of a source that are tried as a prior's spread
MOST_SUMS = 3  # of two weights of a source
MOST = 4  # objectives of equal values that the battery is asked to tell apart


@dataclass(frozen=True, kw_only=True)
class Designed:
    """A term that equals an objective by design. `by`: what declares it, "" where nothing does."""

    objective: Objective
    judged: JudgedReading | None
    by: str = ""


def designed(subject: Subject, found: Identified | None, quantity: Quantity) -> Designed | None:
    """The objective that the term equals, judged; None where it equals none."""
    chosen: tuple[Objective, JudgedReading | None] | None = None
    for objective, reading, reduction in islice(_objectives(subject, found, quantity), MOST):
        tier = EXACT if found is None else found.fit.tier
        one = judged(subject, reading, reduction, tier) if reading else None
        chosen = chosen if chosen and not (one and one.right) else (objective, one)
        if one is None or one.right:
            break
    if chosen is None:
        return None
    by = _declared(subject, chosen[0], quantity)
    uneven = found is not None and found.standing is Standing.MISMATCH and found.beta and any(found.beta.powers[:2])
    if uneven and not by.startswith("--"):
        by = ""  # batch or latents reduced unevenly: the weight that acts is not the one that an argument declares
    return Designed(objective=chosen[0], judged=chosen[1], by=by)


Known = tuple[Objective, Reading | None, Reduction]


def _objectives(subject: Subject, found: Identified | None, quantity: Quantity) -> Iterator[Known]:
    """Objectives that the values equal, each with the reading under which it can be judged (None for weights that
    depend on the sizes)."""
    if found is not None:
        known = _linear(subject, found)
        if known is not None:
            yield known
        if found.fit.constant is None or found.standing is not Standing.MISMATCH or known is not None:
            return  # else |KL - C|, where every KL that was seen is above C
    readings = [r for r in subject.readings(quantity) if accepted(subject, r) and _floored(subject, r)]
    with np.errstate(all="ignore"):
        weights = islice(sums_of_two(subject.numbers), MOST_SUMS) if _of_two(subject) else ()
        numbers = (*_level_and_weight(found), *weights, *subject.numbers)
        for other in find_floors(subject.columns, subject.position, readings, numbers, "reconstruction"):
            yield other.objective, other.reading, other.reduction
        named = [r for r in subject.readings(quantity) if accepted(subject, r)]
        yield from fixed_priors(subject.columns, subject.position, named, "reconstruction", subject.numbers)
        yield from _of_two_latents(subject, [r for r in named if r.joint and not r.has_data])


def _of_two(subject: Subject) -> bool:
    """Whether q and p are both arguments: each may have a weight of its own (`balancing`)."""
    return all(subject.signature.find(role) for role in (*OF_Q, *OF_P))


def _of_two_latents(subject: Subject, readings: Sequence[Reading]) -> Iterator[Known]:
    """Two Gaussians, a layer's weights and biases, each against one prior whose spread is a number of the source."""
    spreads = [n for n in dict.fromkeys(map(abs, subject.numbers)) if n > LARGEST_EPSILON and n != 1][:MOST_PRIORS]
    for reading in readings:
        for variance in dict.fromkeys(v for n in spreads for v in (n * n, n)):
            candidate = replace(reading, fixed=(0.0, variance))
            found = identify(subject.columns, subject.position, subject.signature, (candidate,), (EXACT,))
            if found is not None and found.standing is Standing.RIGHT:
                text = "KL(q1 || {0}) + KL(q2 || {0})".format(f"N(0, {variance:g} I)")
                yield Objective(name=Name.PRIOR, formula=text, number=variance), found.reading, found.reduction
                return


def _level_and_weight(found: Identified | None) -> tuple[float, ...]:
    """C and gamma of gamma |KL - C|, where every KL that was seen is above C: of the fit's constant and KL."""
    constant, kl = (found.fit.constant, found.fit.kl) if found else (None, None)
    if constant is None or kl is None or constant.factor > 0 or kl.factor < 0:
        return ()
    return -constant.factor / kl.factor, kl.factor


def _linear(subject: Subject, found: Identified) -> Known | None:
    known = linear(found, _data_name(found.reading))
    if known is not None:
        known = replace(known, name=Name.ANNEALING) if subject.changing else known
        plain = found.scale is None or found.scale.plain
        return known, found.reading if plain else None, found.reduction
    if found.standing is Standing.MISMATCH and found.beta and found.beta.factor > 0:
        text = f"{_data_name(found.reading)} + beta x KL, beta = {found.beta.text}"
        name = Name.ANNEALING if subject.changing else Name.BETA
        return Objective(name=name, formula=text, number=found.beta.factor), None, found.reduction
    if found.standing is Standing.RIGHT and subject.changing:
        known = Objective(name=Name.ANNEALING, formula="the ELBO at its first call", number=1.0)
        return known, found.reading, found.reduction
    return None


def accepted(subject: Subject, reading: Reading) -> bool:
    """Whether the names of the spreads allow the reading's forms."""
    for role, form in ((Role.SPREAD, reading.spread), (Role.PRIOR_SPREAD, reading.prior)):
        argument = subject.signature.find(role)
        if argument is not None and form is not None and not argument.may_be(form):
            return False
    return True


def _floored(subject: Subject, reading: Reading) -> bool:
    """Whether a floor is looked for under a reading: each costs thousands of evaluations."""
    known = reading.data is None or subject.options.likelihood or reading.data.likelihood in FLOORED
    return bool(known) and not reading.joint


def _data_name(reading: Reading) -> str:
    return "given reconstruction loss" if reading.given else "reconstruction"


def _declared(subject: Subject, objective: Objective, quantity: Quantity) -> str:
    """What declares the objective: --objective, or the argument that its weight or level moves with."""
    if subject.options.objective is objective.name:
        return f"--objective {objective.name}"
    if objective.name in (Name.SCALED, Name.PER_PIXEL, Name.ANNEALING):
        return ""
    for name, value, changed in moved(subject.callee):
        if names_a_size(name):
            continue  # a size of the data makes a reduction, no weight that somebody chose
        if isclose(value, 1.0) and objective.name is Name.BETA and not TIMES & set(words_of(name)):
            continue  # a weight of 1 announces the ELBO, not another factor or one that depends on the sizes
        number = _number(subject, changed, quantity)
        if number is not None and not isclose(number, objective.number, rel_tol=1e-6):
            return f"its argument {name}" if not name.startswith("self.") else f"its attribute {name}"
    return ""


def _number(subject: Subject, callee: Callee, quantity: Quantity) -> float | None:
    """The weight or level of the objective that another callee equals; None where it is none."""
    experiment = replace(subject.experiment, function=callee)
    try:
        neutral = experiment.neutral()
    except FunctionError:
        return None
    numbers = tuple(dict.fromkeys([*callee.scalars.values(), *subject.numbers]))
    other = replace(
        subject, experiment=experiment, callee=callee, neutral=neutral, columns=Columns(neutral), numbers=numbers
    )
    found = other.identified(quantity, tiers=(EXACT, SINGLE))
    if found is not None and found.standing is Standing.RIGHT:
        return 1.0 if found.reading.kl_weight == 1.0 else None
    known = next(_objectives(other, found, quantity), None)
    return known[0].number if known else None


def moved(callee: Callee) -> Iterator[tuple[str, float, Callee]]:
    """Every number that the function takes or holds, changed in turn."""
    known = {parameter.name for parameter in callee.parameters}
    for name, value in callee.scalars.items():
        other = 1.5 * value + 0.25
        if name in known or name in callee.constants:
            yield name, value, callee.given(**{name: other})
        elif name.startswith("self."):
            changed = _with_attribute(callee.function, name.removeprefix("self."), other)
            if changed is not None:
                yield name, value, replace(callee, function=changed)


def _copied(value: Any) -> Any:
    """A deep copy; of what can't be copied so (a dict whose attributes are its keys) a shallow one of its own."""
    try:
        return copy.deepcopy(value)
    except Exception:  # whatever its own protocol raises
        return type(value)(dict(value)) if isinstance(value, dict) else copy.copy(value)


def _with_attribute(function: Callable[..., Any], name: str, value: float) -> Callable[..., Any] | None:
    try:
        holder = _copied(getattr(function, "__self__", function))
        *path, last = name.split(".")
        inner = holder
        for each in path:  # a copy of its own: a configuration of the class is shared
            setattr(inner, each, _copied(getattr(inner, each)))
            inner = getattr(inner, each)
        if isinstance(inner, dict):
            inner[last] = value
        else:
            setattr(inner, last, value)
    except Exception:  # an object that can't be copied or changed declares nothing
        return None
    return getattr(holder, function.__name__) if inspect.ismethod(function) else holder
