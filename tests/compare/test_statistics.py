"""Equivalence tests and planned draws against exact distributions and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from elbo_compare.compare.records import Outcome
from elbo_compare.compare.statistics import (
    MINIMUM_DRAWS,
    POWER,
    SQUARE_SKEWNESS,
    TAIL_RESERVE,
    ErrorBudget,
    difference_standard_error,
    draws_for_mean,
    draws_for_variance,
    equivalence,
    interval,
    median,
    median_interval,
    not_above,
    planned_draws,
    ratio_interval,
    tail_factor,
    two_sided_z,
)

BUDGET = ErrorBudget()


def test_the_budget_is_split_evenly_and_keeps_a_reserve():
    budget = ErrorBudget(alpha=1e-6, tests=1000)
    assert math.isclose(budget.per_test * budget.tests * TAIL_RESERVE, budget.alpha)


@pytest.mark.parametrize(("alpha", "tests"), [(0.0, 10), (1.0, 10), (1e-6, 0)])
def test_a_budget_that_cannot_be_split_is_refused(alpha, tests):
    with pytest.raises(ValueError, match="arrived"):
        ErrorBudget(alpha=alpha, tests=tests)


@pytest.mark.parametrize("alpha", [0.05, 1e-6, BUDGET.per_test])
def test_z_has_the_stated_tail_on_both_sides(alpha):
    # scipy's independent implementation; 1e-9 relative is far beyond what a verdict can feel.
    assert math.isclose(2 * stats.norm.sf(two_sided_z(alpha)), alpha, rel_tol=1e-9)


def test_an_interval_holds_its_level():
    low, high = interval(3.0, 2.0, 0.95)
    assert math.isclose(stats.norm.cdf(high, 3, 2) - stats.norm.cdf(low, 3, 2), 0.95, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("difference", "outcome"),
    [
        (0.0, Outcome.AGREES),
        (1.0, Outcome.DIFFERS),
        (-1.0, Outcome.DIFFERS),
        (0.5, Outcome.INCONCLUSIVE),
        (math.nan, Outcome.DIFFERS),
        (math.inf, Outcome.DIFFERS),
    ],
)
def test_the_interval_decides(difference, outcome):
    assert equivalence(difference, 0.1, 0.5, 0.05).outcome is outcome


def test_an_infinitely_bad_error_decides_nothing():
    assert equivalence(0.0, math.inf, 0.5, 0.05).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("error", "margin"), [(math.nan, 1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, math.nan)])
def test_an_undefined_test_is_refused(error, margin):
    with pytest.raises(ValueError, match="arrived"):
        equivalence(0.0, error, margin, 0.05)


REAL = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-9, 1e6)


@given(REAL, POSITIVE, POSITIVE)
def test_equivalence_is_symmetric_in_sign(difference, error, margin):
    mine, mirrored = equivalence(difference, error, margin, 1e-6), equivalence(-difference, error, margin, 1e-6)
    assert mine.outcome is mirrored.outcome
    assert (mine.low, mine.high) == (-mirrored.high, -mirrored.low)


@given(REAL, POSITIVE, POSITIVE, st.floats(1.0, 1e3))
def test_a_wider_margin_never_turns_agrees_away_nor_makes_differs(difference, error, margin, factor):
    narrow, wide = equivalence(difference, error, margin, 1e-6), equivalence(difference, error, margin * factor, 1e-6)
    if narrow.outcome is Outcome.AGREES:
        assert wide.outcome is Outcome.AGREES
    if wide.outcome is Outcome.DIFFERS:
        assert narrow.outcome is Outcome.DIFFERS


@given(REAL, POSITIVE, POSITIVE)
def test_the_one_sided_test_never_objects_to_what_is_below(difference, error, margin):
    result = not_above(difference, error, margin, 1e-6)
    if difference <= margin:
        assert result.outcome is not Outcome.DIFFERS
    if equivalence(difference, error, margin, 1e-6).outcome is Outcome.AGREES:
        assert result.outcome is Outcome.AGREES


SIMULATIONS, LEVEL = 2_000, 0.01
# A rate of LEVEL gives more than this many errors with probability 1e-6.
MOST_ERRORS = int(stats.binom.ppf(1 - 1e-6, SIMULATIONS, LEVEL))


def _outcomes(true_difference: float, n: int, margin: float) -> list[Outcome]:
    """Tests on the means of n chi-squared draws, standardised to mean `true_difference` and variance 1."""
    rng = np.random.default_rng(20_241)
    draws = (rng.chisquare(1, size=(SIMULATIONS, n)) - 1) / math.sqrt(2) + true_difference
    errors = draws.std(axis=1, ddof=1) / math.sqrt(n)
    return [equivalence(d, e, margin, LEVEL).outcome for d, e in zip(draws.mean(axis=1), errors, strict=True)]


def test_false_agreement_is_as_rare_as_stated():
    wrong = _outcomes(true_difference=0.2, n=800, margin=0.2).count(Outcome.AGREES)
    assert wrong <= MOST_ERRORS


def test_false_difference_is_as_rare_as_stated():
    wrong = _outcomes(true_difference=-0.2, n=800, margin=0.2).count(Outcome.DIFFERS)
    assert wrong <= MOST_ERRORS


def test_the_planned_draws_decide_with_the_stated_power():
    power = 0.99
    n = draws_for_mean(0.2, LEVEL, power)
    undecided = SIMULATIONS - _outcomes(true_difference=0.0, n=n, margin=0.2).count(Outcome.AGREES)
    # Skewed draws at n = 665: allowed is the binomial bound (probability 1e-6) on twice the nominal rate.
    assert undecided <= stats.binom.ppf(1 - 1e-6, SIMULATIONS, 2 * (1 - power))


def test_about_45000_draws_decide_a_mean():
    assert 42_000 < planned_draws() < 49_000


def test_the_reserve_covers_the_most_skewed_sampled_kl():
    """The mean of n chi-squared draws has an exact gamma tail; the reserve must cover it from MINIMUM_DRAWS on."""
    z = BUDGET.z
    for n in (MINIMUM_DRAWS, planned_draws()):
        exact = stats.chi2.sf(n + z * math.sqrt(2 * n), n)
        assert exact < TAIL_RESERVE * stats.norm.sf(z)


def test_the_tail_factor_is_that_of_the_exact_tail():
    n, z = 48_000, BUDGET.z
    exact = stats.chi2.sf(n + z * math.sqrt(2 * n), n) / stats.norm.sf(z)
    # The next term of Cramer's series is about z^4 / n = 4%.
    assert math.isclose(tail_factor(math.sqrt(8), n, z), exact, rel_tol=0.05)


def _central_moments(kappa: dict[int, float]) -> dict[int, float]:
    """Central moments from cumulants 2..6 (Kendall and Stuart, eq. 3.37)."""
    k2, k3, k4, k6 = (kappa[order] for order in (2, 3, 4, 6))
    return {2: k2, 4: k4 + 3 * k2**2, 6: k6 + 15 * k4 * k2 + 10 * k3**2 + 15 * k2**3}


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=6))
def test_squared_deviations_of_a_gaussian_quadratic_are_no_more_skewed_than_assumed(dimensions):
    """The assumption behind `draws_for_variance`, from the cumulants of sum(a e + b e^2)."""

    def cumulant(n: int) -> float:
        parts = ((a, b) for a, b in dimensions)
        return sum(2 ** (n - 1) * math.factorial(n - 1) * (b**n + n * a * a * b ** (n - 2) / 4) for a, b in parts)

    moments = _central_moments({order: cumulant(order) for order in (2, 3, 4, 6)})
    m2, m4, m6 = moments[2], moments[4], moments[6]
    if m2 < 1e-6:  # nothing random is left to be skewed
        return
    skewness = (m6 - 3 * m4 * m2 + 2 * m2**3) / (m4 - m2**2) ** 1.5
    assert skewness <= SQUARE_SKEWNESS * math.sqrt(m4 / m2**2 - 1)


@pytest.mark.parametrize("kurtosis", [3.0, 6.0, 15.0])
def test_draws_for_a_variance_keep_the_tail_within_the_reserve(kurtosis):
    n = draws_for_variance(0.25, kurtosis, BUDGET.per_test, POWER)
    skewness = SQUARE_SKEWNESS * math.sqrt(kurtosis - 1)
    assert tail_factor(skewness, n, BUDGET.z) <= TAIL_RESERVE * (1 + 1e-9)  # rounding of n's formula


def test_an_impossible_kurtosis_is_refused_and_an_unknown_one_plans_the_mean():
    with pytest.raises(ValueError, match="kurtosis"):
        draws_for_variance(0.1, 0.5, 1e-9, 0.99)
    assert planned_draws(kurtosis=math.nan) == draws_for_mean(0.05, BUDGET.per_test, POWER)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_independent_errors_add_in_quadrature(first, second):
    assert difference_standard_error(first, second) ** 2 == pytest.approx(first**2 + second**2, rel=1e-12)


def test_the_median_is_the_middle():
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0, 2.0, 3.0]) == 2.5
    with pytest.raises(ValueError, match="no values"):
        median([])


@pytest.mark.parametrize("n", [6, 9, 20, 45])
def test_the_median_interval_has_the_binomial_coverage_and_is_the_shortest_such(n):
    values = list(range(1, n + 1))
    low, high = median_interval([float(value) for value in values])
    rank = int(low)
    assert high == n + 1 - rank
    assert 2 * stats.binom.cdf(rank - 1, n, 0.5) <= 0.05 < 2 * stats.binom.cdf(rank, n, 0.5)


def test_too_few_values_have_no_median_interval():
    assert all(math.isnan(end) for end in median_interval([1.0, 2.0, 3.0, 4.0, 5.0]))


def test_ratios_are_paired_by_round():
    slow_rounds = [1.0, 10.0, 1.0, 5.0, 1.0, 2.0, 8.0]  # a noisy machine slows both of a round alike
    ratio, (low, high) = ratio_interval([3 * pace for pace in slow_rounds], slow_rounds)
    assert (ratio, low, high) == pytest.approx((3.0, 3.0, 3.0), rel=1e-12)
