"""Every training form takes the very step of its plain form; and counts that no machine changes do not grow."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from forms_process import BATCH, case

from elbo_compare.compare.bench.operations import step_flops
from elbo_compare.compare.bench.steps import path_distance
from elbo_compare.suites import problems
from elbo_compare.suites.contract import DType
from elbo_compare.suites.forms import FORMS, REFERENCE, Check, Need

HERE = Path(__file__).parent
TESTED = [form for form in FORMS if form.need is Need.NOTHING]
SAME_STEP = [form for form in TESTED if form.check is Check.WEIGHTS]


@functools.cache
def folder(framework: str) -> Path:
    """What one process per framework left: weights as .npz, losses and counts as JSON."""
    kept = tempfile.TemporaryDirectory()
    _KEPT.append(kept)
    own = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    chosen = own | {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, str(HERE / "forms_process.py"), kept.name, framework]
    done = subprocess.run(command, env=chosen, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return Path(kept.name)


_KEPT: list[tempfile.TemporaryDirectory] = []


def record(framework: str) -> dict:
    return json.loads((folder(framework) / f"{framework}.json").read_text())


def weights(form, suffix: str = "") -> str:
    return str(folder(form.framework) / f"{form.name}{suffix}.npz")


def by_name(name: str):
    return next(form for form in FORMS if form.name == name)


@pytest.mark.parametrize("form", SAME_STEP, ids=lambda form: form.name)
def test_weights_after_three_steps_are_the_plain_forms(form):
    distance, tensor = path_distance(weights(form), weights(by_name(form.plain)), "float64")
    assert distance <= 1, f"{form.name}: {tensor} is {distance} times what rounding explains"


@pytest.mark.parametrize("form", [form for form in SAME_STEP if form.is_plain], ids=lambda form: form.name)
def test_a_learning_rate_one_percent_too_large_is_refused(form):
    distance, _ = path_distance(weights(form, " wrong"), weights(form), "float64")
    assert distance > 1


@pytest.mark.parametrize("name", [form.name for form in TESTED if form.check is Check.LOSS])
def test_a_peers_first_loss_is_its_librarys(name):
    losses = record(by_name(name).framework)["losses"]
    # Sums over the batch and over pixels in another order, through probabilities: some hundred roundoffs of 44 nats.
    assert losses[name] == pytest.approx(losses[REFERENCE[name]], rel=1e-12)


def test_the_joined_losss_own_derivatives_hold_for_any_logit():
    """Twenty roundoffs: a few for each operation, sums taken in pairs; the largest term of glu is about 100."""
    edges = record("jax")["edges"]
    assert set(edges) >= {"cross entropy of 7", "cross entropy of 64", "slope of glu"}
    for name, error in edges.items():
        assert error <= 20 * 2.0**-53 * (100 if "glu" in name else 1), name


# Operators that one step dispatches, counted with these versions. More than these is work that someone added; another
# version of the library may count otherwise and is no failure of ours.
COUNTED_WITH = {"torch": "2.13", "jax": "0.10"}
MOST = {("torch", "eager"): 462, ("torch", "joined"): 131, ("jax", "loop"): 743, ("jax", "joined"): 327}
COUNTED = list(MOST)


@pytest.mark.parametrize(("framework", "name"), COUNTED)
def test_a_step_has_no_more_operations_than_before(framework, name):
    installed, pinned = version(framework), COUNTED_WITH[framework]
    if installed.split(".")[:2] != pinned.split("."):
        pytest.skip(
            f"operations were counted with {framework} {pinned}, {installed} is installed: count again, pin both"
        )
    counted, most = record(framework)["counts"][name]["operations"], MOST[framework, name]
    assert counted <= most, f"{framework} {name}: {counted} operations, {most} with {framework} {pinned}"


@pytest.mark.parametrize(("framework", "name"), COUNTED)
def test_operations_of_matrix_products_are_those_counted_from_shapes(framework, name):
    assert record(framework)["counts"][name]["flops"] == step_flops(problems.load("vae-small", "initial"), BATCH)


@pytest.mark.parametrize(("framework", "name"), COUNTED)
def test_weights_and_gradients_take_two_numbers_per_parameter(framework, name):
    numbers = sum(value.size for value in problems.load("vae-small", "initial").params.values())
    assert record(framework)["counts"][name]["bytes"] == 2 * 8 * numbers


# These lay numbers out anew, or are the tracer's own: a part on arrays that are there needs others of them.
LAID_OUT = {
    *("t", "detach", "expand", "view", "select", "split", "unsqueeze", "zeros", "ones_like", "_local_scalar_dense"),
    *("slice", "squeeze", "broadcast_in_dim", "concatenate", "reshape", "transpose", "scatter", "optimization_barrier"),
}
PARTS = ("matrix products", "element-wise passes", "optimiser", "noise", "data")


def arithmetic(found: dict[str, int]) -> Counter[str]:
    """What is computed: operators by their short names."""
    counted: Counter[str] = Counter()
    for name, count in found.items():
        space, _, rest = name.rpartition("::")
        if space != "profiler" and rest.split(".")[0] not in LAID_OUT:
            counted[name] += count
    return counted


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_a_step_is_its_parts_and_leaving_one_out_removes_just_its_operations(framework):
    found = record(framework)["parts"]
    assert found["loss"] == pytest.approx(found["wanted"], rel=1e-13)  # the same sums in the same order
    done = {way: arithmetic(operations) for way, operations in found["operations"].items()}
    assert all(done[part] for part in PARTS[:-1])
    together = Counter[str]()
    for part in PARTS:
        together += done[part]
    assert done["whole"] == together
    for part in ("optimiser", "element-wise passes"):
        assert done[f"without {part}"] == done["whole"] - done[part]


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_every_product_of_a_step_is_made_once_whatever_is_left_out(framework):
    found = record(framework)["parts"]
    flops = step_flops(problems.load("vae-small", "initial"), BATCH)
    multiplying = {"whole", "without optimiser", "without element-wise passes", "matrix products"}
    assert {way for way, counted in found["flops"].items() if counted == flops} == multiplying
    assert {counted for way, counted in found["flops"].items() if way not in multiplying} == {0}
    if framework == "jax":  # XLA keeps them in the loop: six layers forward and by the weight, five by the input
        left = found["compiled products"]
        assert {way for way, counted in left.items() if counted == 6 + 6 + 5} == multiplying | {"ceiling"}


def test_changing_data_compiles_nothing_anew():
    torch, jax = record("torch")["counts"], record("jax")["counts"]
    assert torch["compiled"]["graphs"] == 1
    # A form that is prepared again finds what was compiled: one graph, and one compiled function that keeps it.
    assert torch["compiled"]["prepared twice"] == torch["compiled"]["kept"] == 1
    assert [jax[name]["compilations"] for name in ("loop", "joined", "numpyro")] == [1, 1, 1]
    assert jax["numpyro"]["traced again"] == 0


def test_a_step_in_pyro_calls_object_model_and_guide_once():
    assert record("torch")["counts"]["pyro"] == {"loss_and_grads": 1, "model": 1, "guide": 1}


def test_every_form_has_a_plain_form_of_its_own_implementation():
    plain = {form.name: form for form in FORMS if form.is_plain}
    for form in FORMS:
        assert form.plain in plain or form.name in REFERENCE
        assert plain.get(form.plain, form).implementation == form.implementation


def test_moving_by_one_ulp_moves_every_weight():
    from elbo_compare.suites.forms import moved_by_one_ulp

    now = replace(case(), dtype=DType.FLOAT32)
    for name, moved in moved_by_one_ulp(now).problem.params.items():
        assert (moved > now.problem.params[name].astype(np.float32)).all()
