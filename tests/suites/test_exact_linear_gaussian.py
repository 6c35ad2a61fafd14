"""Closed forms of the linear-Gaussian VAE against scipy's multivariate normal, identities and finite differences."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.exact import gaussian_kl, linear_gaussian
from elbo_compare.suites.exact.linear_gaussian import Decoder, Gradient
from elbo_compare.suites.exact.quadratic import Quadratic


@pytest.fixture(params=["problem", "oblique"])
def case(request):
    """(decoder, x, mean, log_var): the problem's own decoder, and one whose columns are not orthogonal."""
    rng = np.random.default_rng(5)
    if request.param == "problem":
        params = problems.load("linear-gaussian", "generic").params
        decoder = Decoder(weight=params["decoder.output.weight"], bias=params["decoder.output.bias"], tau=0.5)
        return decoder, datasets.load("linear-gaussian").test[0], rng.normal(size=3), rng.normal(size=3) - 1.0
    decoder = Decoder(weight=rng.normal(size=(5, 3)), bias=rng.normal(size=5), tau=0.7)
    return decoder, rng.normal(size=5), rng.normal(size=3), rng.normal(size=3) - 1.0


def test_log_evidence_is_scipys(case):
    """log N(x; b, WW' + tau^2 I). Relative 1e-12: the condition number of the covariance is below 100."""
    decoder, x, _, _ = case
    covariance = decoder.weight @ decoder.weight.T + decoder.tau**2 * np.eye(len(x))
    expected = multivariate_normal(decoder.bias, covariance).logpdf(x)
    assert linear_gaussian.log_evidence(decoder, x) == pytest.approx(expected, rel=1e-12)


def test_posterior_satisfies_bayes_rule(case):
    """log p(x|z) + log p(z) - log p(z|x) = log p(x) at any z. 1e-10: a few dozen roundings of terms below 1e3."""
    decoder, x, _, _ = case
    centre, covariance = linear_gaussian.posterior(decoder, x)
    for z in np.random.default_rng(1).normal(size=(5, 3)):
        joint = norm.logpdf(x, decoder.weight @ z + decoder.bias, decoder.tau).sum() + norm.logpdf(z).sum()
        gap = joint - multivariate_normal(centre, covariance).logpdf(z) - linear_gaussian.log_evidence(decoder, x)
        assert abs(gap) < 1e-10


def test_quadratics_are_the_log_densities(case):
    """The likelihood and the sampled KL at given noise equal scipy's log densities at z. 1e-10 as above."""
    decoder, x, mean, log_var = case
    sigma = np.exp(0.5 * log_var)
    noise = np.random.default_rng(2).normal(size=(6, 3))
    z = mean + sigma * noise
    likelihood = norm.logpdf(x, z @ decoder.weight.T + decoder.bias, decoder.tau).sum(-1)
    kl = norm.logpdf(z, mean, sigma).sum(-1) - norm.logpdf(z).sum(-1)
    actual = linear_gaussian.log_likelihood(decoder, x, mean, log_var)
    np.testing.assert_allclose(actual(noise), likelihood, atol=1e-10)
    np.testing.assert_allclose(linear_gaussian.sampled_kl(mean, log_var)(noise), kl, atol=1e-10)


def test_sampled_kl_has_the_cumulants_of_the_gaussian_kl(case):
    """Two derivations of the same cumulants: matrices here, sums over dimensions there. Relative 1e-12."""
    _, _, mean, log_var = case
    quadratic = linear_gaussian.sampled_kl(mean, log_var)
    for order in (1, 2, 3, 4, 5):
        expected = gaussian_kl.sampled_kl_cumulant(order, mean, log_var)
        assert quadratic.cumulant(order) == pytest.approx(float(expected), rel=1e-12)


