"""Directional derivatives by complex step: equal to the gradients by hand, to finite differences and to closed forms;
their scales wide enough for float32 and narrow enough for an error of 1%."""

from dataclasses import replace

import numpy as np
import pytest

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Flow, GradientForm, Prior
from elbo_compare.suites.estimators import CORE_ESTIMATORS, ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.numpy_oracle.directions import derivative, directions, move, vector_of
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle
from elbo_compare.suites.numpy_oracle.reference import reference
from elbo_compare.suites.numpy_oracle.scales import Point, scales
from elbo_compare.suites.numpy_oracle.vae import encode

FACTOR = 16.0
UNIT_ROUNDOFF = {DType.FLOAT64: 2.0**-53, DType.FLOAT32: 2.0**-24}
FLOWS_AND_PRIORS = [name for name in problems.WEIGHTS if name.endswith("-small") and name != "vae-small"]
PLAIN = [("gaussian-kl", "40-mixed"), ("linear-gaussian", "generic"), ("vae-small", "trained")]
IN_FLOAT32 = [
    ("vae-small", "stl"),
    ("householder-small", "antithetic"),
    ("convex-linear-iaf-small", "sampled-kl"),
    ("planar-small", "k3"),
    ("iaf-small", "iwae-5"),
    ("mixture-small", "renyi-2"),
    ("vamp-small", "dreg-5"),
    ("laplace-small", "elbo-5"),
]
OWN = ("k2", "k3", "elbo-5", "antithetic", "iwae-5", "renyi-2")  # whose gradient is the value's derivative


def setting(name, weights, estimator, rows, seed=40):
    problem = problems.load(name, weights)
    x = np.resize(datasets.load(problems.DATASET[name]).test, (rows, problem.observed))
    return problem, x, np.random.default_rng(seed).normal(size=(estimator.noise_rows, rows, problem.latent))


def point_at(name, weights, estimator, rows=3):
    problem, x, noise = setting(name, weights, estimator, rows)
    return Point(problem=problem, estimator=estimator, params=problem.params, x=x, noise=noise)


@pytest.mark.parametrize("estimator", CORE_ESTIMATORS.values(), ids=lambda each: each.name)
@pytest.mark.parametrize(("name", "weights"), PLAIN)
def test_directions_are_those_of_the_gradients_by_hand(name, weights, estimator):
    """<gradient by hand, v> = complex step, within 16 u scale, two derivations; both kinds of scale are of one size."""
    point = point_at(name, weights, estimator)
    exact = reference(point.problem, estimator, point.params, point.x, point.noise, DType.FLOAT64)
    assert not exact.directions
    for tensor, found in directions(point).items():
        by_hand = (exact.evaluation.gradients[tensor] * found.vector).sum()
        assert abs(by_hand - found.derivative) <= FACTOR * UNIT_ROUNDOFF[DType.FLOAT64] * found.scale, tensor
        ratio = found.scale / exact.gradient_scales[tensor] if found.scale > 0.0 else 1.0  # 0: the input is zero
        assert 0.02 < ratio < 50.0, tensor
    for quantity, scale in scales(point, DType.FLOAT64).items():
        assert scale == pytest.approx(exact.scales[quantity], rel=1.0), quantity


@pytest.mark.parametrize("name", FLOWS_AND_PRIORS)
def test_directions_are_finite_differences(name):
    """Central differences of the value, h = 1e-5: truncation and roundoff below 1e-7 of the sizes. Every tensor, one
    estimator after the other."""
    h = 1e-5
    for index, tensor in enumerate(problems.load(name, "initial").params):
        estimator = ESTIMATORS[OWN[index % len(OWN)]]
        point = point_at(name, "initial", estimator)
        vector = vector_of(tensor, point.params[tensor].shape)
        vector = vector / np.linalg.norm(vector)
        session = NumpyOracle().prepare(point.problem, estimator, Device.CPU, DType.FLOAT64)
        ends = [
            session.evaluate({**point.params, tensor: point.params[tensor] + step * vector}, point.x, point.noise).elbo
            for step in (h, -h)
        ]
        found = derivative(move(point, tensor, vector).surrogate).mean()
        assert abs(found - (ends[0] - ends[1]) / (2 * h)) < 1e-7 * (1.0 + abs(ends[0])), (tensor, estimator.name)


def test_sticking_the_landing_by_its_formula():
    """On gaussian-kl: d / d mean = -z + e / sigma, d / d log_var = (-z + e / sigma) sigma e / 2. Within 16 u scale."""
    point = point_at("gaussian-kl", "2-typical", ESTIMATORS["stl"])
    mean, log_var, _ = encode(point.params, point.problem, point.x)
    sigma, e = np.exp(0.5 * log_var), point.noise[0]
    by_z = e / sigma - mean - sigma * e
    exact = {"encoder.mean.bias": by_z, "encoder.log_var.bias": 0.5 * by_z * sigma * e}
    found = directions(point)
    for tensor, gradient in exact.items():
        allowed = FACTOR * UNIT_ROUNDOFF[DType.FLOAT64] * found[tensor].scale
        assert abs(gradient.mean(0) @ found[tensor].vector - found[tensor].derivative) <= allowed


@pytest.mark.parametrize("name", ["stl", "dreg-1", "dreg-5"])
def test_path_gradients_vanish_at_the_posterior(name):
    """For q's parameters, at every noise: within 16 u scale of zero, where the plain gradient is far from it."""
    point = point_at("linear-gaussian", "posterior", ESTIMATORS[name])
    plain = directions(replace(point, estimator=SAMPLED_KL, noise=point.noise[:1]))
    for tensor, found in directions(point).items():
        if tensor.startswith("encoder"):
            assert abs(found.derivative) <= FACTOR * UNIT_ROUNDOFF[DType.FLOAT64] * found.scale, tensor
            assert abs(plain[tensor].derivative) > 1e-3, tensor


