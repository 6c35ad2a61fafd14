"""Estimators of the oracle: identities at the same noise, orderings, integrals over the noise."""

from dataclasses import replace

import numpy as np
import pytest
from oracle_toys import data, quadrature, toy

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Flow, GradientForm, Likelihood, Prior
from elbo_compare.suites.estimators import ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.exact.expected import expected
from elbo_compare.suites.numpy_oracle.directions import derivative, move, vector_of
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle
from elbo_compare.suites.numpy_oracle.noise import scrambled_sobol
from elbo_compare.suites.numpy_oracle.scales import Point
from elbo_compare.suites.numpy_oracle.vae import analytic_kl, best_coefficient, encode, kl_term, terms_at

LINEAR = [Flow.HOUSEHOLDER, Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF]


def evaluate(problem, estimator, x, noise):
    return NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64).evaluate(problem.params, x, noise)


def small(rows=4, particles=5, name="planar-small"):
    problem, x = problems.load(name, "initial"), datasets.load("digits").test[:rows]
    return problem, x, np.random.default_rng(30).normal(size=(particles, rows, problem.latent))


def test_averages_over_particles_are_averages_of_one_particle():
    """elbo-5, antithetic and Sobol: means of sampled-kl at each particle's noise. Relative 1e-13: sums of forty."""
    problem, x, noise = small(particles=8)
    ones = [evaluate(problem, SAMPLED_KL, x, row[None]).elbo for row in noise]
    five = evaluate(problem, ESTIMATORS["elbo-5"], x, noise[:5])
    assert five.elbo == pytest.approx(np.mean(ones[:5]), rel=1e-13)
    assert five.elbo == pytest.approx(five.log_likelihood - five.kl, rel=1e-13)
    assert evaluate(problem, ESTIMATORS["sobol-8"], x, noise).elbo == pytest.approx(np.mean(ones), rel=1e-13)
    mirrored = evaluate(problem, SAMPLED_KL, x, -noise[:1]).elbo
    pair = evaluate(problem, ESTIMATORS["antithetic"], x, noise[:1])
    assert pair.elbo == pytest.approx(0.5 * (ones[0] + mirrored), rel=1e-13)


def test_bounds_fall_in_alpha_and_the_elbo_lies_among_them():
    """A power mean rises with its exponent 1 - alpha: alpha = -1, 0 (IWAE), 1/2, 1 (the ELBO), 2, at the same noise.
    Van Erven and Harremoes 2014 (arXiv 1206.2459), theorem 3."""
    problem, x, noise = small()
    names = ("renyi-minus-1", "iwae-5", "renyi-half", "elbo-5", "renyi-2")
    values = [evaluate(problem, ESTIMATORS[name], x, noise).elbo for name in names]
    assert (np.diff(values) < -1e-6).all()
    near = [
        evaluate(problem, replace(ESTIMATORS["renyi-half"], alpha=alpha), x, noise).elbo for alpha in (0.999, 1.001)
    ]
    # alpha -> 1: value(alpha) = ELBO + (1 - alpha) Var log w / 2 + ..., odd in 1 - alpha up to 1e-6 of the third moment
    assert np.mean(near) == pytest.approx(values[3], abs=1e-3 * abs(near[0] - near[1]))


def test_more_particles_do_not_lower_iwae_on_average():
    """The IWAE of each 4 of 5 particles, averaged, is below the IWAE of all 5: Jensen's inequality, from which Burda et
    al. 2016 (arXiv 1509.00519), theorem 1, follows."""
    problem, x, noise = small()
    four = replace(ESTIMATORS["iwae-5"], particles=4)
    subsets = [evaluate(problem, four, x, np.delete(noise, left_out, axis=0)).elbo for left_out in range(5)]
    assert np.mean(subsets) < evaluate(problem, ESTIMATORS["iwae-5"], x, noise).elbo


