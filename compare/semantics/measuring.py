"""Draws from a pair until its classes and findings are told apart from what is exact, or the time is up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot, inf, isfinite, isnan, nan, sqrt
from time import monotonic

import numpy as np

from elbo_compare.compare.records import Outcome
from elbo_compare.compare.statistics import MEAN_MARGIN, equivalence, student_factor
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.explaining.applying import Candidate, candidates, weighs
from elbo_compare.suites.semantics.explaining.facts import INTENDED, Block, ClassFacts, Draw, Exact, Pair, joined
from elbo_compare.suites.semantics.explaining.roles import ELBOS, draws_discretely

LEAST_S, MOST_S = 1.0, 5.0  # of drawing: always; while a finding that has its shape here is undecided
POINTWISE = 3  # draws after which two classes that agree at each are taken for the same estimator
LEAST_DRAWS, MOST_DRAWS = 6, 20_000
BRIEF_S, FEW = 1.0, 13
DISCRETE_DRAWS = 50  # of a pair with discrete draws: fewer may all be alike, or lack the value that weighs most
ALPHA = 1e-3  # of one wrong interval in a whole explanation; split over its intervals (Bonferroni)
ROUNDINGS = 1e3  # of the largest term: what a sum of a few thousand terms may differ by between two orders of summing
CANCELLING = 10.0  # times that: what is left of terms that cancel is no bias (a gradient of log q at a narrow q)
UNIT = {32: 2.0**-24, 64: 2.0**-53}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean of n draws with its interval, in nats; `same`: zero at every draw, to rounding. `beside`: the class whose
    draws it was compared with, draw by draw; empty: the exact number. `error`: the standard error of the mean."""

    mean: float
    low: float
    high: float
    n: int
    same: bool = False
    outcome: Outcome = Outcome.INCONCLUSIVE
    beside: str = ""
    error: float = nan

    @property
    def seen(self) -> bool:
        """The interval excludes zero."""
        return not self.same and not self.low <= 0 <= self.high


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A difference of gradients along its worst direction. `relative`: its length over the reference's."""

    direction: str
    worst: Estimate
    relative: float
    widest: float

    @property
    def seen(self) -> bool:
        """The interval of the worst direction excludes zero; intervals hold for all directions at once."""
        return self.worst.seen


@dataclass(frozen=True, kw_only=True)
class ClassMeasured:
    """A class against the reference: its mean ELBO, the difference from the exact one, and of the gradients."""

    mean: Estimate | None = None
    difference: Estimate | None = None
    gradient: Slope | None = None


