"""With everybody's noise, every backend computes the float64 oracle's numbers, up to the rounding of its dtype."""

import functools

import numpy as np
import pytest
from backend_process import BACKENDS, SAME_NOISE, batch_of, results

from elbo_compare.suites import problems
from elbo_compare.suites.contract import DType, Reduction
from elbo_compare.suites.estimators import CORE_ESTIMATORS
from elbo_compare.suites.numpy_oracle.reference import reference

# A scale is a sum of absolute terms with its cancellations; 16 covers how roundings accumulate along sums of this
# length (see suites.numpy_oracle.reference). Mutants are off by far more: the smallest, a lost constant, by 0.9 nats.
C = 16.0
UNIT_ROUNDOFF = {DType.FLOAT64: 2.0**-53, DType.FLOAT32: 2.0**-24}
CASES = [
    pytest.param(name, key, estimator, dtype, id="-".join((name, *key, estimator, dtype)))
    for name in BACKENDS
    for dtype in DType
    for key in SAME_NOISE
    for estimator in CORE_ESTIMATORS
]


def _both(name, key, estimator, dtype):
    return results(name, dtype)["evaluate", *key, estimator], _reference(key, estimator, dtype)


@functools.cache
def _reference(key, estimator, dtype):
    problem = problems.load(*key)
    return reference(problem, CORE_ESTIMATORS[estimator], problem.params, *batch_of(problem), dtype)


@pytest.mark.parametrize(("name", "key", "estimator", "dtype"), CASES)
def test_value_and_terms_are_the_oracles(name, key, estimator, dtype):
    got, wanted = _both(name, key, estimator, dtype)
    scales = dict(wanted.scales)
    if got.log_likelihood_derived:  # ELBO + KL carries the roundings of both
        scales["log_likelihood"] = scales["elbo"] + scales["kl"]
    for term in ("elbo", "kl", "log_likelihood"):
        difference = abs(getattr(got, term) - getattr(wanted.evaluation, term))
        tolerance = C * UNIT_ROUNDOFF[dtype] * scales[term]
        assert difference <= tolerance, f"{term} is off by {difference:.3g} nats; allowed {tolerance:.3g}"


@pytest.mark.parametrize(("name", "key", "estimator", "dtype"), CASES)
def test_gradients_are_the_oracles(name, key, estimator, dtype):
    got, wanted = _both(name, key, estimator, dtype)
    assert got.gradients.keys() == wanted.evaluation.gradients.keys()
    for parameter, gradient in wanted.evaluation.gradients.items():
        difference = np.linalg.norm(got.gradients[parameter] - gradient)
        tolerance = C * UNIT_ROUNDOFF[dtype] * wanted.gradient_scales[parameter]
        assert difference <= tolerance, f"{parameter} is off by {difference:.3g}; allowed {tolerance:.3g}"


@pytest.mark.parametrize(("name", "key", "estimator", "dtype"), CASES)
def test_densities_keep_or_drop_the_normaliser_of_both_or_of_none(name, key, estimator, dtype):
    """Hand-written: latent/2 log(2 pi) above the normalised density, in log q and in log p(z); libraries: equal."""
    got, wanted = _both(name, key, estimator, dtype)
    dropped = 0.5 * problems.load(*key).latent * np.log(2.0 * np.pi) * name.endswith("-hand")
    for term in ("log_q", "log_prior"):
        difference = abs(getattr(got, term) - getattr(wanted.evaluation, term) - dropped)
        tolerance = C * UNIT_ROUNDOFF[dtype] * wanted.scales[term]
        assert difference <= tolerance, f"{term} is off by {difference:.3g} nats; allowed {tolerance:.3g}"


@pytest.mark.parametrize(("name", "key", "estimator", "dtype"), CASES)
def test_raw_loss_is_what_its_sign_and_reduction_say(name, key, estimator, dtype):
    got, wanted = _both(name, key, estimator, dtype)
    count = len(batch_of(problems.load(*key))[0]) if got.raw_reduction is Reduction.SUM else 1
    difference = abs(got.raw_loss - got.raw_sign * count * wanted.evaluation.elbo)
    tolerance = C * UNIT_ROUNDOFF[dtype] * count * wanted.scales["elbo"]
    assert difference <= tolerance, f"raw loss is off by {difference:.3g} nats; allowed {tolerance:.3g}"
    assert got.raw_reduction is (Reduction.MEAN if name.endswith("-hand") else Reduction.SUM)


@pytest.mark.parametrize("dtype", DType)
@pytest.mark.parametrize("name", BACKENDS)
def test_every_result_reports_the_dtype_it_was_computed_in(name, dtype):
    found = results(name, dtype)
    for key, result in found.items():
        if hasattr(result, "dtype"):
            assert result.dtype is dtype, f"{key} was computed in {result.dtype}"


@pytest.mark.parametrize("dtype", DType)
@pytest.mark.parametrize("name", BACKENDS)
def test_float32_numbers_are_float32_numbers(name, dtype):
    """The dtype is no label: draws computed in float32 are exactly representable in it, those in float64 are not."""
    draws = results(name, dtype)["draw", "linear-gaussian", "generic", "sampled-kl"]
    representable = np.array_equal(draws.elbo, draws.elbo.astype(np.float32))
    assert representable is (dtype is DType.FLOAT32)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize(
    ("mistake", "arrived", "wanted"),
    [
        ("particles", "(2, 1, 3)", "(1, 1, 3)"),
        ("path particles", "(1, 2, 1, 3)", "(1, 1, 1, 3)"),
        ("two data", "(2, 8)", "(1, observed)"),
    ],
)
def test_a_wrong_shape_is_refused_and_named(name, mistake, arrived, wanted):
    message = results(name, DType.FLOAT64)[mistake, "linear-gaussian", "generic", "sampled-kl"]
    assert arrived in message
    assert wanted in message
