"""With their own random numbers, the backends draw from the distribution whose moments are known in closed form."""

from statistics import NormalDist

import numpy as np
import pytest
from backend_process import BACKENDS, CHUNK, DRAWS, batch_of, results

from elbo_compare.suites import problems
from elbo_compare.suites.contract import DType
from elbo_compare.suites.estimators import CORE_ESTIMATORS
from elbo_compare.suites.exact.expected import expected

PROBLEM = "linear-gaussian"
# 4 backends x 2 weights x 2 estimators x 8 numbers, two-sided, at a family-wise error level of 1e-6 (the seed is
# fixed, so that the tests are deterministic all the same).
Z = NormalDist().inv_cdf(1.0 - 1e-6 / (4 * 2 * 2 * 8) / 2.0)
# Draws of what has variance zero: roundings of about ten terms of about 50 nats, each within 2^-53.
ROUNDING = 16 * 50 * 2.0**-53
CASES = [
    pytest.param(name, weights, estimator, id="-".join((name, weights, estimator)))
    for name in BACKENDS
    for weights in ("generic", "posterior")
    for estimator in CORE_ESTIMATORS
]


def _case(name, weights, estimator):
    problem = problems.load(PROBLEM, weights)
    x = batch_of(problem)[0][:1]
    heads = (x @ problem.params[f"encoder.{head}.weight"].T + problem.params[f"encoder.{head}.bias"] for head in HEADS)
    found = results(name, DType.FLOAT64)
    key = (PROBLEM, weights, estimator)
    return found["draw", *key], found["gradient", *key], expected(problem, CORE_ESTIMATORS[estimator], x, *heads)


HEADS = ("mean", "log_var")


@pytest.mark.parametrize(("name", "weights", "estimator"), CASES)
@pytest.mark.parametrize("number", ["elbo", "kl"])
def test_mean_and_variance_of_the_draws_are_exact_ones(name, weights, estimator, number):
    draws, _, exact = _case(name, weights, estimator)
    values = getattr(draws, number)
    mean, variance = getattr(exact, f"{number}_mean"), getattr(exact, f"{number}_variance")
    assert values.shape == (DRAWS,)
    if variance < ROUNDING**2:
        assert np.abs(values - mean).max() <= ROUNDING
        return
    standard_error = np.sqrt(variance / DRAWS)
    assert abs(values.mean() - mean) <= Z * standard_error
    relative_error = np.sqrt((getattr(exact, f"{number}_kurtosis") - 1.0) / DRAWS)
    assert abs(values.var() / variance - 1.0) <= Z * relative_error


@pytest.mark.parametrize(("name", "weights", "estimator"), CASES)
@pytest.mark.parametrize("head", HEADS)
def test_mean_and_variance_of_the_gradient_are_exact_ones(name, weights, estimator, head):
    _, gradients, exact = _case(name, weights, estimator)
    values = getattr(gradients, head)
    assert values.shape == (DRAWS, problems.load(PROBLEM, weights).latent)
    projection = values.sum(1) / np.sqrt(values.shape[1])
    standard_error = np.sqrt(exact.gradient_projection_variance[head] / DRAWS)
    assert abs(projection.mean() - exact.gradient_projection_mean[head]) <= Z * standard_error + ROUNDING
    trace, relative_error = values.var(0).sum(), np.sqrt((exact.gradient_kurtosis[head] - 1.0) / DRAWS)
    assert abs(trace / exact.gradient_variance[head] - 1.0) <= Z * relative_error


@pytest.mark.parametrize(("name", "weights", "estimator"), CASES)
def test_elbo_and_kl_of_a_draw_are_paired(name, weights, estimator):
    """ELBO + KL = log p(x|z) <= the maximum of the normal density: true draw by draw only at one and the same z.

    And with the sampled KL at the exact posterior, ELBO is constant while KL is not.
    """
    draws, _, _ = _case(name, weights, estimator)
    problem = problems.load(PROBLEM, weights)
    largest = -problem.observed * (np.log(problem.likelihood_scale) + 0.5 * np.log(2.0 * np.pi))
    assert (draws.elbo + draws.kl).max() <= largest
    if weights == "posterior" and estimator == "sampled-kl":
        assert draws.kl.std() > 0.1 > draws.elbo.std()


@pytest.mark.parametrize(("name", "weights", "estimator"), CASES)
def test_draws_are_determined_by_their_seed(name, weights, estimator):
    found, key = results(name, DType.FLOAT64), (PROBLEM, weights, estimator)
    draws, again, otherwise = (found[kind, *key] for kind in ("draw", "draw again", "draw otherwise"))
    assert np.array_equal(draws.elbo, again.elbo)
    assert np.array_equal(draws.kl, again.kl)
    if not (weights == "posterior" and estimator == "sampled-kl"):
        assert np.mean(draws.elbo == otherwise.elbo) < 0.01


@pytest.mark.parametrize(("name", "weights", "estimator"), CASES)
def test_blocks_draw_different_numbers(name, weights, estimator):
    """Across blocks nothing repeats; at the posterior the sampled ELBO is one constant, so its gradient is asked."""
    _, gradients, _ = _case(name, weights, estimator)
    firsts = gradients.mean[::CHUNK, 0]
    assert len(set(firsts)) == len(firsts) == 3


@pytest.mark.parametrize(("weights", "estimator"), [(w, e) for w in ("generic", "posterior") for e in CORE_ESTIMATORS])
def test_every_block_of_pyro_is_tied_to_the_elbo_objects_loss(weights, estimator):
    draws, _, _ = _case("pyro", weights, estimator)
    means = [draws.elbo[start : start + CHUNK].mean() for start in range(0, DRAWS, CHUNK)]
    assert np.array_equal(draws.ties[:, 0], means)
    # A mean of values of about 50 nats, summed in another order.
    assert np.abs(draws.ties[:, 1] - draws.ties[:, 0]).max() <= ROUNDING


@pytest.mark.parametrize("name", ["torch-hand", "jax-hand", "numpyro"])
def test_draws_that_are_return_values_themselves_have_no_ties(name):
    assert _case(name, "generic", "sampled-kl")[0].ties.shape == (0, 2)


@pytest.mark.parametrize(("name", "weights", "estimator"), CASES)
def test_a_single_draw_has_the_shape_of_one(name, weights, estimator):
    found, key = results(name, DType.FLOAT64), (PROBLEM, weights, estimator)
    one, gradient = found["draw one", *key], found["gradient one", *key]
    assert one.elbo.shape == one.kl.shape == (1,)
    assert gradient.mean.shape == gradient.log_var.shape == (1, problems.load(PROBLEM, weights).latent)
    assert np.isfinite([one.elbo[0], one.kl[0], *gradient.mean[0], *gradient.log_var[0]]).all()
