"""From the numbers of both sides to the verdict: which ELBO object's terms, weighed how, and the gradients apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elbo_compare.compare.matching.fitting import ALONE, Fitted, nearly
from elbo_compare.compare.matching.gradients import Compared, compared, path_words, paths, term_name
from elbo_compare.compare.matching.measured import Measured, Series
from elbo_compare.compare.matching.naming import Named, constant_words, named
from elbo_compare.compare.matching.result import MatchVerdict
from elbo_compare.compare.matching.words import differences, estimator, formula, mixture
from elbo_compare.suites.bridge.pairs.records import Term, Total, What
from elbo_compare.suites.bridge.tape import Drawn


@dataclass(frozen=True, kw_only=True)
class JudgedTotal:
    """The judgement of one total; fields as in `MatchResult`. untied: why the noise of both sides was not the same."""

    verdict: MatchVerdict
    untied: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


def judge(total: str, found: Measured, *, one_framework: bool = True) -> JudgedTotal:
    """The first side's total against the second side's terms and ELBO objects."""
    y = found.first[total]
    own = _own_sum(found)
    if own:
        return JudgedTotal(verdict=MatchVerdict.NOT_JUDGED, fields={"message": own})
    if not all(np.isfinite(each.values).all() for each in y.values()):
        return JudgedTotal(verdict=MatchVerdict.FAILED, fields={"message": "the first side's value is not finite"})
    nearest: Fitted | None = None
    for nearest in nearly(y, found):
        one = named(y, nearest, found)
        if one.fitted.exact:
            uses_kl = any(each.weight and each.term.what is What.KL for each in one.terms)
            own = _own_mean_field(found) if uses_kl else ""
            return (
                JudgedTotal(verdict=MatchVerdict.NOT_JUDGED, fields={"message": own})
                if own
                else _explained(total, one, found)
            )
    fields = _unexplained(nearest, found, y)
    another = elsewhere(found)
    if another and not untied(found, one_framework=one_framework):
        return JudgedTotal(verdict=MatchVerdict.DIFFERS, fields=fields | {"differences": another})
    apart = untied(found, one_framework=one_framework)
    enumerated = found.other.errors.get(Total.ENUM.value, "")
    apart += f"; TraceEnum_ELBO, which sums over the discrete sites, raises {enumerated}" if enumerated else ""
    if apart:
        return JudgedTotal(
            verdict=MatchVerdict.NOT_JUDGED, fields={"message": f"{fields['message']}; {apart}"}, untied=apart
        )
    return JudgedTotal(verdict=MatchVerdict.NOT_EXPLAINED, fields=fields)


def _explained(total: str, one: Named, found: Measured) -> JudgedTotal:
    fit = one.fitted
    said, which = differences(one, found), estimator(one, found)
    same = one.same and not said
    fields: dict[str, Any] = {
        "differences": said,
        "estimator": which.value if which else "",
        "claim": "pointwise",
        "off": fit.off,
        "allowed": fit.allowed,
        "runs": f"{len(next(iter(found.first[total].values())).values)} tapes x batches of "
        f"{' and '.join(map(str, found.sizes))}",
    }
    notes = []
    if same:
        fields["formula"] = f"{total} = {_objective(one, which)}" + _rest(one, found)
        alone = [term_name(each.term) for each in one.terms if each.weight and each.term.what in ALONE]
        notes += [f"up to {each}, which the data alone determine" for each in alone]
        constant = constant_words(one.constant, found)
        notes += [f"up to a constant, {constant}, that no gradient sees"] if constant else []
        if any(site.observed and site.family == "Bernoulli" for site in found.sites):
            notes.append("judged at these weights: a clamp that begins beyond their outputs is not seen")
    else:
        fields["formula"] = f"{total} = {formula(one, found)}"
    analytic, sampled = mixture(one)
    if same and (which is None or (which is Total.ENUM and analytic)):
        notes.append(
            f"no ELBO object of the library returns it: the KL of {analytic} is analytic, {sampled or 'the rest'} is "
            "sampled; in expectation it is the same, and the gradient is held against that of these terms"
        )
        which = None
    judged, more = _gradients(total, one, found, which if same else None)
    fields |= more
    fields["notes"] = notes
    if same and judged is not None and not judged.same:
        fields["differences"] = [f"equal values, other gradients: {more.pop('why')}"]
        same = False
    elif "why" in fields:
        fields["differences"] = [*said, f"and other gradients than that formula's: {fields['why']}"]
    fields.pop("why", None)
    return JudgedTotal(verdict=MatchVerdict.SAME if same else MatchVerdict.DIFFERS, fields=fields)


def _objective(one: Named, which: Total | None) -> str:
    analytic, _ = mixture(one)
    if which is None:
        return f"Trace_ELBO with the analytic KL of {analytic}"
    return which.value + (f" with the analytic KL of {analytic}" if which is Total.ENUM and analytic else "")


def _rest(one: Named, found: Measured) -> str:
    words = f", {one.reduction.words}" if one.reduction.batch or one.reduction.of else ""
    return (f" x {one.factor:.6g}" if one.factor != 1 else "") + words


def _gradients(total: str, one: Named, found: Measured, which: Total | None) -> tuple[Compared | None, dict[str, Any]]:
    """Against the ELBO object's own gradient where the values are its own, else against the formula's."""
    ours = found.one.gradients.get(total, {})
    size = found.sizes[0]
    if not ours:
        return None, {"gradients": "No weights are there to compare gradients by"}
    if which is not None and which.value in found.other.gradients:
        parts = [(one.factor * one.reduction.at(size), found.other.gradients[which.value])]
        of = which.value
    else:
        coefficients = {term: values[0] for term, values in one.fitted.coefficients.items() if values[0]}
        parts = [(c, found.other.gradients[term.key]) for term, c in coefficients.items()]
        of = "that formula"
    judged = compared(ours, parts, found.unit)
    fields: dict[str, Any] = {"gradient_off": judged.off, "gradient_allowed": judged.allowed}
    if not judged.count:
        return None, {"gradients": "No weight is shared: gradients were not compared"}
    if judged.same:
        words = "its gradients are the formula's" if of == "that formula" else "its gradients too"
        text = (
            f"{words}, of {judged.count} weights: off by {judged.off:.2g} of their norm, {judged.allowed:.2g} allowed"
        )
        return judged, fields | {"gradients": text}
    why = _why(one, ours, found, judged)
    fields["gradients"] = (
        f"the gradients of {len(judged.differing)} of {judged.count} weights differ from {of}'s: off by "
        f"{judged.off:.2g} of their norm, {judged.allowed:.2g} allowed, at {_listed(judged.differing)}"
    )
    return judged, fields | {"why": why}


def _why(one: Named, ours: Any, found: Measured, judged: Compared) -> str:
    coefficients = {term: values[0] for term, values in one.fitted.coefficients.items() if values[0]}
    words = path_words(paths(ours, coefficients, found.other.gradients, found.unit))
    if words:
        return "; ".join(words)
    part = {name: ours[name] for name in judged.differing}
    words = path_words(paths(part, coefficients, found.other.gradients, found.unit)) if len(part) < len(ours) else []
    if words:
        return f"at {_listed(judged.differing)} {'; '.join(words)}"
    discrete = [site.name for site in found.sites if not site.observed and not site.reparameterised]
    if discrete:
        return (
            f"{', '.join(discrete)} has no reparameterised draw: Trace_ELBO's gradient has a score-function term there"
        )
    none = [name for name in judged.differing if not ours[name].norm]
    return f"no gradient reaches {_listed(none)}" if none else f"of {_listed(judged.differing)}"


def _listed(names: Any, most: int = 3) -> str:
    shown = list(names)[:most]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def _own_sum(found: Measured) -> str:
    """Whether the second side's terms add up to what its ELBO object returns: else its terms explain nothing."""
    total = found.second.get(Total.TRACE.value)
    if total is None:
        error = found.other.errors.get(Total.TRACE.value, "it has no value")
        return f"Trace_ELBO does not run on the second side: {error}"
    if not all(np.isfinite(series.values).all() for series in total.values()):
        return _not_finite(found)
    own = [term for term in found.terms if term.draw == 1 and term.what in SIGNS and term.what is not What.KL]
    return _off_by(Total.TRACE, own, "log densities", found)


