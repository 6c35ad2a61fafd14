"""What the harness believes about a GPU before any framework is imported: faults 7, 11 and 13, planted again and seen.

In this process: a check is right as the code stands, and complains where its fault is there.
"""

import re
from types import SimpleNamespace

import pytest
from covered import JAX_FAULTS, TORCH_FAULTS
from patching import patched

from elbo_compare.compare import environment, gpu
from elbo_compare.compare.planning import availability

Complaints = list[str]


def automatic(tmp_path) -> Complaints:
    """`auto` where torch sees a GPU and JAX does not: JAX's cells are planned on the CPU, and that is said."""
    wanted = {"torch-hand": "cuda", "pyro": "cuda", "jax-hand": "cpu", "numpyro": "cpu"}
    with patched(gpu, name_and_driver=lambda: "a card"), patched(availability, sees_cuda=lambda name: name == "torch"):
        placed = availability.placement("auto")
        found = {name: placed.of(name) for name in wanted}
        said = placed.in_words()
    complaints = [
        f"{name} is planned on {found[name]}, not {wanted[name]}" for name in wanted if found[name] != wanted[name]
    ]
    return complaints + [f"{part!r} is not said" for part in ("jax on cpu", "elbo-compare[cuda]") if part not in said]


def container(tmp_path) -> Complaints:
    """A card's device file and no nvidia-smi: there is a GPU."""
    (tmp_path / "nvidia0").touch()
    named = getattr(gpu.name_and_driver, "__wrapped__", gpu.name_and_driver)  # not what an earlier call found
    with patched(gpu, DEVICES=tmp_path, DRIVER=tmp_path, _from_smi=lambda: None, name_and_driver=named):
        return [] if gpu.present() else ["no GPU without nvidia-smi"]


def probe(tmp_path) -> Complaints:
    """JAX is asked for its devices without taking their memory."""
    asked = []
    answer = lambda *_, environment, **__: asked.append(environment) or "True"  # noqa: E731
    with patched(gpu, name_and_driver=lambda: "a card"), patched(availability, printed_by=answer):
        availability.sees_cuda.__wrapped__("jax")
    taken = asked[0].get("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    return [] if taken == "false" else ["the probe takes the device's memory"]


def prints(tmp_path) -> Complaints:
    """The fingerprint changes with cuBLAS, with JAX's plugin, and with the settings that choose kernels."""

    def fingerprint(variables=(), **packages) -> str:
        there = [SimpleNamespace(metadata={"Name": name}, version=each) for name, each in packages.items()]
        whole = gpu.settings
        with patched(gpu, distributions=lambda: there, settings=lambda before: whole(before | dict(variables))):
            return environment.fingerprint(environment.describe(device="cuda", jobs=1, threads=1))

    pairs = {
        "cuBLAS": (fingerprint(nvidia_cublas="13.1"), fingerprint(nvidia_cublas="13.2")),
        "JAX's plugin": (fingerprint(jax_cuda13_plugin="0.10.2"), fingerprint(jax_cuda13_plugin="0.11.2")),
        "cuBLAS's workspace": (fingerprint(), fingerprint({"CUBLAS_WORKSPACE_CONFIG": ":4096:8"})),
        "XLA's determinism": (fingerprint(), fingerprint({"XLA_FLAGS": "--xla_gpu_deterministic_ops=true"})),
    }
    return [f"{what} does not reach the fingerprint" for what, (one, other) in pairs.items() if one == other]


def preallocating(**asked) -> dict[str, str]:
    """A worker's environment that leaves JAX its default."""
    return {name: each for name, each in whole_environment(**asked).items() if name != "XLA_PYTHON_CLIENT_PREALLOCATE"}


whole_environment = environment.worker_environment
CHECKS = {"automatic": automatic, "container": container, "probe": probe, "prints": prints}
# fault -> (the check that must see it, what it must say, a context in which it is there)
FAULTS = {
    "7: auto is cuda for all": (
        "automatic",
        "jax-hand is planned on cuda",
        lambda: patched(availability.Placement, of=lambda self, name: self.device),
    ),
    "7: nothing is said": (
        "automatic",
        "'elbo-compare[cuda]' is not said",
        lambda: patched(availability.Placement, in_words=lambda self: f"all on {self.device}"),
    ),
    "11: nvidia-smi is believed alone": (
        "container",
        "no GPU without nvidia-smi",
        lambda: patched(gpu, name_and_driver=lambda: gpu._from_smi()),
    ),
    "11: the probe preallocates": (
        "probe",
        "takes the device's memory",
        lambda: patched(environment, worker_environment=preallocating),
    ),
    "13: no CUDA libraries": (
        "prints",
        "cuBLAS does not reach",
        lambda: patched(gpu, PACKAGE=re.compile(r"^nvidia-cudnn.*$")),
    ),
    "13: no plugins": (
        "prints",
        "JAX's plugin does not reach",
        lambda: patched(gpu, PACKAGE=re.compile(r"^nvidia-.*$")),
    ),
    "13: no settings": ("prints", "XLA's determinism does not reach", lambda: patched(gpu, SETTINGS=())),
    "13: written and not digested": ("prints", "cuBLAS does not reach", lambda: patched(environment, LATER=())),
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_harness_is_right_about_a_gpu(check, tmp_path):
    assert CHECKS[check](tmp_path) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_planted_in_the_harness_is_seen(fault, tmp_path):
    check, wanted, planted = FAULTS[fault]
    with planted():
        assert any(wanted in line for line in CHECKS[check](tmp_path))


def test_each_of_the_fifteen_faults_is_planted_somewhere():
    numbers = {int(found[0]) for name in (*TORCH_FAULTS, *JAX_FAULTS, *FAULTS) if (found := re.match(r"\d+", name))}
    assert numbers == set(range(1, 16))
