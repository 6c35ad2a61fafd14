"""The catalogue: every entry is what it says, its correct counterpart is right, and gradients are exact."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from elbo_compare.suites.complex_step import clip, gradient, logsumexp, maximum, sigmoid, softplus, stop_gradient
from elbo_compare.suites.contract import Likelihood
from elbo_compare.suites.mutants import correct, flows, own_problems
from elbo_compare.suites.mutants.catalogue import CATALOGUE, Aspect, Flag, Kind, legitimate, mutants, of_kind
from elbo_compare.suites.mutants.own_noise import of_each_row
from elbo_compare.suites.mutants.session import by_row
from elbo_compare.suites.mutants.variant import ALONE, Variant

BATCH, LATENT, OBSERVED = 5, 3, 6
NAMES = {
    Kind.ANALYTIC_KL: ("mean", "log_var"),
    Kind.SAMPLED_KL: ("z", "mean", "log_var"),
    Kind.NEGATIVE_ELBO: ("x", "logits", "z", "mean", "log_var"),
    Kind.LOG_WEIGHT: ("x", "logits", "z", "mean", "log_var"),
    Kind.SAMPLER: ("mean", "log_var", "noise"),
    Kind.BOUND: ("log_weight",),
}
SCALE = 0.5  # of the normal likelihood: at 1, scale and variance are the same
RIGHT = {
    Kind.ANALYTIC_KL: correct.analytic_kl,
    Kind.SAMPLED_KL: correct.sampled_kl,
    Kind.SAMPLER: correct.sampler,
    Kind.BOUND: correct.bound,
}


def inputs(kind: Kind, batch: int = BATCH) -> dict[str, np.ndarray]:
    """Ordinary arguments for a kind: sigma from 0.1 to 3, one datum with q close to p, some saturated logits."""
    rng = np.random.default_rng(7)
    near = np.where(np.arange(batch) == 1, 0.1, 1.0)[:, None]
    everything = {
        "mean": near * rng.normal(0.0, 1.5, (batch, LATENT)),
        "log_var": near * rng.uniform(-5.0, 2.0, (batch, LATENT)),
        "z": rng.normal(0.0, 1.5, (batch, LATENT)),
        "noise": rng.standard_normal((batch, LATENT)),
        "x": (rng.random((batch, OBSERVED)) < 0.5).astype(float),
        "logits": np.where(rng.random((batch, OBSERVED)) < 0.2, 20.0, rng.normal(0.0, 2.0, (batch, OBSERVED))),
        "log_weight": rng.normal(-30.0, 3.0, (4, batch)),
    }
    return {name: everything[name] for name in NAMES[kind]}


def right(variant: Variant, **arguments: np.ndarray) -> np.ndarray:
    """What a correct function of the variant's kind gives."""
    if variant.kind in RIGHT:
        return RIGHT[variant.kind](**arguments)
    x, logits = arguments["x"], arguments["logits"]
    normal = variant.likelihood is Likelihood.NORMAL
    likelihood = correct.normal_log_likelihood if normal else correct.bernoulli_log_likelihood
    terms = {name: arguments[name] for name in ("z", "mean", "log_var")}
    sign = -1.0 if variant.kind is Kind.NEGATIVE_ELBO else 1.0
    return sign * (likelihood(x, logits, SCALE) - correct.sampled_kl(**terms))


def wrong(variant: Variant, **arguments: np.ndarray) -> np.ndarray:
    """What the variant gives."""
    scaled = {"scale": SCALE} if variant.kind in (Kind.NEGATIVE_ELBO, Kind.LOG_WEIGHT) else {}
    return variant.function(**arguments, **scaled)


def differentiable(kind: Kind) -> tuple[str, ...]:
    return tuple(name for name in NAMES[kind] if name not in ("x", "noise"))


DETERMINISTIC = [variant for variant in CATALOGUE.values() if variant.kind in NAMES]
IDS = [variant.id for variant in DETERMINISTIC]


