"""The oracle of `compare check` against scipy's densities, numerical integration and finite differences."""

import mpmath
import numpy as np
import pytest
from scipy import stats

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.signature import SPREADS, Form, Role

RNG = np.random.default_rng(11)
MEAN, LOG_VAR, Z = RNG.normal(size=(3, 4, 5))
X, OUTPUT = (RNG.random((4, 6)) < 0.5).astype(float), RNG.normal(size=(4, 6))


def quantities(spread_form):
    spread = oracle.spread_of(LOG_VAR, spread_form)
    return {
        "analytic": (oracle.analytic_kl, {Role.MEAN: MEAN, Role.SPREAD: spread}, spread_form),
        "sampled": (oracle.sampled_kl, {Role.Z: Z, Role.MEAN: MEAN, Role.SPREAD: spread}, spread_form),
    }


def test_the_sampled_kl_is_the_difference_of_two_log_densities():
    sigma = np.exp(LOG_VAR / 2)
    expected = stats.norm.logpdf(Z, MEAN, sigma) - stats.norm.logpdf(Z)
    np.testing.assert_allclose(oracle.sampled_kl(Z, MEAN, sigma, Form.SIGMA).value, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("mean", "sigma"), [(0.3, 0.5), (-2.0, 0.05), (1.0, 3.0)])
def test_the_analytic_kl_is_the_integral(mean, sigma):
    def integrand(z):
        log_q = -((z - mean) ** 2) / (2 * sigma**2) - mpmath.log(sigma)
        return mpmath.npdf(z, mean, sigma) * (log_q + z**2 / 2)

    integral = mpmath.quad(integrand, [mean + k * sigma for k in range(-12, 13, 4)])
    value = oracle.analytic_kl(np.array([[mean]]), np.array([[sigma]]), Form.SIGMA).value.item()
    assert value == pytest.approx(float(integral), rel=1e-10)


def test_the_reconstruction_is_minus_the_log_density():
    probs = 1 / (1 + np.exp(-OUTPUT))
    expected = -stats.bernoulli.logpmf(X, probs)
    np.testing.assert_allclose(oracle.reconstruction(X, OUTPUT, Form.LOGITS).value, expected, rtol=1e-12)
    np.testing.assert_allclose(oracle.reconstruction(X, probs, Form.PROBS).value, expected, rtol=1e-12)
    expected = -stats.norm.logpdf(X, OUTPUT)
    np.testing.assert_allclose(oracle.reconstruction(X, OUTPUT, Form.LOCATION).value, expected, rtol=1e-12)


@pytest.mark.parametrize("form", SPREADS)
@pytest.mark.parametrize("name", ["analytic", "sampled"])
def test_kl_gradients_are_finite_differences(name, form):
    function, inputs, spread = quantities(form)[name]
    elements = function(*inputs.values(), spread)
    for role in inputs:
        up, down = ({**inputs, role: inputs[role] + sign * 1e-6} for sign in (1, -1))
        difference = (function(*up.values(), spread).value - function(*down.values(), spread).value) / 2e-6
        # Central differences at 1e-6 are good to 1e-6^2 times the third derivative and 1e-16 / 1e-6 of the value.
        np.testing.assert_allclose(elements.gradients[role], difference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("form", [Form.LOGITS, Form.PROBS, Form.LOCATION])
def test_reconstruction_gradients_are_finite_differences(form):
    output = 1 / (1 + np.exp(-OUTPUT)) if form is Form.PROBS else OUTPUT
    up, down = (oracle.reconstruction(X, output + sign * 1e-6, form).value for sign in (1, -1))
    gradient = oracle.reconstruction(X, output, form).gradients[Role.OUTPUT]
    np.testing.assert_allclose(gradient, (up - down) / 2e-6, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("form", SPREADS)
def test_every_form_of_the_spread_is_the_same_distribution(form):
    spread = oracle.spread_of(LOG_VAR, form)
    np.testing.assert_allclose(oracle.log_var_of(spread, form), LOG_VAR, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(
        oracle.analytic_kl(MEAN, spread, form).value, oracle.analytic_kl(MEAN, LOG_VAR, Form.LOG_VAR).value, rtol=1e-13
    )
