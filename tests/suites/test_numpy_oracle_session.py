"""The oracle's own draws under every estimator against the closed forms, and training under a protocol."""

from dataclasses import replace

import numpy as np
import pytest

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.bridge.training import training_rows
from elbo_compare.suites.contract import Bound, Device, DType, Training
from elbo_compare.suites.estimators import CORE_ESTIMATORS, ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.exact.expected import HEADS, expected
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle, OracleSession
from elbo_compare.suites.numpy_oracle.vae import encode

DRAWN = [name for name in ESTIMATORS if name not in (*CORE_ESTIMATORS, "iwae-20", "iwae-80", "dreg-20", "dreg-80")]
DRAWN = [name for name in DRAWN if "trace" not in name]


# Their variances are checked by quadrature (test_numpy_oracle_objective): squares of these have no usable standard
# error at this n, which needs the eighth moment of k1.
HEAVY_TAILED = ("k2", "k3", "control-variate")


def session(problem, estimator):
    return NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)


def within(values, exact, what):
    """Within 6 standard errors of `exact`, a false alarm near 2e-9, and 1e-12 for rounding where nothing varies."""
    if not np.isnan(exact):
        assert abs(values.mean() - exact) < 6.0 * values.std() / np.sqrt(len(values)) + 1e-12, what


@pytest.mark.parametrize(
    ("name", "weights"), [("gaussian-kl", "2-near"), ("linear-gaussian", "generic"), ("linear-gaussian", "posterior")]
)
@pytest.mark.parametrize("kind", DRAWN)
def test_draws_have_the_moments_of_the_closed_forms(kind, name, weights):
    """n = 6,000 values and gradients, whatever is known: mean, variance, and the gradient's mean and trace."""
    problem, estimator = problems.load(name, weights), ESTIMATORS[kind]
    x = np.resize(datasets.load(problems.DATASET[name]).test, (1, problem.observed))
    exact = expected(problem, estimator, x, *encode(problem.params, problem, x)[:2])
    draws = session(problem, estimator).draw(problem.params, x, 6_000, 60, 6_000)
    assert np.isnan(draws.kl).all() == (estimator.bound is Bound.RENYI)
    for term in ("elbo", "kl"):
        values, mean = getattr(draws, term), getattr(exact, f"{term}_mean")
        # A variance that is infinite leaves no interval for the mean.
        if not np.isinf(getattr(exact, f"{term}_variance")):
            within(values, mean, term)
            if kind not in HEAVY_TAILED:
                within((values - mean) ** 2, getattr(exact, f"{term}_variance"), term)
    # k2 is biased and alpha < 0 bounds from above: neither lies below log p(x). Without a variance nothing is known.
    is_lower_bound = estimator.alpha >= 0.0 and kind != "k2" and not np.isinf(exact.elbo_variance)
    if np.isfinite(exact.log_evidence) and is_lower_bound:
        assert draws.elbo.mean() < exact.log_evidence + 6.0 * draws.elbo.std() / np.sqrt(len(draws.elbo)) + 1e-12
    gradients = session(problem, estimator).draw_gradients(problem.params, x, 6_000, 61, 6_000)
    for head in HEADS:
        rows = getattr(gradients, head)
        assert rows.shape == (6_000, problem.latent)
        within(rows.sum(-1) / np.sqrt(problem.latent), exact.gradient_projection_mean[head], head)
        within(((rows - exact.gradient_mean[head]) ** 2).sum(-1), exact.gradient_variance[head], head)


@pytest.mark.parametrize("estimator", CORE_ESTIMATORS.values(), ids=lambda each: each.name)
def test_complex_step_draws_are_those_by_hand(estimator):
    """The same noise through both code paths. 1e-11: gradients near 10 of a trained decoder."""
    problem, x = problems.load("vae-small", "trained"), datasets.load("digits").test[:1]
    by_hand, stepped = OracleSession(problem, estimator), OracleSession(problem, estimator)
    stepped.by_hand = False
    one, other = (each.draw_gradients(problem.params, x, 50, 62, 20) for each in (by_hand, stepped))
    for head in HEADS:
        np.testing.assert_allclose(getattr(one, head), getattr(other, head), atol=1e-11)


