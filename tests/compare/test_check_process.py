"""`compare check` on real processes: exit codes, time limit, printing, and what the parent imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from processes import GENEROUS_S

from elbo_compare.compare.checking.command import check_command
from elbo_compare.compare.checking.process import check_target

TARGETS = Path(__file__).parent / "targets"


def target(file, name):
    return f"{TARGETS / file}.py:{name}"


def test_a_right_function_that_prints(capfd):
    assert check_command(target("broken", "right"), timeout_s=GENEROUS_S, as_json=True) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["verdict"] == "right"
    assert err == ""


def test_a_wrong_function_in_torch(capfd):
    assert check_command(target("torch_wrong", "kl_mean"), timeout_s=GENEROUS_S) == 1
    out = capfd.readouterr().out
    assert out.startswith("WRONG")
    assert "averaged over the latent dimensions and the batch" in out
    assert "[MUT-" in out


def test_a_function_that_hangs_is_ended_in_time():
    answer = check_target(target("broken", "hangs"), framework="numpy", timeout_s=8)
    assert answer.exit_code == 3
    assert "No answer after 8 s while calling it" in answer.text
    assert "still here" in answer.text


@pytest.mark.parametrize(
    ("name", "says"),
    [("exits_at_once", "exit status 7"), ("aborts", "signal SIGABRT"), ("exits", "sys.exit('goodbye')")],
)
def test_a_function_that_ends_the_process(name, says):
    answer = check_target(target("broken", name), framework="numpy", timeout_s=GENEROUS_S)
    assert answer.exit_code == 3
    assert says in answer.text


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (target("missing_framework", "kl"), "needs 'framework_of_tomorrow', which is not installed here"),
        (target("exits_on_import", "kl"), "ends the process while it is imported"),
        (target("no_such_file", "kl"), "There is no file"),
        (target("broken", "rigth"), "Did you mean 'right'"),
        (target("broken", "NOT_A_FUNCTION"), "of type int"),
        (target("broken", "unknown_names"), "--map h=OURS"),
        ("no_such_module_at_all:kl", "There is no module"),
        ("just_a_word", "FILE.py:FUNCTION or MODULE:FUNCTION"),
    ],
)
def test_a_target_that_cannot_be_loaded(where, says):
    answer = check_target(where)
    assert answer.exit_code == 2
    assert says in answer.text
    assert json.loads(answer.json)["verdict"] == "not loaded"


def test_a_module_of_the_working_folder_is_found_even_if_it_is_called_compare(tmp_path, monkeypatch):
    (tmp_path / "compare.py").write_text("raise RuntimeError('not this one')")
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "half.py").write_text("HALF = 0.5")
    (package / "loss.py").write_text(
        "import numpy as np\nfrom .half import HALF\n\n\ndef kl(mean, log_var):\n"
        "    return HALF * (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert check_target("mine.loss:kl", timeout_s=GENEROUS_S).exit_code == 0


def test_the_parent_imports_no_framework():
    code = (
        "import sys; from elbo_compare.compare.checking.command import check_command; "
        f"check_command({target('broken', 'nope')!r}); "
        "sys.exit(bool({'torch', 'jax', 'pyro', 'numpyro', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_number_is_given_and_the_whole_record_is_printed(capfd):
    options = {"constants": {"kl_weight": 4.0}, "args": [], "verbose": True, "timeout_s": GENEROUS_S}
    assert check_command(target("published", "Model.loss"), **options) == 0
    out = capfd.readouterr().out
    assert out.startswith("BY DESIGN")
    assert "declared by its argument kl_weight" in out
    assert "importing it" in out and "checking" in out  # where the time went


def test_a_fault_of_the_command_line_is_told():
    from elbo_compare.compare.checking.command import constants_of
    from elbo_compare.compare.errors import UsageError

    assert constants_of(["beta=4", "mode=sum", "flag=True"]) == {"beta": 4, "mode": "sum", "flag": True}
    with pytest.raises(UsageError, match="name=value"):
        constants_of(["beta"])
