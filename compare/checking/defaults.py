"""Numbers that a default makes invisible: a spread of 1 and a mean of 0, tried at another value too.

At s = 1 a forgotten square is right by chance: (sigma^2 + mean^2) / (2 s) is (sigma^2 + mean^2) / (2 s^2) there. So a
right term whose function takes a spread or a mean as a number is called once more with another one. It has to be the KL
to that prior, or the likelihood of that spread; a number that only weighs a term is no spread, and is left alone.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from math import isclose, log, sqrt
from typing import Any

import numpy as np

from elbo_compare.compare.checking.attributes import Held
from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import REDUCED, Columns
from elbo_compare.compare.checking.formula import fitted
from elbo_compare.compare.checking.identify import TIERS, Identified, Standing, identify
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.names import OWN, Role, WrittenAs, forms_of, read_name
from elbo_compare.compare.checking.readings import Reading

MEAN, VARIANCE = 0.5, 2.25  # of the prior, or of the decoder, that is tried
UNIT = {  # how a variance of 1 is written, and the one that is tried
    WrittenAs.SIGMA: (1.0, sqrt(VARIANCE)),
    WrittenAs.VAR: (1.0, VARIANCE),
    WrittenAs.PRECISION: (1.0, 1 / VARIANCE),
    WrittenAs.LOG_VAR: (0.0, log(VARIANCE)),
    WrittenAs.LOG_SIGMA: (0.0, log(VARIANCE) / 2),
    WrittenAs.LOG_PRECISION: (0.0, -log(VARIANCE)),
}
OF_THE_PRIOR = (Role.PRIOR_MEAN, Role.PRIOR_SPREAD)
OF_ANY = (Role.SPREAD, Role.OUTPUT_SPREAD)  # `sigma`, `x_std`: a decoder's, a prior's, or only a weight
HARMLESS = (Standing.RIGHT, Standing.BETA, Standing.SCALED)  # that prior, no change at all, or only a weight
MOST_WAYS = 4  # in which names that state no form may write the numbers together


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number at its neutral value. `others`: what it is tried at, one for each form that its name allows."""

    name: str
    value: float
    role: Role
    others: tuple[float, ...]


def at_other_numbers(subject: Subject, found: Identified) -> Diagnosis | None:
    """Why a term that is right at its defaults is not right at other ones; None where it is, or it can't be tried."""
    numbers = [n for n in neutral_numbers(subject.callee) if _movable(subject.callee, n.name)]
    reading = found.reading
    priors = [n for n in numbers if n.role in OF_THE_PRIOR]
    if priors and reading.has_kl and reading.prior is None and not reading.joint:
        return _of_the_prior(subject, found, priors)
    for number in numbers:
        weighed = reading.data is not None and reading.data.weighted and reading.has_data
        if number.role in OF_ANY and weighed and (said := _of_the_decoder(subject, found, number)):
            return said
    return None


def _movable(callee: Callee, name: str) -> bool:
    """Whether another number can be handed in: by a parameter, or through the constructor of the object."""
    if not name.startswith(OWN):
        return name in {parameter.name for parameter in callee.parameters} | set(callee.constants)
    try:
        return name.removeprefix(OWN) in inspect.signature(type(_holder(callee))).parameters
    except (TypeError, ValueError):
        return False


def _method(callee: Callee) -> Any:
    return callee.function.method if isinstance(callee.function, Held) else callee.function


def _holder(callee: Callee) -> Any:
    return getattr(_method(callee), "__self__", _method(callee))


def neutral_numbers(callee: Callee) -> Iterator[Number]:
    """The spreads and prior means that a function takes or holds as numbers in which no square and no sign shows."""
    for name, value in callee.scalars.items():
        bare = name.rsplit(".", 1)[-1]
        pair = read_name(bare)
        if pair is None:
            continue
        if pair[0] is Role.PRIOR_MEAN and value == 0:
            yield Number(name=name, value=value, role=pair[0], others=(MEAN,))
        elif pair[0] in (Role.PRIOR_SPREAD, *OF_ANY):
            forms = [form for form in forms_of(bare, *pair) if form in UNIT and UNIT[form][0] == value]
            if forms:
                yield Number(name=name, value=value, role=pair[0], others=tuple(UNIT[form][1] for form in forms))


def _of_the_prior(subject: Subject, found: Identified, numbers: Sequence[Number]) -> Diagnosis | None:
    moved = {n.role for n in numbers}
    mean, variance = MEAN * (Role.PRIOR_MEAN in moved), VARIANCE if Role.PRIOR_SPREAD in moved else 1.0
    prior = replace(found.reading, fixed=(mean, variance))
    first: Subject | None = None
    for others in islice(product(*(n.others for n in numbers)), MOST_WAYS):
        changed = _called_with(subject, {n.name: other for n, other in zip(numbers, others, strict=True)})
        again = _identified(changed, (prior, found.reading), found) if changed else None
        if changed is None or (again is not None and (again.standing in HARMLESS or _but_for_a_constant(again))):
            return None
        first = first or changed
    if first is None:
        return None
    misnamed = _in_another_form(subject, prior, numbers, found)
    if misnamed is not None:
        return misnamed
    at = " and ".join(f"{n.name} = {n.others[0]:g}" for n in numbers)
    text = f"is right at {_shown(numbers)} alone; at {at} it is no KL(q || {prior.prior_text}){_formula(first, found)}"
    advice = "the prior's mean is subtracted, its spread squared in the quotient and once in the logarithm"
    return Diagnosis(form=DifferenceForm.FORMULA, text=text, advice=advice)


