"""A verdict in expectation, where noise can't be tied: exact by enumeration, else by means with interval and margin.

Both sides run on the same rows at many tapes; the differences from tape to tape are independent, whatever the sides
share within one. The claim is E[loss] = factor x E[-ELBO] at the weights and rows of this match, within the margin.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from elbo_compare.compare.matching.gradients import term_name
from elbo_compare.compare.matching.judging import JudgedTotal
from elbo_compare.compare.matching.measured import UNIT
from elbo_compare.compare.matching.naming import Reduction
from elbo_compare.compare.matching.result import MatchVerdict
from elbo_compare.compare.records import Outcome
from elbo_compare.compare.statistics import Equivalence, equivalence, student_factor, two_sided_z
from elbo_compare.suites.bridge.pairs.records import Asked, Gradient, Run, SiteFacts, Term, Total, What
from elbo_compare.suites.contract import Array

ALPHA = 1e-6  # of one verdict; what is looked at in a match is a few dozen of them
MARGIN = 0.25  # of the smallest term of the objective: a term that is absent or twice there is four margins away
GRADIENT_MARGIN = (
    0.25  # of the gradient's norm: a path that is cut, or a score function that is left out, is of order 1
)
SAMPLED, ENUMERATED = (24, 60), (2, 3)  # rows: means want many, a sum over states few
COUNTS = (128, 512, 2048)  # draws, until it is decided
GRADIENTS = (192, 384, 768)  # the same for gradients; each look is at level `ALPHA`
SECONDS = 5.0  # CPU seconds, beyond which no further draws are made
ROUNDING = 1e4 * UNIT  # of the sizes that are added up, where neither side has noise
LEAN = Asked(lean=True)

Runs = Callable[[int, int, int, bool], Sequence[Run]]  # (rows, first tape, count, gradients) -> runs


@dataclass(frozen=True, kw_only=True)
class Means:
    """At one batch size: the loss at each tape, the objective there (one number: exact), each term's mean."""

    loss: Array
    objective: Array
    terms: Mapping[str, float]
    exact: bool

    def difference(self, factor: float) -> tuple[float, float]:
        """(mean of loss - factor x objective, its standard error by Student's t over the normal)."""
        apart = self.loss - factor * self.objective
        n = len(apart)
        widened = student_factor(ALPHA, n, over_normal=True) if n > 1 else 1.0
        return float(apart.mean()), widened * float(apart.std(ddof=1)) / n**0.5 if n > 1 else 0.0

    @property
    def smallest(self) -> tuple[str, float]:
        """The smallest term by its absolute mean."""
        name = min(self.terms, key=lambda each: abs(self.terms[each]))
        return name, abs(self.terms[name])


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """One factor and its test at each batch size."""

    reduction: Reduction
    tests: Mapping[int, Equivalence]
    margins: Mapping[int, float] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """Agrees at every size; differs at one."""
        found = [each.outcome for each in self.tests.values()]
        if Outcome.DIFFERS in found:
            return Outcome.DIFFERS
        return Outcome.AGREES if set(found) == {Outcome.AGREES} else Outcome.INCONCLUSIVE


def foreign(sites: Sequence[SiteFacts]) -> list[str]:
    """Latents whose noise no tape has: discrete ones, and those that are not reparameterised."""
    return [each.name for each in sites if not each.observed and (each.discrete or not each.reparameterised)]


def in_expectation(first: Runs, second: Runs, exact: Callable[[int], Run | None], total: str, sites: Sequence[SiteFacts]
                   ) -> JudgedTotal:  # fmt: skip
    """Judge value, then gradient. exact: rows -> the objective summed over every state, None where too many."""
    latents = [each for each in sites if not each.observed]
    sums = {size: exact(size) for size in ENUMERATED} if all(each.discrete for each in latents) else {}
    whole = {size: run for size, run in sums.items() if run is not None}
    sizes = ENUMERATED if len(whole) == len(ENUMERATED) else SAMPLED
    runs: dict[int, list[Run]] = {size: [] for size in sizes}
    others: dict[int, list[Run]] = {size: [] for size in sizes}
    began, found = time.process_time(), {}
    for count in COUNTS:
        for size in sizes:
            done = len(runs[size])
            runs[size] += first(size, done, count - done, False)
            if size not in whole or not others[size]:
                others[size] += second(size, done, count - done, False)
        means = {size: _means(runs[size], others[size], whole.get(size), total) for size in sizes}
        found = {each: weighed(each, means) for each in _reductions(sites, sizes[0])}
        if _decided(found) or time.process_time() - began > SECONDS or len(runs[sizes[0]]) < count:
            break
    return _concluded(found, means, first, second, whole, total)


def _decided(found: Mapping[Reduction, Weighing]) -> bool:
    outcomes = [each.outcome for each in found.values()]
    return Outcome.AGREES in outcomes or set(outcomes) == {Outcome.DIFFERS}