@dataclass(frozen=True, kw_only=True)
class FindingMeasured:
    """A candidate with its cost on this pair; None where it has none in nats (a gradient, a fact)."""

    candidate: Candidate
    cost: Estimate | None = None
    gradient: Slope | None = None

    @property
    def costs(self) -> bool:
        """Seen to cost something, in value or gradient, or to be the fact that it states."""
        if self.candidate.measure == "fact":
            return self.candidate.seen
        return bool((self.cost and self.cost.seen) or (self.gradient and self.gradient.seen))

    @property
    def settled(self) -> bool:
        """Further draws would change nothing."""
        if self.candidate.measure in ("fact", "trial"):
            return True
        return self.costs or (self.cost is not None and self.cost.outcome is Outcome.AGREES)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Everything measured on a pair. `reference`: what "exact" is here and how it was had."""

    reference: str
    classes: Mapping[str, ClassMeasured]
    findings: tuple[FindingMeasured, ...]
    exact: Exact | None
    n: int


def measure(pair: Pair, most_s: float = MOST_S, draws: int | None = None, trials: Sequence[Candidate] = ()) -> Measured:
    """The classes and the candidates of a pair, measured within `most_s` seconds of drawing, or by `draws` draws;
    trials: candidates that were tried already."""
    exact, applying = pair.exact(), (*candidates(pair), *trials)
    reference, slope_reference = _references(pair)
    names = [each.name for each in pair.classes if not each.error]
    names += [INTENDED] if reference == INTENDED else []
    terms = any(each.measure in ("kl", "prior", "guide") for each in applying)
    if not names:
        return Measured(reference=_reference_text(pair, exact, ""), classes={}, findings=(), exact=exact, n=0)
    began = monotonic()
    blocks = [pair.block(0, POINTWISE, names, terms=terms)]
    twins = _twins(blocks[0], names, pair.bits)
    firsts = [name for name in names if twins[name] == name]
    drawn = len(blocks[0].values[names[0]])
    each_s = (pair.first_s + monotonic() - began) / drawn
    if draws is None and FEW * each_s < BRIEF_S:  # cheap: another objective gets a few too
        blocks = [_both(blocks[0], pair.block(drawn, FEW, firsts, terms=terms), twins)]
    rest = _going_on(pair, twins, {reference, slope_reference})
    while True:
        found = _measured(pair, exact, applying, (reference, slope_reference), twins, blocks)
        spent, drawn = monotonic() - began, found.n
        undecided = not all(each.settled for each in found.findings)
        limit = most_s if undecided or drawn < LEAST_DRAWS else min(LEAST_S, most_s)
        done = drawn >= draws if draws is not None else spent >= limit
        if done or drawn >= MOST_DRAWS or (len(rest) < 2 and not terms and exact is None):
            return found
        size = int(min(max((limit - spent) * drawn / max(spent, 1e-6) / 2, 1), max(drawn, LEAST_DRAWS)))
        size = size if draws is None else min(draws - drawn, max(drawn, LEAST_DRAWS))
        blocks.append(pair.block(drawn, size, rest, terms=terms))


def _both(first: Block, second: Block, twins: Mapping[str, str]) -> Block:
    """Two blocks of which the second lacks the twins."""
    filled = Block(
        values={name: second.values[twins[name]] for name in first.values},
        gradients={name: second.gradients[twins[name]] for name in first.values},
        sampled=second.sampled, kl=second.kl, guide=second.guide,
    )  # fmt: skip
    return joined([first, filled])


def _going_on(pair: Pair, twins: Mapping[str, str], references: set[str]) -> list[str]:
    """One class of each group of twins; classes of another objective stay with the first block."""
    estimates = {each.name for each in pair.classes if each.kind in ELBOS} | {INTENDED}
    return [name for name, first in twins.items()
            if name == first and (name in estimates or name in {twins.get(each) for each in references})]  # fmt: skip


def _references(pair: Pair) -> tuple[str, str]:
    """The classes whose mean and whose gradient's mean are exact; empty where there is none."""
    runs = {each.kind: each.name for each in pair.classes if not each.error and each.particles == 1
            and not (each.kind == "TraceEnum_ELBO" and pair.enumerates_other_rows)}  # fmt: skip
    marginal = any(site.guide is None and site.model and site.model.enumerate for site in pair.sites)
    guides = [site.guide for site in pair.sites if site.guide]
    scored = any(guide.draw is Draw.SCORE and not guide.given for guide in guides)
    if marginal:
        name = runs.get("TraceEnum_ELBO", "")
        return name, name
    value = INTENDED if pair.mended and "Trace_ELBO" in runs else runs.get("Trace_ELBO", "")
    if pair.library is Library.PYRO and any(guide.draw is Draw.SCORE and guide.given for guide in guides):
        return value, ""  # a factor of the guide whose gradient is wrong where a reparameterised draw enters it
    if scored and pair.library is Library.NUMPYRO:
        # TraceGraph_ELBO weighs the score, and drops a factor (FIND-NUMPYRO-016 and 017); TraceEnum_ELBO does neither.
        amiss = any(guide.given or (guide.draw is Draw.SCORE and weighs(guide)) for guide in guides)
        return value, ("" if pair.mended else runs.get("TraceEnum_ELBO" if amiss else "TraceGraph_ELBO", ""))
    return value, value


def _twins(block: Block, names: Sequence[str], bits: int) -> dict[str, str]:
    """Each class -> the first one that it equals at every draw of the block, in value and gradient, to rounding."""
    found: dict[str, str] = {}
    for name in names:
        firsts = [each for each, first in found.items() if each == first]
        found[name] = next(
            (each for each in firsts if _equal(block.values[name], block.values[each], bits)
             and _equal(block.gradients[name], block.gradients[each], bits)), name,
        )  # fmt: skip
    return found


def _equal(one: np.ndarray, other: np.ndarray, bits: int) -> bool:
    if one.shape != other.shape or not np.isfinite(other).all():
        return False
    largest = float(np.abs(other).max(initial=0.0))
    return bool(np.abs(one - other).max(initial=0.0) <= ROUNDINGS * UNIT[bits] * (largest + 1))


