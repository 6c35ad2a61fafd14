"""Closed forms of linear flows and of the Laplace prior: other formulas, other people's densities, integrals."""

import mpmath
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Flow
from elbo_compare.suites.exact import gaussian_kl, laplace, linear_flows, linear_gaussian
from elbo_compare.suites.numpy_oracle.vae import encode

NAMES = ["householder-small", "linear-iaf-small", "convex-linear-iaf-small"]


@pytest.fixture(params=NAMES)
def case(request):
    """(problem, F, mean, log_var) at the first digit, the heads moved so that q is far from the prior."""
    problem, x = problems.load(request.param, "initial"), datasets.load("digits").test[:1]
    mean, log_var = (head[0] for head in encode(problem.params, problem, x)[:2])
    matrix = linear_flows.flow_matrix(problem, problem.params, linear_flows.hidden(problem, problem.params, x[0]))
    return problem, matrix, 2.0 * mean, log_var + 0.3


def test_the_determinant_is_one_in_absolute_value(case):
    """And F is what its name says: orthogonal, or unit lower triangular. 1e-13: products of eight dimensions."""
    problem, matrix, _, _ = case
    assert abs(np.linalg.det(matrix)) == pytest.approx(1.0, abs=1e-13)
    if problem.flow is Flow.HOUSEHOLDER:
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(8), atol=1e-13)
    else:
        np.testing.assert_allclose(np.diag(matrix), 1.0, atol=1e-13)
        assert not np.triu(matrix, 1).any()
    assert np.abs(matrix - np.eye(8)).max() > 0.1


def test_sampled_kl_is_the_difference_of_scipys_densities(case):
    """log N(z; F mean, F S^2 F') - log N(z; 0, I), from the full covariance. 1e-11: a covariance of condition 1e2."""
    _, matrix, mean, log_var = case
    e = np.random.default_rng(50).normal(size=(6, 8))
    z = (mean + np.exp(0.5 * log_var) * e) @ matrix.T
    q = multivariate_normal(matrix @ mean, linear_flows.covariance_of(matrix, log_var))
    expected = q.logpdf(z) - multivariate_normal(np.zeros(8), np.eye(8)).logpdf(z)
    np.testing.assert_allclose(linear_flows.sampled_kl(matrix, mean, log_var)(e), expected, atol=1e-11)


def test_kl_is_the_mean_of_the_sampled_kl_and_householders_is_the_plain_one(case):
    """E of the quadratic, and (tr L S^2 L' + |L mean|^2 - latent - log|S^2|) / 2. 1e-12: sums below 100."""
    problem, matrix, mean, log_var = case
    closed = linear_flows.kl(matrix, mean, log_var)
    assert linear_flows.sampled_kl(matrix, mean, log_var).mean == pytest.approx(closed, abs=1e-12)
    by_columns = np.exp(log_var) @ (matrix**2).sum(0) + ((matrix @ mean) ** 2).sum() - 8 - log_var.sum()
    assert 0.5 * by_columns == pytest.approx(closed, abs=1e-12)
    is_plain = abs(closed - gaussian_kl.kl(mean, log_var)) < 1e-12
    assert is_plain == (problem.flow is Flow.HOUSEHOLDER)


def test_the_identity_has_the_moments_of_the_plain_vae():
    """Ratio moments, cumulants and KL with F = I are the diagonal formulas'. Relative 1e-11: exp of sums near 1."""
    mean, log_var = problems.gaussian_moments(40, "near")
    k1 = linear_flows.sampled_kl(np.eye(40), mean, log_var)
    for order in (1, 2, 3, 4):
        assert k1.cumulant(order) == pytest.approx(gaussian_kl.sampled_kl_cumulant(order, mean, log_var), rel=1e-11)
    second = np.expm1(linear_flows.ratio_second_moment(np.eye(40), mean, log_var))
    symmetric = linear_flows.symmetric_kl(np.eye(40), mean, log_var)
    assert symmetric == pytest.approx(gaussian_kl.kl(mean, log_var) + gaussian_kl.reverse_kl(mean, log_var), rel=1e-11)
    assert second + k1.variance - 2 * symmetric == pytest.approx(gaussian_kl.ratio_variance(mean, log_var), rel=1e-9)
    assert linear_flows.ratio_second_moment(np.eye(2), *problems.gaussian_moments(2, "narrow")) == np.inf


def test_a_flow_that_is_not_linear_has_no_matrix():
    problem = problems.load("planar-small", "initial")
    with pytest.raises(ValueError, match="planar flow is not linear"):
        linear_flows.flow_matrix(problem, problem.params, np.zeros(32))


@pytest.mark.parametrize(("mean", "log_var"), [(0.0, 0.0), (0.7, -1.3), (-2.0, 0.4), (0.3, -7.0)])
def test_laplace_kl_and_variance_are_the_integrals(mean, log_var):
    """E and Var of log q - log p by quadrature in 30 digits, split at the kink. Relative 1e-13."""
    with mpmath.workdps(30):
        centre, sigma = mpmath.mpf(mean), mpmath.exp(mpmath.mpf(log_var) / 2)
        points = sorted({mpmath.mpf(0), *(centre + k * sigma for k in range(-20, 21, 4))})

        def k1(z):
            return mpmath.log(mpmath.npdf(z, centre, sigma)) + abs(z) + mpmath.log(2)

        first = mpmath.quad(lambda z: mpmath.npdf(z, centre, sigma) * k1(z), points)
        second = mpmath.quad(lambda z: mpmath.npdf(z, centre, sigma) * (k1(z) - first) ** 2, points)
    at = np.array([mean]), np.array([log_var])
    assert laplace.kl(*at) == pytest.approx(float(first), rel=1e-13)
    assert laplace.sampled_kl_variance(*at) == pytest.approx(float(second), rel=1e-12)


def test_sticking_the_landing_at_the_posterior_has_exactly_no_variance():
    """Its score matrix is W'W / tau^2 + I - S^-2 = 0; the plain gradient's variance there is 1 / sigma^2."""
    problem = problems.load("linear-gaussian", "posterior")
    decoder = linear_gaussian.Decoder(
        weight=problem.params["decoder.output.weight"],
        bias=problem.params["decoder.output.bias"],
        tau=problem.likelihood_scale,
    )
    x = datasets.load("linear-gaussian").test[:1]
    _, log_var, _ = encode(problem.params, problem, x)
    covariance = linear_gaussian.mean_gradient_covariance(decoder, log_var[0], linear_gaussian.Gradient.STICKING)
    assert not covariance.any()
    plain = linear_gaussian.mean_gradient_covariance(decoder, log_var[0], linear_gaussian.Gradient.SAMPLED)
    np.testing.assert_allclose(np.diag(plain), np.exp(-log_var[0]), rtol=1e-12)
