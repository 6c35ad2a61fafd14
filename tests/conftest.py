"""Before anything of ours is imported: shape types are checked from here on. One folder for what is measured once."""

import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from shape_types import LACKING, check_shape_types

MEASURED = "ELBO_COMPARE_TESTS_MEASURED"
# Compiling is most of what JAX costs these tests: as little of it as can be, in every child. IEEE arithmetic stays what
# it is. With XLA's own settings run `test_forms`, and outside of tests the bench, timed cells and long trainings.
QUICK_TO_COMPILE = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_parallel_codegen_split_count=1"
)
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):  # a flag that XLA does not know ends the process
    QUICK_TO_COMPILE += " --xla_cpu_use_fusion_emitters=false"

os.environ.setdefault("XLA_FLAGS", QUICK_TO_COMPILE)
# Tests run side by side: a second thread in each of them gains nothing and spins while it waits for work.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# Hundreds of children import the same modules: compiled once, not by each of them anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
check_shape_types()
# No example has a time limit, on any machine; `make test` tries the same examples each time.
settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


# Whole files are handed out in this order (`make test`): the longest first, so that none begins when the other process
# has nothing left to do; what works in two processes of its own stands before what waits for much of its time.
LONGEST_FIRST = (
    "compare/test_mutants.py",
    "compare/test_gpu_day.py",
    "faults/test_real_faults.py",
    "faults/test_dask.py",
    "compare/test_launching.py",
    "compare/test_sabotage.py",
    "compare/test_every_verb_ends.py",
    "compare/test_run.py",
    "compare/test_check.py",
    "compare/test_check_models.py",
    "compare/test_match.py",
    "device/test_device.py",
    "compare/test_check_published.py",
    "compare/test_explain.py",
    "distribution/test_distribution.py",
    "compare/test_check_third_party.py",
    "suites/test_jax_flows.py",
    "suites/test_backends_draws.py",
    "suites/test_semantics_programs.py",
    "suites/test_torch_estimators.py",
    "suites/test_torch_flows.py",
    "suites/test_forms.py",
    "reports/test_standards.py",
)


def pytest_collection_modifyitems(items) -> None:
    """Files of LONGEST_FIRST before the others, everything else as it was."""
    folder = Path(__file__).parent
    place = {folder / name: index for index, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_configure(config) -> None:
    """Workers of pytest-xdist inherit the folder of the process that started them."""
    if not hasattr(config, "workerinput"):
        os.environ[MEASURED] = tempfile.mkdtemp(prefix="elbo-compare-tests-")


def pytest_unconfigure(config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(MEASURED), ignore_errors=True)


def pytest_report_header() -> str:
    """Whether shape types are checked in this run."""
    return f"shape types: not checked, {' and '.join(LACKING)} not installed" if LACKING else "shape types: checked"


@pytest.fixture
def unchecked_shapes():
    """For a test of what the product says to a record of wrong shapes, which no checked program could make."""
    if LACKING:
        yield
        return
    from jaxtyping import config

    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