def test_elbo_is_the_evidence_less_the_kl_to_the_posterior(case):
    """ELBO = log p(x) - KL(q || p(z|x)). 1e-10 as above."""
    decoder, x, mean, log_var = case
    for kl in (linear_gaussian.sampled_kl(mean, log_var), linear_gaussian.analytic_kl(mean, log_var)):
        elbo = linear_gaussian.log_likelihood(decoder, x, mean, log_var) - kl
        gap = linear_gaussian.kl_to_posterior(decoder, x, mean, log_var)
        assert gap > 0.0
        assert elbo.mean == pytest.approx(linear_gaussian.log_evidence(decoder, x) - gap, abs=1e-10)


def test_sampled_elbo_at_the_posterior_is_a_constant():
    """At q = p(z|x) the sampled ELBO is log p(x) whatever the noise; the analytic-KL one varies as the likelihood."""
    problem = problems.load("linear-gaussian", "posterior")
    params = problem.params
    decoder = Decoder(weight=params["decoder.output.weight"], bias=params["decoder.output.bias"], tau=0.5)
    for x in datasets.load("linear-gaussian").test[:5]:
        mean, covariance = linear_gaussian.posterior(decoder, x)
        log_var = np.log(np.diag(covariance))
        likelihood = linear_gaussian.log_likelihood(decoder, x, mean, log_var)
        sampled = likelihood - linear_gaussian.sampled_kl(mean, log_var)
        assert sampled.variance == 0.0
        assert sampled.mean == pytest.approx(linear_gaussian.log_evidence(decoder, x), abs=1e-12)
        analytic = likelihood - linear_gaussian.analytic_kl(mean, log_var)
        assert analytic.variance == likelihood.variance > 0.1
        assert linear_gaussian.kl_to_posterior(decoder, x, mean, log_var) == pytest.approx(0.0, abs=1e-13)


def test_posterior_weights_encode_the_posterior():
    """The shipped encoder's outputs are the posterior's mean and variances. 1e-14: sums of 8 terms below 1."""
    from elbo_compare.suites.numpy_oracle.vae import encode

    problem = problems.load("linear-gaussian", "posterior")
    params = problem.params
    decoder = Decoder(weight=params["decoder.output.weight"], bias=params["decoder.output.bias"], tau=0.5)
    x = datasets.load("linear-gaussian").test[:7]
    mean, log_var, _ = encode(params, problem, x)
    for row in range(7):
        centre, covariance = linear_gaussian.posterior(decoder, x[row])
        np.testing.assert_allclose(mean[row], centre, atol=1e-14)
        np.testing.assert_allclose(np.diag(np.exp(log_var[row])), covariance, atol=1e-14)


def test_deterministic_points_give_the_expectation(case):
    """The mean over +-sqrt(latent) e_i of a quadratic is its expectation. 1e-11: averages of six terms near 100."""
    decoder, x, mean, log_var = case
    elbo = linear_gaussian.log_likelihood(decoder, x, mean, log_var) - linear_gaussian.sampled_kl(mean, log_var)
    points = linear_gaussian.deterministic_noise(3)
    assert points.shape == (6, 3)
    assert elbo(points).mean() == pytest.approx(elbo.mean, abs=1e-11)


def test_elbo_gradient_is_the_finite_difference_of_the_exact_elbo(case):
    """Central differences, h = 1e-5: truncation and roundoff are near 1e-9 for an ELBO below 100."""
    decoder, x, mean, log_var = case
    h, exact = 1e-5, linear_gaussian.elbo_gradient(decoder, x, mean, log_var)

    def elbo(m, v):
        return (linear_gaussian.log_likelihood(decoder, x, m, v) - linear_gaussian.analytic_kl(m, v)).mean

    for axis in range(3):
        step = h * (np.arange(3) == axis)
        by_mean = (elbo(mean + step, log_var) - elbo(mean - step, log_var)) / (2 * h)
        by_log_var = (elbo(mean, log_var + step) - elbo(mean, log_var - step)) / (2 * h)
        assert exact[0][axis] == pytest.approx(by_mean, abs=1e-7)
        assert exact[1][axis] == pytest.approx(by_log_var, abs=1e-7)


