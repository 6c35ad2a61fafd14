"""How rows of the questions suite are judged, and planted wrong formulas and classifiers that turn verdicts red."""

from dataclasses import replace
from math import inf, log, nan

import numpy as np
import pytest
from question_rows import AGREES, DIFFERS, INCONCLUSIVE, a_claim, a_result, a_row, outcomes_of, small_suite

from elbo_compare.compare.judging.judge import ErrorBudgetExceededError
from elbo_compare.compare.questions.judging import BUDGET, judge_row, question_verdicts
from elbo_compare.compare.statistics import ErrorBudget
from elbo_compare.suites.complex_step import clip, sigmoid, softplus
from elbo_compare.suites.questions import (
    density_ratio,
    generalised_normal,
    ledger_entries,
    normaliser,
    questioned_code,
    univariate,
)
from elbo_compare.suites.questions.ledger import Effect
from elbo_compare.suites.questions.question import RATIO, Rule


@pytest.fixture(scope="module")
def small():
    """The suite with fewer cases."""
    with small_suite():
        yield


# --- Rules ---


@pytest.mark.parametrize(
    "rule, changes, outcome",
    [
        (Rule.ROUNDING, {"value": 1.0 + 2**-52, "reference": 1.0, "scale": 1.0}, AGREES),
        (Rule.ROUNDING, {"value": 1.0 + 1e-14, "reference": 1.0, "scale": 1.0}, DIFFERS),
        (Rule.ROUNDING, {"value": nan, "scale": 1.0}, DIFFERS),
        (Rule.ROUNDING, {"value": 1.0, "reference": nan, "scale": 1.0}, INCONCLUSIVE),
        (Rule.EQUAL, {"value": 0.01, "standard_error": 0.001, "margin": 0.05}, AGREES),
        (Rule.EQUAL, {"value": 0.2, "standard_error": 0.001, "margin": 0.05}, DIFFERS),
        (Rule.EQUAL, {"value": 0.05, "standard_error": 0.001, "margin": 0.05}, INCONCLUSIVE),
        (Rule.EQUAL, {"value": inf, "standard_error": 0.001, "margin": 0.05}, DIFFERS),
        (Rule.BEYOND, {"value": -0.2, "standard_error": 0.001, "margin": 0.05}, AGREES),
        (Rule.BEYOND, {"value": 0.01, "standard_error": 0.001, "margin": 0.05}, DIFFERS),
        (Rule.BEYOND, {"value": 0.05, "standard_error": 0.001, "margin": 0.05}, INCONCLUSIVE),
        (Rule.BEYOND, {"value": 0.2, "margin": 0.05}, AGREES),
        (Rule.ABOVE, {"value": 0.2, "standard_error": 0.001, "margin": 0.0}, AGREES),
        (Rule.ABOVE, {"value": -0.2, "standard_error": 0.001, "margin": 0.0}, DIFFERS),
        (Rule.ABOVE, {"value": 0.001, "standard_error": 0.001, "margin": 0.0}, INCONCLUSIVE),
        (Rule.RATIO_ABOVE, {"value": 2.0, "reference": 1.0, "standard_error": 0.01, "unit": RATIO}, AGREES),
        (Rule.RATIO_ABOVE, {"value": 0.5, "reference": 1.0, "standard_error": 0.01, "unit": RATIO}, DIFFERS),
        (Rule.RATIO_ABOVE, {"value": 1.01, "reference": 1.0, "standard_error": 0.01, "unit": RATIO}, INCONCLUSIVE),
        (Rule.RATIO_ABOVE, {"value": 0.0, "reference": 1.0, "standard_error": 0.01, "unit": RATIO}, DIFFERS),
    ],
)
def test_each_rule_has_its_outcomes(rule, changes, outcome):
    assert judge_row("X", a_row(**changes), a_claim(rule)).outcome is outcome


