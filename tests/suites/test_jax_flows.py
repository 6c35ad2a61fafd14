"""The JAX backends on flows, priors and every estimator: the oracle's numbers at everybody's noise, and identities."""

import functools
import subprocess
import sys
from statistics import NormalDist

import numpy as np
import pytest
from jax_process import (
    DRAWS,
    FLOWS,
    GRADIENTS_DRAWN,
    JAX_BACKENDS,
    LINEAR_FLOWS,
    PRIORS,
    RATE,
    WITH_OPTIONAL,
    inputs,
    path_of,
    problem_of,
    results,
    same_noise_cases,
)

from elbo_compare.suites import registry
from elbo_compare.suites.bridge.training import training_rows
from elbo_compare.suites.contract import Bound, Device, DType, GradientForm, Prior
from elbo_compare.suites.estimators import ESTIMATORS, LIBRARY_VARIANTS
from elbo_compare.suites.numpy_oracle.reference import reference

# As compare.claims.pointwise: about ten roundings per term and a few per summation tree make 16.
C = 16.0
# The oracle's own float64 rounding, as large as any correct program's, counts too where the other side is as precise.
SIDES = {DType.FLOAT64: 2.0, DType.FLOAT32: 1.0}
UNIT_ROUNDOFF = {DType.FLOAT64: 2.0**-53, DType.FLOAT32: 2.0**-24}
CASES = [
    pytest.param(name, case, dtype, id="-".join((name, *map(str, case), dtype)))
    for name in WITH_OPTIONAL
    for dtype in DType
    for case in same_noise_cases(dtype)
]


def _found(name, case, dtype):
    found = results(name, dtype).get(("evaluate", *case))
    if found is None:
        why = registry.load(name).supports(problem_of(case[0]), ESTIMATORS[case[1]])
        assert why
        pytest.skip(why)
    return found, _reference(case, dtype)


@functools.cache
def _reference(case, dtype):
    label, estimator, batch = case
    problem, how = problem_of(label), ESTIMATORS[estimator]
    return reference(problem, how, problem.params, *inputs(problem, how, batch), dtype)


@pytest.mark.parametrize(("name", "case", "dtype"), CASES)
def test_value_and_terms_are_the_oracles(name, case, dtype):
    got, wanted = _found(name, case, dtype)
    scales = dict(wanted.scales)
    if ESTIMATORS[case[1]].bound is Bound.RENYI:
        assert np.isnan([got.kl, got.log_likelihood]).all()
    elif got.log_likelihood_derived:  # ELBO + KL carries the roundings of both
        scales["log_likelihood"] = scales["elbo"] + scales["kl"]
    problem = problem_of(case[0])
    dropped = 0.5 * problem.latent * np.log(2.0 * np.pi) * (name == "jax-hand" and problem.prior is not Prior.LAPLACE)
    for term in ("elbo", "kl", "log_likelihood", "log_q", "log_prior"):
        if np.isnan(getattr(wanted.evaluation, term)):
            continue
        shift = dropped if term in ("log_q", "log_prior") else 0.0
        difference = abs(getattr(got, term) - shift - getattr(wanted.evaluation, term))
        tolerance = C * UNIT_ROUNDOFF[dtype] * scales[term]
        assert difference <= tolerance, f"{term} is off by {difference:.3g} nats; allowed {tolerance:.3g}"


@pytest.mark.parametrize(("name", "case", "dtype"), CASES)
def test_gradients_are_the_oracles(name, case, dtype):
    got, wanted = _found(name, case, dtype)
    assert got.gradients.keys() == problem_of(case[0]).params.keys()
    for parameter, direction in wanted.directions.items():
        difference = abs(float((got.gradients[parameter] * direction.vector).sum()) - direction.derivative)
        tolerance = SIDES[dtype] * C * UNIT_ROUNDOFF[dtype] * direction.scale
        assert difference <= tolerance, f"{parameter} is off by {difference:.3g}; allowed {tolerance:.3g}"
    for parameter, gradient in wanted.evaluation.gradients.items() if wanted.gradient_scales else ():
        difference = np.linalg.norm(got.gradients[parameter] - gradient)
        tolerance = C * UNIT_ROUNDOFF[dtype] * wanted.gradient_scales[parameter]
        assert difference <= tolerance, f"{parameter} is off by {difference:.3g}; allowed {tolerance:.3g}"