def _means(runs: Sequence[Run], others: Sequence[Run], whole: Run | None, total: str) -> Means:
    count = len(runs) if whole is not None else min(len(runs), len(others))
    sampled = np.array([run.values[Total.TRACE.value] for run in others[:count]])
    terms: dict[str, float] = {}
    for key in others[0].values:
        term = Term.of(key) if "|" in key else None
        if term is not None and term.what in (What.LOG_LIKELIHOOD, What.LOG_Q, What.LOG_P) and term.draw == 1:
            mean = float(np.mean([run.values[key] for run in others]))
            name = term_name(term) if term.what is What.LOG_LIKELIHOOD else f"KL({term.site})"
            terms[name] = terms.get(name, 0.0) + (mean if term.what is What.LOG_Q else -mean)
    objective = sampled if whole is None else np.full(count, whole.values[Total.TRACE.value])
    loss = np.array([run.values[total] for run in runs[:count]])
    return Means(loss=loss, objective=objective, terms=terms, exact=whole is not None)


def _reductions(sites: Sequence[SiteFacts], size: int) -> Iterator[Reduction]:
    """As losses are reduced: summed or averaged over the batch, and over the numbers of a datum."""
    for batch in (0, 1):
        yield Reduction(batch=batch)
        for observed, of in ((True, "pixels"), (False, "latents")):
            inner = sum(each.elements for each in sites if each.observed == observed)
            if inner > 1:
                yield Reduction(batch=batch, inner=float(inner), of=of)


def weighed(reduction: Reduction, means: Mapping[int, Means]) -> Weighing:
    """The test of one factor at each batch size."""
    tests, margins = {}, {}
    for size, each in means.items():
        factor = reduction.at(size)
        difference, error = each.difference(factor)
        margins[size] = MARGIN * factor * each.smallest[1]
        if error <= ROUNDING * np.abs(each.loss).max():  # nothing is drawn on either side
            margins[size] = ROUNDING * (np.abs(each.loss).max() + factor * sum(map(abs, each.terms.values())))
            error = 0.0
        tests[size] = equivalence(difference, error, margins[size], ALPHA)
    return Weighing(reduction=reduction, tests=tests, margins=margins)


def _concluded(
    found: Mapping[Reduction, Weighing],
    means: Mapping[int, Means],
    first: Runs,
    second: Runs,
    whole: Mapping[int, Run],
    total: str,
) -> JudgedTotal:
    size = max(means)
    same = [each for each in found.values() if each.outcome is Outcome.AGREES]
    best = same[0] if same else min(found.values(), key=lambda each: _distance(each, means, size))
    fields = {
        "claim": _claim(best.tests[size], means[size]),
        "message": _interval(total, best, means[size], size),
        "estimator": Total.TRACE.value,
        "runs": f"{len(means[size].loss)} draws x batches of {' and '.join(map(str, means))}",
    }
    if not same:
        if any(each.outcome is Outcome.INCONCLUSIVE for each in found.values()):
            return JudgedTotal(verdict=MatchVerdict.INCONCLUSIVE, fields=fields)
        return JudgedTotal(verdict=MatchVerdict.DIFFERS, fields=fields | {"differences": _causes(best, means, total)})
    words = f", {best.reduction.words}" if best.reduction.batch or best.reduction.of else ""
    fields["formula"] = f"E[{total}] = E[{Total.TRACE.value}]{words}"
    return _with_gradients(fields, first, second, whole.get(size), size, best.reduction, total)


def _claim(test: Equivalence, means: Means) -> str:
    if not means.exact:
        return "in expectation"
    return "exact by enumeration" if test.low == test.high else "in expectation, the pair exact by enumeration"


def _distance(one: Weighing, means: Mapping[int, Means], size: int) -> float:
    difference, _ = means[size].difference(one.reduction.at(size))
    return abs(difference) / (abs(one.reduction.at(size) * means[size].objective.mean()) + 1e-300)


def _interval(total: str, one: Weighing, means: Means, size: int) -> str:
    test, margin, (name, _) = one.tests[size], one.margins[size], means.smallest
    times = f"{one.reduction.at(size):.4g} x " if one.reduction.at(size) != 1 else ""
    apart = f"E[{total}] - {times}E[{Total.TRACE.value}]"
    if test.low == test.high:
        return f"{apart} is {test.low:.3g}, {margin:.2g} allowed: nothing is drawn, every state is summed over"
    side = "summed over every state, " if means.exact else ""
    return (
        f"in expectation, {side}{apart} of {means.objective.mean() * one.reduction.at(size):.6g} nats lies in "
        f"[{test.low:.3g}, {test.high:.3g}] at level 1 - {ALPHA:g}; margin {margin:.3g}, a quarter of {name}"
    )


