"""Whole models whose prior is not N(0, I): learned, a hierarchy's, VampPrior; and each once wrong."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.loading import load_model
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.oracle import sampled_kl_to_mixture
from elbo_compare.compare.checking.result import CheckVerdict

TARGETS = Path(__file__).parent / "targets"


def checked(name, monkeypatch):
    monkeypatch.syspath_prepend(str(TARGETS))
    loaded = load_model(f"{TARGETS / 'whole_priors.py'}:{name}")
    torch.manual_seed(16)
    return check_model(loaded.found, names=loaded.names, target=name)


RIGHT = {
    "Learned": "p(z) is a learned Gaussian",
    "Hierarchy": "the prior of latent 1 is a Gaussian made of another latent",
    "Vamp": "p(z) is a mixture of 3 Gaussians",
    "VampByIndex": "judged to float32's rounding: sub takes float32",
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_prior_of_its_own_is_found_by_value_and_the_loss_is_judged(name, monkeypatch):
    result = checked(name, monkeypatch)
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert RIGHT[name] in result.as_text()
    claims = {claim.name: claim for claim in result.terms[0].claims}
    assert all(claims[each].difference <= claims[each].tolerance for each in ("value", "gradient"))


@pytest.mark.parametrize("name", ["LearnedDetached", "HierarchyDetached"])
def test_a_gradient_that_is_cut_off_at_the_prior_is_caught(name, monkeypatch):
    result = checked(name, monkeypatch)
    assert result.verdict is CheckVerdict.WRONG, result.as_text()
    assert "detach in whole_priors.py" in result.as_text()


def test_q_itself_is_no_prior_for_a_latent_whose_kl_is_forgotten(monkeypatch):
    """Its KL to itself is 0, and to a multiple of itself a constant."""
    assert checked("SecondWithoutKl", monkeypatch).verdict is CheckVerdict.NOT_JUDGED


def test_a_prior_that_is_no_density_is_not_right(monkeypatch):
    assert checked("VampTooMuch", monkeypatch).exit_code != 0


def test_the_kl_to_a_mixture_and_its_slopes():
    """Against SciPy's densities, and central differences."""
    scipy = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    z, mean, sigma = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.uniform(0.5, 2, (2, 3))
    means, log_vars = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def value(z, means, log_vars):
        return sampled_kl_to_mixture(z, mean, sigma, WrittenAs.SIGMA, means, log_vars).value.sum()

    parts = scipy.norm(means, np.exp(log_vars / 2)).pdf(z[:, None]).prod(2).mean(1)
    right = scipy.norm(mean, sigma).logpdf(z).sum() - np.log(parts).sum()
    assert value(z, means, log_vars) == pytest.approx(right, rel=1e-12)
    slopes = sampled_kl_to_mixture(z, mean, sigma, WrittenAs.SIGMA, means, log_vars).gradients
    for place, role in enumerate((Role.Z, Role.PRIOR_MEAN, Role.PRIOR_SPREAD)):
        arrays = [z, means, log_vars]
        step = np.zeros_like(arrays[place])
        step[1, 2] = 1e-6
        up, down = ([a + sign * step if n == place else a for n, a in enumerate(arrays)] for sign in (1, -1))
        assert slopes[role][1, 2] == pytest.approx((value(*up) - value(*down)) / 2e-6, rel=1e-6)
