"""`compare bench`: what is counted, fitted and said, and one small run from the clock to the page."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import GENEROUS_S

from elbo_compare.compare.bench import frames
from elbo_compare.compare.bench.operations import layers_of, step_flops, step_products
from elbo_compare.compare.bench.records import FormTiming, Setting
from elbo_compare.compare.bench.run import Plan, finished, units, write
from elbo_compare.compare.bench.steps import missing, path_distance
from elbo_compare.compare.bench.targets import WORDS, remarks, target, targets
from elbo_compare.compare.commands.bench import BenchRequest, bench_command, draw_folder
from elbo_compare.compare.errors import StoreError, UsageError
from elbo_compare.suites import problems
from elbo_compare.suites.contract import Device
from elbo_compare.suites.forms import FORMS, Need, Precision

SETTING = Setting(problem="vae", weights="initial", batch=100, batches=4)
ROUNDS = 7


def timed(form, factor: float) -> FormTiming:
    seconds = tuple(1e-3 * factor * (1 + 0.01 * index) for index in range(ROUNDS))
    return FormTiming(form=form.name, status="ok", distance=0.5, loss=1.0, seconds=seconds)


def tables(slow: tuple[str, ...] = ()) -> dict[str, pd.DataFrame]:
    """Frames of a made-up run: every form takes as long as the first one, those in `slow` twice as long."""
    outcomes = {
        form.name: timed(form, 2.0 if form.name in slow else 1.0) for form in FORMS if form.need is Need.NOTHING
    }
    outcomes["torch-hand compiled"] = FormTiming(form="torch-hand compiled", status="refused", reason="another step")
    rates = [
        {"framework": framework, "precision": "full", "products": products, "round": index, "rate": 1e12}
        for framework in ("torch", "jax")
        for products in ("square", "model")
        for index in range(ROUNDS)
    ]
    problem = problems.load("vae", "initial")
    return {
        "steps": frames.steps_frame(SETTING, problem, outcomes, rates),
        "rounds": frames.rounds_frame(SETTING, outcomes),
        "ceilings": frames.ceilings_frame(SETTING, rates),
        "account": pd.DataFrame(),
        "draws": pd.DataFrame(),
        "replicas": pd.DataFrame(),
    }


DRAWS = {
    "implementation": "pyro",
    "problem": "vae",
    "weights": "trained",
    "chunk": 1000,
    "compared": 50,
    "elbo_distance": 3.0,
    "kl_distance": 5.0,
    "rates": {"blocks": [9.0], "loop": [3.0]},
}


def test_a_step_of_the_vae_has_the_operations_of_its_layers():
    # Per datum: 674,400 weights of the encoder and 439,200 of the decoder, twice three operations each; the first
    # layer's input is data, which saves 2 * 784 * 600.
    wanted = 6 * (674_400 + 439_200) - 2 * 784 * 600
    assert step_flops(problems.load("vae", "initial"), 1) == wanted
    assert step_flops(problems.load("vae", "initial"), 100) == 100 * wanted


def test_layers_of_the_same_input_are_joined_with_the_same_operations():
    problem = problems.load("vae", "initial")
    joined = layers_of(problem, joined=True)
    assert joined == [
        *((784, 600, True), (300, 600, False), (300, 80, False)),
        *((40, 600, False), (300, 600, False), (300, 784, False)),
    ]
    assert sum(2 * (2 if data else 3) * width * out for width, out, data in joined) == step_flops(problem, 1)


def test_operations_of_a_flow_are_not_counted():
    with pytest.raises(ValueError, match="householder-small has more than that"):
        step_products(problems.load("householder-small", "initial"), 10)


def test_the_exponent_of_a_power_law_is_found():
    sizes = np.array([1.0, 2.0, 4.0, 8.0])
    slope, low, high = frames.exponent(sizes, 3.0 * sizes**1.7)
    assert (slope, low, high) == pytest.approx((1.7, 1.7, 1.7))
    assert math.isnan(frames.exponent(sizes[:1], sizes[:1])[0])


def test_ratio_and_share_are_of_the_same_round():
    steps = tables(("torch-hand joined",))["steps"].set_index("form")
    assert steps.loc["torch-hand joined", "ratio"] == pytest.approx(2.0)
    assert steps.loc["torch-hand joined", "ratio_low"] == pytest.approx(2.0)
    # 574 million operations in about 1.03 ms, of 1e12 per second.
    flops = step_flops(problems.load("vae", "initial"), 100)
    assert steps.loc["torch-hand eager", "share"] == pytest.approx(flops / 1.03e-3 / 1e12)


def test_targets_and_remarks_say_what_was_missed():
    found = tables(("pyro Jit", "pyro tutorial loop"))
    frame = targets(found)
    outcome = frame.set_index("target")["outcome"]
    assert outcome[f"{SETTING.label}: our best form's time over pyro tutorial loop's"] == "reached"
    assert outcome[f"{SETTING.label}: our best form's time over numpyro example fori_loop's"] == "missed"
    assert outcome["pyro, vae: draws per second over the loop's"] == "not measured"
    lines = remarks(found)
    assert f"{SETTING.label}: pyro Jit takes 2.00 times as long as pyro SVI.step." in lines
    assert not any("pyro without validation" in line for line in lines)
    assert any(
        "torch-hand compiled was not timed, since it is not the same step: another step." in line for line in lines
    )


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ((0.9, 0.8, 0.95), "reached"),
        ((0.9, 0.8, 1.05), "not decided"),
        ((1.05, 0.98, 1.2), "not decided"),
        ((1.2, 1.01, 1.3), "missed"),
        ((0.9, math.nan, math.nan), "not decided"),
    ],
)
def test_a_target_is_judged_by_its_interval_on_either_side_of_the_mark(found, outcome):
    assert WORDS[target("time over theirs", "≤ 1", found, 1.0).outcome] == outcome
    other = {"reached": "missed", "missed": "reached"}.get(outcome, outcome)
    assert WORDS[target("share", "≥ 1", found, 1.0, least=True).outcome] == other


def replica_turns(share: float) -> list[dict]:
    """Turns in which S seeds in one program take `share` of S single trainings of one second."""
    return [{"single": 1.0, "together": {str(size): share * size for size in (1, 32)}}] * ROUNDS


def test_the_fastest_frameworks_products_bound_every_form_in_the_same_round():
    rates = [
        {"framework": framework, "precision": "full", "products": "model", "round": index, "rate": rate}
        for framework, by_round in (("torch", (3.0, 1.0)), ("jax", (2.0, 5.0, 7.0)))
        for index, rate in enumerate(by_round)
    ]
    assert frames.ceiling(rates, "jax", Precision.FULL, "model") == {0: 2.0, 1: 5.0, 2: 7.0}
    assert frames.ceiling(rates, None, Precision.FULL, "model") == {0: 3.0, 1: 5.0}  # torch has no third round
    assert frames.ceiling([], None, Precision.FULL, "model") == {}


def test_draws_that_are_not_the_same_numbers_are_named():
    found = tables() | {"draws": frames.draws_frame([DRAWS])}
    assert not any("draws of blocks" in line for line in remarks(found))
    for wrong in (1e6, math.nan):
        found["draws"] = frames.draws_frame([DRAWS | {"kl_distance": wrong, "elbo_distance": wrong}])
        assert any("pyro, vae: the draws of blocks and of single calls differ" in line for line in remarks(found))


@pytest.mark.parametrize(("share", "outcome"), [(0.5, "reached"), (1.5, "missed")])
def test_many_seeds_are_held_to_as_many_single_trainings(share, outcome):
    found = tables() | {"replicas": frames.replicas_frame("jax-hand", "vae", 40, replica_turns(share))}
    assert found["replicas"].set_index("replicas").loc[32, "over_one"] == pytest.approx(32 * share)
    reached = targets(found).set_index("target")["outcome"]
    assert reached["32 seeds of vae in one program, jax-hand: time over 32 single trainings'"] == outcome
    assert reached["32 seeds of vae in one program, torch-hand: time over 32 single trainings'"] == "not measured"


def on_a_gpu(share_form: str, seconds: float, launches: float) -> dict[str, pd.DataFrame]:
    """Frames of a made-up run on a GPU: one reduced form at batch 4,096 and the CUDA graph at batch 100."""
    setting = Setting(problem="vae", weights="initial", batch=4096, batches=4, device="cuda")
    small = Setting(problem="vae", weights="initial", batch=100, batches=4, device="cuda")
    flops = step_flops(problems.load("vae", "initial"), 4096)
    rates = [
        {"framework": "torch", "precision": precision, "products": products, "round": index, "rate": rate}
        for precision, products, rate in (
            ("bfloat16", "square", flops),  # a step of one second would reach the ceiling
            ("full", "square", 1e12),
            ("full", "launches", 1e6),
        )
        for index in range(ROUNDS)
    ]
    one = {share_form: FormTiming(form=share_form, status="ok", seconds=(seconds,) * ROUNDS)}
    graph = FormTiming(form="torch-hand CUDA graph", status="ok", seconds=(1e-4,) * ROUNDS, launches=launches)
    parts = [
        frames.steps_frame(setting, problems.load("vae", "initial"), one, rates),
        frames.steps_frame(small, problems.load("vae", "initial"), {graph.form: graph}, rates),
    ]
    return tables() | {"steps": pd.concat(parts), "rounds": frames.rounds_frame(small, {graph.form: graph})}


@pytest.mark.parametrize(("seconds", "launches", "outcome"), [(1.5, 80.0, "reached"), (1.8, 30.0, "missed")])
def test_a_gpu_is_held_to_products_of_the_same_precision_and_to_the_launch_floor(seconds, launches, outcome):
    reached = targets(on_a_gpu("torch-hand bfloat16", seconds, launches)).set_index("target")["outcome"]
    assert reached["GPU, hidden 4,096, batch 4,096, TF32 or bfloat16: share of the matrix-product ceiling"] == outcome
    assert reached["GPU, vae, batch 100: time per step over the launch floor's"] == outcome
    assert reached["32 seeds of vae in one program, jax-hand: time over one training's"] == "not measured"


def test_a_form_that_needs_a_gpu_is_not_started_without_one():
    graph = next(form for form in FORMS if form.name == "torch-hand CUDA graph")
    assert "CUDA device" in missing(graph, SETTING)


def test_a_path_is_held_to_what_one_ulp_makes_of_it(tmp_path):
    plain, form = str(tmp_path / "plain.npz"), str(tmp_path / "form.npz")
    exact = np.ones(100)
    np.savez(plain, **{"w": exact, "moved:w": exact + 1e-9})
    np.savez(form, w=exact + 5e-8)
    assert path_distance(form, plain, "float64")[0] == pytest.approx(0.5)
    np.savez(form, w=np.full(100, np.nan))
    assert not path_distance(form, plain, "float64")[0] <= 1


TOUCH = """
import numpy as np
from elbo_compare.compare.procedures.peak_memory import peak_bytes, reset_peak, resident
from elbo_compare.suites.contract import Device
if reset_peak():
    before = resident("VmHWM")
    print((peak_bytes(lambda: np.ones(8 * 2**20), Device.CPU) - before) / 2**26)  # 64 MiB, gone when it is read
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_the_high_water_mark_rises_by_what_is_touched():
    # In a process of its own, as the bench reads it: elsewhere memory that others free meanwhile hides the rise.
    done = subprocess.run([sys.executable, "-c", TOUCH], capture_output=True, text=True, timeout=GENEROUS_S, check=True)
    if not done.stdout:
        pytest.skip("this system does not let a process reset its high-water mark")
    assert float(done.stdout) > 0.9