def test_few_skewed_draws_decide_nothing_and_the_reason_says_so():
    row = a_row(value=1.0, standard_error=0.01, margin=0.0, n=30, skewness=3.0)
    verdict = judge_row("X", row, a_claim(Rule.ABOVE))
    assert verdict.outcome is INCONCLUSIVE
    assert "skewness 3 of 30 draws" in verdict.reason
    # a tail on the other side makes a wrong "above" less likely, not more
    assert judge_row("X", replace(row, skewness=-3.0), a_claim(Rule.ABOVE)).outcome is AGREES
    inside = replace(row, value=0.0, margin=10.0, skewness=-3.0)
    assert judge_row("X", inside, a_claim(Rule.EQUAL)).outcome is INCONCLUSIVE


def test_the_interval_of_a_ratio_is_that_of_its_logarithm():
    verdict = judge_row("X", a_row(value=2.0, reference=1.0, standard_error=0.1, unit=RATIO), a_claim(Rule.RATIO_ABOVE))
    assert verdict.shown_low * verdict.shown_high == pytest.approx(4.0)
    assert log(verdict.shown_high / verdict.shown_low) == pytest.approx(2 * 1.959964 * 0.1, rel=1e-5)


def test_a_claim_without_rows_and_a_row_without_a_claim_are_inconclusive():
    outcomes = outcomes_of("UNI", [a_row(claim="UNI-001", scale=1.0), a_row(claim="UNI-999")])
    assert outcomes["UNI-001"] == {AGREES}
    assert {outcomes[name].pop() for name in ("UNI-002", "UNI-003", "UNI-004", "UNI-005", "UNI-999")} == {INCONCLUSIVE}


def test_more_statistical_verdicts_than_the_budget_covers_are_refused():
    rows = [a_row(claim="UNI-005", standard_error=0.001, margin=0.05)] * 3
    question_verdicts([a_result("UNI", rows)], ErrorBudget(alpha=1e-7, tests=3))
    with pytest.raises(ErrorBudgetExceededError, match="3 statistical verdicts"):
        question_verdicts([a_result("UNI", rows)], ErrorBudget(alpha=1e-7, tests=2))


# --- Planted mistakes: the measured function is wrong, the verdict goes red ---


WRONG_UNIVARIATE = {
    "scales swapped": lambda m1, s1, m2, s2: log(s1 / s2) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5,
    "half missing": lambda m1, s1, m2, s2: log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2),
    "scale for variance": lambda m1, s1, m2, s2: log(s2 / s1) + (s1 + (m1 - m2) ** 2) / (2 * s2) - 0.5,
    "mean not squared": lambda m1, s1, m2, s2: log(s2 / s1) + (s1**2 + abs(m1 - m2)) / (2 * s2**2) - 0.5,
    "2 missing": lambda m1, s1, m2, s2: log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / s2**2 - 0.5,
    "reverse": lambda m1, s1, m2, s2: univariate.kl(m2, s2, m1, s1),
}


@pytest.mark.parametrize("name", WRONG_UNIVARIATE)
def test_a_wrong_univariate_formula_is_caught(small, name):
    assert DIFFERS in outcomes_of("UNI", univariate.measure(WRONG_UNIVARIATE[name]))["UNI-001"]


def test_the_right_univariate_formula_agrees(small):
    assert outcomes_of("UNI", univariate.measure()) == {claim.id: {AGREES} for claim in univariate.CLAIMS}


def test_a_symmetric_divergence_and_a_biased_mean_are_caught(small):
    jeffreys = lambda *n: univariate.kl(*n) + univariate.kl(n[2], n[3], n[0], n[1])  # noqa: E731 - one line to read
    outcomes = outcomes_of("UNI", univariate.measure(jeffreys))
    assert outcomes["UNI-004"] == {DIFFERS}
    assert outcomes["UNI-005"] == {DIFFERS}


