"""Streaming moments against scipy on all draws at once."""

import math
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from elbo_compare.compare.procedures.moments import (
    Moments,
    covariance_trace,
    merge,
    moments_of,
    variance_standard_error,
)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers(0, 2**31))
def test_blocks_of_any_size_give_the_moments_of_all_draws(sizes, seed):
    draws = np.random.default_rng(seed).gamma(0.7, 3.0, size=sum(sizes)) - 100.0
    blocks = np.split(draws, np.cumsum(sizes)[:-1])
    found = reduce(merge, (moments_of(block) for block in blocks), Moments())
    n = len(draws)
    # 1e-9 of the natural size of each sum: rounding of at most 3,200 terms, cancellation of the mean included.
    for order, value in ((2, found.s2), (3, found.s3), (4, found.s4)):
        size = np.sum(np.abs(draws - draws.mean()) ** order)
        assert value == pytest.approx(n * stats.moment(draws, order), abs=1e-9 * size + 1e-20)
    assert (found.n, found.mean) == (n, pytest.approx(draws.mean(), rel=1e-12))


def test_variance_and_its_errors_for_normal_draws():
    draws = np.random.default_rng(3).normal(5.0, 2.0, size=200_000)
    found = moments_of(draws)
    assert found.variance == pytest.approx(np.var(draws, ddof=1), rel=1e-12)
    assert found.mean_standard_error == pytest.approx(stats.sem(draws), rel=1e-12)
    # For a normal it is variance * sqrt(2 / n); the sample kurtosis is 3 +- 0.05 at six standard errors, hence 2%.
    assert found.variance_standard_error == pytest.approx(4 * math.sqrt(2 / len(draws)), rel=0.02)


def test_a_known_kurtosis_keeps_the_error_from_shrinking():
    assert variance_standard_error(100, 1.0, 1.5) == pytest.approx(math.sqrt(0.5 / 100))
    assert variance_standard_error(100, 1.0, 1.5, variance=1.0, kurtosis=3.0) == pytest.approx(math.sqrt(2 / 100))
    assert variance_standard_error(100, 1.0, 9.0, variance=1.0, kurtosis=3.0) == pytest.approx(math.sqrt(8 / 100))


def test_one_draw_has_no_variance():
    found = moments_of(np.array([1.0]))
    assert math.isnan(found.variance)
    assert math.isnan(found.mean_standard_error)
    assert math.isnan(found.variance_standard_error)


def test_an_empty_or_shaped_block_is_refused():
    for block in (np.empty(0), np.ones((2, 2))):
        with pytest.raises(ValueError, match="shape"):
            moments_of(block)


def test_the_trace_is_that_of_the_covariance_matrix():
    rng = np.random.default_rng(5)
    draws = rng.normal(size=(100_000, 3)) @ np.array([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 0.1]])
    trace, error = covariance_trace(draws)
    covariance = np.cov(draws, rowvar=False)
    assert trace == pytest.approx(np.trace(covariance), rel=1e-10)
    # Normal draws: Var |g - Eg|^2 = 2 tr(C^2); its own sampling error at n = 100,000 is below 2%.
    assert error == pytest.approx(math.sqrt(2 * np.trace(covariance @ covariance) / len(draws)), rel=0.02)
    with pytest.raises(ValueError, match="two draws"):
        covariance_trace(draws[:1])
