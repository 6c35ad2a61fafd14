"""Numbers that findings state beside those of their cases: over a range, on average, of what inherits an error."""

import re

import numpy as np
import pytest
from scipy import special, stats

from elbo_compare.suites.semantics.families import plate
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.gaussian import log_normal

BY_ID = {finding.id: finding for finding in FINDINGS}


def log_z(t: np.ndarray) -> np.ndarray:
    """Of a continuous Bernoulli of logit t: log (e^t - 1) / t, 0 at 0."""
    away = np.where(t == 0, 1.0, t)
    return np.where(t == 0, 0.0, np.log(np.expm1(away) / away))


def continuous_bernoulli_kl(t: np.ndarray, u: np.ndarray) -> np.ndarray:
    """m(t) (t - u) - log Z(t) + log Z(u), m = 1 / (1 - e^-t) - 1/t."""
    away = np.where(t == 0, 1.0, t)
    mean = np.where(t == 0, 0.5, -1 / np.expm1(-away) - 1 / away)
    return mean * (t - u) - log_z(t) + log_z(u)


@pytest.mark.parametrize(("name", "bound", "left"), [("float64", 20.0, 4e-8), ("float32", 8.0, 9e-5)])
def test_continuous_bernoullis_within_the_bounds_of_the_workaround(name: str, bound: float, left: float) -> None:
    """FIND-PYRO-012: what is left over the whole range is what the register says; beyond it is more."""
    torch = pytest.importorskip("torch")
    from torch.distributions import ContinuousBernoulli, kl_divergence

    def off(limit: float) -> float:
        t, u = np.meshgrid(np.linspace(-limit, limit, 41), np.linspace(-limit, limit, 21), indexing="ij")
        q, p = (ContinuousBernoulli(logits=torch.tensor(each, dtype=getattr(torch, name))) for each in (t, u))
        near = (abs(t) < 0.1) | (abs(u) < 0.1)  # torch goes by a series there, which errs by less than 1e-6
        t, u = (np.asarray(each.logits.double()) for each in (q, p))  # as they are rounded
        difference = abs(kl_divergence(q, p).double().numpy() - continuous_bernoulli_kl(t, u))
        return float(difference[~near].max())

    assert off(bound) <= left
    assert off(2 * bound) > 100 * left
    said = BY_ID["FIND-PYRO-012"].workaround
    assert [float(each) for each in re.findall(r"by (\d+) in", said)] == [20.0, 8.0]
    assert [float(each) for each in re.findall(r"\de-\d", said)] == [4e-8, 9e-5]


def test_what_calls_betaln_inherits_its_error() -> None:
    """FIND-NUMPYRO-013: Beta.entropy, BetaBinomial, NegativeBinomial2 are off as log B(8, 2) is; Beta.log_prob not."""
    jax = pytest.importorskip("jax")
    dist = pytest.importorskip("numpyro.distributions")

    with jax.enable_x64(True):
        error = float(jax.scipy.special.betaln(8.0, 2.0)) + np.log(72)
        entropy = float(dist.Beta(8.0, 2.0).entropy()) - stats.beta(8, 2).entropy()
        binomial = float(dist.BetaBinomial(8.0, 2.0, 5).log_prob(0)) - stats.betabinom(5, 8, 2).logpmf(0)
        inside = special.betaln(8, 7) - float(jax.scipy.special.betaln(8.0, 7.0))
        negative = float(dist.NegativeBinomial2(3.0, 2.0).log_prob(8)) - stats.nbinom(2, 2 / 5).logpmf(8)
        density = float(dist.Beta(8.0, 2.0).log_prob(0.7)) - stats.beta(8, 2).logpdf(0.7)
    assert 1e-6 < abs(error) < 1.5e-6
    assert entropy == pytest.approx(error, abs=1e-9)
    assert binomial == pytest.approx(-error - inside, abs=1e-9)
    assert abs(negative) > 1e-7
    assert abs(density) < 1e-12


def test_a_binomial_of_probability_1_to_itself_is_nan() -> None:
    """FIND-PYRO-018."""
    torch = pytest.importorskip("torch")
    q = torch.distributions.Binomial(7, torch.tensor(1.0))
    assert torch.distributions.kl_divergence(q, q).isnan()


def test_the_bound_with_the_factor_inside_exceeds_the_evidence_by_what_is_said() -> None:
    """FIND-PYRO-009: (N/B) log p(x) is passed by 0.26 nats at three particles, by 0.4 as they grow. Six standard errors
    are allowed for the first."""
    evidence, limit = plate.renyi_gap()
    assert limit - evidence == pytest.approx(0.4, abs=0.05)  # as it is said, to one digit
    noise = np.random.default_rng(3).standard_normal((400_000, 3, len(plate.X)))
    x = np.array(plate.X)
    z = 0.5 * x + plate.SIGMA_RENYI * noise
    constant = 0.5 * np.log(2 * np.pi)
    log_p = -0.5 * ((x - z) ** 2 + z**2) - 2 * constant
    log_q = -0.5 * noise**2 - constant - np.log(plate.SIGMA_RENYI)
    bound = special.logsumexp(plate.FACTOR * (log_p - log_q), axis=1).sum(1) - len(x) * np.log(3)
    error = bound.std() / np.sqrt(len(bound))
    assert log_normal(0.0) == pytest.approx(-constant)
    assert abs(bound.mean() - evidence - 0.26) < 0.005 + 6 * error  # as it is said, to two digits
    assert 6 * error < 0.01


def test_what_is_said_of_a_finding_s_numbers_is_of_its_text() -> None:
    """So that who changes a text meets the tests of its numbers."""
    for name, words in {"FIND-PYRO-009": "0.26 nats", "FIND-PYRO-018": "nan to itself",
                        "FIND-NUMPYRO-013": "Beta.entropy"}.items():  # fmt: skip
        finding = BY_ID[name]
        assert words in f"{finding.happens} {finding.harm}", name
