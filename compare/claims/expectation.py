"""Judging means and variances of own draws: equivalence tests at the level that the error budget allots to one test."""

from collections.abc import Callable
from math import isfinite, isnan, nan, sqrt

from elbo_compare.compare.claims.claim import Context, Judgement
from elbo_compare.compare.records import Measurement, Outcome
from elbo_compare.compare.statistics import (
    MINIMUM_DRAWS,
    Equivalence,
    difference_standard_error,
    equivalence,
    not_above,
)

Test = Callable[[float, float, float, float], Equivalence]

MEAN_TOLERANCE = "0.05 standard deviations of one draw; the interval at the budget's level must lie inside"
MEAN_REASON = (
    "Equality cannot be shown by sampling, equivalence can: 0.05 sd is a twentieth of the noise that one draw carries "
    "into training, and fixes about 45,000 draws when planning."
)
TWO_SAMPLE_TOLERANCE = "0.05 standard deviations of the difference between one draw of each; interval inside"
TWO_SAMPLE_REASON = (
    "The margin of the one-sample claims, taken of the difference X − Y between one draw of each (whose variance is "
    "the sum of both), so that the number of draws planned for one mean decides it too."
)
VARIANCE_TOLERANCE = "10% of the exact variance (25% in the profile `quick`); interval inside"
VARIANCE_REASON = (
    "The smallest mistakes seen in the wild (noise 5% too wide, a factor in σ) move the variance by 10% or more; the "
    "standard error, sqrt((kurtosis − 1)/n), makes a sharper margin cost draws as its inverse square."
)


def mean_equals(row: Measurement, context: Context) -> Judgement:
    """E[draw] = reference, by equivalence; `row.scale` is the standard deviation of one draw.

    >>> from elbo_compare.compare.records import Quantity
    >>> context = Context(latent=lambda cell: 2)
    >>> row = Measurement(quantity=Quantity.KL_MEAN, value=1.31, reference=1.3069, scale=2.9, n=48_000)
    >>> judgement = mean_equals(row, context)
    >>> print(judgement.outcome, round(judgement.low, 4), round(judgement.high, 4), round(judgement.tolerance, 4))
    agrees -0.0839 0.0901 0.145
    """
    return _tested(row, row.reference, row.scale, mean_standard_error(row), context.mean_margin * row.scale, context)


def mean_not_above(row: Measurement, bound: float, context: Context) -> Judgement:
    """E[draw] <= bound, one-sided, with the same margin.

    >>> from elbo_compare.compare.records import Quantity
    >>> row = Measurement(quantity=Quantity.ELBO_MEAN, value=-4.0, scale=1.0, n=48_000, standard_error=0.005)
    >>> print(mean_not_above(row, -3.5, Context(latent=lambda cell: 2)).outcome)
    agrees
    """
    margin = context.mean_margin * row.scale
    return _tested(row, bound, row.scale, mean_standard_error(row), margin, context, test=not_above)


def means_equal(mine: Measurement, other: Measurement, context: Context) -> Judgement:
    """E[draw] is the same in two independent sets of draws.

    >>> from elbo_compare.compare.records import Quantity
    >>> mine = Measurement(quantity=Quantity.ELBO_MEAN, value=-4.0, scale=1.0, n=48_000)
    >>> other = Measurement(quantity=Quantity.ELBO_MEAN, value=-3.5, scale=1.0, n=48_000)
    >>> print(means_equal(mine, other, Context(latent=lambda cell: 2)).outcome)
    differs
    """
    return _two_means(mine, other, context, equivalence)


def _two_means(mine: Measurement, other: Measurement, context: Context, test: Test) -> Judgement:
    scale = difference_standard_error(mine.scale, other.scale)
    error = difference_standard_error(mean_standard_error(mine), mean_standard_error(other))
    n = min(mine.n, other.n)
    return _tested(mine, other.value, scale, error, context.mean_margin * scale, context, n=n, test=test)


def mean_not_above_other(mine: Measurement, other: Measurement, context: Context) -> Judgement:
    """E[my draw] <= E[the other's draw], one-sided, with the margin of `means_equal`.

    >>> from elbo_compare.compare.records import Quantity
    >>> mine = Measurement(quantity=Quantity.ELBO_MEAN, value=-4.0, scale=1.0, n=48_000)
    >>> other = Measurement(quantity=Quantity.ELBO_MEAN, value=-3.5, scale=1.0, n=48_000)
    >>> print(mean_not_above_other(mine, other, Context(latent=lambda cell: 2)).outcome)
    agrees
    """
    return _two_means(mine, other, context, not_above)


def variance_equals(row: Measurement, context: Context) -> Judgement:
    """Var[draw] = reference > 0, by equivalence with a relative margin.

    >>> from elbo_compare.compare.records import Quantity
    >>> row = Measurement(quantity=Quantity.KL_VARIANCE, value=8.6, reference=8.5, n=48_000, standard_error=0.08)
    >>> print(variance_equals(row, Context(latent=lambda cell: 2)).outcome)
    agrees
    """
    margin = context.variance_margin * row.reference
    return _tested(row, row.reference, row.reference, row.standard_error, margin, context)


def mean_standard_error(row: Measurement) -> float:
    """The larger of the row's own standard error and sd / sqrt(n): where `scale` is the exact standard deviation, a
    sample that misses its tail cannot make the interval short.

    >>> from elbo_compare.compare.records import Quantity
    >>> print(mean_standard_error(Measurement(quantity=Quantity.KL_MEAN, value=0.0, scale=2.0, n=10_000)))
    0.02
    """
    exact = row.scale / sqrt(row.n)
    return exact if isnan(row.standard_error) else max(row.standard_error, exact)


def _tested(
    row: Measurement,
    reference: float,
    scale: float,
    standard_error: float,
    margin: float,
    context: Context,
    *,
    n: int | None = None,
    test: Test = equivalence,
) -> Judgement:
    draws = row.n if n is None else n
    difference, low, high, reason = row.value - reference, nan, nan, ""
    if not isfinite(row.value):
        outcome, reason = Outcome.DIFFERS, f"the value is {row.value}"
    elif not all(map(isfinite, (reference, scale, standard_error))):
        outcome = Outcome.INCONCLUSIVE
        reason = f"nothing to compare with: reference {reference}, scale {scale}, standard error {standard_error}"
    else:
        result = test(difference, standard_error, margin, context.budget.per_test)
        outcome, low, high = result.outcome, result.low, result.high
        if draws < MINIMUM_DRAWS:
            outcome, reason = Outcome.INCONCLUSIVE, f"{draws} draws are too few: a normal tail needs {MINIMUM_DRAWS}"
        elif outcome is Outcome.INCONCLUSIVE:
            reason = f"after {draws} draws the interval still reaches across the margin"
    return Judgement(
        outcome=outcome,
        part=row.part,
        value=row.value,
        reference=reference,
        difference=difference,
        tolerance=margin,
        low=low,
        high=high,
        n=draws,
        unit=row.unit,
        reason=reason,
    )