def _measured(pair: Pair, exact: Exact | None, applying: Sequence[Candidate], references: tuple[str, str],
              twins: Mapping[str, str], blocks: Sequence[Block]) -> Measured:  # fmt: skip
    whole = _rejoined(blocks)
    n = len(next(iter(whole.values.values())))
    judge = _Judge(level=ALPHA / (2 * len(pair.classes) + len(applying)), bits=pair.bits,
                   discrete=draws_discretely(pair.sites, "Trace_ELBO", pair.library))  # fmt: skip
    value, slope = (twins.get(each, "") for each in references)
    classes = {}
    for facts in pair.classes:
        first = twins.get(facts.name)
        if first is not None:
            block = whole if first in whole.values else blocks[0]
            classes[facts.name] = judge.of_class(pair, facts, (first, value, slope), block, exact)
    findings = tuple(_finding(each, pair, whole, classes, judge) for each in applying)
    text = _reference_text(pair, exact, references[0])
    return Measured(reference=text, classes=classes, findings=findings, exact=exact, n=n)


def _rejoined(blocks: Sequence[Block]) -> Block:
    """All draws of the classes that went on; the others stay in the first block."""
    first, names = blocks[0], set(blocks[-1].values)
    cut = Block(
        values={name: first.values[name] for name in names},
        gradients={name: first.gradients[name] for name in names},
        sampled=first.sampled, kl=first.kl, guide=first.guide,
    )  # fmt: skip
    return joined([cut, *blocks[1:]])


def _reference_text(pair: Pair, exact: Exact | None, reference: str) -> str:
    if exact is not None:
        return f"exact, {exact.route}"
    if reference == INTENDED:
        return f"the mean of Trace_ELBO with {pair.mended}"
    return f"the mean of {reference} at the same draws" if reference else "none: no class that is exact on average runs"


@dataclass(frozen=True, kw_only=True)
class _Judge:
    """Intervals at one level; discrete: the pair draws values that are not continuous."""

    level: float
    bits: int
    discrete: bool

    def estimate(self, draws: np.ndarray, scale: float, spread: float = nan, tests: int = 1) -> Estimate:
        """The mean of `draws`. scale: the size of the terms that were added up, for rounding; spread: the standard
        deviation of one draw of the reference, whose twentieth is what counts as nothing."""
        n, tolerance = len(draws), ROUNDINGS * UNIT[self.bits] * (scale + 1)
        if not np.isfinite(draws).all():
            worst = next((float(each) for each in draws if not isfinite(each)), nan)
            return Estimate(mean=worst, low=worst, high=worst, n=n, outcome=Outcome.DIFFERS)
        mean, deviation = float(draws.mean()), float(draws.std(ddof=1)) if n > 1 else inf
        if float(np.abs(draws).max()) <= tolerance:
            return Estimate(mean=mean, low=mean, high=mean, n=n, same=True, outcome=Outcome.AGREES, error=0.0)
        floor = CANCELLING * tolerance
        if self.discrete and (
            n < DISCRETE_DRAWS or deviation <= tolerance
        ):  # the other values may not have come up yet
            return Estimate(mean=mean, low=-inf, high=inf, n=n)
        if deviation <= tolerance and abs(mean) > floor:  # the same amount at every draw
            return Estimate(mean=mean, low=mean, high=mean, n=n, outcome=Outcome.DIFFERS, error=0.0)
        error = deviation / sqrt(n)
        half = student_factor(self.level / tests, n) * error + floor
        margin = MEAN_MARGIN * spread if isfinite(spread) else 0.0
        # the factor for few draws goes into the standard error: `equivalence` knows the normal quantile
        judged = equivalence(mean, error * student_factor(self.level / tests, n, over_normal=True), max(margin, 0.0),
                             self.level / tests)  # fmt: skip
        return Estimate(mean=mean, low=mean - half, high=mean + half, n=n, outcome=judged.outcome, error=error)

    def of_class(self, pair: Pair, facts: ClassFacts, names: tuple[str, str, str], block: Block,
                 exact: Exact | None) -> ClassMeasured:  # fmt: skip
        """A class against the exact numbers, or against the reference at the same draws, whichever is the narrower;
        names: the class (or its twin), and the references of value and gradient."""
        own, value, slope = names
        judge = replace(self, discrete=draws_discretely(pair.sites, facts.kind, pair.library))
        draws, gradients = block.values[own], block.gradients[own]
        twin = own == value and facts.name != own
        beside = "" if exact and not twin and (own == value or judge._narrower(draws, block, value, exact)) else value
        scale = float(np.abs(draws[np.isfinite(draws)]).max(initial=0.0))
        others = block.values.get(beside) if beside else np.full(len(draws), exact.value) if exact else None
        with np.errstate(invalid="ignore"):  # inf less inf
            difference = (
                None
                if others is None
                else judge.estimate(np.where(draws == others, 0.0, draws - others), scale, float(np.std(others)))
            )
        gradient = None
        beside_slope = slope if beside or not exact else ""
        slopes = block.gradients.get(beside_slope) if beside_slope else None
        if slopes is None and exact:
            slopes = np.tile(exact.gradient, (len(draws), 1))
        if slopes is not None and facts.kind in ELBOS and len(pair.directions):
            gradient = judge.slope(gradients, slopes, pair.directions)
        return ClassMeasured(mean=judge.estimate(draws, 0.0), gradient=gradient,
                             difference=None if difference is None else replace(difference, beside=beside))  # fmt: skip

    def _narrower(self, draws: np.ndarray, block: Block, name: str, exact: Exact) -> bool:
        """Whether the exact number tells more of a class than the reference's draws, which must agree with it."""
        others = block.values.get(name)
        if others is None or not np.isfinite(others).all() or not np.isfinite(draws).all() or self.discrete:
            return True
        scale = float(np.abs(others).max(initial=0.0))
        trusted = not self.estimate(others - exact.value, scale).seen
        return not trusted or float(np.var(draws)) <= float(np.var(draws - others))

    def slope(self, gradients: np.ndarray, slopes: np.ndarray, directions: Sequence[str]) -> Slope:
        """The worst direction: the one whose mean is the most standard errors from zero."""
        with np.errstate(invalid="ignore"):
            differences = gradients - slopes
        found = [
            self.estimate(differences[:, k], float(np.abs(slopes[:, k]).max(initial=0.0)), tests=len(directions))
            for k in range(len(directions))
        ]
        worst = max(range(len(found)), key=lambda k: _standard_errors(found[k]))
        bias, size = differences.mean(0), slopes.mean(0)
        noise = float(differences.var(0, ddof=1).sum()) / len(differences) if len(differences) > 1 else 0.0
        length = sqrt(max(float((bias**2).sum()) - noise, 0.0))
        norm = hypot(*map(float, size))
        widest = max((each.high - each.low) / 2 for each in found)
        return Slope(direction=directions[worst], worst=found[worst], relative=length / norm if norm else inf,
                     widest=widest)  # fmt: skip


