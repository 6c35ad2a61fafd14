"""Closed forms of the Gaussian KL against numerical integration in 30 digits, identities and seeded simulation."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbo_compare.suites.exact import gaussian_kl
from elbo_compare.suites.problems import CASES, gaussian_moments

CASES_1D = [(0.0, 0.0), (0.7, -1.3), (-2.0, 0.4), (3.0, 0.0), (0.3, 2 * np.log(1e-3)), (1.0, 2 * np.log(10.0))]
MEANS = st.floats(-5.0, 5.0)
LOG_VARS = st.floats(-10.0, 4.0)


def integrate(function, mean, log_var):
    """E function(z) for z ~ N(mean, exp(log_var)), by quadrature over +-20 sigma in 30 digits."""
    with mpmath.workdps(30):
        mean, sigma = mpmath.mpf(mean), mpmath.exp(mpmath.mpf(log_var) / 2)
        points = [mean + k * sigma for k in range(-20, 21, 4)]
        return mpmath.quad(lambda z: mpmath.npdf(z, mean, sigma) * function(z, mean, sigma), points)


def log_ratio(z, mean, sigma):
    """log q(z) - log p(z), normalisers written out."""
    log_q = -((z - mean) ** 2) / (2 * sigma**2) - mpmath.log(sigma) - mpmath.log(2 * mpmath.pi) / 2
    return log_q - (-(z**2) / 2 - mpmath.log(2 * mpmath.pi) / 2)


def one(value):
    return np.array([value])


@pytest.mark.parametrize(("mean", "log_var"), CASES_1D)
def test_kl_is_the_integral(mean, log_var):
    """Relative 1e-14: a handful of roundings in float64 against 30 digits."""
    expected = float(integrate(log_ratio, mean, log_var))
    assert gaussian_kl.kl(one(mean), one(log_var)) == pytest.approx(expected, rel=1e-14, abs=1e-16)


@pytest.mark.parametrize(("mean", "log_var"), CASES_1D)
def test_reverse_kl_is_the_integral_under_p(mean, log_var):
    """KL(p || q) = E_p[log p - log q], integrated under p. Relative 1e-13: exp(-log_var) reaches 1e6."""
    with mpmath.workdps(30):
        q_mean, q_sigma = mpmath.mpf(mean), mpmath.exp(mpmath.mpf(log_var) / 2)
        expected = integrate(lambda z, *_: -log_ratio(z, q_mean, q_sigma), 0.0, 0.0)
    assert gaussian_kl.reverse_kl(one(mean), one(log_var)) == pytest.approx(float(expected), rel=1e-13, abs=1e-16)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize(("mean", "log_var"), CASES_1D)
def test_cumulants_are_the_integrals(mean, log_var, order):
    """kappa_2 = m2, kappa_3 = m3, kappa_4 = m4 - 3 m2^2 of the log ratio. Relative 1e-12: that is in 30 digits."""
    with mpmath.workdps(30):
        centre = integrate(log_ratio, mean, log_var)
        moment = {n: integrate(lambda *z, n=n: (log_ratio(*z) - centre) ** n, mean, log_var) for n in (2, order)}
        expected = moment[order] - (3 * moment[2] ** 2 if order == 4 else 0)
    actual = gaussian_kl.sampled_kl_cumulant(order, one(mean), one(log_var))
    assert actual == pytest.approx(float(expected), rel=1e-12, abs=1e-20)


@pytest.mark.parametrize(("mean", "log_var"), [(0.7, -0.3), (-2.0, 0.4), (0.1, -0.45)])
def test_k2_and_k3_moments_are_the_integrals(mean, log_var):
    """One dimension, sigma^2 > 0.6: r^2 q then lies within +-20 sigma. Relative 1e-10: cancelling float64 terms."""
    half_square = [integrate(lambda *z, n=n: (log_ratio(*z) ** 2 / 2) ** n, mean, log_var) for n in (1, 2)]
    mean_k2, variance_k2 = gaussian_kl.half_square_moments(one(mean), one(log_var))
    assert mean_k2 == pytest.approx(float(half_square[0]), rel=1e-10)
    assert variance_k2 == pytest.approx(float(half_square[1] - half_square[0] ** 2), rel=1e-10)

    def k3(*z):
        return mpmath.expm1(-log_ratio(*z)) + log_ratio(*z)

    first, second = (integrate(lambda *z, n=n: k3(*z) ** n, mean, log_var) for n in (1, 2))
    assert gaussian_kl.kl(one(mean), one(log_var)) == pytest.approx(float(first), rel=1e-10)
    assert gaussian_kl.ratio_variance(one(mean), one(log_var)) == pytest.approx(float(second - first**2), rel=1e-10)


def test_k3_has_no_variance_where_a_variance_is_at_most_one_half():
    log_var = np.log(np.array([[0.9, 0.5], [0.9, 0.4], [0.9, 0.6]]))
    assert np.isinf(gaussian_kl.ratio_variance(np.zeros((3, 2)), log_var)).tolist() == [True, True, False]


@given(mean=MEANS, log_var=LOG_VARS, e=st.floats(-6.0, 6.0))
def test_sampled_kl_is_the_log_ratio_at_the_sample(mean, log_var, e):
    """At z = mean + sigma e, in 30 digits: relative 1e-14 of the absolute terms."""
    with mpmath.workdps(30):
        sigma = mpmath.exp(mpmath.mpf(log_var) / 2)
        expected = float(log_ratio(mpmath.mpf(mean) + sigma * mpmath.mpf(e), mpmath.mpf(mean), sigma))
    size = mean**2 + abs(log_var) + (abs(mean) * float(sigma) + float(sigma) ** 2 + 1.0) * (abs(e) + e**2) + 1.0
    assert abs(gaussian_kl.sampled_kl(one(mean), one(log_var), one(e)) - expected) < 1e-14 * size


@given(mean=st.lists(MEANS, min_size=3, max_size=3), log_var=st.lists(LOG_VARS, min_size=3, max_size=3))
def test_noise_plus_and_minus_one_averages_to_the_kl(mean, log_var):
    """The deterministic oracle: e = +1 and e = -1 give the exact KL. 1e-13 of the absolute terms: three dimensions."""
    mean, log_var = np.array(mean), np.array(log_var)
    ones = np.ones(3)
    average = 0.5 * (gaussian_kl.sampled_kl(mean, log_var, ones) + gaussian_kl.sampled_kl(mean, log_var, -ones))
    size = (mean**2 + np.abs(log_var) + np.exp(log_var) + 1.0).sum()
    assert abs(average - gaussian_kl.kl(mean, log_var)) < 1e-13 * size


@given(mean=st.lists(MEANS, min_size=4, max_size=4), log_var=st.lists(LOG_VARS, min_size=4, max_size=4))
def test_kl_is_not_negative_and_adds_over_dimensions(mean, log_var):
    mean, log_var = np.array(mean), np.array(log_var)
    total, parts = gaussian_kl.kl(mean, log_var), gaussian_kl.kl(mean[:, None], log_var[:, None])
    assert total >= 0.0
    assert total == pytest.approx(parts.sum(), rel=1e-14)


def test_equal_distributions_have_exactly_zero_kl_and_variance():
    zeros = np.zeros(40)
    assert gaussian_kl.kl(zeros, zeros) == 0.0
    assert gaussian_kl.sampled_kl_cumulant(2, zeros, zeros) == 0.0
    assert gaussian_kl.sampled_kl(zeros, zeros, np.random.default_rng(0).standard_normal(40)) == 0.0


@given(mean=MEANS, log_var=st.floats(-6.0, 3.0))
def test_kl_gradient_is_the_finite_difference(mean, log_var):
    """Central differences at h = 1e-5: truncation h^2 / 6 and roundoff u / h, both times the size of the KL."""
    h, size = 1e-5, 1.0 + mean**2 + np.exp(log_var) + abs(log_var)
    by_mean, by_log_var = gaussian_kl.kl_gradient(one(mean), one(log_var))
    kl = gaussian_kl.kl
    difference_mean = (kl(one(mean + h), one(log_var)) - kl(one(mean - h), one(log_var))) / (2 * h)
    difference_log_var = (kl(one(mean), one(log_var + h)) - kl(one(mean), one(log_var - h))) / (2 * h)
    assert abs(by_mean[0] - difference_mean) < 1e-9 * size
    assert abs(by_log_var[0] - difference_log_var) < 1e-9 * size


def test_cumulants_have_an_order():
    with pytest.raises(ValueError, match="0 arrived"):
        gaussian_kl.sampled_kl_cumulant(0, np.zeros(1), np.zeros(1))


@pytest.mark.parametrize("case", [case for case in CASES if case != "equal"])
def test_simulated_mean_and_variance_lie_in_their_intervals(case):
    """n = 200,000 draws, latent 40: 6 standard errors, a false alarm near 2e-9 per number; the variance's standard
    error is Var sqrt((kurtosis - 1) / n) with the exact kurtosis."""
    n = 200_000
    mean, log_var = gaussian_moments(40, case)
    rng = np.random.default_rng(1312)
    draws = np.concatenate(
        [gaussian_kl.sampled_kl(mean, log_var, rng.standard_normal((n // 20, 40))) for _ in range(20)]
    )
    variance = gaussian_kl.sampled_kl_cumulant(2, mean, log_var)
    kurtosis = 3.0 + gaussian_kl.sampled_kl_cumulant(4, mean, log_var) / variance**2
    assert abs(draws.mean() - gaussian_kl.kl(mean, log_var)) < 6.0 * np.sqrt(variance / n)
    assert abs(draws.var() - variance) < 6.0 * variance * np.sqrt((kurtosis - 1.0) / n)


@pytest.mark.parametrize("case", ["typical", "wide", "mixed"])
def test_simulated_antithetic_and_gradient_variances(case):
    """n = 100,000, latent 2: 6 standard errors, the fourth moment taken from the draws themselves."""
    n = 100_000
    mean, log_var = gaussian_moments(2, case)
    sigma, e = np.exp(0.5 * log_var), np.random.default_rng(6114).standard_normal((n, 2))
    pair = 0.5 * (gaussian_kl.sampled_kl(mean, log_var, e) + gaussian_kl.sampled_kl(mean, log_var, -e))
    _in_interval(pair, gaussian_kl.antithetic_variance(log_var))
    by_mean, by_log_var = gaussian_kl.sampled_kl_gradient_variance(mean, log_var)
    h = 1e-4 / (1.0 + np.exp(0.5 * log_var))
    for axis in range(2):
        step = h * (np.arange(2) == axis)
        slope_mean = (
            gaussian_kl.sampled_kl(mean + step, log_var, e) - gaussian_kl.sampled_kl(mean - step, log_var, e)
        ) / (2 * h[axis])
        slope_log_var = (
            gaussian_kl.sampled_kl(mean, log_var + step, e) - gaussian_kl.sampled_kl(mean, log_var - step, e)
        ) / (2 * h[axis])
        assert sigma[axis] > 0.0
        _in_interval(slope_mean, by_mean[axis])
        _in_interval(slope_log_var, by_log_var[axis])


def _in_interval(draws, variance):
    centred = draws - draws.mean()
    standard_error = np.sqrt(((centred**4).mean() - (centred**2).mean() ** 2) / len(draws))
    assert abs((centred**2).mean() - variance) < 6.0 * standard_error
