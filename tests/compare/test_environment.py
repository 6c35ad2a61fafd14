"""What is recorded of a machine, what makes a stored cell stale, and what is known not to run beforehand."""

import json
import socket
from pathlib import Path

import pytest

from elbo_compare.compare import environment
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.planning import availability
from elbo_compare.compare.planning.availability import implementations, offers, reason_not_to_run, resolve_device
from elbo_compare.compare.records import Status
from elbo_compare.suites.contract import Device


@pytest.fixture
def surroundings():
    return environment.describe(device="cpu", jobs=2, threads=1)


def test_the_record_holds_no_host_name_and_no_path(surroundings):
    text = json.dumps(surroundings)
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert str(environment.ROOT) not in text


@pytest.mark.parametrize(
    ("field", "value"),
    [("threads", 2), ("jobs", 1), ("device", "cuda"), ("code", "f00"), ("cpu", "other"), ("gpu", "g")],
)
def test_what_may_change_a_number_changes_the_fingerprint_and_is_named(surroundings, field, value):
    other = surroundings | {field: value}
    assert environment.fingerprint(other) != environment.fingerprint(surroundings)
    assert environment.changes(surroundings, other) == f"{field} {surroundings[field]} -> {value}"


@pytest.mark.parametrize(("field", "value"), [("commit", "abc"), ("os", "other"), ("cores", 64)])
def test_what_changes_no_number_leaves_it(surroundings, field, value):
    assert environment.fingerprint(surroundings | {field: value}) == environment.fingerprint(surroundings)


def test_a_new_library_version_is_named(surroundings):
    old = surroundings | {"packages": surroundings["packages"] | {"numpyro": "0.1"}}
    new = surroundings["packages"]["numpyro"]
    assert environment.changes(old, surroundings) == f"numpyro 0.1 -> {new}"


def test_a_worker_s_threads_and_x64_are_set_before_it_starts():
    wide = environment.worker_environment(device="cpu", dtype="float64", threads=3, compile_cache=True)
    narrow = environment.worker_environment(device="cuda", dtype="float32", threads=1, compile_cache=False)
    assert (wide["OMP_NUM_THREADS"], wide["NPROC"], wide["JAX_ENABLE_X64"]) == ("3", "3", "1")
    assert (wide["CUDA_VISIBLE_DEVICES"], wide["JAX_PLATFORMS"]) == ("", "cpu")
    assert (narrow["JAX_ENABLE_X64"], narrow["XLA_PYTHON_CLIENT_PREALLOCATE"]) == ("0", "false")
    assert "JAX_COMPILATION_CACHE_DIR" not in narrow  # the clock measures a compilation, not a look-up


def test_the_compile_cache_follows_the_user_s_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tmp_path in environment.compile_cache_folder().parents


@pytest.mark.parametrize(
    ("missing", "lost"),
    [
        ({"torch"}, {"torch-hand", "pyro"}),
        ({"pyro"}, {"pyro"}),
        ({"jax"}, {"jax-hand", "numpyro"}),
        ({"torch", "jax"}, {"torch-hand", "pyro", "jax-hand", "numpyro"}),
    ],
)
def test_a_missing_package_is_the_reason_of_its_implementations_only(make_cell, monkeypatch, missing, lost):
    monkeypatch.setattr(availability, "importable", lambda package: package not in missing)
    reasons = {name: reason_not_to_run(make_cell(implementation=name)) for name in implementations(["all"])}
    assert {name for name, reason in reasons.items() if reason} == lost
    assert all("pip install 'elbo-compare[" in reasons[name] for name in lost)


def test_cells_of_a_missing_package_end_as_not_run(make_cell, run_cells, monkeypatch):
    monkeypatch.setattr(availability, "importable", lambda package: package != "torch")
    cells = [make_cell(implementation="torch-hand"), make_cell()]
    results, _ = run_cells(cells, reason_not_to_run=reason_not_to_run)
    status = {result.cell.implementation: result.status for result in results}
    assert status == {"torch-hand": Status.NOT_RUN, "numpy-oracle": Status.OK}


def test_a_framework_that_sees_no_cuda_is_the_reason_on_cuda_only(make_cell, monkeypatch):
    monkeypatch.setattr(availability, "importable", lambda package: True)
    monkeypatch.setattr(availability, "sees_cuda", lambda framework: framework == "torch")
    for name, runs in (("pyro", True), ("numpyro", False)):
        reason = reason_not_to_run(make_cell(implementation=name, device="cuda"))
        assert (reason is None) == runs
        assert reason_not_to_run(make_cell(implementation=name)) is None


def test_auto_means_cuda_only_where_a_framework_sees_it(monkeypatch):
    monkeypatch.setattr(availability, "sees_cuda", lambda framework: framework == "jax")
    assert (resolve_device("auto"), resolve_device("cpu")) == (Device.CUDA, Device.CPU)
    monkeypatch.setattr(availability, "sees_cuda", lambda framework: False)
    assert resolve_device("auto") is Device.CPU
    with pytest.raises(UsageError, match="sees a CUDA device"):
        resolve_device("cuda")


def test_a_third_party_is_among_all_and_recorded_with_its_version(faulty):
    assert "faulty-raises" in implementations(["all"])
    assert environment.third_party_versions()["faulty-raises"] == "faulty 1.0"
    assert offers("faulty-raises", "float32", "cuda")
    assert not offers("numpy-oracle", "float32", "cpu")