def _standard_errors(estimate: Estimate) -> float:
    if estimate.same:
        return 0.0
    half = (estimate.high - estimate.low) / 2
    return inf if not half or isnan(half) else abs(estimate.mean) / half


def _finding(each: Candidate, pair: Pair, block: Block, classes: Mapping[str, ClassMeasured],
             judge: _Judge) -> FindingMeasured:  # fmt: skip
    facts = next(one for one in pair.classes if one.kind == each.kind)
    measured = classes.get(facts.name, ClassMeasured())
    if each.measure == "fact":
        return FindingMeasured(candidate=each)
    if each.measure == "trial":
        found = np.array(each.draws)
        size = float(np.abs(block.values[facts.name]).max(initial=0.0)) if facts.name in block.values else 0.0
        judge = replace(judge, discrete=draws_discretely(pair.sites, facts.kind, pair.library))
        return FindingMeasured(candidate=each, cost=judge.estimate(found, size, float(np.std(found))))
    if each.measure in ("gradient", "class"):
        cost = measured.difference if each.measure == "class" else None
        return FindingMeasured(candidate=each, cost=cost, gradient=measured.gradient)
    gradient = measured.gradient if each.measure != "given" else None
    if each.measure == "given":
        n = len(next(iter(block.values.values()), np.zeros(0)))
        cost = Estimate(mean=each.nats, low=each.nats, high=each.nats, n=n, outcome=Outcome.DIFFERS)
        return FindingMeasured(candidate=each, cost=cost)
    if block.sampled is None or block.kl is None or block.guide is None:
        return FindingMeasured(candidate=each)
    index = [k for k, site in enumerate(pair.sites) if site.name in each.sites]
    sampled, kl, guide = (column[:, index] for column in (block.sampled, block.kl, block.guide))
    with np.errstate(invalid="ignore"):
        column = {"kl": kl - sampled, "prior": sampled, "guide": np.zeros_like(sampled)}[each.measure]
    column = (column + (each.factor - 1) * guide).sum(1)
    scale = float(np.abs(sampled[np.isfinite(sampled)]).max(initial=0.0))
    spread = float(np.std(sampled.sum(1)))
    return FindingMeasured(candidate=each, cost=judge.estimate(column, scale, spread), gradient=gradient)