WRONG_GENERALISED = {
    "normalisers dropped": generalised_normal.dropped_kl,
    "1/β of p": lambda a1, b1, a2, b2: generalised_normal.kl(a1, b1, a2, b2) + 1.0 / b1 - 1.0 / b2,
    "scales swapped": lambda a1, b1, a2, b2: generalised_normal.kl(a2, b1, a1, b2),
    "a Normal's for all": lambda a1, b1, a2, b2: np.log(a2 / a1) + (a1 / a2) ** 2 / 2.0 - 0.5,
}


@pytest.mark.parametrize("name", WRONG_GENERALISED)
def test_a_wrong_generalised_formula_is_caught(small, name):
    outcomes = outcomes_of("GGD", generalised_normal.measure(WRONG_GENERALISED[name]))
    assert DIFFERS in outcomes["GGD-002"]


def test_a_kl_without_normalisers_has_no_best_scale(small):
    outcomes = outcomes_of("GGD", generalised_normal.measure(generalised_normal.dropped_kl))
    assert {claim for claim, found in outcomes.items() if DIFFERS in found} >= {"GGD-002", "GGD-005", "GGD-006"}


def test_the_right_generalised_formula_agrees(small):
    outcomes = outcomes_of("GGD", generalised_normal.measure())
    assert outcomes == {claim.id: {AGREES} for claim in generalised_normal.CLAIMS}


@pytest.fixture
def entry():
    """A line of the ledger by its name."""
    entries = {each.name: each for each in ledger_entries.entries()}
    return entries.__getitem__


def _only(entry):
    outcomes = outcomes_of("NORM", normaliser.measure([entry]))
    return {claim: outcomes[claim] for claim in ("NORM-001", "NORM-002")}


def test_every_line_of_the_ledger_agrees():
    assert outcomes_of("NORM", normaliser.measure()) == {claim.id: {AGREES} for claim in normaliser.CLAIMS}


@pytest.mark.parametrize(
    "name, caught",
    [
        ("a library's full mixture beside a dropped q", {"NORM-001"}),  # a constant said to cancel
        ("Laplace of learned scale", {"NORM-001", "NORM-002"}),  # wrong gradients said to cancel
        ("mixture of a dropped Normal and a full Laplace", {"NORM-001", "NORM-002"}),
    ],
)
def test_what_is_said_to_cancel_and_does_not_is_caught(entry, name, caught):
    planted = replace(entry(name), effect=Effect.CANCELS, offset=lambda z, values: 0.0)
    assert {claim for claim, found in _only(planted).items() if DIFFERS in found} == caught


def test_one_component_that_keeps_its_constant_is_caught(entry):
    right = entry("mixture of Gaussians")
    prior = right.densities[1]
    planted = replace(prior, dropped=(*prior.dropped[:2], (1.0, 1.0, 1.0)))
    outcomes = _only(replace(right, densities=(right.densities[0], planted)))
    assert {claim for claim, found in outcomes.items() if DIFFERS in found} == {"NORM-001", "NORM-002"}


def test_a_gradient_said_to_be_wrong_and_right_is_caught(entry):
    planted = replace(entry("standard normal"), effect=Effect.WRONG_GRADIENT)
    assert outcomes_of("NORM", normaliser.measure([planted]))["NORM-003"] == {DIFFERS}


def _penalised(q, p, features):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e-4, solver="newton-cholesky").fit(
        features(np.concatenate([q, p])), np.repeat([1, 0], [len(q), len(p)])
    )
    return lambda z: model.decision_function(features(z))


def _swapped(q, p, features):
    return density_ratio.logistic(p, q, features)


def _probability(q, p, features):
    logit = density_ratio.logistic(q, p, features)
    return lambda z: 1.0 / (1.0 + np.exp(-logit(z)))


def _always(features):
    return lambda q, p, asked: density_ratio.logistic(q, p, features)


