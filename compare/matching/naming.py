"""A formula's coefficients as words: how each term is reduced and weighed, beside what the pair itself has."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from elbo_compare.compare.matching.fitting import ALONE, Fitted, reproduced
from elbo_compare.compare.matching.measured import Measured, Series
from elbo_compare.suites.bridge.pairs.records import Term, What

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
EQUAL = 1e-7  # relative, of a fitted coefficient: what a solution of a dozen equations leaves of 2^-53
OWN_SIGN = {
    What.LOG_LIKELIHOOD: -1.0,
    What.LOG_Q: 1.0,
    What.LOG_P: -1.0,
    What.KL: 1.0,
    What.ENUMERATED: 1.0,
    What.IMPORTANCE: -1.0,
    What.COORDINATE: 1.0,
    What.STANDARD: -1.0,
    What.KL_STANDARD: 1.0,
}


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """1 / (batch^a x numbers per datum^b): how a sum was divided; a = -1: multiplied, as where a loss lacks the scale
    size / batch of the pair's subsampling. of: whose numbers (latents, pixels)."""

    batch: int = 0
    inner: float = 1.0
    of: str = ""

    def at(self, size: int) -> float:
        """The factor at a batch size."""
        return 1.0 / (size**self.batch * self.inner)

    @property
    def words(self) -> str:
        """summed; averaged over the batch and the latents."""
        if self.batch < 0:
            return "multiplied by the batch size"
        over = (["the batch"] if self.batch else []) + ([f"the {self.of}"] if self.of else [])
        return f"averaged over {' and '.join(over)}" if over else "summed"


SUMMED = Reduction()
ELSEWHERE = 6  # less plain than any number
IRREGULAR = Reduction(of="nothing plain")  # another weight at either batch size


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """One term: its plain weight and its reduction; weight 0: absent."""

    term: Term
    weight: float
    reduction: Reduction


@dataclass(frozen=True, kw_only=True)
class Named:
    """A formula in plain numbers. factor, reduction: what most of it is multiplied by. terms: each with its own
    reduction; weights before the factor, with the sign of a negative ELBO (1: as the pair has it). constant: nats per
    batch, before the factor, one per batch size."""

    terms: Sequence[Weighed]
    reduction: Reduction
    factor: float
    constant: tuple[float, ...]
    fitted: Fitted

    @property
    def same(self) -> bool:
        """Whether every term is the pair's own, weighed as the pair weighs it."""
        return all(
            each.weight == 1.0 and each.reduction == self.reduction and each.term.what in OWN_SIGN
            for each in self.terms
            if each.term.what not in ALONE
        )


def named(total: Mapping[int, Series], one: Fitted, found: Measured) -> Named:
    """The formula with its coefficients rounded to plain numbers and one common factor taken out."""
    raw = [_weighed(term, values, found, plain_number) for term, values in one.coefficients.items()]
    coefficients = {
        each.term: tuple(_sign(each.term) * each.weight * each.reduction.at(size) for size in found.sizes)
        for each in raw
        if each.reduction != IRREGULAR
    }
    plain = reproduced(total, replace(one, coefficients=dict(one.coefficients) | coefficients), found)
    chosen = plain
    if one.exact and not plain.exact:  # a weight that is no plain number stays as it was fitted
        chosen, raw = one, [_weighed(term, values, found, closely) for term, values in one.coefficients.items()]
    common, factor = _common(raw)
    terms = [_relative(each, factor) for each in raw]
    constant = tuple(
        value / (factor * common.at(size)) for size, value in zip(found.sizes, chosen.constant, strict=True)
    )
    return Named(terms=terms, reduction=common, factor=factor, constant=constant, fitted=chosen)


def _common(raw: Sequence[Weighed]) -> tuple[Reduction, float]:
    """What most of the pair's own terms share; where they are equally many, a weight of 1 before another, and what the
    likelihood has before the rest."""
    own = [each for each in raw if each.weight and each.term.what in OWN_SIGN]
    votes = Counter((each.reduction, each.weight) for each in own)
    if not votes:
        reductions = Counter(each.reduction for each in raw if each.weight)
        return (reductions.most_common(1)[0][0] if reductions else SUMMED), 1.0
    leading = [key for key, count in votes.items() if count == max(votes.values())]
    likelihood = [(each.reduction, each.weight) for each in own if each.term.what is What.LOG_LIKELIHOOD]
    if not any(key[0].batch >= 0 and _divided(key[1]) for key in likelihood):  # a mean leaves the KL undivided
        leading = [key for key in leading if key[1] == 1.0 and key[0].batch >= 0] or leading
    return next((key for key in likelihood if key in leading), leading[0])


def _divided(weight: float) -> bool:
    """Whether it is one of so many."""
    return 0 < weight <= 0.5 and abs(1.0 / weight - round(1.0 / weight)) < EQUAL / weight


def _sign(term: Term) -> float:
    return OWN_SIGN.get(term.what, -1.0 if term.what in NEGATIVE else 1.0)