@pytest.mark.parametrize("dtype", DType)
@pytest.mark.parametrize("name", WITH_OPTIONAL)
def test_every_evaluation_reports_the_dtype_it_was_computed_in(name, dtype):
    for key, found in results(name, dtype).items():
        if key[0] == "evaluate":
            assert found.dtype is dtype, key


@pytest.mark.parametrize("name", WITH_OPTIONAL)
def test_a_householder_flow_leaves_the_analytic_kl_and_the_prior_term_alone(name):
    """|H z| = |z|: KL of the whole equals that of the plain VAE; here by its heads, from the oracle."""
    got, wanted = _found(name, ("householder", "analytic-kl", 3), DType.FLOAT64)
    plain = 0.5 * (wanted.mean**2 + np.exp(wanted.log_var) - 1.0 - wanted.log_var).sum(-1).mean()
    assert abs(got.kl - plain) <= C * UNIT_ROUNDOFF[DType.FLOAT64] * wanted.scales["kl"]


def test_what_is_not_supported_has_a_one_line_reason():
    for name in WITH_OPTIONAL:
        implementation = registry.load(name)
        for label in FLOWS + PRIORS:
            for estimator in ESTIMATORS.values():
                why = implementation.supports(problem_of(label), estimator)
                assert why is None or (why and "\n" not in why)
                if name != "jax-hand" and name not in estimator.library_classes:
                    assert why
                if name == "jax-hand" and estimator in LIBRARY_VARIANTS:
                    assert "by hand this is" in why


# The family-wise error of the tests on draws below: 1e-6 over 100, two-sided; the seed is fixed.
Z = 5.8


@pytest.mark.parametrize("name", WITH_OPTIONAL)
def test_kl_draws_under_a_linear_flow_have_the_closed_kl_as_their_mean(name):
    """(tr(L S^2 L') + |L mean|^2 - latent - log|S^2|) / 2, from the oracle."""
    draws = results(name, DType.FLOAT64)["draw", "linear-iaf", "sampled-kl"]
    exact = _reference(("linear-iaf", "analytic-kl", 1), DType.FLOAT64).evaluation.kl
    assert abs(draws.kl.mean() - exact) <= Z * draws.kl.std() / np.sqrt(DRAWS)
    assert draws.elbo.shape == draws.kl.shape == (DRAWS,)


@pytest.mark.parametrize("estimator", ["control-variate", "antithetic", "sobol-8", "elbo-5"])
@pytest.mark.parametrize("name", WITH_OPTIONAL)
def test_unbiased_kl_draws_have_the_exact_mean_and_the_variance_they_are_known_for(name, estimator):
    draws = results(name, DType.FLOAT64).get(("draw", "near", estimator))
    if draws is None:
        pytest.skip("not in this library")
    mean, log_var = (problem_of("near").params[f"encoder.{head}.bias"] for head in ("mean", "log_var"))
    exact = 0.5 * (mean**2 + np.exp(log_var) - 1.0 - log_var).sum()
    sampled = (mean**2 * np.exp(log_var) + np.expm1(log_var) ** 2 / 2.0).sum()  # Var k1
    assert abs(draws.kl.mean() - exact) <= Z * draws.kl.std() / np.sqrt(len(draws.kl))
    known = {"antithetic": (np.expm1(log_var) ** 2 / 2.0).sum(), "elbo-5": sampled / 5.0}
    if estimator in known:
        # A quadratic in normal noise has a kurtosis of at most 15, that of e^2 (Mathai and Provost 1992).
        assert abs(draws.kl.var() / known[estimator] - 1.0) <= Z * np.sqrt(14.0 / len(draws.kl))
    else:
        assert draws.kl.var() < sampled / (8.0 if estimator == "sobol-8" else 1.0)  # what they are for


