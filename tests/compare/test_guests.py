"""Plug-ins that run in environments of their own: planned with "all" where these are, not run with the command
elsewhere, beside ours in one run; their numbers are the library's."""

import shutil
import site
from math import exp, log, pi
from pathlib import Path

import numpy as np
import pytest

from elbo_compare.compare import environment
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.launching import environments, interpreter
from elbo_compare.compare.launching.interpreter import site_of
from elbo_compare.compare.planning.availability import (
    framework_of,
    implementations,
    interpreters,
    library_of,
    reason_not_to_run,
)
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import Block, Spec
from elbo_compare.compare.records import Outcome, Procedure, Status
from elbo_compare.compare.running.pool import Options
from elbo_compare.compare.running.run import run
from elbo_compare.suites import registry
from elbo_compare.suites.contract import Device
from elbo_compare.suites.roster import GUEST, GUESTS
from elbo_compare.suites.semantics.families.guests import _weighted

HERE = Path(__file__).parent
NAME = "pythae"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No environment of whoever runs the tests."""
    monkeypatch.setenv(environments.FOLDER, str(tmp_path / "environments"))


@pytest.fixture
def made(monkeypatch):
    """The environment of Pythae with a stand-in for it, over the torch that is installed here."""
    pytest.importorskip("torch")

    def install(*_):
        place = site_of(environments.of(NAME).folder)
        (place / "here.pth").write_text("\n".join(site.getsitepackages() + _added()))
        shutil.copy(HERE / "pythae_stub.py", place / "pythae.py")
        (place / "pythae-0.1.2.dist-info").mkdir()
        (place / "pythae-0.1.2.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: pythae\nVersion: 0.1.2\n"
        )
        return ""

    monkeypatch.setattr(interpreter, "pip", install)
    environments.of(NAME).create()


def _added() -> list[str]:
    """Where torch itself lies: it may be reached by a path file of ours."""
    import importlib.util

    found = importlib.util.find_spec("torch")
    assert found is not None and found.origin is not None
    return [str(Path(found.origin).parents[1])]


def cells(*names, problems=("gaussian-kl@2-typical", "vae-small@initial")):
    block = Block(
        procedure=Procedure.EVALUATE,
        problems=problems,
        implementations=names,
        estimators=("sampled-kl", "analytic-kl", "iwae-5"),
        size=5,
    )
    return list(plan(Spec(name="mixed", cells=(block,)), Device.CPU))


def run_all(*names, **chosen):
    options = Options(jobs=1, cores=1, cell_timeout_s=120.0, fingerprint="x", interpreters=interpreters())
    found = []
    run(cells(*names, **chosen), options, found.append, reason_not_to_run)
    return found


def test_guests_are_plug_ins_that_all_leaves_out_where_they_have_no_environment():
    assert set(GUEST) <= set(registry.installed())
    assert not set(GUEST) & set(implementations(["all"]))
    assert implementations(list(GUEST)) == list(GUEST)
    assert {name: library_of(name) for name in GUEST} == {name: name for name in GUEST}
    assert framework_of(NAME) == "torch" and framework_of("pymc") == ""
    assert not interpreters() and not set(GUEST) & set(environment.third_party_versions())


def test_a_missing_environment_is_not_run_with_the_command():
    found = run_all(NAME)
    assert found and {each.status for each in found} == {Status.NOT_RUN}
    assert {each.reason for each in found} == {"needs the environment pythae: compare env create pythae"}


def test_an_environment_that_broke_is_planned_and_not_run_and_the_others_go_on(made):
    (environments.of(NAME).folder / interpreter.PYTHON).unlink()
    assert NAME in implementations(["all"])
    found = run_all(NAME, "numpy-oracle")
    by = {name: {each.status for each in found if each.cell.implementation == name} for name in (NAME, "numpy-oracle")}
    assert by == {NAME: {Status.NOT_RUN}, "numpy-oracle": {Status.OK}}


def test_one_run_mixes_environments_and_the_numbers_are_the_library_s(made, monkeypatch):
    assert NAME in implementations(["all"])
    assert environment.third_party_versions()[NAME] == "pythae 0.1.2, torch not installed"
    hand = run_all("torch-hand")
    right = judge([*run_all(NAME), *hand])
    theirs = [each for each in right if each.implementation == NAME]
    agreed = {each.claim for each in theirs if each.outcome is Outcome.AGREES}
    assert {"MATCH-003", "MATCH-004", "MATCH-005", "MATCH-009", "KL-002", "GRAD-001"} <= agreed
    assert {each.outcome for each in right} == {Outcome.AGREES, Outcome.NOT_RUN}
    refused = [each for each in theirs if each.estimator == "iwae-5"]
    assert refused and any("FIND-PYTHAE-001" in each.reason for each in refused)
    assert not [each for each in refused if each.outcome is Outcome.AGREES]
    monkeypatch.setenv("STUB_SIGN", "-1")
    wrong = judge([*run_all(NAME), *hand])
    red = {each.implementation for each in wrong if each.outcome is Outcome.DIFFERS}
    assert red == {NAME}  # the library's fault, nobody else's


def test_trained_weights_are_judged_and_the_gradient_is_as_the_finding_has_it(made):
    found = judge(run_all(NAME, problems=("vae-small@trained",)))
    gradients = [each for each in found if each.claim == "GRAD-001" and each.estimator != "iwae-5"]
    assert [each.outcome for each in gradients] == [Outcome.REGISTERED] * 2
    assert all("as FIND-PYTHAE-002 has it" in each.reason for each in gradients)
    assert not [each for each in found if each.outcome is Outcome.DIFFERS]


def test_every_guest_has_its_module_and_an_environment():
    for row in GUESTS:
        module, _, name = row.target.partition(":")
        path = Path(environments.__file__).parents[2] / "suites" / "integrations" / f"{module.rpartition('.')[2]}.py"
        assert f"class {name}:" in path.read_text("utf-8")
        assert environments.of(row.environment).pins


def test_no_mean_of_bounds_is_below_minus_log_p_but_pythae_s_loss_is():
    """FIND-PYTHAE-001 without a draw of it: both means over the three draws, and log p(x), by quadrature."""
    points = np.linspace(-7, 7, 57)  # the trapezoidal rule: of a smooth function under a normal it needs few
    weights = np.exp(-(points**2) / 2) / np.exp(-(points**2) / 2).sum()
    grid = [np.array(each).ravel() for each in np.meshgrid(points, points, points, indexing="ij")]
    mass = np.prod(np.meshgrid(weights, weights, weights, indexing="ij"), axis=0).ravel()
    z = 0.7 + exp(0.4) * np.stack(grid)
    log_w = -np.log1p(np.exp(4 - 6 * z)) - z**2 / 2 + np.stack(grid) ** 2 / 2 + 0.4
    share = np.exp(log_w - log_w.max(0))
    largest, mean = log_w.max(0), share.mean(0)
    bound = -float(mass @ (largest + np.log(mean)))
    theirs = -float(mass @ ((share / share.sum(0)) * log_w).sum(0))
    h = 1e-3
    at = np.arange(-12, 12, h) + h / 2
    evidence = -log(float((np.exp(-(at**2) / 2) / (1 + np.exp(4 - 6 * at))).sum() * h / (2 * pi) ** 0.5))
    assert theirs < evidence - 0.1 < evidence + 0.1 < bound
    assert _weighted({"z0": 0.7, "z1": 0.7, "z2": 0.7})["loss"] == pytest.approx(-float(log_w_at(0.7)))


def log_w_at(z):
    return -np.log1p(np.exp(4 - 6 * z)) - z**2 / 2 + 0.4