def _in_another_form(
    subject: Subject, prior: Reading, numbers: Sequence[Number], found: Identified
) -> Diagnosis | None:
    """A prior's spread that is used throughout as another form than its name says, a variance called `sigma_p`."""
    (spread, *more), means = (
        [n for n in numbers if (n.role is Role.PRIOR_SPREAD) is yes] or [None] for yes in (True, False)
    )
    if spread is None or more:
        return None
    for form, (neutral, other) in UNIT.items():
        if neutral != spread.value or other in spread.others:
            continue
        others = {spread.name: other, **{n.name: n.others[0] for n in means if n is not None}}
        changed = _called_with(subject, others)
        again = _identified(changed, (prior,), found) if changed else None
        if again is not None and again.standing is Standing.RIGHT:
            text = f"is right if {spread.name} is taken for {form.value}, which at {spread.value:g} is the same"
            advice = f"rename {spread.name}, or convert it"
            return Diagnosis(form=DifferenceForm.MISREAD, text=text, advice=advice)
    return None


def _but_for_a_constant(again: Identified) -> bool:
    """The KL without the prior's own constant, which no gradient sees."""
    unit = REDUCED[again.reduction]
    laws = [law.over(unit) for law in (again.fit.data, again.fit.kl) if law]
    return bool(again.fit.kl) and all(law.plain and isclose(law.factor, 1.0, rel_tol=1e-6) for law in laws)


def _of_the_decoder(subject: Subject, found: Identified, number: Number) -> Diagnosis | None:
    """The squared error's weight has to be 1 / variance; of another weight alone nothing is said but where it is that
    of a forgotten square, 1 / sigma."""
    weight, square = 1 / VARIANCE, 1 / sqrt(VARIANCE)
    if not isclose(found.reading.weight, 1.0, rel_tol=1e-6):  # no variance of 1 at its default: it only weighs
        return None
    weights = []
    for other in number.others:
        changed = _called_with(subject, {number.name: other})
        again = _identified(changed, (found.reading,), found) if changed else None
        if again is None or again.standing is not Standing.RIGHT:
            return None
        weights.append(again.reading.weight)
    forgotten = len(number.others) == 1 and isclose(weights[0], square, rel_tol=1e-6)
    if not forgotten or isclose(weights[0], weight, rel_tol=1e-6):
        return None
    text = f"is right at {_shown([number])} alone; at {number.name} = {number.others[0]:g} the squared error weighs "
    text += f"{weights[0]:.4g}, where {weight:.4g} is right"
    return Diagnosis(form=DifferenceForm.FORMULA, text=text, advice=f"{number.name} is not squared where it divides")


def _shown(numbers: Sequence[Number]) -> str:
    return " and ".join(f"{n.name} = {n.value:g}" for n in numbers)


def _formula(changed: Subject, found: Identified) -> str:
    with np.errstate(all="ignore"):
        formula = fitted(changed.columns, changed.position, [found.reading], strangers=((), ("mean",)))
    return f", and equals {formula.text}" if formula else ""


def _identified(changed: Subject, readings: Sequence[Reading], found: Identified) -> Identified | None:
    """As finely as the term was identified at its defaults."""
    tiers = [tier for tier in TIERS if tier <= found.fit.tier]
    with np.errstate(all="ignore"):
        return identify(changed.columns, changed.position, changed.signature, readings, tiers)


def _called_with(subject: Subject, numbers: Mapping[str, float]) -> Subject | None:
    """The subject's values at other numbers; None where it can't be made, or is no number there."""
    callee = _with(subject.callee, numbers)
    if callee is None or subject.experiment.function is not subject.callee:
        return None
    experiment = replace(subject.experiment, function=callee)
    try:
        neutral = experiment.neutral()
    except FunctionError:
        return None
    if any(subject.position >= len(one.terms) for one in neutral):
        return None
    return replace(subject, experiment=experiment, callee=callee, neutral=neutral, columns=Columns(neutral))


def _with(callee: Callee, numbers: Mapping[str, float]) -> Callee | None:
    """The same call: parameters are given, attributes come out of the constructor, which may make others of them."""
    own = {name.removeprefix(OWN): value for name, value in numbers.items() if name.startswith(OWN)}
    callee = callee.given(**{name: value for name, value in numbers.items() if not name.startswith(OWN)})
    made = _made_with(_holder(callee), own) if own else None
    if not own or made is None:
        return None if own else callee
    function, method = callee.function, _method(callee)
    changed = getattr(made, method.__name__) if inspect.ismethod(method) else made
    return replace(callee, function=Held(changed, function.attributes) if isinstance(function, Held) else changed)


def _made_with(holder: Any, numbers: Mapping[str, float]) -> Any:
    """An object of the class made with other numbers, where the defaults make this one; else None."""
    kind = type(holder)
    try:
        same, made = kind(), kind(**numbers)
    except Exception:  # whatever a constructor raises
        return None
    held, again, changed = (_numbers(one) for one in (holder, same, made))
    return made if held == again and all(changed.get(name) == value for name, value in numbers.items()) else None


def _numbers(holder: Any) -> dict[str, Any]:
    return {k: v for k, v in getattr(holder, "__dict__", {}).items() if isinstance(v, (bool, int, float, str))}