def test_one_particle_of_a_bound_is_the_sampled_elbo():
    """IWAE-1 and DReG-1 are log w. Relative 1e-14: one logarithm of one exponential."""
    problem, x, noise = small(particles=1)
    sampled = evaluate(problem, SAMPLED_KL, x, noise)
    for name in ("iwae-1", "dreg-1"):
        bound = evaluate(problem, ESTIMATORS[name], x, noise)
        assert bound.elbo == pytest.approx(sampled.elbo, rel=1e-14)
        assert np.isnan([bound.kl, bound.log_likelihood]).all()
        assert (bound.log_q, bound.log_prior) == (sampled.log_q, sampled.log_prior)


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=lambda each: each.name)
def test_the_evidence_at_the_posterior(estimator):
    """Every estimator made of log w equals log p(x) whatever the noise; 1e-12: dozens of terms below 100."""
    problem, x = problems.load("linear-gaussian", "posterior"), datasets.load("linear-gaussian").test[:1]
    noise = np.random.default_rng(31).normal(size=(estimator.noise_rows, 1, 3))
    exact = expected(problem, estimator, x, *encode(problem.params, problem, x)[:2])
    found = evaluate(problem, estimator, x, noise).elbo
    assert (exact.elbo_variance == 0.0) == (abs(found - exact.log_evidence) < 1e-12)
    if exact.elbo_variance == 0.0:
        assert exact.elbo_mean == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize("name", ["k2", "k3", "control-variate", "sampled-kl", "antithetic", "analytic-kl"])
@pytest.mark.parametrize("weights", ["2-near", "2-equal"])
def test_kl_moments_are_integrals_over_the_noise(weights, name):
    """Mean and variance of one value by quadrature over e, against the closed forms. 1e-9: 200 nodes a dimension."""
    problem, estimator, (points, mass) = problems.load("gaussian-kl", weights), ESTIMATORS[name], quadrature()
    x = np.zeros((1, 1))
    heads = encode(problem.params, problem, x)
    both = np.stack([points, -points])[:, :, None, :] if name == "antithetic" else points[None, :, None, :]
    values = np.mean(
        [
            kl_term(problem.params, problem, estimator, heads, terms_at(problem.params, problem, x, heads, e))
            for e in both
        ],
        axis=0,
    )[:, 0]
    exact = expected(problem, estimator, x, heads.mean, heads.log_var)
    assert mass @ values == pytest.approx(exact.kl_mean, abs=1e-9)
    assert mass @ (values - exact.kl_mean) ** 2 == pytest.approx(exact.kl_variance, abs=1e-9)
    if exact.kl_variance > 0.0 and np.isfinite(exact.kl_kurtosis):
        fourth = mass @ (values - exact.kl_mean) ** 4 / exact.kl_variance**2
        assert fourth == pytest.approx(exact.kl_kurtosis, abs=1e-8)


def test_the_best_coefficient_minimises_the_variance():
    """l = -Cov(k1, r) / Var r by quadrature at 2-near; 0 where q = p, and where a sigma^2 <= 1/2: Var r is infinite."""
    problem, (points, mass) = problems.load("gaussian-kl", "2-near"), quadrature()
    x = np.zeros((1, 1))
    heads = encode(problem.params, problem, x)
    k1 = terms_at(problem.params, problem, x, heads, points[:, None, :]).k1[:, 0]
    ratio = np.exp(-k1)
    covariance = mass @ ((k1 - mass @ k1) * (ratio - 1.0))
    optimal = -covariance / (mass @ (ratio - 1.0) ** 2)
    assert best_coefficient(heads.mean, heads.log_var)[0] == pytest.approx(optimal, rel=1e-8)
    for case in ("2-equal", "2-narrow", "40-mixed"):
        mean, log_var = problems.gaussian_moments(int(case.split("-")[0]), case.split("-")[1])
        assert best_coefficient(mean[None], log_var[None]) == 0.0


@pytest.mark.parametrize("name", ["householder-small", "linear-iaf-small", "convex-linear-iaf-small"])
def test_k3_is_never_negative(name):
    problem, x, noise = small(particles=1, name=name)
    heads = encode(problem.params, problem, x)
    drawn = terms_at(problem.params, problem, x, heads, noise)
    assert (kl_term(problem.params, problem, ESTIMATORS["k3"], heads, drawn) >= 0.0).all()


