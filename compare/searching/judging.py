"""Block means of a library against the exact loss and gradient: equivalence tests under one error budget."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt

import numpy as np

from elbo_compare.compare.records import Outcome
from elbo_compare.compare.statistics import equivalence, student_factor, two_sided_z
from elbo_compare.suites.semantics.searching.exact import Exact
from elbo_compare.suites.semantics.searching.ways import Measured

UNIT = {True: 2.0**-53, False: 2.0**-24}
ROUNDINGS = 256  # of a few dozen terms, each worked out in a few dozen operations
PLANNED_POWER = 1 - 1e-5  # with which what is right is told to be right


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One quantity: `value`, or `gradient k`. `mean` in [low, high] less `exact`; `margin`: what counts as nothing."""

    quantity: str
    outcome: Outcome
    mean: float
    exact: float
    low: float
    high: float
    margin: float

    @property
    def kind(self) -> str:
        """value or gradient."""
        return self.quantity.partition(" ")[0]


def judged(measured: Measured, exact: Exact, level: float, *, double: bool = True, size: float = 1.0) -> list[Judged]:
    """Loss and each entry of its gradient; `level` of one test, `size` of the terms that are added up."""
    with_slopes = len(measured.gradients) > 0 and isfinite(exact.value)  # of what is infinite there is no gradient
    columns = np.asarray(measured.gradients, float).reshape(len(measured.values), -1)
    slopes = list(zip(exact.gradient, exact.gradient_error, strict=True)) if with_slopes else []
    quantities: Iterator[tuple[str, np.ndarray, float, float]] = iter(
        [("value", np.asarray(measured.values, float), exact.value, exact.value_error)]
        + [(f"gradient {k}", columns[:, k], slope, error) for k, (slope, error) in enumerate(slopes)]
    )
    rounding = ROUNDINGS * UNIT[double] * (1 + (size if isfinite(size) else 0.0))
    return [_one(name, blocks, measured.per_block, right, error + rounding, level)
            for name, blocks, right, error in quantities]  # fmt: skip


def margin_in_deviations(blocks: int, per_block: int, level: float) -> float:
    """What so many draws can tell, in standard deviations of one draw: (t + z_power) / sqrt(n), as `draws_for_mean`."""
    student = student_factor(level, blocks)
    return (student + two_sided_z(1 - PLANNED_POWER)) / sqrt(blocks * per_block)


def _one(name: str, blocks: np.ndarray, per_block: int, right: float, floor: float, level: float) -> Judged:
    if not np.isfinite(blocks).all():
        worst = next((float(each) for each in blocks if not isfinite(each)), nan)
        outcome = Outcome.AGREES if worst == right else Outcome.DIFFERS
        return Judged(quantity=name, outcome=outcome, mean=worst, exact=right, low=worst, high=worst, margin=floor)
    if not isfinite(right):
        mean = float(blocks.mean())
        return Judged(quantity=name, outcome=Outcome.DIFFERS, mean=mean, exact=right, low=mean, high=mean, margin=floor)
    mean, deviation = float(blocks.mean()), float(blocks.std(ddof=1))
    error = deviation / sqrt(len(blocks))
    factor = student_factor(level, len(blocks), over_normal=True)
    margin = floor + margin_in_deviations(len(blocks), per_block, level) * deviation * sqrt(per_block)
    found = equivalence(mean - right, error * factor, margin, level)
    return Judged(quantity=name, outcome=found.outcome, mean=mean, exact=right, low=found.low, high=found.high,
                  margin=margin)  # fmt: skip


def worst(found: Sequence[Judged]) -> Outcome:
    """Of a run: DIFFERS before INCONCLUSIVE before AGREES."""
    outcomes = {each.outcome for each in found}
    return next((each for each in (Outcome.DIFFERS, Outcome.INCONCLUSIVE) if each in outcomes), Outcome.AGREES)


def differing(found: Sequence[Judged]) -> Mapping[str, Judged]:
    """`value` and `gradient`, each with the entry that is furthest off in units of its interval."""
    kinds: dict[str, Judged] = {}
    for each in found:
        if each.outcome is Outcome.DIFFERS and (each.kind not in kinds or _off(each) > _off(kinds[each.kind])):
            kinds[each.kind] = each
    return kinds


def _off(each: Judged) -> float:
    half = (each.high - each.low) / 2
    difference = abs(each.mean - each.exact)
    return difference / half if half else inf if difference else 0.0