@pytest.mark.parametrize("name", ["householder-small", "vamp-small"])
def test_one_doubly_reparameterised_particle_sticks_the_landing(name):
    """DReG at K = 1 is STL, tensor by tensor, the encoder that VampPrior shares with q included."""
    one, other = (directions(point_at(name, "initial", ESTIMATORS[kind])) for kind in ("dreg-1", "stl"))
    for tensor, found in one.items():
        allowed = FACTOR * UNIT_ROUNDOFF[DType.FLOAT64] * found.scale
        assert abs(found.derivative - other[tensor].derivative) <= allowed, tensor


def test_doubly_reparameterised_gradients_have_the_mean_of_the_plain_ones():
    """IWAE-5 on a generic q: per component of the heads, means over 6,000 draws of each, within 6 standard errors;
    for q's mean it varies less (Tucker et al. 2019, arXiv 1810.04152)."""
    problem, x = problems.load("linear-gaussian", "generic"), datasets.load("linear-gaussian").test[:1]
    found = {}
    for name in ("iwae-5", "dreg-5"):
        session = NumpyOracle().prepare(problem, ESTIMATORS[name], Device.CPU, DType.FLOAT64)
        draws = session.draw_gradients(problem.params, x, 6_000, 41, 6_000)
        found[name] = np.concatenate([draws.mean, draws.log_var], axis=1)
    plain, doubly = found["iwae-5"], found["dreg-5"]
    error = np.sqrt((plain.var(0) + doubly.var(0)) / len(plain))
    assert (np.abs(plain.mean(0) - doubly.mean(0)) < 6.0 * error).all()
    assert doubly[:, :3].var(0).sum() < plain[:, :3].var(0).sum()


def float32_program(point, tensor, vector):
    """The oracle's code in complex64, batch and particles reversed, so that no sum is taken as in the probe."""
    turned = replace(point, x=point.x[::-1], noise=point.noise[::-1, ::-1]).cast(DType.FLOAT32)
    moved = move(turned, tensor, vector)
    assert moved.surrogate.dtype == np.complex64
    return derivative(moved.surrogate).mean()


@pytest.mark.parametrize(("name", "kind"), IN_FLOAT32)
def test_float32_is_within_and_five_percent_is_outside(name, kind):
    """For every tensor in float32: the program is within 16 u scale, and 5% of |<g, v>| is more for nine in ten (the v
    that is drawn may be nearly orthogonal to g), 1% for the median. Importance weights lose digits in float32: an
    error of u * 100 nats in a log weight is an error of the weight."""
    problem, x, noise = setting(name, problems.WEIGHTS[name][0], ESTIMATORS[kind], 4)
    exact = reference(problem, ESTIMATORS[kind], problem.params, x, noise, DType.FLOAT32)
    point = Point(problem=problem, estimator=ESTIMATORS[kind], params=problem.params, x=x, noise=noise)
    sizes = []
    for tensor, found in exact.directions.items():
        allowed = FACTOR * UNIT_ROUNDOFF[DType.FLOAT32] * found.scale
        assert abs(float32_program(point, tensor, found.vector) - found.derivative) <= allowed, tensor
        sizes.append(abs(found.derivative) / allowed)
    assert np.median(sizes) > 100.0
    assert np.mean(np.array(sizes) > 20.0) > 0.9


@pytest.mark.parametrize("name", ["planar-small"])
def test_a_gradient_off_by_a_millionth_is_outside_in_float64(name):
    """For every tensor and estimator: 16 u scale is below 1e-6 of |<g, v>|, unless that is near zero by chance."""
    close = []
    for estimator in (ESTIMATORS[each] for each in ("k3", "renyi-minus-1")):
        problem, x, noise = setting(name, "initial", estimator, 3)
        exact = reference(problem, estimator, problem.params, x, noise, DType.FLOAT64)
        allowed = FACTOR * UNIT_ROUNDOFF[DType.FLOAT64]
        close += [abs(each.derivative) > 1e6 * allowed * each.scale for each in exact.directions.values()]
    assert np.mean(close) > 0.98


def test_the_vectors_are_fixed_standard_normals():
    """The same for every problem; 10,000 entries have mean 0 and variance 1 within 6 standard errors."""
    vector = vector_of("decoder.output.weight", (100, 100))
    np.testing.assert_array_equal(vector, vector_of("decoder.output.weight", (100, 100)))
    assert abs(vector.mean()) < 0.06
    assert abs(vector.var() - 1.0) < 6.0 * np.sqrt(2.0) / 100.0
    assert not np.allclose(vector, vector_of("encoder.mean.weight", (100, 100)))


def test_gradients_by_hand_are_used_where_they_exist_only():
    """The library's classes are the core function; every other estimator, flow and prior has directions."""
    for name, weights in [("vae-small", "trained"), ("mixture-small", "initial")]:
        for kind in ("trace-graph", "iwae-1", "stl"):
            problem, x, noise = setting(name, weights, ESTIMATORS[kind], 2)
            exact = reference(problem, ESTIMATORS[kind], problem.params, x, noise, DType.FLOAT64)
            plain = (problem.flow, problem.prior) == (Flow.NONE, Prior.STANDARD_NORMAL)
            by_hand = plain and kind == "trace-graph"
            assert (exact.directions == {}) == by_hand == (exact.evaluation.gradients != {})
            assert exact.mean.shape == exact.log_var.shape == (2, problem.latent)
    assert ESTIMATORS["stl"].gradient is GradientForm.STICKING_THE_LANDING