@pytest.mark.parametrize("kind", ["sobol-8", "antithetic", "iwae-5"])
def test_draws_do_not_depend_on_the_chunk(kind):
    problem, x = problems.load("iaf-small", "initial"), datasets.load("digits").test[:1]
    oracle = session(problem, ESTIMATORS[kind])
    whole = oracle.draw(problem.params, x, 30, 63, 30).elbo
    assert len(set(whole)) == 30
    if kind != "sobol-8":  # whose flips and lower bits come from one stream, block by block
        np.testing.assert_allclose(whole, oracle.draw(problem.params, x, 30, 63, 7).elbo, rtol=1e-12)


def training(steps=6, rows=8):
    problem, x = problems.load("vae-small", "initial"), datasets.load("digits").train
    rng = np.random.default_rng(64)
    return problem, x, rng.integers(0, len(x), (steps, rows)), rng.normal(size=(steps, 1, rows, problem.latent))


@pytest.mark.parametrize("estimator", CORE_ESTIMATORS.values(), ids=lambda each: each.name)
def test_the_weighted_gradient_is_that_of_the_weighted_loss(estimator):
    """With Adam's first step every weight moves by the sign of its gradient: weight 1 is plain training, and weight 0
    leaves log p(x|z) alone, whose gradient a problem with no KL has too."""
    problem, x, batches, noise = training(steps=1)
    oracle = session(problem, estimator)
    asked = Training(x=x, batches=batches, learning_rate=1e-3, seed=0, noise=noise)
    plain = oracle.fit(problem.params, asked)
    same = oracle.fit(problem.params, replace(asked, kl_weights=np.ones(1)))
    cold = oracle.fit(problem.params, replace(asked, kl_weights=np.zeros(1)))
    assert plain.elbo[0] == same.elbo[0] == cold.elbo[0]
    for name, value in plain.params.items():
        np.testing.assert_array_equal(value, same.params[name])
    h, rows, e = 1e-6, x[batches[0]], noise[0]
    for name in ("encoder.mean.bias", "encoder.log_var.bias", "decoder.output.bias"):
        for index in range(3):
            step = np.zeros_like(problem.params[name])
            step[index] = h
            up, down = (
                oracle.evaluate({**problem.params, name: problem.params[name] + sign * step}, rows, e)
                for sign in (1.0, -1.0)
            )
            slope = (up.log_likelihood - down.log_likelihood) / (2 * h)
            moved = cold.params[name][index] - problem.params[name][index]
            assert np.sign(moved) == np.sign(slope), (name, index)


def test_rows_are_binarised_by_the_shared_generator():
    """One step on rows drawn beforehand by `training_rows` is the same step."""
    problem, x, batches, noise = training(steps=1)
    grey = np.clip(0.2 + 0.6 * x, 0.0, 1.0)
    oracle = session(problem, SAMPLED_KL)
    drawn = training_rows(grey, batches[0], 0, 65)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    asked = Training(x=grey, batches=batches, learning_rate=1e-3, seed=0, noise=noise, binarise=65)
    one = oracle.fit(problem.params, asked)
    other = oracle.fit(problem.params, replace(asked, x=drawn, batches=np.arange(8)[None], binarise=None))
    assert one.elbo[0] == other.elbo[0]
    assert one.elbo[0] != oracle.fit(problem.params, replace(asked, binarise=66)).elbo[0]


def test_stop_ends_the_training_at_a_checkpoint():
    problem, x, batches, noise = training()
    seen = []

    def stop(step, weights):
        seen.append((step, weights["encoder.mean.bias"].copy()))
        return step >= 4

    asked = Training(x=x, batches=batches, learning_rate=1e-3, seed=0, noise=noise, checkpoints=(0, 2, 4, 6), stop=stop)
    fit = session(problem, SAMPLED_KL).fit(problem.params, asked)
    assert [step for step, _ in seen] == [0, 2, 4]
    assert len(fit.elbo) == 4
    assert set(fit.checkpoints) == {0, 2, 4}
    np.testing.assert_array_equal(seen[-1][1], fit.params["encoder.mean.bias"])


@pytest.mark.parametrize(("name", "kind"), [("planar-small", "sampled-kl"), ("vae-small", "iwae-5")])
def test_what_has_no_gradient_by_hand_is_not_trained(name, kind):
    problem, _, batches, _ = training()
    problem = problems.load(name, "initial") if name != problem.name else problem
    oracle = session(problem, ESTIMATORS[kind])
    with pytest.raises(ValueError, match="does not train"):
        oracle.fit(problem.params, Training(x=np.zeros((9, 64)), batches=batches, learning_rate=1e-3, seed=0))
    with pytest.raises(ValueError, match="does not train"):
        oracle.stepper(problem.params, np.zeros((9, 64)), 0)
