"""The command line: bad input is one line and exit code 2; help is quick and loads nothing heavy; the flow is whole."""

import json
import subprocess
import sys

import pytest

import elbo_compare
from elbo_compare.compare.running.store import Store

HEAVY = ("numpy", "pandas", "scipy", "matplotlib", "pyarrow", "torch", "jax", "pyro", "numpyro")
MOST_MODULES = 40  # of some 500
PROFILE = """
variance_margin = 0.25
[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@2-typical", "linear-gaussian@generic"]
implementations = ["numpy-oracle"]
size = 5
[[cells]]
procedure = "draw"
problems = ["gaussian-kl@2-typical"]
implementations = ["numpy-oracle"]
chunk = 5000
[[cells]]
procedure = "fit"
problems = ["vae-small@initial"]
implementations = ["numpy-oracle"]
estimators = ["sampled-kl"]
size = 4
"""


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(PROFILE)
    return path


def test_help_loads_nothing_heavy_and_little_of_ours():
    """That is what makes it quick, on any machine: a time is printed (`pytest -rP`) and not judged."""
    program = (
        "import sys, time; sys.argv = ['compare', '--help']\n"
        "from elbo_compare.compare.cli import main\n"
        "try: main()\n"
        f"except SystemExit: print(sorted(set({HEAVY!r}) & set(sys.modules)), time.process_time(),\n"
        "    len([name for name in sys.modules if name.startswith('elbo_compare')]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "doctor" in done.stdout
    heavy, seconds, ours = done.stderr.split()
    print(f"{seconds} s of processor time, {ours} modules of ours")
    assert heavy == "[]"
    assert int(ours) < MOST_MODULES


def test_importing_compare_loads_no_pandas():
    program = "import sys, elbo_compare; print('pandas' in sys.modules, callable(elbo_compare.load))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--profile", "quik"], "No profile 'quik'. Did you mean 'quick'"),
        (["run", "--profile", "missing.toml"], "missing.toml can't be read"),
        (["run", "--profile", "quick", "-k", "no-such-cell"], "-k 'no-such-cell' matches no cell of profile quick"),
        (["run", "--profile", "quick", "-k", "vae and"], "-k 'vae and' is not an expression"),
        (["run", "--profile", "quick", "--device", "gpu"], "No device 'gpu'"),
        (["run", "--profile", "quick", "-j", "0"], "-j must be at least 1, not 0"),
        (["run", "--profile", "quick", "--seed", "-1"], "--seed must be within 0 and 2^31 - 1, not -1"),
        (["run", "--profile", "quick", "--cell-timeout", "-3"], "--cell-timeout must be a positive number"),
        (["run", "--profile", "quick", "--cell-timeout", "nan"], "--cell-timeout must be a positive number"),
        (["run", "--profile", "quick", "--cell-memory", "lots"], "--cell-memory must be a size of at least 1M"),
        (["run", "--profile", "quick", "--executor", "spark"], "No executor 'spark'"),
        (["run", "--profile", "quick", "--executor", "dask"], "--executor dask and --scheduler ADDRESS go together"),
        (
            ["run", "--profile", "quick", "--scheduler", "tcp://a:1"],
            "--executor dask and --scheduler ADDRESS go together",
        ),
        (["run", "--profile", "quick", "-o", "/dev/null/x", "-k", "2-equal and oracle"], "can't be written to"),
        (["judge", "no-such-folder"], "holds no results"),
        (["report", "no-such-folder"], "holds no results"),
        (["run", "--no-such-option"], "No such option"),
        (["frobnicate"], "No such command"),
        (["run", "-j", "many"], "Invalid value for '-j'"),
    ],
)
def test_bad_input_is_named_and_ends_with_exit_code_2(command, arguments, message):
    code, out, err = command(*arguments)
    assert code == 2
    assert message in err
    assert err.startswith("compare: ")
    assert err.count("\n") == 1
    assert out == ""


