"""Scales of rounding: wide enough for every correct computation, narrow enough for a gradient that is 1% off.

A tolerance is 16 u scale. torch by hand, JAX by hand, Pyro and NumPyro stayed below 4 u scale (batches of 1, 4 and
100) on every problem, weights, estimator and dtype; the rest is a reserve for other machines' orders of summation.
"""

import numpy as np
import pytest

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Training
from elbo_compare.suites.estimators import ANALYTIC_KL, CORE_ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.exact import gaussian_kl, linear_gaussian
from elbo_compare.suites.numpy_oracle.gradients import gradients, terms_and_backward
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle
from elbo_compare.suites.numpy_oracle.reference import path_reference, reference

FACTOR = 16.0
UNIT_ROUNDOFF = {DType.FLOAT64: 2.0**-53, DType.FLOAT32: 2.0**-24}
BY_HAND = ("gaussian-kl", "linear-gaussian", "vae-small", "vae")  # for the others see test_numpy_oracle_directions
CASES = [(name, weights) for name in BY_HAND for weights in problems.WEIGHTS[name]]

each_case = pytest.mark.parametrize(("name", "weights"), CASES, ids=lambda value: value)
each_estimator = pytest.mark.parametrize("estimator", CORE_ESTIMATORS.values(), ids=lambda each: each.name)
each_dtype = pytest.mark.parametrize("dtype", list(DType), ids=str)


def setting(name, weights, batch):
    problem = problems.load(name, weights)
    x = datasets.load(problems.DATASET[name]).test[:batch]
    return problem, x, np.random.default_rng(20).normal(size=(1, len(x), problem.latent))


@each_dtype
@each_estimator
@each_case
def test_a_gradient_off_by_one_percent_is_outside_for_every_tensor(name, weights, estimator, dtype):
    """Even with 4 u scale of true rounding against it, and in float32 at sigma = 1e-3 too."""
    problem, x, noise = setting(name, weights, 20)
    result = reference(problem, estimator, problem.params, x, noise, dtype)
    for tensor, gradient in result.evaluation.gradients.items():
        size = np.linalg.norm(gradient)
        if size > 0.0:
            assert 0.01 * size > (FACTOR + 4.0) * UNIT_ROUNDOFF[dtype] * result.gradient_scales[tensor], tensor


@each_estimator
@each_case
def test_values_off_by_a_millionth_are_outside_in_float64(name, weights, estimator):
    """1e-6 nats on any term: a dropped constant, a wrong factor and a lost dimension are all far larger."""
    problem, x, noise = setting(name, weights, 20)
    scales = reference(problem, estimator, problem.params, x, noise, DType.FLOAT64).scales
    assert scales.keys() == {"elbo", "kl", "log_likelihood", "log_q", "log_prior"}
    for quantity, scale in scales.items():
        assert 10.0 * FACTOR * UNIT_ROUNDOFF[DType.FLOAT64] * scale < 1e-6, quantity


@each_estimator
@each_case
def test_the_oracles_code_in_float32_is_within_tolerance(name, weights, estimator):
    """Run in float32 with batch, latent and hidden axes in another order, so that no sum is taken as in the scale."""
    problem, x, noise = setting(name, weights, 20)
    result = reference(problem, estimator, problem.params, x, noise, DType.FLOAT32)
    single = {key: value.astype(np.float32) for key, value in problem.params.items()}
    data, e = x[::-1].astype(np.float32), noise[0, ::-1].astype(np.float32)
    reversed_params, restore = reverse_hidden(single)
    terms, contractions = terms_and_backward(reversed_params, problem, estimator, data, e)
    assert terms.z.dtype == np.float32
    unit = UNIT_ROUNDOFF[DType.FLOAT32]
    for quantity, scale in result.scales.items():
        difference = abs(getattr(terms, quantity).mean() - getattr(result.evaluation, quantity))
        assert difference <= FACTOR * unit * scale, quantity
    for tensor, gradient in restore(gradients(problem, contractions, len(x))).items():
        difference = np.linalg.norm(gradient - result.evaluation.gradients[tensor])
        assert difference <= FACTOR * unit * result.gradient_scales[tensor], tensor


def reverse_hidden(params):
    """The same function with every hidden layer's units in reverse order, and the map of its gradients back."""
    hidden_out = [key for key in params if key.split(".")[1].isdigit()]
    last = {f"{key.split('.')[0]}.{int(key.split('.')[1])}" for key in hidden_out}

    def flip(values):
        flipped = {}
        for key, value in values.items():
            side, layer = key.split(".")[:2]
            if layer.isdigit():
                value = value[::-1]
            reads_hidden = f"{side}.{int(layer) - 1}" in last if layer.isdigit() else f"{side}.0" in last
            flipped[key] = value[:, ::-1] if reads_hidden and key.endswith("weight") else value
        return flipped

    return flip(params), flip


@pytest.mark.parametrize("weights", problems.WEIGHTS["gaussian-kl"])
def test_the_closed_form_from_the_noise_is_within_tolerance(weights):
    """c + a e + b e^2 has no z - mean to lose digits in: a computation independent of the oracle's, in float64."""
    problem, x, _ = setting("gaussian-kl", weights, 1)
    mean, log_var = problem.params["encoder.mean.bias"], problem.params["encoder.log_var.bias"]
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(1, 1, problem.latent))
        result = reference(problem, SAMPLED_KL, problem.params, x, noise, DType.FLOAT64)
        exact = gaussian_kl.sampled_kl(mean, log_var, noise[0, 0])
        assert abs(result.evaluation.kl - exact) <= FACTOR * UNIT_ROUNDOFF[DType.FLOAT64] * result.scales["kl"]