# What stands in for a log likelihood has its sign; parts of a Gaussian term are counted as they are.
NEGATIVE = (
    What.SQUARED_ERROR,
    What.STANDARDISED_ERROR,
    What.OBSERVED_LOG_VAR,
    What.ABSOLUTE_ERROR,
    What.CROSS_ENTROPY,
    What.TWICE_SIGMOID,
    What.LOGITS_SQUARED_ERROR,
    What.UNMASKED,
    What.TEMPERED,
    What.TEMPERED_SLOPE,
)


def _relative(each: Weighed, factor: float) -> Weighed:
    """The weight before the common factor."""
    return replace(each, weight=float(f"{each.weight / factor:.14g}"))  # a third of three is one


def _weighed(term: Term, values: tuple[float, ...], found: Measured, number: Callable[[float], float]) -> Weighed:
    """The plainest (weight, reduction) that gives the coefficient at both batch sizes."""
    signed = [_sign(term) * each for each in values]
    if not any(signed):
        return Weighed(term=term, weight=0.0, reduction=SUMMED)
    choices = []
    for order, reduction in enumerate(_reductions(term, found)):
        weights = [each / reduction.at(size) for each, size in zip(signed, found.sizes, strict=True)]
        if abs(weights[0] - weights[-1]) <= EQUAL * abs(weights[0]):
            exact = sum(weights) / len(weights)
            weight, plain = number(exact), plain_number(exact)
            half = term.what not in OWN_SIGN and abs(plain) == 0.5  # what a Gaussian's parts have
            remote = ELSEWHERE if reduction.of and weight != 1.0 else 0  # a third is no double of a mean over six
            choices.append((0 if half else _plainness(plain) + remote, order, weight, reduction))
    if not choices:
        return Weighed(term=term, weight=signed[0], reduction=IRREGULAR)
    _, _, weight, reduction = min(choices, key=lambda each: each[:2])
    return Weighed(term=term, weight=weight, reduction=reduction)


def _reductions(term: Term, found: Measured) -> Iterator[Reduction]:
    yield SUMMED
    yield Reduction(batch=1)
    yield Reduction(batch=-1)
    inner = {"latents": 0.0, "pixels": 0.0}
    for site in found.sites:
        inner["pixels" if site.observed else "latents"] += found.per_datum(site.name)
    own = "pixels" if any(each.observed and each.name == term.site for each in found.sites) else "latents"
    inner[own] = found.per_datum(term.site)
    for name in ("pixels",) if own == "pixels" else ("latents", "pixels"):
        if inner[name] > 1:
            yield Reduction(inner=inner[name], of=name)
            yield Reduction(batch=1, inner=inner[name], of=name)


def plain_number(value: float) -> float:
    """The nearest of few digits or a small fraction, where it is that up to the fit's rounding; else as it is."""
    fraction = Fraction(value).limit_denominator(24)
    inverse = 1.0 / round(1.0 / value) if value and abs(value) < 0.5 else value  # one of so many rows
    for candidate in (float(fraction), float(f"{value:.4g}"), inverse, float(f"{value:.6g}")):
        if abs(candidate - value) <= EQUAL * abs(value):
            return candidate
    return value


def closely(value: float) -> float:
    """The plain number where it is that to eleven digits: where the others of a formula are not plain."""
    plain = plain_number(value)
    return plain if abs(plain - value) <= 1e-11 * abs(value) else value


def _plainness(weight: float) -> int:
    """1 first; then 2 and small shares (the mean of three draws), whole numbers, short decimals, longer, anything."""
    size = abs(weight)
    share = 0 < size < 1 and 1.0 / round(1.0 / size) == size
    if size == 1.0:
        return 0
    if size == 2.0 or (share and size >= 1 / 16):
        return 1
    if size >= 1 and size == round(size) and size <= 64:
        return 2
    if size == float(f"{size:.2g}") or share:
        return 3
    return 4 if size == float(f"{size:.4g}") else 5


def constant_words(constant: Mapping[int, float] | tuple[float, ...], found: Measured) -> str:
    """`0.5 log 2 pi per latent` where it is that; else the nats per datum. Empty for 0."""
    per_datum = [value / size for value, size in zip(constant, found.sizes, strict=True)]
    if all(abs(each) < 1e-7 for each in per_datum):
        return ""
    if abs(per_datum[0] - per_datum[-1]) > 1e-6 * abs(per_datum[0]):
        if abs(constant[0] - constant[-1]) < 1e-6 * abs(constant[0]):
            return f"{constant[0]:+.6g} nats, whatever the batch"
        return f"{constant[0]:+.6g} nats at a batch of {found.sizes[0]}, {constant[-1]:+.6g} at {found.sizes[-1]}"
    for observed, unit in ((False, "latent"), (True, "observed number")):
        count = sum(found.per_datum(each.name) for each in found.sites if each.observed == observed)
        for value, text in ((HALF_LOG_2PI, "0.5 log 2 pi"), (0.5, "0.5")):
            times = per_datum[0] / (count * value) if count else 0.0
            if times and abs(times - round(times)) < 1e-6 and abs(round(times)) in (1, 2):
                multiple = "" if abs(round(times)) == 1 else "2 x "
                return f"{'+' if times > 0 else '-'}{multiple}{text} per {unit}"
    return f"{per_datum[0]:+.6g} nats per datum"