@pytest.mark.parametrize("kind", [Gradient.SAMPLED, Gradient.ANALYTIC])
def test_gradients_are_the_finite_differences_at_every_noise(case, kind):
    """The log_var gradient's quadratic equals the difference quotient of the estimator at the same noise; so does the
    mean gradient's linear form, whose covariance is that of its rows over orthonormal noise. 1e-6: values near 100."""
    decoder, x, mean, log_var = case
    h, noise = 1e-5, np.random.default_rng(3).normal(size=(4, 3))

    def elbo(m, v, e):
        kl = (linear_gaussian.sampled_kl if kind is Gradient.SAMPLED else linear_gaussian.analytic_kl)(m, v)
        return (linear_gaussian.log_likelihood(decoder, x, m, v) - kl)(e)

    def slope(step_mean, step_log_var, e):
        up = elbo(mean + step_mean, log_var + step_log_var, e)
        return (up - elbo(mean - step_mean, log_var - step_log_var, e)) / (2 * h)

    direction = np.array([0.6, -0.3, 0.74])
    quadratic = linear_gaussian.log_var_gradient(decoder, x, mean, log_var, direction, kind)
    np.testing.assert_allclose(quadratic(noise), slope(0.0, h * direction, noise), atol=1e-6)
    exact = linear_gaussian.elbo_gradient(decoder, x, mean, log_var)
    assert quadratic.mean == pytest.approx(float(direction @ exact[1]), abs=1e-10)
    columns = [[slope(h * axis, 0.0, e) - slope(h * axis, 0.0, np.zeros(3)) for e in np.eye(3)] for axis in np.eye(3)]
    covariance = np.array(columns) @ np.array(columns).T
    actual = linear_gaussian.mean_gradient_covariance(decoder, log_var, kind)
    np.testing.assert_allclose(actual, covariance, rtol=1e-5, atol=1e-5)


def test_quadratic_moments_are_those_of_a_seeded_simulation():
    """n = 400,000: mean, variance and fourth moment within 6 standard errors (moments up to the eighth from the
    draws)."""
    rng = np.random.default_rng(4)
    root = rng.normal(size=(3, 3))
    quadratic = Quadratic(constant=1.5, linear=rng.normal(size=3), matrix=root + root.T)
    draws = quadratic(rng.normal(size=(400_000, 3)))
    centred = draws - draws.mean()
    m2, m4, m8 = ((centred**k).mean() for k in (2, 4, 8))
    root_n = np.sqrt(len(draws))
    assert abs(draws.mean() - quadratic.mean) < 6.0 * np.sqrt(m2) / root_n
    assert abs(m2 - quadratic.variance) < 6.0 * np.sqrt(m4 - m2**2) / root_n
    assert abs(m4 - quadratic.kurtosis * quadratic.variance**2) < 6.0 * np.sqrt(m8 - m4**2) / root_n


def test_analytic_kl_can_be_the_noisier_estimator():
    """Neither order always holds: the sampled ELBO varies less near the posterior and more for a generic q."""
    rng = np.random.default_rng(7)
    signs = set()
    for _ in range(30):
        decoder = Decoder(weight=rng.normal(size=(5, 2)), bias=np.zeros(5), tau=1.0)
        x, mean, log_var = rng.normal(size=5), rng.normal(size=2), rng.normal(size=2)
        likelihood = linear_gaussian.log_likelihood(decoder, x, mean, log_var)
        kl = linear_gaussian.sampled_kl(mean, log_var)
        covariance = likelihood.linear @ kl.linear + 0.5 * np.trace(likelihood.matrix @ kl.matrix)
        analytic_is_lower = likelihood.variance < (likelihood - kl).variance
        assert analytic_is_lower == (covariance < 0.5 * kl.variance)
        signs.add(bool(analytic_is_lower))
    assert signs == {True, False}