def test_ids_are_permanent_and_in_order():
    ids = list(CATALOGUE)
    numbers = [int(name.removeprefix("MUT-")) for name in ids if name.startswith("MUT-")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(re.fullmatch(r"(MUT|VAR)-\d{3}", name) for name in ids)
    assert {variant.id for variant in legitimate()} == {name for name in ids if name.startswith("VAR-")}


def test_there_are_sixty_mutants_and_every_kind_and_flag_has_some():
    assert len(mutants()) >= 60
    assert all(of_kind(kind) for kind in Kind)
    assert {variant.flag for variant in mutants()} == set(Flag)


def test_titles_are_distinct_and_every_entry_has_advice_and_a_place():
    titles = [variant.title for variant in CATALOGUE.values()]
    assert len(set(titles)) == len(titles)
    assert all(variant.advice and variant.seen and "\n" not in variant.title for variant in CATALOGUE.values())


def test_only_legitimate_variants_are_exempt_from_anything():
    assert not [variant.id for variant in mutants() if variant.exempt or variant.moments_above]
    assert all(isinstance(aspect, Aspect) and why for variant in legitimate() for aspect, why in variant.exempt)


@pytest.mark.parametrize("variant", DETERMINISTIC, ids=IDS)
def test_a_variant_takes_its_kind_s_arguments(variant):
    given = variant.function(**inputs(variant.kind))
    shapes = {(BATCH, LATENT)} if variant.kind is Kind.SAMPLER else {(), (BATCH,)}
    assert np.shape(given) in shapes
    assert np.isrealobj(given)


@pytest.mark.parametrize("variant", [each for each in DETERMINISTIC if not each.legitimate], ids=lambda each: each.id)
def test_a_mutant_differs_from_the_right_function_in_value_or_gradient(variant):
    arguments = inputs(variant.kind)
    theirs, ours = wrong(variant, **arguments), right(variant, **arguments)
    if np.ndim(theirs) == 0:
        ours = ours.sum()
    apart = np.max(np.abs(theirs - ours))
    slopes = [
        np.max(np.abs(_gradient(wrong, variant, name, arguments) - _gradient(right, variant, name, arguments)))
        for name in differentiable(variant.kind)
    ]
    assert max(apart, *slopes) > 1e-6, f"{variant.id} equals the right function: {variant.title}"


def _gradient(function: Callable, variant: Variant, name: str, arguments: dict[str, np.ndarray]) -> np.ndarray:
    return gradient(lambda **moved: function(variant, **moved), name, **arguments)


@pytest.mark.parametrize("variant", [each for each in DETERMINISTIC if each.flag is Flag.GRADIENT], ids=lambda v: v.id)
def test_a_gradient_variant_has_the_right_value(variant):
    arguments = inputs(variant.kind)
    np.testing.assert_allclose(variant.function(**arguments), right(variant, **arguments), rtol=1e-12)


@pytest.mark.parametrize("kind", RIGHT, ids=str)
def test_the_complex_step_is_the_derivative(kind):
    """Central differences of step 1e-6: their own error is about 1e-9 of the largest derivative."""
    arguments = inputs(kind)
    for name in differentiable(kind):
        exact, step = gradient(RIGHT[kind], name, **arguments), 1e-6
        numerical = np.empty_like(exact)
        for index in np.ndindex(exact.shape):
            ends = []
            for side in (step, -step):
                moved = arguments[name].copy()
                moved[index] += side
                ends.append(np.sum(RIGHT[kind](**{**arguments, name: moved})))
            numerical[index] = (ends[0] - ends[1]) / (2.0 * step)
        np.testing.assert_allclose(exact, numerical, atol=1e-7 * np.max(np.abs(exact)))


def test_stop_gradient_keeps_the_value_and_no_derivative():
    a = np.array([0.3, -2.0])
    assert np.array_equal(stop_gradient(a), a)
    assert not gradient(lambda a: stop_gradient(a) * 3.0, "a", a=a).any()
    np.testing.assert_allclose(gradient(lambda a: a * stop_gradient(a), "a", a=a), a)


def test_complex_safe_functions_have_their_derivatives():
    a = np.array([-50.0, -1.0, 0.3, 2.0, 800.0])
    np.testing.assert_allclose(softplus(a), np.logaddexp(0.0, a), rtol=1e-15)
    np.testing.assert_allclose(gradient(softplus, "a", a=a), sigmoid(a), rtol=1e-14)
    assert gradient(lambda a: clip(a, -1.5, 1.0), "a", a=a).tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]
    assert gradient(lambda a: maximum(a, 0.0), "a", a=a).tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert logsumexp(np.array([-2000.0, -2000.0]), 0) == pytest.approx(-2000.0 + np.log(2.0), abs=1e-12)


def test_the_correct_densities_are_scipy_s():
    given = inputs(Kind.SAMPLED_KL)
    sigma = np.exp(given["log_var"] / 2.0)
    np.testing.assert_allclose(
        correct.log_q(**given), stats.norm.logpdf(given["z"], given["mean"], sigma).sum(-1), rtol=1e-12
    )
    np.testing.assert_allclose(correct.log_prior(given["z"]), stats.norm.logpdf(given["z"]).sum(-1), rtol=1e-13)
    model = inputs(Kind.NEGATIVE_ELBO)
    np.testing.assert_allclose(
        correct.bernoulli_log_likelihood(model["x"], model["logits"]),
        (model["x"] * -np.logaddexp(0, -model["logits"]) - (1 - model["x"]) * np.logaddexp(0, model["logits"])).sum(-1),
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        correct.normal_log_likelihood(model["x"], model["logits"], 0.5),
        stats.norm.logpdf(model["x"], model["logits"], 0.5).sum(-1),
        rtol=1e-12,
    )