@pytest.mark.parametrize("flow", LINEAR, ids=str)
def test_closed_kl_of_linear_flows_is_the_integral_of_the_sampled_kl(flow):
    """By quadrature over e; 1e-9: a quadratic times a normal density."""
    problem, (points, mass) = toy(flow), quadrature()
    x = data(1)
    heads = encode(problem.params, problem, x)
    integral = mass @ terms_at(problem.params, problem, x, heads, points[:, None, :]).k1[:, 0]
    assert analytic_kl(problem.params, problem, heads)[0] == pytest.approx(integral, abs=1e-9)
    plain = analytic_kl(problem.params, replace(problem, flow=Flow.NONE), heads)[0]
    assert (abs(plain - integral) < 1e-9) == (flow is Flow.HOUSEHOLDER)


@pytest.mark.parametrize("flow", list(Flow), ids=str)
def test_sticking_the_landing_is_unbiased_through_every_flow(flow):
    """The mean over the noise of both gradient forms along each tensor's direction, by quadrature: they differ by the
    expected score, which is zero. 1e-6 of the sizes at step 0.3; and at single noises they do differ."""
    problem, (points, mass) = toy(flow, Prior.MIXTURE, likelihood=Likelihood.BERNOULLI), quadrature(45, 7.0)
    x = np.repeat(data(1), len(points), axis=0)
    forms = {form: replace(SAMPLED_KL, gradient=form) for form in list(GradientForm)[:2]}
    for name in [name for name in problem.params if name.startswith(("flow", "encoder.mean")) or "output.bias" in name]:
        weights = problem.params[name]
        vector = vector_of(name, weights.shape)
        values = {}
        for form, estimator in forms.items():
            point = Point(problem=problem, estimator=estimator, params=problem.params, x=x, noise=points[None])
            values[form] = derivative(move(point, name, vector).surrogate)
        landing, plain = values[GradientForm.STICKING_THE_LANDING], values[GradientForm.REPARAMETERISED]
        assert mass @ landing == pytest.approx(mass @ plain, abs=1e-6 * (1.0 + mass @ np.abs(plain))), name
        assert (np.abs(landing - plain).max() > 1e-3) == name.startswith(("encoder", "flow")), name


def test_scrambled_points_lie_one_in_each_cell_and_are_uniform():
    """Eight points, one in each eighth of every axis, whatever the scramble; each coordinate of each point is uniform
    over many scrambles: mean and variance of 1/2 and 1/12 within 6 standard errors, sqrt(1 / 12 n), sqrt(1 / 180 n)."""
    n = 20_000
    u = scrambled_sobol(np.random.default_rng(32), n, 8, 3)
    assert u.shape == (n, 8, 3)
    np.testing.assert_array_equal(
        np.sort(np.floor(8.0 * u), axis=1), np.arange(8.0)[None, :, None] + np.zeros((n, 8, 3))
    )
    assert np.abs(u.mean(0) - 0.5).max() < 6.0 * np.sqrt(1.0 / 12.0 / n)
    assert np.abs(u.var(0) - 1.0 / 12.0).max() < 6.0 * np.sqrt(1.0 / 180.0 / n)


def test_scrambled_points_fill_two_dimensions_as_the_sobol_points_do():
    """Every elementary interval of the first two axes, 8 x 1, 4 x 2, 2 x 4, 1 x 8, holds one of the eight points: the
    (0, 3, 2)-net that Owen's scrambling keeps (Owen 1995, proposition 1)."""
    u = scrambled_sobol(np.random.default_rng(33), 200, 8, 2)
    for first, second in ((8, 1), (4, 2), (2, 4), (1, 8)):
        cells = np.floor(u * np.array([first, second])) @ np.array([second, 1])
        np.testing.assert_array_equal(np.sort(cells, axis=1), np.arange(8.0) + np.zeros((200, 8)))


def test_noise_of_the_wrong_number_of_rows_is_refused():
    problem, x, noise = small()
    with pytest.raises(ValueError, match=r"antithetic needs \(1, batch, latent\)"):
        evaluate(problem, ESTIMATORS["antithetic"], x, noise)


def test_a_bound_is_not_lost_to_overflow():
    """Log weights near -4,000 (a scale of 0.01 on the likelihood): the shift keeps the logarithm finite."""
    problem = replace(problems.load("linear-gaussian", "generic"), likelihood_scale=0.01)
    x = datasets.load("linear-gaussian").test[:2]
    found = evaluate(problem, ESTIMATORS["iwae-5"], x, np.random.default_rng(34).normal(size=(5, 2, 3)))
    assert np.isfinite(found.elbo)
    assert found.elbo < -4000.0
