"""What is recorded of a machine, what makes a stored cell stale, and what is known not to run beforehand."""

import json
import re
import socket
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pytest
from processes import GENEROUS_S

from elbo_compare.compare import environment, gpu
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.planning import availability
from elbo_compare.compare.planning.availability import implementations, offers, placement, reason_not_to_run
from elbo_compare.compare.records import Status
from elbo_compare.suites.contract import Device


@pytest.fixture
def surroundings():
    return environment.describe(device="cpu", jobs=2, threads=1)


def test_the_record_holds_no_host_name_and_no_path(surroundings):
    text = json.dumps(surroundings)
    # As a word: a machine may be called `vm`, which flags such as xla_llvm_... hold too.
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)
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
    results = run_cells(cells, reason_not_to_run=reason_not_to_run)
    status = {result.cell.implementation: result.status for result in results}
    assert status == {"torch-hand": Status.NOT_RUN, "numpy-oracle": Status.OK}


def test_a_framework_that_sees_no_cuda_is_the_reason_on_cuda_only(make_cell, monkeypatch):
    monkeypatch.setattr(availability, "importable", lambda package: True)
    monkeypatch.setattr(availability, "sees_cuda", lambda framework: framework == "torch")
    for name, runs in (("pyro", True), ("numpyro", False)):
        reason = reason_not_to_run(make_cell(implementation=name, device="cuda"))
        assert (reason is None) == runs
        assert reason_not_to_run(make_cell(implementation=name)) is None


def sees(monkeypatch, *frameworks):
    """A machine with a GPU on which these frameworks find it."""
    monkeypatch.setattr(availability, "importable", lambda package: True)
    monkeypatch.setattr(availability, "sees_cuda", lambda framework: framework in frameworks)
    monkeypatch.setattr(gpu, "present", lambda: True)


def test_auto_decides_by_framework_and_says_so(monkeypatch):
    sees(monkeypatch, "torch")
    mixed = placement("auto")
    assert {name: mixed.of(name) for name in ("torch-hand", "pyro", "jax-hand", "numpyro")} == {
        "torch-hand": Device.CUDA,
        "pyro": Device.CUDA,
        "jax-hand": Device.CPU,
        "numpyro": Device.CPU,
    }
    assert mixed.in_words().startswith("torch on cuda, jax on cpu; jax sees no CUDA device")
    assert "pip install 'elbo-compare[cuda]'" in mixed.in_words()
    assert "\n" not in mixed.in_words()


def test_where_all_see_cuda_auto_is_cuda_and_cpu_stays_cpu(monkeypatch):
    sees(monkeypatch, "torch", "jax")
    assert (placement("auto").device, placement("auto").on_cpu) == (Device.CUDA, ())
    assert placement("auto").in_words() == "torch on cuda, jax on cuda"
    assert placement("cpu").device is Device.CPU


def test_where_none_sees_cuda_auto_is_cpu_and_cuda_is_refused_with_the_command_that_mends_it(monkeypatch):
    sees(monkeypatch)
    assert placement("auto").device is Device.CPU
    with pytest.raises(UsageError, match=r"sees a CUDA device .*pip install 'elbo-compare\[cuda\]'"):
        placement("cuda")


def test_with_cuda_asked_for_a_blind_framework_is_not_run_and_the_command_is_named(make_cell, monkeypatch):
    sees(monkeypatch, "torch")
    assert placement("cuda").of("numpyro") is Device.CUDA
    assert "pip install 'elbo-compare[cuda]'" in reason_not_to_run(make_cell(implementation="numpyro", device="cuda"))


def test_the_frameworks_are_asked_side_by_side(monkeypatch):
    """A day's script asks at every call, and each framework takes seconds to import."""
    both = Barrier(2, timeout=GENEROUS_S)
    monkeypatch.setattr(availability, "importable", lambda package: True)
    monkeypatch.setattr(availability, "sees_cuda", lambda framework: both.wait() >= 0)
    assert placement("auto").device is Device.CUDA


