"""The common face of the closed forms: right numbers against simulation, nan where nothing is known."""

import numpy as np
import pytest

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.estimators import ANALYTIC_KL, CORE_ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.exact.expected import HEADS, expected
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle
from elbo_compare.suites.numpy_oracle.vae import encode

SIMULATED = [
    ("gaussian-kl", "2-typical"),
    ("gaussian-kl", "40-mixed"),
    ("linear-gaussian", "generic"),
    ("linear-gaussian", "posterior"),
]
SKEWED = {"40-mixed"}  # a few dimensions carry all the variance: the eighth moment is too rough at this n


def at_first_datum(name, weights, estimator):
    problem = problems.load(name, weights)
    x = datasets.load(problems.DATASET[name]).test[:1]
    return problem, x, expected(problem, estimator, x, *encode(problem.params, problem, x)[:2])


def in_interval(values, exact):
    """Within 6 standard errors, a false alarm near 2e-9, with rounding allowed where the exact variance is zero."""
    allowed = 6.0 * values.std() / np.sqrt(len(values)) + 1e-11 * (1.0 + np.abs(values).max())
    assert abs(values.mean() - exact) < allowed


@pytest.mark.parametrize("estimator", CORE_ESTIMATORS.values(), ids=lambda each: each.name)
@pytest.mark.parametrize(("name", "weights"), SIMULATED)
def test_moments_are_those_of_simulated_draws(name, weights, estimator):
    """n = 200,000 draws of the oracle: means, variances and traces, each against the exact value."""
    problem, x, exact = at_first_datum(name, weights, estimator)
    session = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)
    draws = session.draw(problem.params, x, 200_000, 11, 20_000)
    in_interval(draws.elbo, exact.elbo_mean)
    in_interval(draws.kl, exact.kl_mean)
    in_interval((draws.elbo - exact.elbo_mean) ** 2, exact.elbo_variance)
    in_interval((draws.kl - exact.kl_mean) ** 2, exact.kl_variance)
    if exact.kl_variance > 0.0 and weights not in SKEWED:
        in_interval((draws.kl - exact.kl_mean) ** 4, exact.kl_kurtosis * exact.kl_variance**2)
    gradients = session.draw_gradients(problem.params, x, 200_000, 12, 20_000)
    along = np.full(problem.latent, problem.latent**-0.5)
    for head in HEADS:
        rows = getattr(gradients, head)
        centred = rows - exact.gradient_mean[head]
        norms = (centred**2).sum(-1)
        in_interval(norms, exact.gradient_variance[head])
        in_interval(rows @ along, exact.gradient_projection_mean[head])
        in_interval((centred @ along) ** 2, exact.gradient_projection_variance[head])
        if exact.gradient_variance[head] > 0.0 and weights not in SKEWED:
            in_interval(norms**2, exact.gradient_kurtosis[head] * exact.gradient_variance[head] ** 2)


def test_gaussian_gradient_variances_are_the_published_ones():
    """sigma^2 and (sigma^2 mean^2 + 2 sigma^4) / 4, summed. Relative 1e-13: two derivations, 40 terms."""
    problem, _, exact = at_first_datum("gaussian-kl", "40-typical", SAMPLED_KL)
    mean, log_var = problem.params["encoder.mean.bias"], problem.params["encoder.log_var.bias"]
    variance = np.exp(log_var)
    assert exact.gradient_variance["mean"] == pytest.approx(variance.sum(), rel=1e-13)
    by_log_var = (variance * mean**2 + 2.0 * variance**2) / 4.0
    assert exact.gradient_variance["log_var"] == pytest.approx(by_log_var.sum(), rel=1e-13)


def test_gradient_variances_at_the_posterior_are_the_fisher_information():
    """Sampled KL at q = posterior: trace of 1 / sigma^2 for the mean, and 2 / 4 per dimension for log_var."""
    problem, _, exact = at_first_datum("linear-gaussian", "posterior", SAMPLED_KL)
    log_var = problem.params["encoder.log_var.bias"]
    assert exact.gradient_variance["mean"] == pytest.approx(np.exp(-log_var).sum(), rel=1e-12)
    assert exact.gradient_variance["log_var"] == pytest.approx(0.5 * problem.latent, rel=1e-12)


def test_zero_variances_are_exactly_zero():
    for name, weights in SIMULATED:
        _, _, exact = at_first_datum(name, weights, ANALYTIC_KL)
        assert exact.kl_variance == 0.0
        assert np.isnan(exact.kl_kurtosis)
    _, _, exact = at_first_datum("linear-gaussian", "posterior", SAMPLED_KL)
    assert exact.elbo_variance == 0.0
    assert exact.elbo_mean == pytest.approx(exact.log_evidence, abs=1e-12)


def test_elbo_lies_below_the_evidence():
    for name, weights in SIMULATED:
        for estimator in CORE_ESTIMATORS.values():
            _, _, exact = at_first_datum(name, weights, estimator)
            assert exact.elbo_mean <= exact.log_evidence + 1e-12


def test_only_the_kl_is_known_for_a_nonlinear_decoder():
    problem, _, exact = at_first_datum("vae-small", "trained", SAMPLED_KL)
    assert exact.kl_mean > 1.0
    assert exact.kl_variance > 0.1
    assert np.isnan([exact.elbo_mean, exact.elbo_variance, exact.log_evidence]).all()
    assert all(np.isnan(value) for value in exact.gradient_variance.values())
    assert exact.gradient_mean["mean"].shape == (problem.latent,)


def test_more_than_one_datum_is_refused():
    problem = problems.load("linear-gaussian", "generic")
    x = datasets.load("linear-gaussian").test[:2]
    with pytest.raises(ValueError, match=r"One datum is needed, x \(1, 8\)"):
        expected(problem, SAMPLED_KL, x, *encode(problem.params, problem, x)[:2])


def test_weights_other_than_the_problems_own_are_used():
    problem = problems.load("linear-gaussian", "generic")
    x = datasets.load("linear-gaussian").test[:1]
    heads = encode(problem.params, problem, x)[:2]
    other = {**problem.params, "decoder.output.bias": np.zeros(8)}
    assert (
        expected(problem, SAMPLED_KL, x, *heads, params=other).elbo_mean
        != expected(problem, SAMPLED_KL, x, *heads).elbo_mean
    )
