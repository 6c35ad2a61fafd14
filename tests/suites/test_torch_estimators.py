"""Flows, priors and estimators of the torch backends against the oracle, closed forms and each other."""

from statistics import NormalDist

import numpy as np
import pytest
from torch_process import (
    CHUNK,
    DRAWS,
    KL_WEIGHTS,
    TORCH_BACKENDS,
    draw_cases,
    inputs_of,
    problem_of,
    results,
    same_noise_cases,
)

from elbo_compare.suites import registry
from elbo_compare.suites.contract import Bound, DType, KLTerm, Noise
from elbo_compare.suites.estimators import ESTIMATORS, LIBRARY_VARIANTS
from elbo_compare.suites.exact.expected import expected
from elbo_compare.suites.numpy_oracle.reference import reference
from elbo_compare.suites.numpy_oracle.vae import encode

C, UNIT_ROUNDOFF = 16.0, {DType.FLOAT64: 2.0**-53, DType.FLOAT32: 2.0**-24}  # as in compare.claims.pointwise
CORE = {variant.name: f"{variant.kl_term}-kl" for variant in LIBRARY_VARIANTS}
# A value of about 50 nats from about ten roundings each within 2^-53.
ROUNDING = 16 * 50 * 2.0**-53
# Two-sided, at a family-wise error level of 1e-6 over the statistics of all cases (the seed is fixed).
Z = NormalDist().inv_cdf(1.0 - 1e-6 / (2 * len(draw_cases()) * 8) / 2.0)


@pytest.mark.parametrize(("name", "estimator", "dtype", "batch"), same_noise_cases())
def test_values_terms_and_gradients_are_the_oracles(name, estimator, dtype, batch):
    problem, core = problem_of(name), CORE.get(estimator, estimator)
    wanted = reference(problem, ESTIMATORS[core], problem.params, *inputs_of(name, estimator, batch), dtype)
    found = {b: results().get(("evaluate", b, name, estimator, dtype, batch)) for b in TORCH_BACKENDS}
    found = {backend: each for backend, each in found.items() if each is not None}
    assert found
    for backend, got in found.items():
        assert got.dtype is dtype
        scales = dict(wanted.scales)
        if got.log_likelihood_derived:  # ELBO + KL carries the roundings of both
            scales["log_likelihood"] = scales["elbo"] + scales["kl"]
        for term in ("elbo", "kl", "log_likelihood"):
            value, exact = getattr(got, term), getattr(wanted.evaluation, term)
            assert np.isnan(value) == np.isnan(exact)
            if not np.isnan(exact):
                off, allowed = abs(value - exact), C * UNIT_ROUNDOFF[dtype] * scales[term]
                assert off <= allowed, f"{backend}: {term} is off by {off:.3g}; allowed {allowed:.3g}"
        for parameter, gradient in got.gradients.items():
            off, scale = _gradient_error(wanted, parameter, gradient)
            allowed = C * UNIT_ROUNDOFF[dtype] * scale
            assert off <= allowed, f"{backend}: {parameter} is off by {off:.3g}; allowed {allowed:.3g}"


def _gradient_error(wanted, parameter, gradient):
    """Distance from the oracle's gradient, or along its direction, and the scale of its rounding."""
    if parameter in wanted.directions:
        along = wanted.directions[parameter]
        return abs((gradient * along.vector).sum() - along.derivative), along.scale
    return np.linalg.norm(gradient - wanted.evaluation.gradients[parameter]), wanted.gradient_scales[parameter]


OWN = [(backend, *case) for backend in TORCH_BACKENDS for case in draw_cases()]


def _drawn(backend, name, estimator, kind="draw"):
    found = results().get((kind, backend, name, estimator))
    if found is None:
        reason = registry.load(backend).supports(problem_of(name), ESTIMATORS[estimator])
        assert reason
        pytest.skip(reason)
    return found


def _exact(name, estimator):
    problem, x = problem_of(name), inputs_of(name, estimator, 1)[0]
    return expected(problem, ESTIMATORS[CORE.get(estimator, estimator)], x, *encode(problem.params, problem, x)[:2])


@pytest.mark.parametrize(("backend", "name", "estimator"), OWN)
def test_own_draws_have_the_exact_moments(backend, name, estimator):
    draws, exact = _drawn(backend, name, estimator), _exact(name, estimator)
    assert draws.elbo.shape == draws.kl.shape == (DRAWS,)
    assert np.isnan(draws.kl).all() == (ESTIMATORS[estimator].bound is Bound.RENYI)
    judged = 0
    for number in ("elbo", "kl"):
        values = getattr(draws, number)
        mean, variance, kurtosis = (getattr(exact, f"{number}_{moment}") for moment in ("mean", "variance", "kurtosis"))
        if np.isnan(values).any() or np.isnan(mean):
            continue
        judged += 1
        if variance < ROUNDING**2:
            assert np.abs(values - mean).max() <= ROUNDING
            continue
        spread = values.std() if np.isnan(variance) else np.sqrt(variance)
        assert abs(values.mean() - mean) <= Z * spread / np.sqrt(DRAWS)
        if np.isfinite(kurtosis) and np.isfinite(variance):
            assert abs(values.var() / variance - 1.0) <= Z * np.sqrt((kurtosis - 1.0) / DRAWS)
    if not judged:  # an importance-weighted bound without closed moments: exp(bound) is an unbiased evidence, here 1
        assert ESTIMATORS[estimator].bound is Bound.RENYI
        weights = np.exp(draws.elbo)
        assert abs(weights.mean() - 1.0) <= Z * weights.std() / np.sqrt(DRAWS)


