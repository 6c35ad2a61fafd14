"""Libraries that only semantics cases judge: no implementations, and their findings show where their numbers are these.

Their programs run where their environments are (`compare env create NAME`); here, what they gave when that was done.
"""

from math import log, pi

import pytest

from elbo_compare.compare.launching import environments
from elbo_compare.compare.planning.availability import implementations
from elbo_compare.suites import registry
from elbo_compare.suites.roster import JUDGED_ALONE, LIBRARIES
from elbo_compare.suites.semantics.case import Library, expectations
from elbo_compare.suites.semantics.catalogue import BY_ID
from elbo_compare.suites.semantics.findings import FINDINGS

DRAWS = {"z0": 0.57, "z1": 0.23, "z2": 1.79, "z": 1.69}
CASES = {Library.BLACKJAX: "SEM-SIGN-001", Library.FLOWJAX: "SEM-LOSSES-001", Library.NORMFLOWS: "SEM-DTYPE-004"}


def test_they_are_no_implementations_and_each_has_an_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(environments.FOLDER, str(tmp_path))
    names = {row.name for row in JUDGED_ALONE}
    assert names == set(CASES) and names <= set(LIBRARIES)
    assert not names & set(registry.installed()) and not names & set(implementations(["all"]))
    for row in JUDGED_ALONE:
        named = environments.of(row.environment)
        assert named.pins[0].startswith(f"{row.name}==") and named.lacking()


@pytest.mark.parametrize("library", CASES)
def test_a_finding_stands_where_the_library_is_as_registered_and_falls_where_it_is_right(library):
    case = BY_ID[CASES[library]]
    behaviour = case.behaviour(library)
    right = DRAWS | dict(case.oracle(DRAWS))
    does = right | (dict(behaviour.computes(DRAWS)) if behaviour.computes else {})
    wrong = {each.quantity for each in expectations(case, library, does) if each.reproduces and not each.right}
    findings = [each for each in FINDINGS if each.library is library]
    assert wrong == {name for each in findings for name in each.quantities}
    fixed = {each.quantity for each in expectations(case, library, right) if not each.reproduces}
    assert fixed == wrong


def test_the_oracle_of_a_step_at_the_posterior_is_the_evidence_by_quadrature():
    points = [0.01 * i - 8 for i in range(1_601)]
    evidence = log(0.01 * sum(2.718281828459045 ** (-(z**2 + (1.2 - z) ** 2) / 2) for z in points) / (2 * pi))
    assert BY_ID["SEM-SIGN-001"].oracle(DRAWS)["posterior_elbo"] == pytest.approx(evidence, abs=1e-9)


def test_the_oracle_s_slopes_of_a_step_are_finite_differences():
    """Of the mean ratio at fixed noise, all of q moved (total), or the draws alone (path)."""
    from elbo_compare.suites.semantics.gaussian import log_normal

    found = BY_ID["SEM-SIGN-001"].oracle(DRAWS)
    noise = [(DRAWS[f"z{k}"] - 0.7) / 0.6 for k in range(3)]

    def loss(mu, rho, guide_mu, guide_rho):
        draws = [mu + 2.718281828459045**rho * e for e in noise]
        each = [
            log_normal(z, guide_mu, 2.718281828459045**guide_rho) - log_normal(z) - log_normal(1.2 - z) for z in draws
        ]
        return sum(each) / 3

    rho, h = log(0.6), 1e-5

    def slope(by_mu, by_rho, moves):
        up, down = (
            loss(0.7 + by_mu * t, rho + by_rho * t, 0.7 + moves * by_mu * t, rho + moves * by_rho * t) for t in (h, -h)
        )
        return (up - down) / (2 * h)

    assert found["by_mu"] == pytest.approx(slope(1, 0, 0), abs=1e-8)
    assert found["by_rho"] == pytest.approx(slope(0, 1, 0), abs=1e-8)
    assert found["total_by_mu"] == pytest.approx(slope(1, 0, 1), abs=1e-8)
    assert found["total_by_rho"] == pytest.approx(slope(0, 1, 1), abs=1e-8)
