"""Whole models of counts: negative binomials of several arrays and the size of a library; right, wrong, not judged."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from elbo_compare.compare.checking.counts import COUNT_TERMS, NEGATIVE_BINOMIAL
from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.loading import load_model
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.result import CheckVerdict

TARGET = Path(__file__).parent / "targets" / "whole_counts.py"
GIVEN = {"local_mean": 3.0, "local_var": 0.5}


def checked(name, **options):
    loaded = load_model(f"{TARGET}:{name}")
    torch.manual_seed(16)
    return check_model(loaded.found, names=loaded.names, target=name, **options)


RIGHT = {
    "Counts": ("-log ZINB(x | mu, theta, pi) + KL(q || N(0, I))", None),
    "NegativeBinomial": ("-log NB(x | mu, theta) + KL(q || N(0, I))", None),
    "DropoutTurned": ("-log ZINB(x | mu, theta, pi)", None),
    "GivenLibrary": ("the prior of latent 2 is the Gaussian that was given", GIVEN),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_loss_of_counts_is_right_with_its_gradients(name):
    words, given = RIGHT[name]
    result = checked(name, constants=given)
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert words in result.as_text()
    claims = {claim.name: claim for claim in result.terms[0].claims}
    assert all(claims[each].difference <= claims[each].tolerance for each in ("sampler", "value", "gradient"))


@pytest.mark.parametrize("name", ["ThetaDetached", "MeanDetached"])
def test_a_gradient_that_is_cut_off_within_the_likelihood_is_caught(name):
    result = checked(name)
    assert result.verdict is CheckVerdict.WRONG, result.as_text()
    assert "detach in whole_counts.py" in result.diagnosis.text


def test_twice_the_kl_is_another_objective():
    result = checked("KlTwice")
    assert result.verdict is CheckVerdict.OTHER_OBJECTIVE, result.as_text()
    assert "2 x KL: beta-VAE" in result.diagnosis.text


NOT_JUDGED = {"LibraryWithoutKl": None, "LibraryHalved": None, "LibraryVarianceAsSigma": GIVEN, "Library": None,
              "GammaMissing": None, "ZerosAsCounts": None}  # fmt: skip


@pytest.mark.parametrize("name", NOT_JUDGED)
def test_what_no_formula_of_counts_is_is_not_judged(name):
    """A p made of q itself would excuse a missing KL; a spread that grows with the KL would stand for any prior."""
    result = checked(name, constants=NOT_JUDGED[name])
    assert result.verdict is CheckVerdict.NOT_JUDGED, result.as_text()


def test_rows_without_zeros_and_counts_are_not_judged():
    rows = np.random.default_rng(0).uniform(0.1, 0.9, (16, 12))
    assert checked("Counts", data=rows).verdict is CheckVerdict.NOT_JUDGED
    assert checked("Counts", data=np.floor(10 * rows) - 1).verdict is CheckVerdict.RIGHT


def density(term, x, mu, theta, pi):
    stats = pytest.importorskip("scipy.stats")
    plain = stats.nbinom(theta, theta / (theta + mu)).pmf(x)
    share = 0.0 if term.likelihood == NEGATIVE_BINOMIAL else 1 / (1 + np.exp(-pi))
    return np.log(share * (x == 0) + (1 - share) * plain)


@pytest.mark.parametrize("term", COUNT_TERMS, ids=lambda term: term.name[:24])
def test_the_densities_and_their_slopes(term):
    """Against SciPy's mass function (the guard of 1e-8 moves it by less than 1e-6), and central differences."""
    rng = np.random.default_rng(3)
    x = np.array([[0.0, 1.0, 4.0], [0.0, 9.0, 2.0]])
    arrays = [rng.uniform(0.5, 5, x.shape), rng.uniform(0.5, 3, x.shape), rng.normal(size=x.shape)]
    packed = np.concatenate(arrays[: term.arrays], axis=1)
    made = term.elements(x, packed)
    close = 1e-12 if "inside" not in term.name else 1e-6
    assert np.allclose(-made.value, density(term, x, *arrays), rtol=0, atol=close * 10)
    for place in np.ndindex(packed.shape):
        step = np.zeros_like(packed)
        step[place] = 1e-6
        up, down = (term.elements(x, packed + sign * step).value.sum() for sign in (1, -1))
        assert made.gradients[Role.OUTPUT][place] == pytest.approx((up - down) / 2e-6, rel=1e-6, abs=1e-8)
