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


def test_every_claim_on_it_agrees(installed):
    folder, environment = installed
    (folder / "mine.toml").write_text(PROFILE)
    command = [sys.executable, "-m", "elbo_compare", "run", "--profile", "mine.toml", "-j", "1", "-o", "out"]
    ran = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    judged = subprocess.run(
        [sys.executable, "-m", "elbo_compare", "judge", "out"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    verdicts = package.load(folder / "out").verdicts
    ours = verdicts[verdicts.implementation == "third-party"]
    run = ours[ours.outcome != Outcome.NOT_RUN.value]  # a device that is not here is no fault
    assert set(run.outcome) == {Outcome.AGREES.value}, run[run.outcome != "agrees"].to_string()
    assert len(run) > 50
