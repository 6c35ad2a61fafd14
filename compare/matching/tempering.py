"""A likelihood of logits at another temperature: a number that no combination of terms has, found by Newton's method.

log p(x; logits / T) is no multiple of log p(x; logits). Beside its value at a guess of 1 / T its slope by 1 / T is a
column, too: the fit's weight of the slope says how far off the guess is. What is named reproduces every tape, as any
formula does.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elbo_compare.compare.matching.fitting import Fitted, fit, kls_of
from elbo_compare.compare.matching.measured import Measured, Series
from elbo_compare.compare.matching.naming import named, plain_number
from elbo_compare.compare.matching.result import MatchVerdict
from elbo_compare.compare.matching.words import differences, formula
from elbo_compare.suites.bridge.pairs.records import SiteFacts, Term, Total, What

FAMILIES = ("Bernoulli", "Categorical")
STEPS, PATIENT = 10, 2
FARTHEST = 3.0  # times which one step may change the guess
NEAR = 1e-8  # relative: of a step that changes nothing more


def tempered(run_at: Callable[[float], Measured], sites: Sequence[SiteFacts]) -> dict[str, Any] | None:
    """The result's fields where one site's likelihood is the pair's at another temperature; None where it is not.

    run_at: 1 / T -> both sides' numbers, with that site's log density and its slope there.
    """
    for site in sites:
        if not site.observed or site.family not in FAMILIES:
            continue
        sharpness = _newton(run_at, site, sites)
        if sharpness is not None:
            temperature = plain_number(1.0 / sharpness)
            said = _said(run_at(1.0 / temperature), site, sites, temperature)
            if said is not None:
                return said
    return None


def _newton(run_at: Callable[[float], Measured], site: SiteFacts, sites: Sequence[SiteFacts]) -> float | None:
    """1 / T at which the slope has no weight; None where the steps don't settle."""
    guess, before = 1.0, math.inf
    for step in range(STEPS):
        found = run_at(guess)
        steps = [_step(one, site) for one in _fits(found, site, sites, slope=True)]
        best = min((each for each in steps if each is not None), default=None)
        if best is None or (step >= PATIENT and best[0] > before / 2):  # another cause: it comes no nearer
            return None
        before = best[0]
        after = float(np.clip(guess + best[1], guess / FARTHEST, guess * FARTHEST))
        if abs(after - guess) <= NEAR * guess:
            return after
        guess = after
    return None


def _step(one: Fitted, site: SiteFacts) -> tuple[float, float] | None:
    """(how far the fit is off, of what rounding allows; the step in 1 / T)."""
    value, slope = (one.coefficients[Term(what, site.name)][0] for what in (What.TEMPERED, What.TEMPERED_SLOPE))
    return (one.off / one.allowed, slope / value) if value else None


def _fits(found: Measured, site: SiteFacts, sites: Sequence[SiteFacts], *, slope: bool) -> Iterator[Fitted]:
    """The loss by the site's tempered likelihood, the others' own and each form of the KLs."""
    wanted = [Term(What.TEMPERED, site.name), *([Term(What.TEMPERED_SLOPE, site.name)] if slope else [])]
    others = [Term(What.LOG_LIKELIHOOD, each.name) for each in sites if each.observed and each.name != site.name]
    y = found.first[Total.LOSS.value]
    for kls in kls_of(found):
        one = fit(y, [*wanted, *others, *kls], found) if all(each in found.terms for each in wanted) else None
        if one is not None:
            yield one


def _said(found: Measured, site: SiteFacts, sites: Sequence[SiteFacts], temperature: float) -> dict[str, Any] | None:
    y: Mapping[int, Series] = found.first[Total.LOSS.value]
    old, new = Term(What.TEMPERED, site.name), Term(What.TEMPERED, site.name, 1, temperature)
    named_terms = {new if term == old else term: each for term, each in found.terms.items()}
    found_there = replace(found, terms=named_terms)
    for one in _fits(found, site, sites, slope=False):
        coefficients = {new if term == old else term: each for term, each in one.coefficients.items()}
        formed = named(y, replace(one, coefficients=coefficients), found_there)
        if formed.fitted.exact:
            return {
                "verdict": MatchVerdict.DIFFERS,
                "differences": differences(formed, found_there),
                "formula": f"loss = {formula(formed, found_there)}",
                "claim": "pointwise",
                "off": formed.fitted.off,
                "allowed": formed.fitted.allowed,
                "message": "",
                "gradients": "gradients were not compared: that formula has another likelihood than the pair",
            }
    return None
