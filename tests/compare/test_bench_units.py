"""The bench unit by unit: time boxes, interruptions that keep what was measured, and a second call that goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from processes import GENEROUS_S

from elbo_compare.compare.bench import alone, run
from elbo_compare.compare.bench.alone import Alone
from elbo_compare.compare.bench.box import STARTS, Box
from elbo_compare.compare.bench.kept import keep, opened, uninterrupted
from elbo_compare.compare.bench.records import Setting
from elbo_compare.compare.bench.run import PARTS, Plan, finished, run_bench, units
from elbo_compare.compare.bench.steps import Bench
from elbo_compare.compare.commands.bench import EVERY, BenchRequest, bench_command
from elbo_compare.compare.errors import StoreError, UsageError
from elbo_compare.suites.contract import Device
from elbo_compare.suites.forms import FORMS


def a_plan(folder, **more):
    return Plan(folder=folder, rounds=3, device=Device.CPU, **more)


def curve(size):
    return {"curves": pd.DataFrame({"implementation": ["a"], "axis": ["batch"], "size": [size], "seconds": [1.0]})}


def measured(monkeypatch, *outcomes):
    """Let the units `u0`, `u1`, ... end with these (tables, cut, interrupted); returns the names that were measured."""
    asked = []

    def fake(plan, scratch, say):
        for index, outcome in enumerate(outcomes):
            yield f"u{index}", lambda box, index=index, outcome=outcome: asked.append(f"u{index}") or outcome

    monkeypatch.setattr(run, "units", fake)
    return asked


def test_an_interruption_keeps_what_was_measured_and_a_second_call_goes_on(monkeypatch, tmp_path):
    asked = measured(monkeypatch, (curve(1), False, False), (curve(2), True, True), (curve(3), False, False))
    with pytest.raises(KeyboardInterrupt):
        run_bench(a_plan(tmp_path), print)
    assert asked == ["u0", "u1"]
    assert pd.read_parquet(tmp_path / "curves.parquet")["size"].tolist() == [1, 2]
    assert json.loads((tmp_path / "bench.json").read_text())["units"] == {"u0": "whole", "u1": "cut"}

    asked = measured(monkeypatch, (curve(10), False, False), (curve(20), False, False), (curve(30), False, False))
    assert run_bench(a_plan(tmp_path, resume=True), print) == ()
    assert asked == ["u1", "u2"]  # what is whole is not measured again
    assert sorted(pd.read_parquet(tmp_path / "curves.parquet")["size"]) == [1, 20, 30]


def test_only_the_units_that_are_named_are_measured(monkeypatch, tmp_path):
    asked = measured(monkeypatch, (curve(1), False, False), (curve(2), False, False))
    run_bench(a_plan(tmp_path, only=lambda unit: unit == "u1"), print)
    assert asked == ["u1"]


def test_without_resume_a_bench_starts_anew(monkeypatch, tmp_path):
    measured(monkeypatch, (curve(1), False, False))
    run_bench(a_plan(tmp_path), print)
    asked = measured(monkeypatch, (curve(5), False, False))
    run_bench(a_plan(tmp_path), print)
    assert pd.read_parquet(tmp_path / "curves.parquet")["size"].tolist() == [5]
    assert asked == ["u0"]


def test_what_a_box_cuts_is_named_and_later_units_still_run(monkeypatch, tmp_path):
    asked = measured(monkeypatch, ({}, True, False), (curve(1), True, False), (curve(2), False, False))
    assert run_bench(a_plan(tmp_path), print) == ("u0", "u1")
    assert asked == ["u0", "u1", "u2"]
    assert json.loads((tmp_path / "bench.json").read_text())["units"] == {"u1": "cut", "u2": "whole"}


def test_a_second_cut_never_replaces_more_than_it_measured():
    tables = {"steps": pd.DataFrame(), "rounds": pd.DataFrame()}
    few, many = ({"steps": pd.DataFrame({"form": ["f"]}), "rounds": pd.DataFrame({"round": range(n)})} for n in (2, 5))
    assert keep(tables, "u", many, cut=True)
    assert not keep(tables, "u", few, cut=True)
    assert len(tables["rounds"]) == 5
    assert keep(tables, "u", few, cut=False)  # a whole one does
    assert len(tables["rounds"]) == 2


def test_a_unit_that_measured_nothing_before_its_cut_leaves_nothing():
    tables = {"steps": pd.DataFrame(), "rounds": pd.DataFrame()}
    assert not keep(tables, "u", {"steps": pd.DataFrame({"form": ["f"]})}, cut=True)
    assert not len(tables["steps"])


def test_a_bench_on_another_device_or_one_that_cannot_be_read_is_not_gone_on_with(tmp_path):
    (tmp_path / "bench.json").write_text(json.dumps({"device": "cuda", "units": {}}))
    with pytest.raises(StoreError, match="a bench on cuda, this one is on cpu"):
        opened(tmp_path, ("curves",), "cpu", resume=True)
    (tmp_path / "bench.json").write_text("{")
    with pytest.raises(StoreError, match="can't be read"):
        opened(tmp_path, ("curves",), "cpu", resume=True)


def test_parts_come_in_order_of_worth_and_are_finished_when_all_their_units_are(tmp_path):
    plan = a_plan(tmp_path)
    names = [name for name, _ in units(plan, tmp_path, print)]
    places = [next(i for i, name in enumerate(names) if name.startswith(part.rstrip("s"))) for part in PARTS]
    assert places == sorted(places)
    assert EVERY == PARTS
    whole = dict.fromkeys(names, "whole")
    assert tuple(finished(plan, whole)) == PARTS
    lacking = whole | {next(name for name in names if "1,000" in name): "cut"}
    assert tuple(finished(plan, lacking)) == tuple(part for part in PARTS if part != "steps")


def test_settings_are_chosen_by_label_and_a_choice_of_none_is_refused(tmp_path):
    plan = a_plan(tmp_path, settings_named=lambda label: "1,000" in label)
    assert [setting.batch for setting in plan.settings] == [1000]
    with pytest.raises(UsageError, match="--setting 'hidden' matches no setting on cpu"):
        bench_command(BenchRequest(settings="hidden", device="cpu", output=tmp_path / "o"), print)
    with pytest.raises(UsageError, match="--only 'vamp' matches no unit of draws"):
        bench_command(BenchRequest(only="vamp", parts=("draws",), device="cpu", output=tmp_path / "o"), print)
    with pytest.raises(UsageError, match="--box must be a positive number of seconds, not -1"):
        bench_command(BenchRequest(box_s=-1, device="cpu"), print)
    with pytest.raises(UsageError, match="--starters must be at least 1"):
        bench_command(BenchRequest(starters=0, device="cpu"), print)


def test_a_form_that_does_not_fit_its_box_says_so(tmp_path):
    bench = Bench(Setting(problem="vae-small", weights="initial", batch=20, batches=4), tmp_path, print, Box(seconds=0))
    bench.run([form for form in FORMS if form.name == "jax-hand loop"], 3)
    outcome = bench.outcomes["jax-hand loop"]
    assert (outcome.status, bench.cut) == ("not measured", True)
    assert outcome.reason == "its time box of 0 s was over before it was started"


def test_a_ceiling_that_does_not_start_in_time_is_no_whole_unit(monkeypatch, tmp_path):
    late = {"failed": Box(seconds=1000).words}
    monkeypatch.setattr("elbo_compare.compare.bench.process.BenchWorker.start", lambda *_: late)
    bench = Bench(
        Setting(problem="vae-small", weights="initial", batch=20, batches=4), tmp_path, print, Box(seconds=1000)
    )
    bench.run_ceilings([form for form in FORMS if form.name == "jax-hand loop"], 3)
    assert (bench.rates, bench.cut) == ([], True)


def test_the_box_ends_by_its_share():
    box = Box(seconds=10_000, began=time.monotonic() - 7_000)
    assert box.left(STARTS) < 0 < box.left() <= 3_000
    assert Box().left() == float("inf")


class FakeWorker:
    """Starts at once; its third turn is interrupted."""

    turns = 0

    def __init__(self, *_):
        self.ended = ""

    def start(self, request, box):
        return {"steps": 4}

    def turn(self, box):
        FakeWorker.turns += 1
        if FakeWorker.turns == 3:
            raise KeyboardInterrupt
        return {"curve": {"1": 1.0, "2": 2.0}}

    def kill(self):
        self.ended = "killed"

    close = kill


def test_a_clock_that_is_interrupted_keeps_its_whole_turns(monkeypatch):
    monkeypatch.setattr(alone, "BenchWorker", FakeWorker)
    FakeWorker.turns = 0
    found, cut, interrupted = Alone(Device.CPU, 9, print).curve("torch-hand", "batch", Box())
    assert (cut, interrupted) == (True, True)
    assert found["curves"]["seconds"].tolist() == [1.0, 2.0]


class SteadyWorker:
    """Turns that are all alike, but for `wavers`, which lie on both sides of one."""

    def __init__(self, *_):
        self.turns = 0

    def start(self, request, box):
        return {"steps": 4}

    def turn(self, box):
        self.turns += 1
        single = 1.0 + (0.1 * (-1) ** self.turns if WAVERS else -0.5)
        return {"single": single, "together": {"32": 32.0}}

    def close(self):
        pass


WAVERS: list[str] = []


@pytest.mark.parametrize(("wavers", "turns"), [((), 7), (("yes",), 21)])
def test_a_target_that_is_open_gets_three_times_the_rounds_and_no_more(monkeypatch, wavers, turns):
    monkeypatch.setattr(alone, "BenchWorker", SteadyWorker)
    monkeypatch.setattr("test_bench_units.WAVERS", list(wavers))
    asked = []
    frame = alone.frames.replicas_frame
    monkeypatch.setattr(alone.frames, "replicas_frame", lambda *a: asked.append(len(a[3])) or frame(*a))
    Alone(Device.CPU, 7, print).replicas("jax-hand", "vae", Box())
    assert asked == [7, turns]


def test_a_setting_whose_target_is_open_gets_three_times_the_rounds(tmp_path):
    for open_, rounds in ((False, 7), (True, 21)):
        setting = Setting(problem="vae-small", weights="initial", batch=20, batches=4)
        bench = Bench(setting, tmp_path, lambda line: None, undecided=lambda bench, open_=open_: open_)
        bench._turns(7)
        assert bench.rounds == rounds


TERMINATED = """
import sys, time
import pandas as pd
from elbo_compare.compare import cli
from elbo_compare.compare.bench import run

def slow(box):
    try:
        print("waiting", flush=True)
        time.sleep(3600)
    except KeyboardInterrupt:
        row = {"implementation": ["a"], "axis": ["b"], "size": [1], "seconds": [1.0]}
        return {"curves": pd.DataFrame(row)}, True, True

run.units = lambda plan, scratch, say: iter([("u", slow), ("v", None)])
sys.argv = ["compare", "bench", "--device", "cpu", "-o", sys.argv[1]]
cli.main()
"""


def test_a_notice_while_results_are_written_waits_for_the_end_of_the_writing():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("written")
    assert done == ["written"]
    with uninterrupted():
        done.append("again")
    assert done == ["written", "again"]


def test_a_notice_to_stop_keeps_the_unit_and_says_how_to_go_on(tmp_path):
    folder = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINATED, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "waiting\n"
    os.kill(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 130, err
    assert "--resume" in err
    assert json.loads((folder / "bench.json").read_text())["units"] == {"u": "cut"}
    assert len(pd.read_parquet(folder / "curves.parquet")) == 1
