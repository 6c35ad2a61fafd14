"""Intervals, equivalence tests and the number of draws that they need, under one error budget for the whole report.

Every test here compares a mean of independent draws with a number, so that its error is a normal tail. At the levels
used (z about 6.6) that tail is only right up to a factor, by Cramér's expansion for a summand of skewness g,

    P(sqrt(n) (mean - m) / sd > z) = (1 - Phi(z)) exp(g z^3 / (6 sqrt(n))) (1 + O(z / sqrt(n))),

which is why `ErrorBudget` keeps a tenth of what it has (`TAIL_RESERVE`) and `draws_for_variance` plans enough draws for
the factor to stay below ten. (Petrov 1975, Sums of Independent Random Variables, chapter VIII, theorem 1.)
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

from elbo_compare.compare.records import Outcome

MEAN_MARGIN = 0.05  # standard deviations of one draw
VARIANCE_MARGIN = 0.10  # of the exact variance
POWER = 1 - 1e-5  # of a test whose true difference is zero: a thousand tests leave one inconclusive in a hundred runs

# A normal tail may be this many times too light before a test spends more than its share of the budget.
TAIL_RESERVE = 10.0
# Fewer draws than this and the reserve no longer covers a mean of chi-squared draws (skewness 2.83), the most skewed
# that a sampled Gaussian KL can be: exp(2.83 * 6.57^3 / (6 sqrt(n))) = 10 at n = 3,390.
MINIMUM_DRAWS = 5_000
# The squared deviations of sum(a e + b e^2), e normal, have a skewness of at most 4.75 sqrt(kurtosis - 1): 2.83 for a
# normal, 13.6 for one chi-squared variable, and closest to this bound (10.6) at kurtosis 6.
SQUARE_SKEWNESS = 4.75


class Interval(NamedTuple):
    """A closed interval, in the unit of the estimate.

    >>> print(Interval(-0.5, 1.5).high)
    1.5
    """

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ErrorBudget:
    """The chance that a whole report holds one wrong statistical verdict, and how it is split.

    `alpha` bounds the family-wise chance of a false *agrees* and, as much again, of a false *differs* (a given truth
    allows only one of the two). It is split evenly over `tests` statistical verdicts (Bonferroni: the verdicts share
    draws and are dependent, so nothing sharper holds in general). `tests` is fixed before any draw is made, since the
    number of draws depends on it; `judge` refuses to give more statistical verdicts than that.

    >>> print(ErrorBudget(alpha=1e-6, tests=2000).per_test, round(ErrorBudget().z, 3))
    4.9999999999999995e-11 6.571
    """

    alpha: float = 1e-6
    tests: int = 2000

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"The error budget must lie between 0 and 1; alpha = {self.alpha} arrived.")
        if self.tests < 1:
            raise ValueError(f"An error budget is split over at least one test; tests = {self.tests} arrived.")

    @property
    def per_test(self) -> float:
        """The nominal level of one test: alpha / tests, less the reserve for tails that are not normal."""
        return self.alpha / self.tests / TAIL_RESERVE

    @property
    def z(self) -> float:
        """Half the width of one test's interval, in standard errors."""
        return two_sided_z(self.per_test)


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """The outcome of an equivalence test with the interval [low, high] of the difference that decided it.

    >>> print(equivalence(0.0, 0.001, 0.05, 1e-6).outcome)
    agrees
    """

    outcome: Outcome
    low: float
    high: float


def two_sided_z(alpha: float) -> float:
    """z with P(|Z| > z) = alpha for a standard normal Z.

    >>> print(round(two_sided_z(0.05), 4))
    1.96
    """
    return -NormalDist().inv_cdf(alpha / 2)