@pytest.mark.parametrize(("name", "estimator"), draw_cases())
def test_every_block_of_pyro_is_tied_to_the_elbo_objects_value(name, estimator):
    draws = _drawn("pyro", name, estimator)
    block = max(1, CHUNK // ESTIMATORS[estimator].particles)
    means = [draws.elbo[start : start + block].mean() for start in range(0, DRAWS, block)]
    assert np.allclose(draws.ties[:, 0], means, rtol=1e-14, atol=0.0)  # NumPy's mean of a slice: another summation
    assert np.abs(draws.ties[:, 1] - draws.ties[:, 0]).max() <= ROUNDING


@pytest.mark.parametrize(("backend", "name", "estimator"), OWN)
def test_gradient_draws_have_the_exact_mean_and_dreg_vanishes_at_the_posterior(backend, name, estimator):
    gradients = _drawn(backend, name, estimator, "gradient")
    for values in (gradients.mean, gradients.log_var):
        assert values.shape == (DRAWS, problem_of(name).latent)
        assert np.isfinite(values).all()
        if (name, estimator) == ("linear-gaussian", "dreg-5"):
            assert np.abs(values).max() <= 1e-11  # cancels up to rounding of terms up to |e| / sigma, about 100
        elif ESTIMATORS[estimator].kl_term is not KLTerm.ANALYTIC:
            assert values.std() > 1e-3
    exact = _exact(name, estimator)
    for head, values in (("mean", gradients.mean), ("log_var", gradients.log_var)):
        mean = np.asarray(exact.gradient_mean[head])
        if np.isfinite(mean).all() and ESTIMATORS[estimator].noise is not Noise.SOBOL:
            assert (np.abs(values.mean(0) - mean) <= Z * values.std(0) / np.sqrt(DRAWS) + ROUNDING).all()


@pytest.mark.parametrize(("name", "estimator"), [("householder-small", "analytic-kl"), ("vae-small", "sampled-kl")])
@pytest.mark.parametrize("kind", ["path", "stopped", "binarised", "warmed up", "without kl"])
def test_both_backends_train_along_one_path(name, estimator, kind):
    hand, pyro = (results()[kind, backend, name, estimator] for backend in TORCH_BACKENDS)
    # Eight Adam steps of 1e-3: two programs' roundings of 1e-16 grow by what a step's 1 / sqrt(v) makes of them.
    assert np.abs(hand.elbo - pyro.elbo).max() <= 1e-11
    assert max(np.abs(hand.params[key] - value).max() for key, value in pyro.params.items()) <= 1e-11
    assert len(hand.elbo) == len(pyro.elbo) == (3 if kind == "stopped" else 8)
    assert sorted(hand.checkpoints) == sorted(pyro.checkpoints) == ([0, 3] if kind == "stopped" else [])


@pytest.mark.parametrize("backend", TORCH_BACKENDS)
@pytest.mark.parametrize(("name", "estimator"), [("householder-small", "analytic-kl"), ("vae-small", "sampled-kl")])
def test_warm_up_starts_at_exactly_zero_and_reports_the_unweighted_elbo(backend, name, estimator):
    plain, warm, without = (results()[kind, backend, name, estimator] for kind in ("path", "warmed up", "without kl"))
    assert KL_WEIGHTS[0] == 0.0
    assert abs(plain.elbo[0] - warm.elbo[0]) <= ROUNDING  # the same weights before the first update
    assert np.abs(plain.elbo[1:] - warm.elbo[1:]).max() > 1e-3
    assert np.abs(warm.elbo[:2] - without.elbo[:2]).max() <= ROUNDING  # one step without the KL term
    assert np.abs(warm.elbo[2:] - without.elbo[2:]).max() > 1e-6


@pytest.mark.parametrize("backend", TORCH_BACKENDS)
def test_renyi_bounds_train_and_refuse_a_kl_weight(backend):
    hand, here = (
        results()["path", "torch-hand", "vae-small", "iwae-5"],
        results()["path", backend, "vae-small", "iwae-5"],
    )
    assert np.abs(hand.elbo - here.elbo).max() <= 1e-11
    assert max(np.abs(hand.params[key] - value).max() for key, value in here.params.items()) <= 1e-11
    assert "KL weights need a KL term" in results()["warmed up", backend, "vae-small", "iwae-5"]


@pytest.mark.parametrize("backend", TORCH_BACKENDS)
def test_binarisation_changes_the_path(backend):
    plain, binarised = (results()[kind, backend, "vae-small", "sampled-kl"] for kind in ("path", "binarised"))
    assert np.abs(plain.elbo - binarised.elbo).min() > 1e-3


ON_VAMP = ("sampled-kl", "elbo-5", "iwae-1", "iwae-5", "iwae-20", "iwae-80", "renyi-minus-1", "renyi-half", "renyi-2")
ON_VAMP += ("stl", "trace-graph", "jit-trace", "jit-trace-graph")


def test_pyro_has_thirteen_estimators_of_the_vamp_prior():
    assert {name for kind, name, *_ in results() if kind == "shared encoder"} == set(ON_VAMP)


@pytest.mark.parametrize("estimator", ON_VAMP)
def test_gradient_draws_are_of_the_heads_of_x_alone_where_the_prior_shares_the_encoder(estimator):
    """A VampPrior's components are the encoder's at the pseudo-inputs: they keep the shared biases."""
    found, wanted = results()["shared encoder", estimator]
    assert found.shape == wanted.shape
    # A few hundred roundings of numbers of the gradient's size, through logarithms of densities of about 50 nats.
    assert np.abs(found - wanted).max() <= 50 * ROUNDING * max(1.0, np.abs(wanted).max())
