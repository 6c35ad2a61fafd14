"""The questions suite against other people's code and identities: densities, gradients, closed forms, classifier."""

import numpy as np
import pytest
from scipy import stats

from elbo_compare.suites.exact import gaussian_kl
from elbo_compare.suites.questions import (
    density_ratio,
    generalised_normal,
    ledger_entries,
    normaliser,
    questioned_code,
    univariate,
)
from elbo_compare.suites.questions.catalogue import CLAIMS, QUESTIONS
from elbo_compare.suites.questions.densities import generalised_normal as generalised_terms
from elbo_compare.suites.questions.densities import laplace, normal
from elbo_compare.suites.questions.generalised_forms import draw, kl, power_mean
from elbo_compare.suites.questions.ledger import Effect, slopes

ENTRIES = {entry.name: entry for entry in ledger_entries.entries()}
FEW = {100: 40, 10_000: 3}


@pytest.fixture(scope="module")
def rows():
    """The rows of every question, the classifier's with few repetitions."""
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(questioned_code, "ROWS", 100)
    code = list(questioned_code.measure())
    monkeypatch.undo()
    return {
        "NORM": list(normaliser.measure()),
        "UNI": list(univariate.measure()),
        "GGD": list(generalised_normal.measure()),
        "CODE": code,
        "RATIO": list(density_ratio.measure(repetitions=FEW, misspecified={10_000: 3})),
    }


def test_ids_are_unique_and_begin_with_their_question():
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    assert all(claim.id.startswith(f"{question.id}-") for question in QUESTIONS for claim in question.claims)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_every_claim_has_rows_and_every_row_a_known_claim(rows, question):
    judged = {row.claim for row in rows[question.id]} - {""}
    assert judged == {claim.id for claim in question.claims}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_rows_are_told_apart_by_case_quantity_and_place(rows, question):
    keys = [(row.case, row.quantity, row.at if row.at == row.at else None, row.claim) for row in rows[question.id]]
    assert len(set(keys)) == len(keys)


def test_the_same_seed_gives_the_same_rows(rows):
    again = list(density_ratio.measure(repetitions=FEW, misspecified={10_000: 3}))
    assert [row.value for row in again] == [row.value for row in rows["RATIO"]]


# --- Densities and the ledger ---


@pytest.mark.parametrize(
    "terms, other",
    [
        (lambda z: normal(z, np.array(0.3), np.array(-0.8)), stats.norm(0.3, np.exp(-0.4))),
        (lambda z: laplace(z, np.array(0.3), np.array(1.7)), stats.laplace(0.3, 1.7)),
        (
            lambda z: generalised_terms(z, np.array(0.3), np.array(0.6), np.array(1.3)),
            stats.gennorm(1.3, loc=0.3, scale=0.6),
        ),
    ],
    ids=["normal", "laplace", "generalised normal"],
)
def test_densities_equal_scipys(terms, other):
    z = np.linspace(-4.0, 4.0, 33)
    # 64 roundings of terms up to |log density|: scipy's own path is longer than ours
    np.testing.assert_allclose(np.real(terms(z).sum(0)), other.logpdf(z), rtol=64 * 2**-53, atol=64 * 2**-53)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("drop", [False, True], ids=["full", "dropped"])
def test_gradients_of_the_ledger_equal_central_differences(name, drop):
    entry = ENTRIES[name]
    for of_q in (True, False):
        found = slopes(entry, of_q=of_q)
        taken = found.dropped if drop else found.full
        expected = _central_differences(entry, of_q, drop)
        # The central difference errs by h^2 times a third derivative and by u |value| / h: 1e-10 at h = 1e-5. A draw
        # within h of a Laplace's kink would show as 1e-2.
        np.testing.assert_allclose(taken[: len(expected)], expected, rtol=1e-6, atol=1e-7)


def _central_differences(entry, of_q, drop, h=1e-5):
    """Of the first set of parameters, in the order of `slopes`."""
    values, result = entry.parameters[0], []
    for name in values:
        if (name in entry.of_q) != of_q:
            continue
        for index in np.ndindex(np.shape(values[name])):
            ends = []
            for sign in (1.0, -1.0):
                moved = np.array(values[name], float)
                moved[index] += sign * h
                ends.append(np.real(entry.value({**values, name: moved}, drop=drop)).mean())
            result.append((ends[0] - ends[1]) / (2.0 * h))
    return np.array(result)