def student_factor(alpha: float, n: int, *, over_normal: bool = False) -> float:
    """t with P(|T| > t) = alpha for Student's T of n - 1 degrees of freedom; `over_normal`: t over the normal's z.

    What stands for z where a mean has few draws and an unknown variance. Infinite for fewer than two draws.

    >>> print(round(student_factor(0.05, 10), 3), round(student_factor(0.05, 10, over_normal=True), 3))
    2.262 1.154
    """
    from scipy.special import stdtrit  # a tenth of a second, which only small samples need

    if n < 2:
        return math.inf
    quantile = -float(stdtrit(n - 1, alpha / 2))
    return quantile / two_sided_z(alpha) if over_normal else quantile


def interval(estimate: float, standard_error: float, level: float) -> Interval:
    """estimate +- z standard_error with P(|Z| <= z) = level, for an estimate that is normal.

    >>> print(tuple(round(end, 4) for end in interval(1.0, 0.1, 0.95)))
    (0.804, 1.196)
    """
    half = two_sided_z(1 - level) * standard_error
    return Interval(estimate - half, estimate + half)


def equivalence(difference: float, standard_error: float, margin: float, alpha: float) -> Equivalence:
    """Is |true difference| <= margin? The interval lies inside [-margin, margin]: AGREES; outside: DIFFERS.

    The interval is difference +- z standard_error, z two-sided at `alpha`. A true difference beyond the margin gives
    AGREES, and one within it gives DIFFERS, with probability at most `alpha` each. An interval that reaches across a
    margin is INCONCLUSIVE. (Two one-sided tests, Schuirmann 1987, at the stricter two-sided quantile.)

    >>> for difference in (0.01, 0.045, 0.09):
    ...     print(difference, equivalence(difference, 0.004, 0.05, 1e-6).outcome)
    0.01 agrees
    0.045 inconclusive
    0.09 differs
    """
    return _decide(difference, standard_error, Interval(-margin, margin), alpha)


def not_above(difference: float, standard_error: float, margin: float, alpha: float) -> Equivalence:
    """Is the true difference <= margin? The one-sided form of `equivalence`, with the same interval and levels.

    >>> print(not_above(-3.0, 0.004, 0.05, 1e-6).outcome, not_above(3.0, 0.004, 0.05, 1e-6).outcome)
    agrees differs
    """
    return _decide(difference, standard_error, Interval(-math.inf, margin), alpha)


def _decide(difference: float, standard_error: float, allowed: Interval, alpha: float) -> Equivalence:
    if math.isnan(standard_error) or standard_error < 0 or not allowed.high >= 0:
        raise ValueError(
            f"An equivalence test needs a standard error and a margin of at least 0; {standard_error} and "
            f"{allowed.high} arrived."
        )
    if not math.isfinite(difference):  # an infinite or undefined difference is a difference
        return Equivalence(outcome=Outcome.DIFFERS, low=difference, high=difference)
    half = two_sided_z(alpha) * standard_error
    low, high = difference - half, difference + half
    if allowed.low <= low and high <= allowed.high:
        outcome = Outcome.AGREES
    elif low > allowed.high or high < allowed.low:
        outcome = Outcome.DIFFERS
    else:
        outcome = Outcome.INCONCLUSIVE
    return Equivalence(outcome=outcome, low=low, high=high)


def draws_for_mean(margin: float, alpha: float, power: float) -> int:
    """Draws after which a mean that is exactly right AGREES with probability `power`.

    `margin` in standard deviations of one draw. The interval z / sqrt(n) and the error z_power / sqrt(n) must fit into
    the margin together: n = ((z + z_power) / margin)^2.

    >>> print(draws_for_mean(0.05, 0.05, 0.95))
    6147
    """
    return math.ceil(((two_sided_z(alpha) + two_sided_z(1 - power)) / margin) ** 2)


