"""The oracle: gradients against finite differences, densities against integrals, training against hand sums."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import bernoulli, norm

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Flow, KLTerm, Likelihood, Prior, Problem, Training
from elbo_compare.suites.estimators import ANALYTIC_KL, CORE_ESTIMATORS, ESTIMATORS, LIBRARY_VARIANTS, SAMPLED_KL
from elbo_compare.suites.exact import gaussian_kl, linear_gaussian
from elbo_compare.suites.numpy_oracle import vae
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle
from elbo_compare.suites.numpy_oracle.training import Adam
from elbo_compare.suites.numpy_oracle.vae import encode

each_estimator = pytest.mark.parametrize("estimator", CORE_ESTIMATORS.values(), ids=lambda each: each.name)
LATENT, HIDDEN, OBSERVED = 2, 3, 4


def session(problem, estimator):
    return NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)


def toy(likelihood, layers):
    """A problem small enough to differentiate by every single weight."""
    rng = np.random.default_rng(3)
    shapes = {}
    for side, width in (("encoder", OBSERVED), ("decoder", LATENT)):
        for index in range(layers):
            for part in ("linear", "gate"):
                shapes[f"{side}.{index}.{part}"] = (HIDDEN, HIDDEN if index else width)
    top = HIDDEN if layers else OBSERVED
    shapes |= {"encoder.mean": (LATENT, top), "encoder.log_var": (LATENT, top)}
    shapes["decoder.output"] = (OBSERVED, HIDDEN if layers else LATENT)
    if likelihood is Likelihood.NONE:
        shapes = {name: shape for name, shape in shapes.items() if name.startswith("encoder")}
    params = {f"{name}.weight": rng.normal(size=shape) for name, shape in shapes.items()}
    params |= {f"{name}.bias": rng.normal(size=shape[0]) for name, shape in shapes.items()}
    return Problem(
        name="toy",
        weights="random",
        likelihood=likelihood,
        gated_layers=layers,
        latent=LATENT,
        observed=OBSERVED,
        params=params,
        likelihood_scale=0.8,
    )


@each_estimator
@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("likelihood", list(Likelihood))
def test_every_gradient_is_the_finite_difference(likelihood, layers, estimator):
    """Central differences by every weight, h = 1e-5 (truncation h^2 f'''/6, roundoff u |f| / h): 1e-7 of the ELBO's
    size and of the gradient's."""
    problem, h = toy(likelihood, layers), 1e-5
    rng = np.random.default_rng(4)
    x, noise = rng.integers(0, 2, (3, OBSERVED)).astype(float), rng.normal(size=(1, 3, LATENT))
    oracle = session(problem, estimator)
    evaluation = oracle.evaluate(problem.params, x, noise)
    for name, value in problem.params.items():
        for index in np.ndindex(value.shape):
            step = np.zeros_like(value)
            step[index] = h
            up = oracle.evaluate({**problem.params, name: value + step}, x, noise).elbo
            down = oracle.evaluate({**problem.params, name: value - step}, x, noise).elbo
            gradient = evaluation.gradients[name][index]
            size = 1.0 + abs(evaluation.elbo) + np.abs(evaluation.gradients[name]).max()
            assert abs(gradient - (up - down) / (2 * h)) < 1e-7 * size, (name, index)


@each_estimator
@pytest.mark.parametrize(
    ("name", "weights"), [("vae-small", "initial"), ("vae-small", "trained"), ("linear-gaussian", "generic")]
)
def test_named_problems_gradients_are_directional_finite_differences(name, weights, estimator):
    """Along three random unit directions per tensor, h = 1e-5, allowance as above."""
    problem, h = problems.load(name, weights), 1e-5
    x = datasets.load(problems.DATASET[name]).test[:5]
    rng = np.random.default_rng(5)
    noise, oracle = rng.normal(size=(1, 5, problem.latent)), session(problem, estimator)
    evaluation = oracle.evaluate(problem.params, x, noise)
    for tensor, value in problem.params.items():
        for _ in range(3):
            direction = rng.normal(size=value.shape)
            direction /= np.linalg.norm(direction)
            up = oracle.evaluate({**problem.params, tensor: value + h * direction}, x, noise).elbo
            down = oracle.evaluate({**problem.params, tensor: value - h * direction}, x, noise).elbo
            gradient = evaluation.gradients[tensor]
            size = 1.0 + abs(evaluation.elbo) + np.linalg.norm(gradient)
            assert abs((gradient * direction).sum() - (up - down) / (2 * h)) < 1e-7 * size, tensor


def test_densities_are_scipys():
    """Fully normalised. Relative 1e-13: sums of a dozen terms."""
    rng = np.random.default_rng(6)
    z, mean, log_var = rng.normal(size=(3, 7, 5))
    expected = norm.logpdf(z, mean, np.exp(0.5 * log_var)).sum(-1)
    np.testing.assert_allclose(vae.log_normal_diag(z, mean, log_var), expected, rtol=1e-13)
    np.testing.assert_allclose(vae.log_normal_standard(z), norm.logpdf(z).sum(-1), rtol=1e-13)
    np.testing.assert_allclose(vae.log_normal(z, mean, 0.3), norm.logpdf(z, mean, 0.3).sum(-1), rtol=1e-13)
    x = rng.integers(0, 2, (7, 5)).astype(float)
    probability = 1.0 / (1.0 + np.exp(-mean))
    np.testing.assert_allclose(vae.log_bernoulli(x, mean), bernoulli.logpmf(x, probability).sum(-1), rtol=1e-12)


def test_bernoulli_probabilities_add_to_one():
    """Over all 2^5 binary vectors, saturated logits included."""
    logits = np.array([0.3, -2.0, 800.0, -800.0, 36.0])
    total = sum(np.exp(vae.log_bernoulli(np.array([x], float), logits[None]))[0] for x in product((0, 1), repeat=5))
    assert total == pytest.approx(1.0, rel=1e-14)


def test_sigmoid_keeps_its_digits_in_both_tails():
    """Against exp(-log1p(exp(-t))) where that is exact, and against symmetry. No overflow warning at +-1e4."""
    t = np.array([-1e4, -700.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1e4])
    expected = [0.0, np.exp(-700.0), np.exp(-40.0), 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1.0, 1.0]
    np.testing.assert_allclose(vae.sigmoid(t), expected, rtol=1e-15)


@each_estimator
def test_kl_is_zero_where_q_equals_the_prior(estimator):
    problem = problems.load("gaussian-kl", "40-equal")
    noise = np.random.default_rng(7).normal(size=(1, 1, 40))
    evaluation = session(problem, estimator).evaluate(problem.params, np.zeros((1, 1)), noise)
    assert evaluation.kl == evaluation.elbo == evaluation.log_likelihood == 0.0


def test_sampled_elbo_is_the_evidence_at_the_posterior_for_any_noise():
    """log p(x) to 1e-12: a few dozen roundings of terms below 100. The analytic-KL ELBO is off by more than 0.01."""
    problem, x = problems.load("linear-gaussian", "posterior"), datasets.load("linear-gaussian").test[:1]
    params = problem.params
    decoder = linear_gaussian.Decoder(
        weight=params["decoder.output.weight"], bias=params["decoder.output.bias"], tau=problem.likelihood_scale
    )
    evidence = linear_gaussian.log_evidence(decoder, x[0])
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(size=(1, 1, 3))
        assert session(problem, SAMPLED_KL).evaluate(params, x, noise).elbo == pytest.approx(evidence, abs=1e-12)
        assert abs(session(problem, ANALYTIC_KL).evaluate(params, x, noise).elbo - evidence) > 0.01


@pytest.mark.parametrize("weights", problems.WEIGHTS["gaussian-kl"])
def test_deterministic_noise_gives_the_closed_form(weights):
    """Averages over e = +-1 are KL and its gradient; each analytic-KL value is. 1e-9 relative to the sum of absolute
    terms covers the cancellation at sigma = 1e-3 (|mean| u / sigma per dimension)."""
    problem, x = problems.load("gaussian-kl", weights), np.zeros((1, 1))
    mean, log_var = problem.params["encoder.mean.bias"], problem.params["encoder.log_var.bias"]
    ones = np.ones((1, 1, problem.latent))
    for estimator in CORE_ESTIMATORS.values():
        plus, minus = (session(problem, estimator).evaluate(problem.params, x, sign * ones) for sign in (1, -1))
        size = (mean**2 + np.exp(log_var) + np.abs(log_var) + 1.0).sum()
        assert abs(0.5 * (plus.kl + minus.kl) - gaussian_kl.kl(mean, log_var)) < 1e-9 * size
        for head, exact in zip(("mean", "log_var"), gaussian_kl.kl_gradient(mean, log_var), strict=True):
            key = f"encoder.{head}.bias"
            np.testing.assert_allclose(0.5 * (plus.gradients[key] + minus.gradients[key]), -exact, atol=1e-9 * size)


@each_estimator
def test_terms_and_fields_are_consistent(estimator):
    """ELBO = log-likelihood - KL, the raw loss is -ELBO averaged, and ragged sub-batches add up. Relative 1e-13."""
    problem, x = problems.load("vae-small", "trained"), datasets.load("digits").test[:9]
    noise, oracle = np.random.default_rng(8).normal(size=(1, 9, 8)), session(problem, estimator)
    whole = oracle.evaluate(problem.params, x, noise)
    assert whole.elbo == pytest.approx(whole.log_likelihood - whole.kl, rel=1e-13)
    assert whole.raw_loss == whole.raw_sign * whole.elbo
    assert whole.dtype is DType.FLOAT64
    if estimator is SAMPLED_KL:
        assert whole.kl == pytest.approx(whole.log_q - whole.log_prior, rel=1e-13)
    parts = [oracle.evaluate(problem.params, x[rows], noise[:, rows]) for rows in (slice(0, 2), slice(2, 9))]
    assert whole.elbo == pytest.approx((2 * parts[0].elbo + 7 * parts[1].elbo) / 9, rel=1e-13)
    for name, gradient in whole.gradients.items():
        combined = (2 * parts[0].gradients[name] + 7 * parts[1].gradients[name]) / 9
        assert np.linalg.norm(gradient - combined) <= 1e-13 * (1.0 + np.linalg.norm(gradient)), name


@each_estimator
def test_draws_depend_on_the_seed_and_not_on_the_chunk(estimator):
    problem, x = problems.load("vae-small", "trained"), datasets.load("digits").test[:1]
    oracle = session(problem, estimator)
    one, same, other = (oracle.draw(problem.params, x, 50, seed, chunk) for seed, chunk in ((1, 50), (1, 7), (2, 50)))
    np.testing.assert_allclose(one.elbo, same.elbo, rtol=1e-12)
    assert (one.elbo != other.elbo).all()
    assert one.elbo.shape == one.kl.shape == (50,)
    gradients = oracle.draw_gradients(problem.params, x, 50, 1, 7)
    assert gradients.mean.shape == gradients.log_var.shape == (50, 8)


@each_estimator
def test_drawn_gradients_are_those_of_the_evaluation(estimator):
    """The mean of n drawn gradients is the gradient by the heads' biases at the same n noises. 1e-12: sums of n."""
    problem, x = problems.load("vae-small", "trained"), datasets.load("digits").test[:1]
    oracle, n = session(problem, estimator), 40
    drawn = oracle.draw_gradients(problem.params, x, n, 9, 16)
    noise = np.random.default_rng(9).standard_normal((1, n, 8))
    evaluation = oracle.evaluate(problem.params, np.repeat(x, n, axis=0), noise)
    for head in ("mean", "log_var"):
        expected = evaluation.gradients[f"encoder.{head}.bias"]
        np.testing.assert_allclose(getattr(drawn, head).mean(0), expected, atol=1e-12)


def test_adam_moves_by_the_learning_rate_under_a_constant_gradient():
    """m_hat = g and v_hat = g^2 at every step, so each step is rate * g / (|g| + 1e-8), uphill."""
    adam = Adam({"w": np.zeros(2)}, 0.01)
    gradient = np.array([3.0, -0.5])
    for step in range(1, 6):
        adam.step({"w": gradient})
        np.testing.assert_allclose(adam.weights()["w"], 0.01 * step * gradient / (np.abs(gradient) + 1e-8), rtol=1e-13)


def test_adams_second_step_by_hand():
    """Gradients 1 then 0: m_hat = 0.09 / 0.19, v_hat = 0.000999 / 0.001999."""
    adam = Adam({"w": np.zeros(1)}, 1.0)
    adam.step({"w": np.ones(1)})
    adam.step({"w": np.zeros(1)})
    expected = 1.0 / (1.0 + 1e-8) + (0.09 / 0.19) / (np.sqrt(0.000999 / 0.001999) + 1e-8)
    assert adam.weights()["w"][0] == pytest.approx(expected, rel=1e-13)


@each_estimator
def test_fit_keeps_checkpoints_and_reports_the_elbo_before_each_step(estimator):
    problem, x = problems.load("vae-small", "initial"), datasets.load("digits").train
    rng = np.random.default_rng(10)
    batches, noise = rng.integers(0, len(x), (4, 5)), rng.normal(size=(4, 1, 5, 8))
    oracle = session(problem, estimator)
    asked = Training(x=x, batches=batches, learning_rate=1e-3, seed=0, noise=noise, checkpoints=(0, 2, 4))
    fit = oracle.fit(problem.params, asked)
    assert set(fit.checkpoints) == {0, 2, 4}
    for step in (0, 2):
        at_start = oracle.evaluate(fit.checkpoints[step], x[batches[step]], noise[step])
        assert fit.elbo[step] == at_start.elbo
    for name, value in fit.params.items():
        np.testing.assert_array_equal(value, fit.checkpoints[4][name])
        np.testing.assert_array_equal(fit.checkpoints[0][name], problem.params[name])
        assert value is not fit.checkpoints[4][name]


def test_training_raises_the_elbo():
    """200 steps on the digits with its own noise: by more than 5 nats, and the same path from the same seed."""
    problem, x = problems.load("vae-small", "initial"), datasets.load("digits").train
    batches = np.random.default_rng(11).integers(0, len(x), (200, 50))
    asked = Training(x=x, batches=batches, learning_rate=1e-3, seed=3)
    fit, again = (session(problem, SAMPLED_KL).fit(problem.params, asked) for _ in range(2))
    assert fit.elbo[-20:].mean() > fit.elbo[:20].mean() + 5.0
    np.testing.assert_array_equal(fit.elbo, again.elbo)


def test_the_stepper_steps():
    problem, x = problems.load("vae-small", "initial"), datasets.load("digits").train[:10]
    stepper = session(problem, SAMPLED_KL).stepper(problem.params, x, 0)
    assert stepper.compile is None
    stepper.step(3)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 2)])
def test_noise_of_the_wrong_shape_is_refused(shape):
    problem = toy(Likelihood.NONE, 0)
    with pytest.raises(ValueError, match=r"Noise of shape .* arrived; one particle"):
        session(problem, SAMPLED_KL).evaluate(problem.params, np.zeros((3, OBSERVED)), np.zeros(shape))


def test_draws_of_a_batch_are_refused():
    problem = toy(Likelihood.NONE, 0)
    with pytest.raises(ValueError, match=r"one datum, x \(1, observed\); x of shape \(3, 4\) arrived"):
        session(problem, SAMPLED_KL).draw(problem.params, np.zeros((3, OBSERVED)), 5, 0, 5)


@pytest.mark.parametrize(("device", "dtype"), [(Device.CUDA, DType.FLOAT64), (Device.CPU, DType.FLOAT32)])
def test_other_devices_and_dtypes_are_refused(device, dtype):
    with pytest.raises(ValueError, match="float64 on the CPU only"):
        NumpyOracle().prepare(toy(Likelihood.NONE, 0), SAMPLED_KL, device, dtype)


def test_the_oracle_supports_all_but_unknown_kl_terms_and_library_classes():
    """A reason is given exactly where the KL term has no closed form, or the estimator is a library's class."""
    variants = {estimator.name for estimator in LIBRARY_VARIANTS}
    for name, names in problems.WEIGHTS.items():
        problem = problems.load(name, names[0])
        for estimator in ESTIMATORS.values():
            refused = NumpyOracle().supports(problem, estimator) is not None
            unknown = estimator.kl_term is KLTerm.ANALYTIC and not problem.has_analytic_kl
            plain = problem.flow is Flow.NONE and problem.prior is Prior.STANDARD_NORMAL
            unknown |= estimator.kl_term is KLTerm.CONTROL_VARIATE and not plain
            assert refused == (unknown or estimator.name in variants), (name, estimator.name)


def test_encode_returns_the_heads():
    problem = problems.load("gaussian-kl", "2-typical")
    mean, log_var, _ = encode(problem.params, problem, np.zeros((4, 1)))
    np.testing.assert_array_equal(mean, np.tile(problem.params["encoder.mean.bias"], (4, 1)))
    np.testing.assert_array_equal(log_var, np.tile(problem.params["encoder.log_var.bias"], (4, 1)))