@pytest.mark.parametrize("name", ["VAR-008", "VAR-010", "VAR-011", "VAR-005", "VAR-007"])
def test_a_legitimate_sampled_kl_has_the_kl_as_its_mean(name):
    """Gauss-Hermite quadrature in one dimension, 60 nodes, sigma^2 near 1, where k3's integrand is tame."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    mean, log_var = np.full((60, 1), 0.3), np.full((60, 1), np.log(0.9))
    z = mean + np.exp(0.5 * log_var) * nodes[:, None]
    average = weights @ CATALOGUE[name].function(z, mean, log_var) / weights.sum()
    assert average == pytest.approx(float(correct.analytic_kl(mean[:1], log_var[:1])[0]), abs=1e-12)


@pytest.mark.parametrize("variant", [each for each in legitimate() if not each.exempt], ids=lambda each: each.id)
def test_a_variant_without_exemptions_equals_the_right_function(variant):
    arguments = inputs(variant.kind)
    ours = right(variant, **arguments)
    theirs = variant.function(**arguments)
    reduced = {(): (ours.sum(), ours.mean()), (BATCH,): (ours,)}[np.shape(theirs)]
    assert any(np.allclose(theirs, each, rtol=1e-12, atol=1e-12) for each in reduced)


def test_the_noise_mutants_are_not_standard_normal():
    """Mean, variance, fourth moment, correlation over draws or dimensions: one of them is off by 5 standard errors."""
    n = 40_000
    for variant in of_kind(Kind.NOISE):
        e = variant.function(np.random.default_rng(3), (n, 1, 2))[:, 0]
        moments = (
            abs(e.mean()) * np.sqrt(2 * n),
            abs((e**2).mean() - 1.0) * np.sqrt(n),
            abs((e**4).mean() - 3.0) * np.sqrt(n / 48.0),
            abs((e[:, 0] * e[:, 1]).mean()) * np.sqrt(n),
        )
        assert max(moments) > 5.0, variant.title


def test_rows_are_computed_together_only_where_they_are_apart():
    rows = np.arange(5.0)[:, None]
    calls = []

    def centred(a):
        calls.append(len(a))
        return (a - a.mean(0)).sum(-1)

    assert by_row(centred, rows).tolist() == [0.0] * 5
    assert max(calls) == 3  # the probe; after that one row at a time
    assert by_row(lambda a: a.sum(-1), rows).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_function_that_mixes_its_batch_is_alone_what_it_says():
    """On every row of a batch that it mixes, bit for bit, derivative included."""
    named = [each for each in CATALOGUE.values() if hasattr(each.function, ALONE)]
    assert [each.id for each in named] == ["MUT-101", "MUT-104"]
    for variant in named[:1]:  # the second draws: the test below
        given = [np.asarray(value) + 1e-30j for value in inputs(variant.kind, 200).values()]
        apart = getattr(variant.function, ALONE)(*given)
        alone = [variant.function(*(value[row : row + 1] for value in given))[0] for row in range(200)]
        np.testing.assert_array_equal(apart, alone)
        np.testing.assert_array_equal(by_row(variant.function, *given), alone)
        assert (variant.function(*given) != apart).any()


def test_own_noise_is_standard_normal_and_independent_of_the_draw_it_comes_from():
    """Means, second moments and correlations within 5 standard errors at n = 200,000: 36 numbers, one seed."""
    z = np.random.default_rng(1).standard_normal((200_000, 3))
    noise = of_each_row(z)
    np.testing.assert_array_equal(of_each_row(z[7:9]), noise[7:9])  # row by row
    both, error = np.hstack([z, noise]), 5 / np.sqrt(len(z))
    assert (np.abs(noise.mean(0)) < error).all()
    assert (np.abs((noise**2).mean(0) - 1.0) < error * np.sqrt(2.0)).all()
    assert (np.abs(np.corrcoef(both.T) - np.eye(6)) < error).all()
    assert (np.abs(np.corrcoef((both**2).T) - np.eye(6)) < error).all()


# --- problems of their own


@pytest.mark.parametrize(
    "layer", [own_problems.LINEAR, *(layer for _, layer in own_problems.CURVED)], ids=lambda layer: type(layer).__name__
)
def test_a_layer_s_log_determinant_is_its_jacobian_s(layer):
    z = np.random.default_rng(1).normal(0.0, 2.0, (50, 2))
    np.testing.assert_allclose(np.exp(layer.log_det(z)), own_problems.jacobian(layer, z), rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "function"), [(Kind.BOUND, correct.bound), (Kind.FLOW, flows.flow)], ids=["bound", "flow"]
)
def test_the_right_bound_and_the_right_flow_pass_every_check(kind, function):
    done = own_problems.checks(replace(of_kind(kind)[0], function=function))
    assert [check for check in done if not check.holds] == []


def test_a_session_kind_has_no_problem_of_its_own():
    with pytest.raises(ValueError, match="is judged in a session"):
        own_problems.checks(of_kind(Kind.SAMPLER)[0])


def test_the_evidence_is_the_weight_at_the_exact_posterior():
    weights, evidence = own_problems.log_weights("posterior")
    np.testing.assert_allclose(weights, np.broadcast_to(evidence, weights.shape), rtol=1e-13)
