"""The oracle of `compare check` against scipy's densities, numerical integration and finite differences."""

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.likelihoods import DATA_TERMS, Domain
from elbo_compare.compare.checking.names import SPREADS, Role, WrittenAs

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
    np.testing.assert_allclose(
        oracle.sampled_kl(Z, MEAN, sigma, WrittenAs.SIGMA).value, expected, rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize(("mean", "sigma"), [(0.3, 0.5), (-2.0, 0.05), (1.0, 3.0)])
def test_the_analytic_kl_is_the_integral(mean, sigma):
    def integrand(z):
        log_q = -((z - mean) ** 2) / (2 * sigma**2) - mpmath.log(sigma)
        return mpmath.npdf(z, mean, sigma) * (log_q + z**2 / 2)

    integral = mpmath.quad(integrand, [mean + k * sigma for k in range(-12, 13, 4)])
    value = oracle.analytic_kl(np.array([[mean]]), np.array([[sigma]]), WrittenAs.SIGMA).value.item()
    assert value == pytest.approx(float(integral), rel=1e-10)


RATES, COUNTS = np.exp(OUTPUT), np.random.default_rng(3).poisson(2.0, size=X.shape).astype(float)
PROBS = 1 / (1 + np.exp(-OUTPUT))


def continuous_bernoulli(x, probs):
    """-log of the density p^x (1 - p)^(1 - x), normalised by numerical integration over [0, 1]."""
    norm = [float(mpmath.quad(lambda t, p=p: p**t * (1 - p) ** (1 - t), [0, 1])) for p in probs.ravel()]
    return -x * np.log(probs) - (1 - x) * np.log1p(-probs) + np.log(np.reshape(norm, probs.shape))


def multinomial(x, logits):
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -np.array([stats.multinomial.logpmf(row, row.sum(), np.exp(p)) for row, p in zip(x, log_p, strict=True)])


# name of the term: (x, output, -log density by another route, the normaliser that the term leaves out)
DENSITIES = {
    "Bernoulli cross-entropy of probabilities": (X, PROBS, -stats.bernoulli.logpmf(X, PROBS), 0.0),
    "Bernoulli cross-entropy of logits": (X, OUTPUT, -stats.bernoulli.logpmf(X, PROBS), 0.0),
    "half squared error": (X, OUTPUT, -stats.norm.logpdf(X, OUTPUT), np.log(2 * np.pi) / 2),
    "absolute error": (X, OUTPUT, -stats.laplace.logpdf(X, OUTPUT), np.log(2)),
    "Poisson loss of a rate": (COUNTS, RATES, -stats.poisson.logpmf(COUNTS, RATES), special.gammaln(COUNTS + 1)),
    "Poisson loss of a log rate": (COUNTS, OUTPUT, -stats.poisson.logpmf(COUNTS, RATES), special.gammaln(COUNTS + 1)),
    "continuous Bernoulli cross-entropy of probabilities": (X, PROBS, continuous_bernoulli(X, PROBS), 0.0),
    "continuous Bernoulli cross-entropy of logits": (X, OUTPUT, continuous_bernoulli(X, PROBS), 0.0),
    "log-cosh error": (X, OUTPUT, np.log(np.cosh(X - OUTPUT)), 0.0),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_a_reconstruction_term_is_minus_the_log_density_up_to_its_constant(name):
    x, output, expected, constant = DENSITIES[name]
    (term,) = [term for term in DATA_TERMS if term.name == name]
    np.testing.assert_allclose(term.elements(x, output).value + constant, expected, rtol=1e-9, atol=1e-12)


def test_the_multinomial_term_is_minus_the_log_density_up_to_the_count_of_orders():
    (term,) = [term for term in DATA_TERMS if term.likelihood == "multinomial"]
    orders = special.gammaln(COUNTS.sum(-1) + 1) - special.gammaln(COUNTS + 1).sum(-1)
    value = term.elements(COUNTS, OUTPUT).value.sum(-1) - orders
    np.testing.assert_allclose(value, multinomial(COUNTS, OUTPUT), rtol=1e-9)


@pytest.mark.parametrize("term", DATA_TERMS, ids=lambda term: term.name)
def test_reconstruction_gradients_are_finite_differences(term):
    output = {Domain.UNIT: PROBS, Domain.POSITIVE: RATES}.get(term.domain, OUTPUT)
    total = term.elements(X, output).value.sum()
    gradient, step = term.elements(X, output).gradients[Role.OUTPUT], 1e-6
    for index in np.ndindex(output.shape):
        moved = output.copy()
        moved[index] += step
        # A forward difference at 1e-6: wrong by 1e-6 times half the curvature, which is below 400 here (p > 0.05).
        assert (term.elements(X, moved).value.sum() - total) / step == pytest.approx(gradient[index], abs=1e-3)


@pytest.mark.parametrize("form", SPREADS)
@pytest.mark.parametrize("sampled", [True, False])
def test_a_kl_to_a_given_prior_is_the_difference_or_the_integral_of_log_densities(form, sampled):
    other, spread = RNG.normal(size=MEAN.shape), np.exp(0.3 * RNG.normal(size=MEAN.shape))
    q = (MEAN, oracle.spread_of(LOG_VAR, form), form)
    p = (other, oracle.spread_of(2 * np.log(spread), form), form)
    sigma = np.exp(LOG_VAR / 2)
    if sampled:
        expected = stats.norm.logpdf(Z, MEAN, sigma) - stats.norm.logpdf(Z, other, spread)
        np.testing.assert_allclose(oracle.sampled_kl_to(Z, *q, *p).value, expected, rtol=1e-10, atol=1e-11)
        return
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)  # exact: the integrand is quadratic in the noise
    z = MEAN[..., None] + sigma[..., None] * nodes
    log_ratio = stats.norm.logpdf(z, MEAN[..., None], sigma[..., None]) - stats.norm.logpdf(
        z, other[..., None], spread[..., None]
    )
    expected = (log_ratio * weights).sum(-1) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(oracle.analytic_kl_to(*q, *p).value, expected, rtol=1e-9, atol=1e-9)


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


@pytest.mark.parametrize("form", SPREADS)
def test_every_form_of_the_spread_is_the_same_distribution(form):
    spread = oracle.spread_of(LOG_VAR, form)
    np.testing.assert_allclose(oracle.log_var_of(spread, form), LOG_VAR, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(
        oracle.analytic_kl(MEAN, spread, form).value,
        oracle.analytic_kl(MEAN, LOG_VAR, WrittenAs.LOG_VAR).value,
        rtol=1e-13,
    )