def draws_for_variance(margin: float, kurtosis: float, alpha: float, power: float) -> int:
    """Draws after which a variance that is exactly right AGREES with probability `power`, its tail within the reserve.

    `margin` relative to the variance; `kurtosis` = fourth central moment / variance^2 (3 for a normal), at least 1. The
    relative standard error is sqrt((kurtosis - 1) / n). The squared deviations, whose mean the variance is, have a
    skewness of at most SQUARE_SKEWNESS sqrt(kurtosis - 1) for a quadratic form in normal draws, so the tail factor is
    below `TAIL_RESERVE` from n = (kurtosis - 1) (SQUARE_SKEWNESS z^3 / (6 log TAIL_RESERVE))^2.

    >>> print(draws_for_variance(0.10, 3.0, 0.05, 0.95))
    3074
    """
    if not kurtosis >= 1:
        raise ValueError(f"A kurtosis is at least 1; {kurtosis} arrived.")
    precise = draws_for_mean(margin, alpha, power)
    normal = (SQUARE_SKEWNESS * two_sided_z(alpha) ** 3 / (6 * math.log(TAIL_RESERVE))) ** 2
    return math.ceil(max(precise, normal) * (kurtosis - 1))


def planned_draws(
    *,
    mean_margin: float = MEAN_MARGIN,
    variance_margin: float = VARIANCE_MARGIN,
    kurtosis: float = 3.0,
    alpha: float | None = None,
    power: float = POWER,
) -> int:
    """Draws for one DRAW or GRADIENT cell: enough for its mean and for its variance (about 48,000 by default).

    `alpha` is the level of one test, by default the default budget's. A kurtosis that is unknown (nan) plans the mean
    alone, since that variance is described and not judged.

    >>> print(planned_draws(), planned_draws(alpha=0.05, power=0.95))
    48296 6147
    """
    level = ErrorBudget().per_test if alpha is None else alpha
    mean = draws_for_mean(mean_margin, level, power)
    if math.isnan(kurtosis):
        return max(mean, MINIMUM_DRAWS)
    return max(mean, draws_for_variance(variance_margin, kurtosis, level, power), MINIMUM_DRAWS)


def tail_factor(skewness: float, n: int, z: float) -> float:
    """exp(|skewness| z^3 / (6 sqrt(n))): by how much the tail of a mean of n draws exceeds the normal tail at z.

    >>> print(round(tail_factor(2.83, 5_000, 6.57), 2))
    6.63
    """
    return math.exp(abs(skewness) * z**3 / (6 * math.sqrt(n)))


def difference_standard_error(first: float, second: float) -> float:
    """Standard error of the difference between two independent estimates: sqrt(first^2 + second^2).

    >>> print(difference_standard_error(3.0, 4.0))
    5.0
    """
    return math.hypot(first, second)


def median(values: list[float]) -> float:
    """The middle value, or the mean of the two middle values.

    >>> print(median([4.0, 1.0, 3.0, 2.0]))
    2.5
    """
    if not values:
        raise ValueError("The median of no values is not defined.")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def median_interval(values: list[float], level: float = 0.95) -> Interval:
    """Distribution-free interval for the median: order statistics [x_(k), x_(n+1-k)].

    k is the largest rank with 2 P(Binomial(n, 1/2) < k) <= 1 - level; with too few values for that (fewer than 6 at
    95%) no such interval exists and both ends are nan. (Conover 1999, section 3.2.)

    >>> print(median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), median_interval([1.0, 2.0]))
    Interval(low=1.0, high=6.0) Interval(low=nan, high=nan)
    """
    ordered, n = sorted(values), len(values)
    rank, below = 0, 0
    while 2 * (below + math.comb(n, rank)) <= (1 - level) * 2**n:
        below += math.comb(n, rank)
        rank += 1
    return Interval(ordered[rank - 1], ordered[n - rank]) if rank else Interval(math.nan, math.nan)


def ratio_interval(numerators: list[float], denominators: list[float], level: float = 0.95) -> tuple[float, Interval]:
    """Median of the per-round ratios, with its interval. Rounds are interleaved, so each ratio is of two neighbours in
    time, and whatever slows the machine for longer than a round cancels.

    >>> print(ratio_interval([2.0, 4.0, 6.0, 8.0, 10.0, 13.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    (2.0, Interval(low=2.0, high=2.1666666666666665))
    """
    ratios = [top / bottom for top, bottom in zip(numerators, denominators, strict=True)]
    return median(ratios), median_interval(ratios, level)