def _causes(best: Weighing, means: Mapping[int, Means], total: str) -> list[str]:
    """Which weight of one term would give the difference, at both batch sizes alike."""
    causes = []
    for name in next(iter(means.values())).terms:
        spans = []
        for size, each in means.items():
            scaled = best.reduction.at(size) * each.terms[name]
            test = best.tests[size]
            ends = sorted((1 + test.low / scaled, 1 + test.high / scaled)) if scaled else (-np.inf, np.inf)
            spans.append(ends)
        low, high = max(span[0] for span in spans), min(span[1] for span in spans)
        if low <= high and high - low < 2:
            causes.append(f"{name} weighing {low:.3g}" + (f" to {high:.3g}" if high - low > 1e-6 else ""))
    said = f"E[{total}] is another number than E[{Total.TRACE.value}], {best.reduction.words}"
    return [f"{said}: as {' or '.join(causes)} would give" if causes else said]


def _with_gradients(
    fields: Mapping[str, object],
    first: Runs,
    second: Runs,
    whole: Run | None,
    size: int,
    reduction: Reduction,
    total: str,
) -> JudgedTotal:
    """Means of the gradients' projections, weight by weight, of as many draws as it takes; without a verdict on them
    there is none on the whole."""
    ours: list[Mapping[str, Gradient]] = []
    theirs: list[Mapping[str, Gradient]] = []
    began, judged = time.process_time(), None
    for count in GRADIENTS:
        done = len(ours)
        ours += [run.gradients.get(total, {}) for run in first(size, done, count - done, True)]
        theirs += (
            [whole.gradients.get(Total.TRACE.value, {})] * (len(ours) - done)
            if whole is not None
            else [run.gradients.get(Total.TRACE.value, {}) for run in second(size, done, len(ours) - done, True)]
        )
        judged = _of_gradients(fields, ours, theirs, size, reduction)
        stuck = len(ours) < count or time.process_time() - began > SECONDS
        if judged.verdict is not MatchVerdict.INCONCLUSIVE or stuck:
            break
    assert judged is not None
    return judged


def _of_gradients(
    fields: Mapping[str, object],
    ours: Sequence[Mapping[str, Gradient]],
    theirs: Sequence[Mapping[str, Gradient]],
    size: int,
    reduction: Reduction,
) -> JudgedTotal:
    """What these draws say."""
    names = [name for name in (ours[0] if ours else {}) if theirs and name in theirs[0]]
    if not names:
        text = "no weight is shared, or its gradients were not drawn: gradients were not compared"
        return JudgedTotal(verdict=MatchVerdict.INCONCLUSIVE, fields={**fields, "gradients": text})
    a, b = (np.array([_stacked(each, names) for each in side]) for side in (ours, theirs))
    apart = a - reduction.at(size) * b
    norm = float(np.linalg.norm((reduction.at(size) * b).mean(0)))
    off, error = apart.mean(0), apart.std(0, ddof=1) / len(apart) ** 0.5
    z = two_sided_z(ALPHA / off.size) * student_factor(ALPHA, len(apart), over_normal=True)
    far = np.abs(off) > z * error + ROUNDING * norm
    most = float(np.linalg.norm(np.abs(off) + z * error)) / norm if norm else np.inf
    share = float(np.linalg.norm(off)) / norm if norm else np.inf
    number = {"gradient_off": share, "gradient_allowed": GRADIENT_MARGIN}
    drawn = f"{len(apart)} draws of {len(names)} weights' gradients"
    if most <= GRADIENT_MARGIN:
        text = (
            f"its expected gradients too: off by at most {most:.2g} of their norm, margin {GRADIENT_MARGIN:g}, {drawn}"
        )
        return JudgedTotal(verdict=MatchVerdict.SAME, fields={**fields, **number, "gradients": text})
    if far.any():
        worst = sorted({names[place // (off.size // len(names))] for place in np.flatnonzero(far)})
        where = ", ".join(worst[:3])
        text = f"equal expected values, other expected gradients: off by {share:.2g} of their norm at {where}"
        more = {"differences": [text], "gradients": f"Trace_ELBO's own gradient is another, {drawn}"}
        return JudgedTotal(verdict=MatchVerdict.DIFFERS, fields={**fields, **number, **more})
    text = (
        f"expected gradients: no difference seen, but they may be off by {most:.2g} of their norm, {drawn}: "
        f"a margin of {GRADIENT_MARGIN:g} is not reached"
    )
    return JudgedTotal(verdict=MatchVerdict.INCONCLUSIVE, fields={**fields, **number, "gradients": text})


def _stacked(gradients: Mapping[str, Gradient], names: Sequence[str]) -> Array:
    return np.concatenate([np.array(gradients[name].projections) for name in names])