@pytest.mark.parametrize("fit", [_penalised, _swapped, _probability, _always(density_ratio.linear)])
def test_a_wrong_classifier_is_caught(small, fit):
    # 150 repetitions: the tail of a mean of estimates of skewness up to 0.6 is then within the reserve
    rows = density_ratio.measure(fit, {100: 2, 1000: 150}, {1000: 2})
    assert outcomes_of("RATIO", rows)["RATIO-001"] == {DIFFERS}


def test_a_classifier_that_sees_the_missing_feature_is_not_called_biased(small):
    rows = density_ratio.measure(_always(density_ratio.quadratic), {100: 2, 1000: 2}, {1000: 150})
    outcomes = outcomes_of("RATIO", rows)
    assert outcomes["RATIO-004"] == {DIFFERS}
    assert outcomes["RATIO-005"] == {DIFFERS}


def test_a_classifier_that_knows_the_densities_is_neither_optimistic_nor_noisier(small):
    rows = density_ratio.measure(lambda q, p, features: density_ratio.exact_log_ratio, {100: 300, 1000: 300}, {1000: 2})
    outcomes = outcomes_of("RATIO", rows)
    for claim in ("RATIO-002", "RATIO-003", "RATIO-006"):
        assert AGREES not in outcomes[claim], claim


def test_the_suite_spends_a_tenth_of_what_the_claims_on_implementations_may():
    assert BUDGET.alpha == pytest.approx(ErrorBudget().alpha / 10)


# --- The questioned code ---


WRONG_PIXELS = {
    "no clamp": lambda x, logits: x * logits - softplus(logits),
    "clamped at 1e-6": lambda x, logits: _clamped_at(x, logits, 1e-6),
    "clamped below only": lambda x, logits: _clamped_at(x, logits, questioned_code.CLAMP, above=1.0 - 1e-9),
    "gradient kept": lambda x, logits: (
        questioned_code.clamped_pixels(x, np.real(logits))
        + (1j * np.imag(x * logits - softplus(logits)) if np.iscomplexobj(logits) else 0.0)
    ),
}


def _clamped_at(x, logits, below, above=None):
    p = clip(sigmoid(logits), below, 1.0 - below if above is None else above)
    return x * np.log(p) + (1.0 - x) * np.log(1.0 - p)


def _code(**planted):
    return {
        claim for claim, found in outcomes_of("CODE", questioned_code.measure(**planted)).items() if DIFFERS in found
    }


def test_the_questioned_code_is_as_it_was_read(small):
    outcomes = outcomes_of("CODE", questioned_code.measure())
    assert outcomes == {claim.id: {AGREES} for claim in questioned_code.CLAIMS}


@pytest.mark.parametrize(
    "name, caught",
    [
        ("no clamp", {"CODE-001", "CODE-004", "CODE-005"}),
        ("clamped at 1e-6", {"CODE-001", "CODE-004"}),
        ("clamped below only", {"CODE-001"}),
        ("gradient kept", {"CODE-004"}),
    ],
)
def test_another_clamp_is_caught(small, name, caught):
    assert _code(pixels=WRONG_PIXELS[name]) >= caught


def test_another_lower_bound_and_another_warm_up_are_caught():
    assert _code(bound=lambda each: float(each.mean())) == {"CODE-006", "CODE-007"}
    assert _code(bound=lambda each: float(each[:2_000].mean())) == {"CODE-006", "CODE-007"}
    assert _code(weight=lambda step: min(step / 4_000, 1.0)) == {"CODE-008"}  # by step, as these models
    assert _code(weight=lambda step: min((step // 40 + 1) / 100, 1.0)) == {"CODE-008"}  # epoch / 100


def test_biases_of_zero_and_pixels_that_never_saturate_are_caught(small, monkeypatch):
    at = questioned_code._at
    monkeypatch.setattr(questioned_code, "_at", lambda case, part, rows: at(questioned_code.INITIAL, part, rows))
    assert _code() >= {"CODE-003", "CODE-005", "CODE-009"}