def test_the_page_shows_targets_pictures_and_every_table(tmp_path):
    found = tables(("numpyro update scan",))
    found["draws"] = frames.draws_frame([DRAWS])
    found["replicas"] = frames.replicas_frame("jax-hand", "vae", 40, replica_turns(0.5))
    found["curves"] = frames.curves_frame("torch-hand", "batch", [{"50": 1e-3, "100": 2e-3, "200": 4e-3}] * ROUNDS)
    found["exponents"] = frames.exponents_frame(found["curves"])
    found["targets"] = targets(found)
    plan = Plan(folder=tmp_path, rounds=ROUNDS, device=Device.CPU)
    write(
        plan, {name: found.get(name, pd.DataFrame()) for name in ("steps", "rounds", "ceilings", *found)}, ["A remark."]
    )
    page = draw_folder(tmp_path).read_text()
    assert "A remark." in page and "numpyro update scan" in page
    assert "Targets:" in page and "Verdicts:" not in page
    figures = {path.name for path in (tmp_path / "report" / "figures").glob("*.svg")}
    assert figures == {"bench-ratio.svg", "bench-share.svg", "bench-costs.svg"}
    assert str(tmp_path) not in page
    # A whole word: a host may be called by letters that stand in the name of a setting.
    assert not re.search(rf"\b{re.escape(os.uname().nodename)}\b", (tmp_path / "bench.json").read_text())


