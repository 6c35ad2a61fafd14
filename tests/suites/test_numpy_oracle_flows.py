"""Flows and priors of the oracle: Jacobians, integrals, and matrices built by other code."""

import numpy as np
import pytest
from oracle_toys import data, quadrature, toy
from scipy.special import logsumexp
from scipy.stats import laplace, norm

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.complex_step import STEP
from elbo_compare.suites.contract import Flow, Prior
from elbo_compare.suites.exact import linear_flows
from elbo_compare.suites.numpy_oracle import flows
from elbo_compare.suites.numpy_oracle.vae import encode, log_prior, terms_at

FLOWS = [flow for flow in Flow if flow is not Flow.NONE]
LINEAR = [flow for flow in FLOWS if flow.is_linear]
NAMED = ["householder-small", "linear-iaf-small", "convex-linear-iaf-small", "planar-small", "iaf-small"]
each_flow = pytest.mark.parametrize("flow", FLOWS, ids=str)


def at(problem, rows, particles, seed=6):
    """Hidden layer (rows, hidden), z (particles, rows, latent), three times as wide as N(0, 1)."""
    h = encode(problem.params, problem, data(rows)).hidden
    return h, 3.0 * np.random.default_rng(seed).normal(size=(particles, rows, problem.latent))


def jacobian(problem, h, z):
    """df/dz by complex step, (particle, batch, latent out, latent in)."""
    columns = [
        np.imag(flows.flow(problem.params, problem, h, z + 1j * STEP * axis)[0]) / STEP
        for axis in np.eye(problem.latent)
    ]
    return np.stack(columns, axis=-1)


@each_flow
@pytest.mark.parametrize("latent", [2, 5])
def test_log_det_is_that_of_the_jacobian(flow, latent):
    """log |det| of the complex-step Jacobian. 1e-12: a determinant of five dimensions, terms below 30."""
    problem = toy(flow, latent=latent)
    h, z = at(problem, rows=3, particles=4)
    _, log_det = flows.flow(problem.params, problem, h, z)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian(problem, h, z))[1], atol=1e-12)
    assert flow.is_linear or np.abs(log_det).max() > 0.1


@pytest.mark.parametrize("name", NAMED)
def test_log_det_is_that_of_the_jacobian_at_the_named_weights(name):
    problem = problems.load(name, "initial")
    h = encode(problem.params, problem, datasets.load("digits").test[:3]).hidden
    z = 3.0 * np.random.default_rng(7).normal(size=(2, 3, problem.latent))
    _, log_det = flows.flow(problem.params, problem, h, z)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian(problem, h, z))[1], atol=1e-12)


@pytest.mark.parametrize("latent", [2, 5])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_reflections_keep_the_length_for_every_batch_size(rows, latent):
    """|f(z)| = |z| also where batch = latent, where v.z over the wrong axis has a fitting shape. Relative 1e-14."""
    problem = toy(Flow.HOUSEHOLDER, latent=latent)
    h, z = at(problem, rows, particles=3)
    moved, _ = flows.flow(problem.params, problem, h, z)
    np.testing.assert_allclose((moved**2).sum(-1), (z**2).sum(-1), rtol=1e-14)
    assert np.abs(moved - z).max() > 0.1


@pytest.mark.parametrize("flow", LINEAR, ids=str)
@pytest.mark.parametrize("latent", [2, 3, 5])
def test_linear_flows_are_their_matrices(flow, latent):
    """f(z) = F z with F built as a matrix by other code, row by row. Batch = latent among the cases. 1e-13 of |z|."""
    problem = toy(flow, latent=latent)
    x = data(3)
    _, z = at(problem, rows=3, particles=4)
    h = encode(problem.params, problem, x).hidden
    moved, log_det = flows.flow(problem.params, problem, h, z)
    assert not log_det.any()
    for row in range(3):
        matrix = linear_flows.flow_matrix(problem, problem.params, linear_flows.hidden(problem, problem.params, x[row]))
        np.testing.assert_allclose(moved[:, row], z[:, row] @ matrix.T, atol=1e-13 * np.abs(z).max() * latent)


def test_autoregressive_layers_feed_back_earlier_coordinates_only():
    """The Jacobian is lower triangular, and depends on z: z_i is scaled by what came before it."""
    problem = toy(Flow.AUTOREGRESSIVE, latent=5)
    h, z = at(problem, rows=2, particles=3)
    found = jacobian(problem, h, z)
    assert not found[..., *np.triu_indices(5, 1)].any()
    assert np.abs(found[..., *np.tril_indices(5, -1)]).max() > 0.01
    assert np.ptp(found[..., 4, 4]) > 0.01


@each_flow
def test_the_inverse_derivative_undoes_the_flow(flow):
    """J (J^-1 v) = v. 1e-12: a solve in five dimensions of condition below 1e3."""
    problem = toy(flow, latent=5)
    h, z = at(problem, rows=3, particles=4)
    v = np.random.default_rng(8).normal(size=z.shape)
    back = flows.inverse_derivative(problem.params, problem, h, z, v)
    np.testing.assert_allclose((jacobian(problem, h, z) @ back[..., None])[..., 0], v, atol=1e-12)


@pytest.mark.parametrize("prior", list(Prior), ids=str)
@pytest.mark.parametrize("flow", list(Flow), ids=str)
def test_the_ratio_of_the_densities_integrates_to_one(flow, prior):
    """E_q[p(z) / q(z)] = 1: a lost or inverted log-determinant or normaliser changes it. Quadrature over e, step 0.1:
    1e-9 for smooth ratios; the Laplace density has a kink, step^2 / 12 times the jump of its slope, below 1e-2."""
    problem, (points, weights) = toy(flow, prior), quadrature()
    x = data(1)
    heads = encode(problem.params, problem, x)
    drawn = terms_at(problem.params, problem, x, heads, points[:, None, :])
    total = weights @ np.exp(-drawn.k1[:, 0])
    assert total == pytest.approx(1.0, abs=1e-2 if prior is Prior.LAPLACE else 1e-9)


def test_priors_are_scipys():
    """Fully normalised. Relative 1e-13: sums of a dozen terms."""
    z = 2.0 * np.random.default_rng(9).normal(size=(3, 4, 2))
    problem = toy(prior=Prior.LAPLACE)
    np.testing.assert_allclose(log_prior({}, problem, z), laplace.logpdf(z).sum(-1), rtol=1e-13)
    problem = toy(prior=Prior.MIXTURE)
    mean, log_var = problem.params["prior.mean"], problem.params["prior.log_var"]
    densities = norm.logpdf(z[..., None, :], mean, np.exp(0.5 * log_var)).sum(-1)
    expected = logsumexp(densities, axis=-1, b=1.0 / 3.0)
    np.testing.assert_allclose(log_prior(problem.params, problem, z), expected, rtol=1e-13)


def test_vampprior_is_the_mixture_of_q_at_its_pseudo_inputs():
    problem = toy(prior=Prior.VAMP)
    heads = encode(problem.params, problem, problem.params["prior.pseudo_inputs"])
    z = np.random.default_rng(10).normal(size=(3, 4, 2))
    densities = norm.logpdf(z[..., None, :], heads.mean, np.exp(0.5 * heads.log_var)).sum(-1)
    expected = logsumexp(densities, axis=-1, b=1.0 / 3.0)
    np.testing.assert_allclose(log_prior(problem.params, problem, z), expected, rtol=1e-13)