@each_estimator
@pytest.mark.parametrize("weights", problems.WEIGHTS["linear-gaussian"])
def test_the_linear_gaussian_quadratic_is_within_tolerance(weights, estimator):
    problem, x, _ = setting("linear-gaussian", weights, 1)
    decoder = linear_gaussian.Decoder(
        weight=problem.params["decoder.output.weight"],
        bias=problem.params["decoder.output.bias"],
        tau=problem.likelihood_scale,
    )
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(1, 1, 3))
        result = reference(problem, estimator, problem.params, x, noise, DType.FLOAT64)
        mean, log_var = result.mean[0], result.log_var[0]
        kl = (linear_gaussian.sampled_kl if estimator is SAMPLED_KL else linear_gaussian.analytic_kl)(mean, log_var)
        exact = (linear_gaussian.log_likelihood(decoder, x[0], mean, log_var) - kl)(noise[0, 0])
        assert abs(result.evaluation.elbo - exact) <= FACTOR * UNIT_ROUNDOFF[DType.FLOAT64] * result.scales["elbo"]


@each_estimator
def test_inputs_are_rounded_first(estimator):
    """Exactly the oracle's evaluation at inputs rounded to float32, and different from that at unrounded ones."""
    problem, x, noise = setting("vae-small", "initial", 4)
    result = reference(problem, estimator, problem.params, x, noise, DType.FLOAT32)
    rounded = {key: value.astype(np.float32).astype(np.float64) for key, value in problem.params.items()}
    oracle = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)
    assert result.evaluation.elbo == oracle.evaluate(rounded, x, noise.astype(np.float32).astype(float)).elbo
    assert result.evaluation.elbo != oracle.evaluate(problem.params, x, noise).elbo


def test_cancellation_is_in_the_scale():
    """sigma = 1e-3: the scale of log q holds |mean| / sigma, near 1000 per dimension; the analytic KL's does not."""
    problem, x, noise = setting("gaussian-kl", "40-narrow", 1)
    mean = np.abs(problem.params["encoder.mean.bias"])
    sampled = reference(problem, SAMPLED_KL, problem.params, x, noise, DType.FLOAT64).scales
    analytic = reference(problem, ANALYTIC_KL, problem.params, x, noise, DType.FLOAT64).scales
    assert sampled["kl"] > (np.abs(noise[0, 0]) * mean / 1e-3).sum()
    assert analytic["kl"] < 100.0 * 40


def test_noise_of_two_particles_is_refused():
    problem, x, _ = setting("linear-gaussian", "generic", 2)
    with pytest.raises(ValueError, match="one particle"):
        reference(problem, SAMPLED_KL, problem.params, x, np.zeros((2, 2, 3)), DType.FLOAT64)


@pytest.fixture(scope="module", params=CORE_ESTIMATORS.values(), ids=lambda each: each.name)
def path(request):
    """50 steps of vae-small: (problem, estimator, x, batches, noise, reference)."""
    problem, x = problems.load("vae-small", "initial"), datasets.load("digits").train
    rng = np.random.default_rng(21)
    batches, noise = rng.integers(0, len(x), (50, 20)), rng.normal(size=(50, 1, 20, 8))
    found = path_reference(problem, request.param, problem.params, x, batches, noise, 1e-3)
    return problem, request.param, x, batches, noise, found


def asked(x, batches, noise, rate=1e-3):
    return Training(x=x, batches=batches, learning_rate=rate, seed=0, noise=noise)


def test_the_path_is_the_oracles_fit(path):
    problem, estimator, x, batches, noise, found = path
    oracle = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)
    np.testing.assert_array_equal(found.elbo, oracle.fit(problem.params, asked(x, batches, noise)).elbo)


def test_divergence_is_positive_and_never_falls(path):
    """It starts at rounding: an ELBO near 45 moves by less than 1e-11 at first."""
    found = path[-1]
    assert 0.0 < found.elbo_divergence[0] < 1e-11
    assert (np.diff(found.elbo_divergence) >= 0.0).all()
    assert found.param_divergence.keys() == found.params.keys()
    assert all(value > 0.0 for value in found.param_divergence.values())


def test_another_order_of_summation_stays_on_the_path(path):
    """Every batch and its noise reversed is the same training on paper: within 100 times the divergence."""
    problem, estimator, x, batches, noise, found = path
    oracle = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)
    other = oracle.fit(problem.params, asked(x, batches[:, ::-1], noise[:, :, ::-1]))
    assert (np.abs(other.elbo - found.elbo) <= 100.0 * found.elbo_divergence).all()
    for name, value in found.params.items():
        assert np.linalg.norm(other.params[name] - value) <= 100.0 * found.param_divergence[name], name


@pytest.mark.parametrize("mutant", ["rate", "epsilon", "noise"])
def test_another_training_leaves_the_path(path, mutant, monkeypatch):
    """A learning rate 1e-4 larger, an Adam epsilon of 1e-7 or one exchanged noise row leaves every tensor's bound."""
    problem, estimator, x, batches, noise, found = path
    oracle = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)
    rate = 1e-3 * (1.0001 if mutant == "rate" else 1.0)
    if mutant == "noise":
        noise = noise.copy()
        noise[:, :, [0, 1]] = noise[:, :, [1, 0]]
    if mutant == "epsilon":
        monkeypatch.setattr("elbo_compare.suites.numpy_oracle.training.EPSILON", 1e-7)
    other = oracle.fit(problem.params, asked(x, batches, noise, rate))
    for name, value in found.params.items():
        assert np.linalg.norm(other.params[name] - value) > 100.0 * found.param_divergence[name], name
