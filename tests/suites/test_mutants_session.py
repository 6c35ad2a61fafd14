"""The VAE that variants are put into: with correct pieces it is the oracle, value, gradient and draw."""

import numpy as np
import pytest

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType, Problem, Reduction, Training
from elbo_compare.suites.estimators import ANALYTIC_KL, CORE_ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.mutants.catalogue import CATALOGUE, Kind, of_kind
from elbo_compare.suites.mutants.problem import bernoulli_data, bernoulli_tiny, near_prior
from elbo_compare.suites.mutants.session import Mutant
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle

PROBLEMS = {
    "gaussian-kl": (problems.load("gaussian-kl", "2-typical"), datasets.load("none")),
    "near-prior": (near_prior(), datasets.load("none")),
    "linear-gaussian": (problems.load("linear-gaussian", "generic"), datasets.load("linear-gaussian")),
    "bernoulli-tiny": (bernoulli_tiny(), bernoulli_data()),
}
BATCH = 6


def sessions(name, estimator, variant="VAR-002"):
    problem, _ = PROBLEMS[name]
    implementations = (Mutant(variant=CATALOGUE[variant]), NumpyOracle())
    return [each.prepare(problem, estimator, Device.CPU, DType.FLOAT64) for each in implementations]


def batch(name) -> tuple[Problem, np.ndarray, np.ndarray]:
    problem, dataset = PROBLEMS[name]
    x = np.take(dataset.test, range(BATCH), axis=0, mode="wrap")
    return problem, x, np.random.default_rng(5).standard_normal((1, BATCH, problem.latent))


@pytest.mark.parametrize("estimator", CORE_ESTIMATORS.values(), ids=lambda each: each.name)
@pytest.mark.parametrize("name", PROBLEMS)
def test_correct_pieces_give_the_oracle_s_terms_and_gradients(name, estimator):
    problem, x, noise = batch(name)
    ours, oracle = (each.evaluate(problem.params, x, noise) for each in sessions(name, estimator))
    for term in ("elbo", "kl", "log_q", "log_prior", "log_likelihood", "raw_loss"):
        assert getattr(ours, term) == pytest.approx(getattr(oracle, term), rel=1e-13, abs=1e-13), term
    assert (ours.raw_sign, ours.raw_reduction) == (oracle.raw_sign, oracle.raw_reduction)
    for weight, gradient in oracle.gradients.items():
        np.testing.assert_allclose(ours.gradients[weight], gradient, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("estimator", CORE_ESTIMATORS.values(), ids=lambda each: each.name)
@pytest.mark.parametrize("name", PROBLEMS)
def test_correct_pieces_give_the_oracle_s_draws_from_the_same_seed(name, estimator):
    problem, x, _ = batch(name)
    ours, oracle = (each.draw(problem.params, x[:1], 50, 3, 20) for each in sessions(name, estimator))
    np.testing.assert_allclose(ours.elbo, oracle.elbo, rtol=1e-12)
    np.testing.assert_allclose(ours.kl, oracle.kl, rtol=1e-12, atol=1e-13)
    ours, oracle = (each.draw_gradients(problem.params, x[:1], 50, 3, 20) for each in sessions(name, estimator))
    np.testing.assert_allclose(ours.mean, oracle.mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(ours.log_var, oracle.log_var, rtol=1e-10, atol=1e-12)


def test_a_scalar_loss_is_read_by_its_declared_reduction():
    problem, x, noise = batch("linear-gaussian")
    mean, _ = sessions("linear-gaussian", SAMPLED_KL, "VAR-002")
    total, oracle = sessions("linear-gaussian", SAMPLED_KL, "VAR-001")
    ours, theirs, right = (each.evaluate(problem.params, x, noise) for each in (mean, total, oracle))
    assert (ours.raw_reduction, theirs.raw_reduction) == (Reduction.MEAN, Reduction.SUM)
    assert ours.elbo == pytest.approx(right.elbo) and theirs.elbo == pytest.approx(right.elbo)
    assert theirs.raw_loss == pytest.approx(BATCH * ours.raw_loss)


def test_draws_of_a_loss_that_mixes_its_batch_are_batches_of_one():
    """(batch, batch) broadcasting is right on a batch of one, so its draws are the oracle's."""
    problem, x, _ = batch("linear-gaussian")
    ours, oracle = sessions("linear-gaussian", SAMPLED_KL, "MUT-011")
    np.testing.assert_allclose(
        ours.draw(problem.params, x[:1], 40, 1, 40).elbo, oracle.draw(problem.params, x[:1], 40, 1, 40).elbo, rtol=1e-12
    )


def test_a_variant_says_why_it_does_not_fit():
    generic, tiny = PROBLEMS["linear-gaussian"][0], PROBLEMS["bernoulli-tiny"][0]
    analytic, sampled = of_kind(Kind.ANALYTIC_KL)[0], of_kind(Kind.SAMPLED_KL)[0]
    assert "sampled-kl does not use" in (Mutant(variant=analytic).supports(generic, SAMPLED_KL) or "")
    assert "analytic-kl does not use" in (Mutant(variant=sampled).supports(generic, ANALYTIC_KL) or "")
    assert "problems of its own" in (Mutant(variant=of_kind(Kind.FLOW)[0]).supports(generic, SAMPLED_KL) or "")
    clamped = next(each for each in of_kind(Kind.NEGATIVE_ELBO) if "clamped" in each.title)
    assert "bernoulli likelihood" in (Mutant(variant=clamped).supports(generic, SAMPLED_KL) or "")
    assert Mutant(variant=clamped).supports(tiny, SAMPLED_KL) is None


def test_a_mutant_runs_in_float64_on_the_cpu_and_is_never_trained():
    problem, x, _ = batch("linear-gaussian")
    mutant = Mutant(variant=CATALOGUE["VAR-001"])
    with pytest.raises(ValueError, match="float32 on cpu arrived"):
        mutant.prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT32)
    session = mutant.prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT64)
    with pytest.raises(NotImplementedError, match="never trained"):
        session.fit(problem.params, Training(x=x, batches=np.zeros((1, 2), int), learning_rate=1e-3, seed=0))
    with pytest.raises(NotImplementedError, match="never trained"):
        session.stepper(problem.params, x, 0)