def test_the_ledger_holds_every_kind_of_effect_and_prior():
    assert {entry.effect for entry in ENTRIES.values()} == set(Effect)
    for word in ("standard normal", "mixture of Gaussians", "VampPrior", "Laplace", "generalised normal", "likelihood"):
        assert any(word in name for name in ENTRIES), word


def test_a_constant_offset_is_that_of_the_dropped_factors():
    half_log_two_pi = 0.9189385332046727
    offsets = {name: ENTRIES[name].offset(np.zeros((1, 4)), ENTRIES[name].parameters[0]) for name in ENTRIES}
    assert offsets["log q alone, constant dropped"] == pytest.approx(4 * half_log_two_pi, rel=1e-15)
    assert offsets["Laplace of scale 1"] == pytest.approx(4 * (half_log_two_pi - np.log(2.0)), rel=1e-14)
    assert offsets["standard normal"] == 0.0


# --- Closed forms ---


@pytest.mark.parametrize("name, m1, s1, m2, s2", univariate.CASES, ids=[case[0] for case in univariate.CASES])
def test_the_univariate_kl_equals_the_standardised_one(name, m1, s1, m2, s2):
    standardised = gaussian_kl.kl(np.array([(m1 - m2) / s2]), np.array([2.0 * np.log(s1 / s2)]))
    # both are sums of terms of this size, with a dozen roundings
    scale = abs(np.log(s2 / s1)) + (s1**2 + (m1 - m2) ** 2) / (2.0 * s2**2) + 0.5
    assert abs(univariate.kl(m1, s1, m2, s2) - float(standardised)) <= 32 * 2**-53 * scale


def test_power_means_equal_scipys_moments():
    for beta in (0.7, 1.0, 2.0, 5.0):
        for power in (2, 4):
            moment = stats.gennorm(beta, scale=0.8).moment(power)
            # scipy integrates or takes exponentials of log gammas: a few hundred roundings
            assert float(np.real(power_mean(power, 0.8, beta))) == pytest.approx(moment, rel=1e-12)


def test_the_generalised_kl_is_least_at_q():
    shift = np.linspace(-0.3, 0.3, 61)
    values = np.real(kl(0.9, 1.5, 0.9 * np.exp(shift), 1.5))
    assert int(np.argmin(values)) == 30
    assert (values[np.arange(61) != 30] > 0.0).all()


def test_draws_have_scipys_distribution():
    z = draw(np.random.default_rng(7), 20_000, 0.8, 1.5)
    # one test at a fixed seed: a right sampler fails it once in ten thousand seeds
    assert stats.kstest(z, stats.gennorm(1.5, scale=0.8).cdf).pvalue > 1e-4


# --- The classifier ---


def test_the_sampled_variance_is_the_second_cumulant():
    q = np.array([density_ratio.MEAN / density_ratio.PRIOR_SIGMA])
    log_var = np.array([2.0 * np.log(density_ratio.SIGMA / density_ratio.PRIOR_SIGMA)])
    assert pytest.approx(float(gaussian_kl.sampled_kl_cumulant(2, q, log_var))) == density_ratio.SAMPLED_VARIANCE


def test_the_true_log_ratio_lies_in_the_quadratic_features():
    z = np.linspace(-3.0, 4.0, 50)
    design = np.column_stack([np.ones_like(z), density_ratio.quadratic(z)])
    left = np.linalg.lstsq(design, density_ratio.exact_log_ratio(z), rcond=None)[1]
    assert left.max(initial=0.0) < 1e-20


def test_scikit_learns_logit_has_no_gradient_left():
    rng = np.random.default_rng(3)
    q, p = 1.0 + rng.standard_normal(500), 2.0 * rng.standard_normal(500)
    logit = density_ratio.logistic(q, p, density_ratio.quadratic)
    z, label = np.concatenate([q, p]), np.repeat([1.0, 0.0], 500)
    design = np.column_stack([np.ones_like(z), density_ratio.quadratic(z)])
    score = design.T @ (label - 1.0 / (1.0 + np.exp(-logit(z)))) / len(z)
    assert np.abs(score).max() < 1e-7  # the solver's tolerance is 1e-8 of the mean loss's gradient


def test_the_linear_limit_is_where_a_large_sample_goes():
    rng = np.random.default_rng(5)
    n = 400_000
    q, p = 1.0 + rng.standard_normal(n), 2.0 * rng.standard_normal(n)
    logit = density_ratio.logistic(q, p, density_ratio.linear)
    # the estimate's standard error at this n is sqrt(2.5 * 0.344 / n) = 0.0015: five of them
    assert abs(logit(q).mean() - density_ratio.linear_limit()) < 0.0075