def test_cuda_without_cuda_is_refused(command, monkeypatch):
    monkeypatch.setattr("elbo_compare.compare.planning.availability.sees_cuda", lambda framework: False)
    code, _, err = command("run", "--profile", "quick", "--device", "cuda")
    assert code == 2
    assert "no installed framework sees a CUDA device" in err
    assert err.count("\n") == 1


@pytest.fixture
def mixed(monkeypatch):
    """A GPU that torch sees and jax does not."""
    for name, found in (
        ("planning.availability.sees_cuda", lambda framework: framework == "torch"),
        ("commands.doctor.sees_cuda", lambda framework: framework == "torch"),
        ("gpu.present", lambda: True),
        ("gpu.name_and_driver", lambda: "A Card, 1.0 (name, driver)"),
    ):
        monkeypatch.setattr(f"elbo_compare.compare.{name}", found)


def test_doctor_and_plan_say_which_framework_computes_where(command, mixed):
    _, out, _ = command("doctor")
    assert "GPU: A Card" in out
    assert "--device auto: torch on cuda, jax on cpu; jax sees no CUDA device" in out
    code, out, err = command("plan", "--profile", "quick", "-k", "2-equal and evaluate and sampled")
    assert code == 0
    assert err.startswith("Devices: torch on cuda, jax on cpu; ")
    assert err.count("\n") == 1
    assert {line.split("/")[1] for line in out.splitlines() if "/cuda" in line} == {"torch-hand", "pyro"}


def test_a_run_with_auto_leaves_no_cell_of_the_blind_framework_unrun(command, mixed, tmp_path):
    expression = "2-equal and jax-hand and evaluate and sampled"
    code, _, err = command("run", "--profile", "quick", "-k", expression, "-j", "1", "-o", tmp_path / "out")
    assert code == 0, err
    assert "Devices: torch on cuda, jax on cpu; " in err
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["command"].startswith("compare all --profile quick --device auto")
    assert {cell.cell.device: cell.status for cell in Store(tmp_path / "out").results()} == {"cpu": "ok"}


def test_bad_data_are_refused_before_anything_runs(command, profile, tmp_path, monkeypatch):
    def refuse(x, likelihood):
        raise ValueError("Data hold nan at row 0, column 0; remove or impute it first.")

    monkeypatch.setattr("elbo_compare.suites.datasets.validate", refuse)
    code, _, err = command("run", "--profile", profile, "-o", tmp_path / "out")
    assert code == 2
    assert err == "compare: Data hold nan at row 0, column 0; remove or impute it first.\n"
    assert not (tmp_path / "out").exists()


def test_the_whole_flow_from_profile_to_report(command, profile, tmp_path):
    folder = tmp_path / "out"
    code, out, _ = command("all", "--profile", profile, "-o", folder)
    assert code in (0, 3)  # 3 where a claim needs implementations that this profile leaves out
    assert (folder / "report" / "index.html").stat().st_size > 1000
    assert "harness" in out
    assert "differs" not in out.split("Verdicts:")[1].splitlines()[0]
    results = elbo_compare.load(folder)
    assert set(results.measurements["implementation"]) == {"numpy-oracle"}
    assert set(results.verdicts["outcome"]) <= {"agrees", "not run", "inconclusive"}
    record = json.loads((folder / "run.json").read_text())
    assert record["command"] == "compare all --profile small.toml --device cpu"
    assert record["account"]["harness_share"] < 1
    assert str(tmp_path) not in (folder / "run.json").read_text()

    before = results.verdicts
    again, out, _ = command("judge", folder)
    assert again == code
    assert elbo_compare.load(folder).verdicts.equals(before)
    code, out, _ = command("report", folder)
    assert code == 0
    assert "index.html" in out