SIGNS = {What.LOG_LIKELIHOOD: -1.0, What.LOG_Q: 1.0, What.LOG_P: -1.0, What.KL: 1.0}


def _own_mean_field(found: Measured) -> str:
    """Whether the KLs add up to what TraceMeanField_ELBO returns, where it runs and every site has its terms."""
    own: list[Term] = []
    for site in found.sites:
        choices = ((What.LOG_LIKELIHOOD,),) if site.observed else ((What.KL,), (What.LOG_Q, What.LOG_P))
        parts = [[Term(what, site.name) for what in choice] for choice in choices]
        there = next((each for each in parts if all(term in found.terms for term in each)), None)
        if there is None:
            return ""
        own += there
    return _off_by(Total.MEAN_FIELD, own, "KLs and log densities", found) if found.second.get(Total.MEAN_FIELD) else ""


def _off_by(total: Total, own: Sequence[Term], words: str, found: Measured) -> str:
    """How far an ELBO object's value is from the sum of those terms; "" within rounding."""
    for size, series in found.second[total.value].items():
        mine = [(SIGNS[term.what], found.terms[term][size]) for term in own]
        off = np.abs(sum((sign * each.values for sign, each in mine), start=np.zeros(1)) - series.values)
        bound = 128 * found.unit * (sum(each.scales for _, each in mine) + np.abs(series.values))
        if not (off <= bound).all():
            return (
                f"{total.value}'s own value is off by {off.max():.3g} nats from the sum of its sites' {words}: "
                "what the terms would explain is not what it minimises"
            )
    return ""