def test_requests_that_make_no_sense_are_refused_in_one_line(tmp_path):
    with pytest.raises(UsageError, match="No part 'step'"):
        bench_command(BenchRequest(parts=["step"]), print)
    with pytest.raises(UsageError, match="--rounds must be at least 1"):
        bench_command(BenchRequest(rounds=0), print)
    with pytest.raises(UsageError, match="holds no bench"):
        draw_folder(tmp_path)
    (tmp_path / "foreign").write_text("")
    with pytest.raises(StoreError, match="holds no bench of ours"):
        bench_command(BenchRequest(output=tmp_path), print)


RUN = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from elbo_compare.compare.bench.records import Setting
from elbo_compare.compare.bench.steps import Bench
from elbo_compare.suites.forms import FORMS

folder = Path(sys.argv[1])
bench = Bench(Setting(problem="vae-small", weights="initial", batch=20, batches=4), folder, print)
chosen = ("torch-hand eager", "torch-hand joined", "torch-hand CUDA graph")
bench.run([form for form in FORMS if form.name in chosen], 1)
print(json.dumps({"outcomes": [asdict(each) for each in bench.outcomes.values()], "rates": bench.rates}))
"""


def test_a_small_run_checks_times_and_counts(tmp_path):
    done = subprocess.run([sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    outcomes = {each["form"]: each for each in found["outcomes"]}
    assert outcomes["torch-hand CUDA graph"]["status"] == "not measured"
    for name in ("torch-hand eager", "torch-hand joined"):
        assert outcomes[name]["status"] == "ok", outcomes[name]["reason"]
        assert outcomes[name]["distance"] <= 1
        assert len(outcomes[name]["seconds"]) == 1 and outcomes[name]["seconds"][0] > 0
    assert outcomes["torch-hand joined"]["operations"] < outcomes["torch-hand eager"]["operations"]
    assert {each["products"] for each in found["rates"]} == {"square", "model"}


@pytest.mark.parametrize("device", list(Device))
def test_only_a_whole_bench_is_published(tmp_path, device):
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    try:
        from publish_bench import publish
    finally:
        sys.path.pop(0)
    results = tmp_path / "bench"
    (results / "report").mkdir(parents=True)
    (results / "report" / "report.html").write_text("page")
    plan = Plan(folder=results, rounds=11, device=device)
    whole = {name: "whole" for name, _ in units(plan, tmp_path, print)}
    every = tuple(finished(plan, whole))
    record = {"parts": every, "rounds": 11, "command": "compare bench --rounds 11", "device": device}
    for change in ({"rounds": 3}, {"parts": every[1:]}, {"parts": ["steps"]}, {"command": "compare bench -k joined"}):
        (results / "bench.json").write_text(json.dumps(record | change))
        with pytest.raises(SystemExit, match="is not whole"):
            publish(results, "name", tmp_path / "published")
    assert publish(results, "part", tmp_path / "published", partial=True).name == "part"
    (results / "bench.json").write_text(json.dumps(record))
    assert (publish(results, "name", tmp_path / "published") / "report" / "report.html").read_text() == "page"
    with pytest.raises(SystemExit, match="published already"):
        publish(results, "name", tmp_path / "published")