@pytest.mark.parametrize("name", WITH_OPTIONAL)
def test_an_importance_weighted_bound_lies_between_the_elbo_and_the_evidence(name):
    """Without a likelihood log p(x) = 0; E L_5 >= E ELBO = -KL."""
    draws = results(name, DType.FLOAT64)["draw", "near", "iwae-5"]
    elbo = results(name, DType.FLOAT64)["draw", "near", "elbo-5"].elbo
    error = Z * draws.elbo.std() / np.sqrt(len(draws.elbo))
    assert elbo.mean() + error < draws.elbo.mean() < error
    assert np.isnan(draws.kl).all()


@pytest.mark.parametrize("name", WITH_OPTIONAL[1:])
@pytest.mark.parametrize("case", GRADIENTS_DRAWN)
def test_gradient_draws_of_both_backends_have_one_mean(case, name):
    """By hand the heads are differentiated, in NumPyro a shift of them: for VampPrior, whose prior has the encoder too,
    only the guide's part."""
    hand, library = (results(each, DType.FLOAT64)["gradient", *case] for each in (JAX_BACKENDS[0], name))
    for head in ("mean", "log_var"):
        ours, theirs = getattr(hand, head), getattr(library, head)
        error = np.sqrt((ours.var(0) + theirs.var(0)) / len(ours))
        assert (np.abs(ours.mean(0) - theirs.mean(0)) <= Z * error).all()


def _training(name, key):
    return results(name, DType.FLOAT64)["training", key]


@pytest.mark.parametrize("name", WITH_OPTIONAL[1:])
def test_training_paths_are_the_same_by_hand_and_in_the_library(name):
    """Same weights, batches and noise: after four steps of Adam nothing but rounding (of sums of about 100 nats) lies
    between them, amplified by Adam's division by the root of the second moment."""
    hand, library = (_training(each, "warm path") for each in (JAX_BACKENDS[0], name))
    assert np.abs(hand.elbo - library.elbo).max() <= 1e4 * 100 * 2.0**-53
    for parameter, value in hand.params.items():
        assert np.abs(value - library.params[parameter]).max() <= 1e-6 * RATE, parameter


@pytest.mark.parametrize("name", WITH_OPTIONAL)
def test_a_warm_up_reports_the_unweighted_elbo_and_starts_at_exactly_no_kl(name):
    problem, (x, batches, noise, _) = problem_of("planar"), path_of(problem_of("planar"))
    warm = _training(name, "warm path")
    rows = training_rows(x, batches[0], 0, 5)
    wanted = reference(problem, ESTIMATORS["sampled-kl"], problem.params, rows, noise[0], DType.FLOAT64)
    assert abs(warm.elbo[0] - wanted.evaluation.elbo) <= C * 2.0**-53 * wanted.scales["elbo"]
    # Adam's first step is RATE against the sign of the gradient: here that of -log p(x|z) alone, the KL weighing 0.
    step = warm.checkpoints[1]["flow.0.b.bias"] - warm.checkpoints[0]["flow.0.b.bias"]
    likelihood = _likelihood_slope(problem, rows, noise[0], "flow.0.b.bias")
    assert np.abs(step - RATE * np.sign(likelihood)).max() <= 1e-3 * RATE


def _likelihood_slope(problem, x, noise, name):
    """d log p(x|z) / d parameter by central differences of the oracle's value, error about 1e-9."""
    from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle

    session = NumpyOracle().prepare(problem, ESTIMATORS["sampled-kl"], Device.CPU, DType.FLOAT64)
    values = [
        session.evaluate(dict(problem.params) | {name: problem.params[name] + h}, x, noise).log_likelihood
        for h in (1e-5, -1e-5)
    ]
    return (values[0] - values[1]) / 2e-5


@pytest.mark.parametrize("name", WITH_OPTIONAL)
def test_training_stops_where_it_is_told_to_and_asks_at_every_checkpoint(name):
    stopped, asked = _training(name, "stopped"), _training(name, "asked")
    assert [step for step, _ in asked] == [0, 1, 2] == sorted(stopped.checkpoints)
    assert stopped.elbo.shape == (2,)
    assert all(np.array_equal(stopped.params[key], value) for key, value in asked[-1][1].items())


