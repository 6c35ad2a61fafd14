"""The worked third-party package: installed by pip into a folder of its own, found by its entry point, and judged."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import elbo_compare as package
from elbo_compare.compare.records import Outcome

EXAMPLE = Path(__file__).parents[2] / "examples" / "third_party_vae"
PROFILE = """
variance_margin = 0.25

[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@*", "linear-gaussian@generic", "vae-small@initial"]
implementations = ["third-party"]
size = 7

[[cells]]
procedure = "gradient"
problems = ["linear-gaussian@generic"]
implementations = ["third-party"]
chunk = 5000
"""

# A plug-in that goes through Pyro's ELBO objects, by way of our own backend, and says so.
THROUGH_PYRO = """
from elbo_compare.suites import registry
from elbo_compare.suites.contract import Kind


class ThroughPyro:
    name = "through-pyro"
    framework = "pyro"
    kind = Kind.LIBRARY

    def __init__(self):
        self.pyro = registry.load("pyro")
        self.devices, self.dtypes = self.pyro.devices, self.pyro.dtypes

    def supports(self, problem, estimator):
        return self.pyro.supports(problem, estimator)

    def prepare(self, problem, estimator, device, dtype):
        return self.pyro.prepare(problem, estimator, device, dtype)
"""
LIBRARY_PROFILE = """
variance_margin = 0.25

[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@2-typical", "vae-small@initial"]
implementations = ["through-pyro", "torch-hand"]
estimators = ["sampled-kl", "analytic-kl", "iwae-5", "trace-graph"]
size = 5

[[cells]]
procedure = "draw"
problems = ["vae-small@initial"]
implementations = ["through-pyro", "torch-hand"]
estimators = ["sampled-kl"]
chunk = 5000
"""
ITS_CLAIMS = {"MATCH-001", "MATCH-003", "MATCH-004", "MATCH-005", "MATCH-006", "BOUND-001", "LIB-001"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a process that sees the package."""
    pytest.importorskip("setuptools", reason="pip builds the example with the setuptools that is here")
    folder = tmp_path_factory.mktemp("third_party")
    shutil.copytree(EXAMPLE, folder / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    options = ["--disable-pip-version-check", "--target", str(folder / "site"), str(folder / "source")]
    subprocess.run([*command, *options], check=True, capture_output=True)
    return folder, os.environ | {"PYTHONPATH": str(folder / "site"), "OMP_NUM_THREADS": "1"}


def test_it_is_listed(installed):
    folder, environment = installed
    code = "from elbo_compare.suites import registry; print(*registry.installed())"
    listed = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    assert "third-party" in listed.stdout.split()


def judged_verdicts(folder, environment, profile, implementation):
    """The verdicts on one implementation that were judged, after `compare run` and `compare judge`."""
    (folder / "mine.toml").write_text(profile)
    run = ["run", "--profile", "mine.toml", "-j", "1", "-o", "out"]
    for arguments in (run, ["judge", "out"]):
        command = [sys.executable, "-m", "elbo_compare", *arguments]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    verdicts = package.load(folder / "out").verdicts
    its = verdicts[verdicts.implementation == implementation]
    return its[its.outcome != Outcome.NOT_RUN.value]  # a device that is not here is no fault


def test_a_plug_in_through_a_library_gets_every_claim_that_judges_the_libraries(tmp_path):
    pytest.importorskip("pyro")
    (tmp_path / "through_pyro.py").write_text(THROUGH_PYRO)
    record = tmp_path / "through_pyro-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: through-pyro\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(
        "[elbo_compare.implementations]\nthrough-pyro = through_pyro:ThroughPyro\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    run = judged_verdicts(tmp_path, environment, LIBRARY_PROFILE, "through-pyro")
    assert set(run.claim) >= ITS_CLAIMS
    assert set(run.outcome) == {Outcome.AGREES.value}, run[run.outcome != "agrees"].to_string()


def test_every_claim_on_it_agrees(installed):
    folder, environment = installed
    run = judged_verdicts(folder, environment, PROFILE, "third-party")
    assert set(run.outcome) == {Outcome.AGREES.value}, run[run.outcome != "agrees"].to_string()
    assert len(run) > 50
