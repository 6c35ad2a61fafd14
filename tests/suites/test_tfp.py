"""The sixth implementation: what it changes for who has not installed it, which is nothing, and what only it has.

Its values, gradients, draws and training are judged beside the others', in `test_backends_*` and `test_jax_flows`, its
semantics in `test_semantics_programs`, and its sabotage in `test_sabotage`: all of them where it is installed.
"""

from dataclasses import replace

import pytest

from elbo_compare.compare import environment
from elbo_compare.compare.bench import run as bench
from elbo_compare.compare.planning import availability
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import read_spec
from elbo_compare.compare.records import Outcome, ProgramResult, Status
from elbo_compare.compare.semantics import suite
from elbo_compare.suites.contract import Device
from elbo_compare.suites.roster import BY_NAME, distributions
from elbo_compare.suites.semantics import findings_tfp
from elbo_compare.suites.semantics.case import Library, expectations
from elbo_compare.suites.semantics.catalogue import BY_ID, CASES

INSTALLED = availability.present(BY_NAME["tfp"])


@pytest.fixture
def installed(monkeypatch):
    """Say that every optional distribution is there, or that none is."""

    def say(yes: bool) -> None:
        optional = distributions(optional=True)
        found = environment.installed_version

        def version(name: str) -> str | None:
            return ("1.0" if yes else None) if name in optional else found(name)

        availability.present.cache_clear()
        monkeypatch.setattr(environment, "installed_version", version)

    yield say
    availability.present.cache_clear()


@pytest.mark.skipif(not INSTALLED, reason="tfp-nightly is not installed: pip install 'elbo-compare[tfp]'")
def test_the_sixth_is_measured_beside_the_others():
    from backend_process import BACKENDS
    from jax_process import WITH_OPTIONAL

    assert "tfp" in BACKENDS and "tfp" in WITH_OPTIONAL


def test_without_it_a_profile_s_cells_are_the_others_alone(installed):
    installed(False)
    without = list(plan(read_spec("quick"), Device.CPU))
    installed(True)
    beside = list(plan(read_spec("quick"), Device.CPU))
    assert [cell for cell in beside if cell.implementation != "tfp"] == without
    assert {cell.implementation for cell in without} == BY_NAME.keys() - {"tfp"}
    assert len(beside) > len(without)


def test_named_without_being_installed_it_is_planned_and_says_the_command(installed, monkeypatch):
    installed(False)
    monkeypatch.setattr(availability, "importable", lambda package: package != "tensorflow_probability")
    assert availability.implementations(["tfp"]) == ["tfp"]
    (cell, *_) = (cell for cell in plan(read_spec("quick"), Device.CPU) if cell.implementation == "jax-hand")
    reason = availability.reason_not_to_run(replace(cell, implementation="tfp"))
    assert reason == "tensorflow_probability is not installed: pip install 'elbo-compare[tfp]'"


def test_without_it_the_semantics_suite_and_its_findings_are_the_others_alone(installed):
    installed(False)
    programs = suite.programs()
    assert not [each for each in programs if each.name.endswith("-tfp")]
    results = [
        ProgramResult(program=each.name, status=Status.NOT_RUN, reason="not here")
        for each in programs
        if not each.aside
    ]
    judged = suite.judged(results, whole=False)
    ids = {each.id for each in judged.verdicts["Findings"]}
    assert ids and not ids & {each.id for each in findings_tfp.FINDINGS}
    assert set(judged.frames["findings"]["id"]) == ids


def test_where_it_is_planned_its_findings_are_judged(installed):
    installed(True)
    mine = [each.name for each in suite.programs() if each.name.endswith("-tfp")]
    cases = {f"{case.id}-tfp" for case in CASES if case.behaviour(Library.TFP) is not None}
    assert sorted(mine) == sorted({*cases, "PAIRS-tfp"})  # and the sweep of its registered divergences
    results = [ProgramResult(program=name, status=Status.NOT_RUN, reason="not here") for name in mine]
    found = {each.id: each.outcome for each in suite.judged(results, whole=False).verdicts["Findings"]}
    assert {found[each.id] for each in findings_tfp.FINDINGS} == {Outcome.NOT_RUN}


def test_without_it_an_environment_record_says_nothing_of_it(installed):
    installed(False)
    assert not set(environment.versions()) & set(distributions(optional=True))
    installed(True)
    assert set(distributions(optional=True)) <= set(environment.versions())


def test_a_record_without_it_keeps_its_fingerprint():
    fields = ("python", "implementations", "code", "machine", "cpu", "gpu", "device", "jobs", "threads")
    record = dict.fromkeys(fields, "as it was") | {"packages": {"torch": "2.13.0"}}
    with_none = record | {"packages": {"torch": "2.13.0", "tfp-nightly": None}}
    with_it = record | {"packages": {"torch": "2.13.0", "tfp-nightly": "0.26.0"}}
    assert environment.fingerprint(record) == environment.fingerprint(with_none) != environment.fingerprint(with_it)


def test_the_bench_measures_it_only_where_it_is_installed():
    assert ("tfp" in bench.LIBRARIES) is INSTALLED


@pytest.mark.parametrize("finding", findings_tfp.FINDINGS, ids=lambda finding: finding.id)
def test_a_mended_library_would_no_longer_show_its_finding(finding):
    case = BY_ID[finding.cases[0]]
    draws = {name: (0.3, -0.9, 1.1, 0.7, -0.2)[place % 5] for place, name in enumerate(case.given)}
    behaviour = case.behaviour(Library.TFP)
    assert behaviour is not None and behaviour.computes is not None
    shown = draws | dict(case.oracle(draws)) | dict(behaviour.computes(draws))
    mended = draws | dict(case.oracle(draws))
    wrong = {each.quantity for each in expectations(case, Library.TFP, shown) if not each.right}
    assert set(finding.quantities) <= wrong
    assert {each.quantity for each in expectations(case, Library.TFP, mended) if not each.reproduces} == wrong