@pytest.mark.parametrize("name", WITH_OPTIONAL)
def test_kl_weights_are_refused_under_a_bound_without_a_kl_term(name):
    assert "renyi" in _training(name, "refused")


def test_every_gradient_form_is_asked_of_a_flow():
    asked = {ESTIMATORS[case[1]].gradient for case in same_noise_cases(DType.FLOAT64) if case[0] in FLOWS}
    assert asked == set(GradientForm)


@pytest.mark.parametrize("name", JAX_BACKENDS)
def test_every_claimed_log_determinant_is_that_of_autograds_jacobian(name):
    found = {key: value for key, value in results(name, DType.FLOAT64).items() if key[0] == "jacobian"}
    assert {key[1] for key in found} == set(FLOWS)
    for key, (claimed, exact, *_) in found.items():
        # A determinant of size 8 with entries about 1: some 8^2 roundings of them.
        assert abs(claimed - exact) <= 64 * 8 * 2.0**-53, key
        assert (key[1] in LINEAR_FLOWS) is (claimed == 0.0), key


def test_every_numpyro_transform_with_an_inverse_undoes_itself():
    found = {key: value for key, value in results("numpyro", DType.FLOAT64).items() if key[0] == "jacobian"}
    for key, (_, _, back) in found.items():
        # Planar has no inverse in closed form. Triangles and nets of size 8 with entries about 1, as above.
        assert np.isnan(back) if key[1] == "planar" else back <= 64 * 8 * 2.0**-53, key


def test_scrambled_sobol_points_fill_every_eighth_once_and_are_uniform_within():
    noise, other = (results("jax-hand", DType.FLOAT64)["sobol", seed] for seed in (1, 2))
    assert not np.array_equal(noise, other)
    uniform = np.vectorize(NormalDist().cdf)(noise)
    eighths = np.floor(8.0 * uniform).astype(int)
    assert (np.sort(eighths, axis=0) == np.arange(8)[:, None, None]).all()
    # The first four Sobol points fill every cell of a 2 x 2 grid once, and so do their nested scrambles.
    cells = 2 * (eighths[:4, :, 0] // 4) + eighths[:4, :, 1] // 4
    assert (np.sort(cells, axis=0) == np.arange(4)[:, None]).all()
    # 4,800 numbers within their eighths, and 600 places of the first point: means of uniforms, five standard errors.
    assert abs((8.0 * uniform - eighths).mean() - 0.5) <= 5.0 * np.sqrt(1.0 / 12.0 / noise.size)
    assert abs(uniform[0].mean() - 0.5) <= 5.0 * np.sqrt(1.0 / 12.0 / noise[0].size)


TRIANGULAR = """
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
from elbo_compare.suites.numpyro_ppl.flows import UnitLowerTriangular
rng = np.random.default_rng(3)
lower = np.tril(rng.normal(size=(4, 3, 3)), -1) + np.eye(3)
x = rng.normal(size=(5, 4, 3))
move = UnitLowerTriangular(jax.numpy.asarray(lower))
y = move(x)
assert np.allclose(y, np.einsum("bij,pbj->pbi", lower, x), rtol=0, atol=1e-13)
assert np.allclose(move._inverse(y), x, rtol=0, atol=1e-12)
assert move.log_abs_det_jacobian(x, y).shape == (5, 4) and not move.log_abs_det_jacobian(x, y).any()
jacobian = jax.jacobian(lambda z: move(z))(x[0])
assert np.allclose(np.linalg.slogdet(np.asarray(jacobian[1, :, 1]))[1], 0.0, atol=1e-13)
"""


def test_one_triangular_matrix_per_datum_moves_each_and_keeps_volume():
    """What stands for the library's transform before NumPyro 0.22, whatever version is installed."""
    done = subprocess.run([sys.executable, "-c", TRIANGULAR], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-500:]