def test_a_third_party_is_placed_with_the_framework_that_its_package_requires(monkeypatch):
    required = SimpleNamespace(
        requires=["numpy>=2", "jax[cuda12]>=0.10 ; python_version > '3'", 'torch ; extra == "t"']
    )
    monkeypatch.setattr(availability.registry, "installed", lambda: {"theirs": SimpleNamespace(dist=required)})
    availability.framework_of.cache_clear()
    sees(monkeypatch, "torch")
    assert placement("auto").of("theirs") is Device.CPU
    availability.framework_of.cache_clear()


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without nvidia-smi whose device and driver files are those of a folder."""
    monkeypatch.setattr(gpu, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(gpu, "DRIVER", tmp_path / "driver")
    monkeypatch.setenv("PATH", str(tmp_path))
    gpu.name_and_driver.cache_clear()
    yield tmp_path
    gpu.name_and_driver.cache_clear()


def written(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(("name", "is_one"), [("nvidia0", True), ("dxg", True), ("nvidiactl", False), ("tty", False)])
def test_a_gpu_is_known_by_its_device_file_without_nvidia_smi(machine, name, is_one):
    written(machine / "dev" / name)
    assert gpu.present() is is_one
    assert gpu.name_and_driver() == ("unknown, unknown (name, driver)" if is_one else None)


def test_the_driver_s_files_name_the_gpu(machine):
    written(machine / "driver" / "gpus" / "0000:01:00.0" / "information", "Model: \t\t NVIDIA H200\nIRQ: 5\n")
    written(
        machine / "driver" / "version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release\nGCC version:  gcc 13.2.0\n",
    )
    assert gpu.name_and_driver() == "NVIDIA H200, 580.159.04 (name, driver)"


def test_nvidia_smi_is_believed_where_there_is_one(machine):
    written(machine / "nvidia-smi", "#!/bin/sh\necho 'NVIDIA A100, 550.1'\necho 'NVIDIA A100, 550.1'\n")
    (machine / "nvidia-smi").chmod(0o755)
    assert gpu.name_and_driver() == "NVIDIA A100, 550.1 (name, driver)"


def test_the_probe_does_not_preallocate_and_overrides_a_user_s_platform(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setattr(gpu, "present", lambda: True)
    program = "import os; e = os.environ; print(e['XLA_PYTHON_CLIENT_PREALLOCATE'] + e['JAX_PLATFORMS'] == {!r})"
    for wanted, found in (("falsecuda,cpu", True), ("true", False)):
        monkeypatch.setattr(availability, "PROBES", {"jax": program.format(wanted)})
        availability.sees_cuda.cache_clear()
        assert availability.sees_cuda("jax") is found
    availability.sees_cuda.cache_clear()


def test_cuda_libraries_and_settings_are_in_the_fingerprint_and_named(surroundings):
    old = surroundings | {"cuda": {"nvidia-cublas": "13.0"}, "settings": {"XLA_FLAGS": "a"}}
    for field, new in (("cuda", {"nvidia-cublas": "13.1"}), ("settings", {})):
        assert environment.fingerprint(old | {field: new}) != environment.fingerprint(old)
        assert f"{field} {old[field]} -> {new or None}" in environment.changes(old, old | {field: new})


def test_a_record_from_before_these_fields_can_still_be_compared(surroundings):
    old = {name: value for name, value in surroundings.items() if name not in environment.LATER}
    assert environment.changes(old, surroundings) == f"settings None -> {surroundings['settings']}"


def test_cuda_libraries_are_read_from_package_metadata(monkeypatch, tmp_path):
    names = {"nvidia_cublas": "13.1", "nvidia-cudnn-cu13": "9.2", "jax-cuda13-plugin": "0.11.2", "numpy": "2.0"}
    packages = [SimpleNamespace(metadata={"Name": name}, version=version) for name, version in names.items()]
    written(tmp_path / "torch" / "version.py", "cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n")
    found = SimpleNamespace(origin=str(tmp_path / "torch" / "__init__.py"))
    monkeypatch.setattr(gpu, "distributions", lambda: packages)
    monkeypatch.setattr(gpu, "find_spec", lambda name: found)
    assert gpu.libraries() == {
        "jax-cuda13-plugin": "0.11.2",
        "nvidia-cublas": "13.1",
        "nvidia-cudnn-cu13": "9.2",
        "torch's CUDA": "13.0",
    }


def test_settings_that_choose_kernels_are_recorded_without_paths():
    flags = {"XLA_FLAGS": "--xla_gpu_deterministic_ops=true --xla_dump_to=/home/me", "HOME": "/home/me"}
    assert gpu.settings(flags) == {"XLA_FLAGS": "--xla_gpu_deterministic_ops=true"}
    assert environment.describe(device="cpu", jobs=1, threads=1)["settings"]["NVIDIA_TF32_OVERRIDE"] == "0"


def test_a_third_party_is_among_all_and_recorded_with_its_version(faulty):
    assert "faulty-raises" in implementations(["all"])
    assert environment.third_party_versions()["faulty-raises"] == "faulty 1.0"
    assert offers("faulty-raises", "float32", "cuda")
    assert not offers("numpy-oracle", "float32", "cpu")


def test_the_programs_that_xla_s_cache_holds_are_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert environment.compiled_programs() == 0
    place = environment.compile_cache_folder()
    place.mkdir(parents=True)
    for name in ("jit_f-abc-cache", "jit_f-abc-atime", "jit_g-def-cache"):
        (place / name).touch()
    assert environment.compiled_programs() == 2
