"""Right on a GPU wherever a CPU can show it: values, devices, waiting, random numbers, precision; and faults seen.

Each framework's checks run in a process of their own, once (`pretend_torch.py`, `lowered_jax.py`).
"""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from covered import BY_HAND_PAIRS, CAPTURED, JAX_FAULTS, JAX_PAIRS, PRECISIONS, PYRO_PAIRS, TORCH_FAULTS
from stated_counts import FORMS, JAX_FORMS

from elbo_compare.suites.forms import FORMS as ALL_FORMS
from elbo_compare.suites.forms import Need

HERE = Path(__file__).parent
TORCH_CHECKS = [
    *(f"torch-hand, {problem}, {estimator}" for problem, estimator in BY_HAND_PAIRS),
    *(f"pyro, {problem}, {estimator}" for problem, estimator in PYRO_PAIRS),
    *FORMS,
    *CAPTURED,
    *(f"ceiling {precision}" for precision in PRECISIONS),
    "launches",
    "memory",
    "seeded weights",
]
JAX_CHECKS = [
    *(", ".join(each) for each in JAX_PAIRS),
    *JAX_FORMS,
    *(f"{what} {name}" for what in ("loops of", "training by") for name in ("jax-hand", "numpyro")),
    "seeded weights",
    "kernels",
]


@functools.cache
def said_by(program: str) -> dict:
    """What a process found, by check and by planted fault."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "found.json")
        command = [sys.executable, "-W", "error", str(HERE / program), str(file)]
        chosen = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[1])}
        done = subprocess.run(command, env=chosen, capture_output=True, text=True, timeout=900, check=False)
        return {"failed": done.stderr[-3000:]} if done.returncode else json.loads(file.read_text())


@pytest.mark.parametrize("program", ["pretend_torch.py", "lowered_jax.py"])
def test_the_process_ends(program):
    assert said_by(program).get("failed", "") == ""


@pytest.mark.slow
@pytest.mark.parametrize("check", TORCH_CHECKS)
def test_torch_is_right_on_the_pretend_device(check):
    assert said_by("pretend_torch.py")["clean"][check] == []


@pytest.mark.slow
@pytest.mark.parametrize("check", JAX_CHECKS)
def test_jax_is_right_for_a_device_that_is_not_there(check):
    assert said_by("lowered_jax.py")["clean"][check] == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", TORCH_FAULTS)
def test_a_fault_planted_in_torch_is_seen(fault):
    check, wanted = TORCH_FAULTS[fault]
    assert said_by("pretend_torch.py")["clean"][check] == []
    assert any(re.search(wanted, line) for line in said_by("pretend_torch.py")["planted"][fault])


@pytest.mark.slow
@pytest.mark.parametrize("fault", JAX_FAULTS)
def test_a_fault_planted_in_jax_is_seen(fault):
    check, wanted = JAX_FAULTS[fault]
    assert said_by("lowered_jax.py")["clean"][check] == []
    assert any(wanted in line for line in said_by("lowered_jax.py")["planted"][fault])


def test_every_jax_form_is_under_the_guard():
    """Those of the optional sixth implementation were not tried on it."""
    mine = {form.name for form in ALL_FORMS if form.framework == "jax" and form.need is not Need.TFP}
    assert mine == set(JAX_FORMS)


def test_every_torch_form_has_a_stated_count_or_a_reason():
    """Of the compiled forms the graphs are read; torch.jit does not go through the pretend device; Pythae chooses its
    device by itself."""
    elsewhere = {"pyro Jit", "pyro Jit without validation", "pythae trainer"}
    forms = {form.name: form for form in ALL_FORMS if form.framework == "torch"}
    assert set(forms) == {*FORMS, *CAPTURED, *elsewhere}
    assert {name for name, form in forms.items() if form.need is Need.COMPILER} <= set(CAPTURED)
    assert all(forms[name].need is not Need.CUDA for name in elsewhere)
