"""Every entry of the catalogue as a user's NumPy function: right where its values are, and recognised where not."""

import numpy as np
import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.suites.contract import Likelihood
from elbo_compare.suites.mutants import catalogue, correct
from elbo_compare.suites.mutants.variant import Kind

KINDS = (Kind.ANALYTIC_KL, Kind.SAMPLED_KL, Kind.NEGATIVE_ELBO, Kind.LOG_WEIGHT)
ENTRIES = [variant for variant in catalogue.CATALOGUE.values() if variant.kind in KINDS]


def as_user_function(variant):
    function = variant.function

    def analytic(mean, log_var):
        return np.real(function(mean, log_var))

    def sampled(z, mean, log_var):
        return np.real(function(z, mean, log_var))

    def loss(x, logits, z, mean, log_var):
        return np.real(function(x, logits, z, mean, log_var))

    def log_weight(x, logits, z, mean, log_var):
        return np.real(function(x, logits, z, mean, log_var))

    return dict(zip(KINDS, (analytic, sampled, loss, log_weight), strict=True))[variant.kind]


def has_the_right_values(variant):
    """Against the correct functions, at 200 data with sigma from 0.005 to 20 and logits up to 60."""
    rng = np.random.default_rng(5)
    mean, log_var = 3 * rng.normal(size=(200, 3)), rng.uniform(-10, 6, size=(200, 3))
    z = mean + np.exp(log_var / 2) * rng.normal(size=mean.shape)
    x, logits = (rng.random((200, 7)) < 0.5).astype(float), 20 * rng.normal(size=(200, 7))
    normal = variant.likelihood is Likelihood.NORMAL
    data = (correct.normal_log_likelihood if normal else correct.bernoulli_log_likelihood)(x, logits)
    kl = correct.sampled_kl(z, mean, log_var)
    arguments, right = {
        Kind.ANALYTIC_KL: ((mean, log_var), correct.analytic_kl(mean, log_var)),
        Kind.SAMPLED_KL: ((z, mean, log_var), kl),
        Kind.NEGATIVE_ELBO: ((x, logits, z, mean, log_var), kl - data),
        Kind.LOG_WEIGHT: ((x, logits, z, mean, log_var), data - kl),
    }[variant.kind]
    with np.errstate(all="ignore"):
        value = np.real(variant.function(*arguments))
    allowed = [right, right.sum(), right.mean()]
    # 1e-9 of the largest term: rounding, with the cancellation of z - mean at sigma = 0.005 included.
    return any(np.shape(a) == np.shape(value) and np.allclose(value, a, rtol=1e-9, atol=1e-7) for a in allowed)


# What is wrong as the likelihood that its author meant is right as another one, up to a constant: said in these words.
OTHER_LIKELIHOODS = {
    "MUT-122": "Multinomial(softmax(logits))",
    "MUT-127": "N(x | logits, 0.5)",
    "MUT-132": "N(x | logits, 1)",
    "MUT-133": "N(x | logits, 1)",
    "MUT-136": "Laplace(x | logits, 1)",
}
DECLARED_WRONG = {"MUT-122": "bernoulli", "MUT-136": "normal"}
OBJECTIVES = {"MUT-015": "scaled", "MUT-029": "free-bits", "MUT-034": "beta", "MUT-035": "beta"}


@pytest.mark.parametrize("variant", ENTRIES, ids=lambda variant: variant.id)
def test_right_exactly_where_its_values_are(variant):
    mapping = ["logits=location"] if variant.likelihood is Likelihood.NORMAL else []
    result = check_function(as_user_function(variant), mapping=mapping, framework="numpy")
    if has_the_right_values(variant):
        assert result.verdict is CheckVerdict.RIGHT, result.as_text()
        return
    if variant.id in OTHER_LIKELIHOODS:
        assert result.verdict is CheckVerdict.RIGHT, result.as_text()
        assert OTHER_LIKELIHOODS[variant.id] in result.equation
        if variant.id not in DECLARED_WRONG:
            assert "up to a constant" in " ".join(result.notes)
            return
        likelihood = DECLARED_WRONG[variant.id]
        result = check_function(as_user_function(variant), mapping=mapping, framework="numpy", likelihood=likelihood)
    if variant.id in OBJECTIVES:
        assert (result.verdict, result.exit_code) == (CheckVerdict.OTHER_OBJECTIVE, 1)
        assert result.objective == OBJECTIVES[variant.id]
        return
    if variant.legitimate:  # another estimator with the same mean
        assert result.verdict is CheckVerdict.RIGHT, result.as_text()
        assert result.diagnosis.id == variant.id
        return
    assert result.verdict is CheckVerdict.WRONG, result.as_text()
    if variant.id == "MUT-032":  # an added epsilon is named as what it is
        assert "log(sigma^2 + 0.0001)" in result.diagnosis.text or result.diagnosis.id == variant.id
        return
    named = catalogue.CATALOGUE.get(result.diagnosis.id)
    assert named is not None, result.as_text()
    assert named.kind in (variant.kind, Kind.NEGATIVE_ELBO), result.as_text()