def test_a_folder_of_another_specification_is_refused_and_kept(command, profile, tmp_path):
    folder = tmp_path / "out"
    assert command("run", "--profile", profile, "-o", folder, "-k", "evaluate")[0] == 0
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, _, err = command("run", "--profile", profile, "-o", folder, "--seed", "1", "--resume")
    assert (code, "belongs to another specification" in err) == (2, True)
    code, _, err = command("run", "--profile", profile, "-o", folder, "-k", "evaluate")
    assert (code, "Add --resume" in err) == (2, True)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    code, _, err = command("run", "--profile", profile, "-o", foreign)
    assert (code, "holds no results of ours" in err) == (2, True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files


def test_resume_runs_exactly_what_is_missing_and_gives_the_same_numbers(command, profile, tmp_path):
    folder = tmp_path / "out"
    code, _, _ = command("run", "--profile", profile, "-o", folder)
    assert code == 0
    cells = sorted((folder / "cells").rglob("*.json"))
    whole = {path: json.loads(path.read_text())["result"] for path in cells}
    stamps = {path: path.stat().st_mtime_ns for path in cells}
    lost, truncated = cells[0], cells[1]
    lost.unlink()
    truncated.write_bytes(truncated.read_bytes()[:-20])
    code, _, err = command("run", "--profile", profile, "-o", folder, "--resume")
    assert code == 0
    assert f"{len(cells) - 2} of {len(cells)} cells are there; 2 are to be run" in err
    assert f"{truncated.name} set aside as damaged" in err
    for path in cells:
        again = json.loads(path.read_text())["result"]
        assert again["measurements"] == whole[path]["measurements"]
        if path not in (lost, truncated):
            assert path.stat().st_mtime_ns == stamps[path]


def test_resume_reruns_stale_cells_and_says_why(command, profile, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    assert command("run", "--profile", profile, "-o", folder, "-k", "evaluate")[0] == 0
    monkeypatch.setattr("elbo_compare.compare.environment.cpu_model", lambda: "another CPU")
    code, _, err = command("run", "--profile", profile, "-o", folder, "-k", "evaluate", "--resume")
    assert code == 0
    assert "4 cells are run again, because the environment has changed: cpu" in err
    assert "-> another CPU" in err


def test_a_run_with_a_broken_cell_goes_on_and_ends_with_exit_code_3(command, faulty, tmp_path):
    profile = tmp_path / "faulty.toml"
    profile.write_text(
        '[[cells]]\nprocedure = "evaluate"\nproblems = ["gaussian-kl@2-typical"]\nsize = 5\n'
        'implementations = ["numpy-oracle", "faulty-raises", "faulty-value"]\n'
    )
    code, _, err = command("run", "--profile", profile, "-o", tmp_path / "out")
    assert code == 3
    assert "failed: gaussian-kl@2-typical/faulty-raises/analytic-kl/evaluate/float64/cpu: RuntimeError: planted" in err
    assert "Cells that failed, crashed or timed out: 1." in err
    code, _, _ = command("judge", tmp_path / "out")
    assert code == 1  # a wrong value outranks a failed cell
    differs = elbo_compare.load(tmp_path / "out").verdicts.query("outcome == 'differs'")
    assert set(differs["implementation"]) == {"faulty-value"}
    assert "GRAD-001" in set(differs["claim"])


def test_an_interrupted_run_says_how_to_go_on(command, profile, tmp_path, monkeypatch):
    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("elbo_compare.compare.commands.run.run", interrupted)
    code, _, err = command("run", "--profile", profile, "-o", tmp_path / "out")
    assert code == 130
    assert "--resume" in err
    assert not (tmp_path / "out" / "lock").exists()


def test_plan_list_and_doctor_print_what_there_is(command, profile):
    code, out, _ = command("plan", "--profile", profile, "-k", "evaluate")
    assert code == 0
    assert len(out.splitlines()) == 4
    code, out, _ = command("list")
    assert (code, "KL-001" in out, "sampled-kl" in out) == (0, True, True)
    code, out, _ = command("doctor")
    assert (code, "numpy-oracle" in out) == (0, True)