def _not_finite(found: Measured) -> str:
    own = (What.LOG_LIKELIHOOD, What.LOG_Q, What.LOG_P)
    terms = [Term.of(key) for key, value in found.other.values.items() if "|" in key and not np.isfinite(value)]
    sites = {each.name: each.family for each in found.sites}
    named_ = [
        f"{term_name(each)} ({sites.get(each.site, '')})" for each in terms if each.what in own and each.draw == 1
    ]
    at = f": {', '.join(named_)} has no finite value" if named_ else ""
    return f"Trace_ELBO of the second side is not finite on these data{at}. Give --data that lie in its support"


def elsewhere(found: Measured) -> list[str]:
    """Of two pairs: which site's law is another, told by its log density at the same noise. What hangs on a latent
    whose own law is another differs with it, and is not told apart; a site that one pair lacks is."""
    ours, theirs = ({each.name for each in side} for side in (found.first_sites, found.sites))
    said = [f"site {name!r} is in one pair alone" for name in sorted(ours ^ theirs)] if ours else []
    for site in found.sites:
        for what, name in ((What.LOG_Q, "q"), (What.LOG_P, "p"), (What.LOG_LIKELIHOOD, "p")):
            term = Term(what, site.name)
            one, other = found.first_terms.get(term), found.terms.get(term)
            if said or one is None or other is None:
                continue
            size = found.sizes[0]
            off = np.abs(one[size].values - other[size].values)
            if (off > 128 * found.unit * (one[size].scales + other[size].scales)).any():
                values = f"{one[size].values[0]:.8g}, the second's {other[size].values[0]:.8g}"
                said.append(f"{name}({site.name}) is another law: its log density is {values}, at the same noise")
    return said


def untied(found: Measured, *, one_framework: bool) -> str:
    """Why the noise of both sides was not the same, in words; empty where it was.

    Draws that a framework makes by itself (gammas, discrete ones) are the same for two programs of one framework only.
    """
    ours, theirs = (
        [(kind, math.prod(shape)) for kind, shape in run.draws if kind != Drawn.DROPOUT.value]
        for run in (found.one, found.other)
    )
    foreign = [site.name for site in found.sites if not site.observed and not site.reparameterised]
    if foreign and not one_framework:
        return f"the draws of {', '.join(foreign)} can't be tied between frameworks"
    if ours == theirs:
        return ""
    return f"the first side draws {_counted(ours)}, the second {_counted(theirs)}: not the same noise"


def _counted(draws: list[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {kind} numbers" for kind, count in draws[:4]) or "nothing"


def _unexplained(nearest: Fitted | None, found: Measured, y: Mapping[int, Series]) -> dict[str, Any]:
    size = found.sizes[0]
    values = {name: each[size].values[0] for name, each in found.second.items()}
    own = ", ".join(f"{name} {value:.8g}" for name, value in values.items())
    text = f"at the same noise the first side is {y[size].values[0]:.8g}, {own} (batch {size})"
    if nearest is not None:
        text += f"; the nearest combination of its terms is off by {nearest.off:.3g}, {nearest.allowed:.2g} allowed"
    why = "another likelihood, network or sampler, other weights, or other noise"
    return {"message": f"{text}: {why}", "claim": "pointwise"}
