"""KL balancing as an objective: recognised by value and gradient, and declared by an option or the argument that shares
the gradient out (`balancing` has the measure)."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from elbo_compare.compare.checking.balancing import Shares, holds, raw_shares, shares_of
from elbo_compare.compare.checking.by_design import Designed, moved
from elbo_compare.compare.checking.claims import Record, TermRecord
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.fitting import short
from elbo_compare.compare.checking.inputs import ORDINARY
from elbo_compare.compare.checking.judging import JudgedReading, Subject, settled
from elbo_compare.compare.checking.objectives import Name, Objective
from elbo_compare.compare.checking.readings import Floor
from elbo_compare.compare.records import Outcome


def balanced(subject: Subject, one: JudgedReading | None) -> Designed | None:
    """A term of the right value, floored and weighed or not, of which q and p share the gradient; None where it is no
    such term."""
    if one is None or one.right or {c.name for c in one.claims if c.outcome is Outcome.DIFFERS} != {"gradient"}:
        return None
    with np.errstate(all="ignore"):
        shares = shares_of(one.term)
        if shares is None or not holds(one.term, shares):
            return None
    note = f"q has {short(shares.q)} of the KL's gradient and p {short(shares.p)}"
    shared = {"outcome": Outcome.AGREES, "difference": math.nan, "tolerance": math.nan, "note": note}
    claims = tuple(replace(c, **shared) if c.name == "gradient" else c for c in one.claims)
    objective = Objective(name=Name.BALANCED, formula=_formula(one.term, shares), number=shares.p)
    return Designed(objective=objective, judged=replace(one, claims=claims), by=_declared(subject, one.term))


def _formula(term: TermRecord, shares: Shares) -> str:
    reading = term.reading
    weight = reading.kl_weight * reading.scale
    data = "reconstruction + " if reading.has_data else ""
    parts = ((shares.p * weight, "KL(sg(q) || p)"), (shares.q * weight, "KL(q || sg(p))"))
    text = " + ".join(f"{short(float(f'{factor:.7g}'))} x {name}" for factor, name in parts)
    return f"{data}{text}" + (
        f", each of {reading.floor.value.replace('level', short(reading.level))}"
        if reading.floor is not Floor.NONE
        else ""
    )


def _declared(subject: Subject, term: TermRecord) -> str:
    """--objective, or the argument that the shares move with."""
    if subject.options.objective is Name.BALANCED:
        return f"--objective {Name.BALANCED}"
    ours = _shares_under(subject, term, subject.callee)
    for name, _, changed in moved(subject.callee):
        other = _shares_under(subject, term, changed)
        if ours and other and not math.isclose(ours[0] / sum(ours), other[0] / sum(other), rel_tol=1e-4):
            return f"its attribute {name}" if name.startswith("self.") else f"its argument {name}"
    return ""


def _shares_under(subject: Subject, term: TermRecord, callee: Callable[..., Any]) -> tuple[float, float] | None:
    """What q and p get at two ordinary calls of the function with other numbers."""
    experiment = replace(settled(subject.experiment, term.reading), function=callee)
    try:
        calls = tuple(experiment.observe(experiment.ordinary(sizes)) for sizes in ORDINARY[:2])
    except FunctionError:
        return None
    with np.errstate(all="ignore"):
        return raw_shares(replace(term, record=Record(ordinary=calls, whole=calls[0])))
