"""Training from the same weights on the same batches with the same noise gives one path, whoever trains."""

import functools

import numpy as np
import pytest
from backend_process import BACKENDS, RATE, STEPS, results, training_of

from elbo_compare.suites import problems
from elbo_compare.suites.contract import DType
from elbo_compare.suites.estimators import CORE_ESTIMATORS
from elbo_compare.suites.numpy_oracle.reference import path_reference

KEY = ("vae-small", "initial")
# The design's allowance: 100 times how far the oracle strays from itself when every weight starts one ulp away.
ALLOWED = 100.0
CASES = [pytest.param(name, estimator, id=f"{name}-{estimator}") for name in BACKENDS for estimator in CORE_ESTIMATORS]


@functools.cache
def _reference(estimator):
    problem = problems.load(*KEY)
    x, batches, noise = training_of(problem)
    return path_reference(problem, CORE_ESTIMATORS[estimator], problem.params, x, batches, noise, RATE)


@pytest.mark.parametrize(("name", "estimator"), CASES)
def test_elbo_along_the_path_is_the_oracles(name, estimator):
    wanted, path = _reference(estimator), results(name, DType.FLOAT64)["path", *KEY, estimator]
    # Before the first update the weights are the same: there the allowance is rounding of sums of about 100 nats.
    allowed = ALLOWED * wanted.elbo_divergence + 16 * 100 * 2.0**-53
    assert path.elbo.shape == (STEPS,)
    assert (np.abs(path.elbo - wanted.elbo) <= allowed).all()


@pytest.mark.parametrize(("name", "estimator"), CASES)
def test_weights_at_the_end_are_the_oracles(name, estimator):
    wanted, path = _reference(estimator), results(name, DType.FLOAT64)["path", *KEY, estimator]
    for parameter, value in wanted.params.items():
        distance, allowed = np.linalg.norm(path.params[parameter] - value), wanted.param_divergence[parameter]
        assert distance <= ALLOWED * allowed, f"{parameter} ends {distance:.3g} away; allowed {ALLOWED * allowed:.3g}"


@pytest.mark.parametrize(("name", "estimator"), CASES)
def test_checkpoints_are_the_weights_after_that_many_steps(name, estimator):
    path = results(name, DType.FLOAT64)["path", *KEY, estimator]
    assert sorted(path.checkpoints) == [0, 10, STEPS]
    for parameter, value in problems.load(*KEY).params.items():
        assert np.array_equal(path.checkpoints[0][parameter], value)
        assert np.array_equal(path.checkpoints[STEPS][parameter], path.params[parameter])
        # Adam's step is at most about the learning rate per weight (Kingma and Ba 2015, section 2.1).
        moved = np.abs(path.checkpoints[10][parameter] - value)
        assert 0.0 < moved.max() <= 10 * RATE * 1.01


@pytest.mark.parametrize(("name", "estimator"), CASES)
def test_own_random_numbers_follow_the_seed_and_training_improves(name, estimator):
    first, again, other = results(name, DType.FLOAT64)["own", *KEY, estimator]
    assert np.array_equal(first.elbo, again.elbo)
    assert not np.array_equal(first.elbo, other.elbo)
    assert first.elbo[-10:].mean() > first.elbo[:10].mean()


@pytest.mark.parametrize(("name", "estimator"), CASES)
def test_training_leaves_the_callers_weights_alone(name, estimator):
    assert results(name, DType.FLOAT64)["weights kept", *KEY, estimator]
