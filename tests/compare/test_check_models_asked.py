"""A model that wants its data, a GPU, arguments or a tokenizer gets one line that says all that is to be given."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
import torch

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.data import KINDS, feeds
from elbo_compare.compare.checking.models.lacking import lacks
from elbo_compare.compare.checking.models.loading import load_model
from elbo_compare.compare.checking.models.opening import opened
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.suites.bridge.program import Run
from elbo_compare.suites.bridge.torch_program import TorchProgram

TARGETS = Path(__file__).parent / "targets"
FILE = TARGETS / "whole_asking.py"


@pytest.fixture
def checked(monkeypatch):
    monkeypatch.syspath_prepend(str(TARGETS))
    torch.manual_seed(16)

    def check(name, **options):
        loaded = load_model(f"{FILE}:{name}")
        return check_model(loaded.found, names=loaded.names, target=name, **options)

    return check


def refused(check, name, **options):
    with pytest.raises(TargetError) as caught:
        check(name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def example(line):
    return json.loads(line.partition("--init '")[2].rpartition("'")[0])


def test_all_that_is_read_of_a_settings_object_is_asked_for_at_once(checked):
    line = refused(checked, "Set")
    assert "needs args (of which it reads z_size, cuda, beta, x_size, hidden)" in line
    assert set(example(line)["args"]) == {"z_size", "cuda", "beta", "x_size", "hidden"}
    assert example(line)["args"]["cuda"] is False
    more = refused(checked, "Set", init={"args": {"x_size": 13, "beta": 2}})
    assert "needs args.z_size, args.cuda, args.hidden; give them" in more
    assert example(more)["args"]["x_size"] == 13
    assert "--init" not in checked("Set", init=example(more)).message  # with it the model is made, and has all it reads


def test_what_is_read_only_where_it_runs_is_told_in_the_words_of_the_option(checked):
    result = checked("Set", init={"args": {"z_size": 2, "cuda": False, "x_size": 13, "hidden": 3}})
    assert result.verdict is CheckVerdict.FAILED
    assert "--init gives no 'beta'" in result.message
    assert "settings.py" not in result.message


def test_a_tokenizer_is_no_number_and_a_function_that_makes_the_model_is_asked_for(checked):
    line = refused(checked, "OfTokens")
    assert "needs tokenizer, latent_dim; tokenizer: an object that it calls, which no JSON gives" in line
    assert "a function without arguments that returns OfTokens(tokenizer, latent_dim)" in line


def test_a_file_that_is_not_here_and_a_gpu_say_what_to_give(checked):
    assert "it reads its data, which are not here" in refused(checked, "OfFile")
    if not torch.cuda.is_available():
        assert "it asks for a GPU, and none is here: give it the CPU" in refused(checked, "OnGpu")
    assert "fetches something" in lacks("OSError: Can't load tokenizer for 'bert-base'")
    assert lacks("ValueError: math domain error") == ""


def test_all_that_a_trainer_is_asked_for_is_told_at_once(checked):
    loop = f"{FILE}:Fitting.train"
    asked = checked("Plain", loss=loop)
    assert "self.objective, self.gamma, self.capacity, self.beta of Fitting are not known" in asked.message
    assert "--set objective=1 --set gamma=1 --set capacity=1 --set beta=1" in asked.message
    result = checked("Plain", loss=loop, constants={"objective": "higgins", "beta": 4})
    assert result.verdict is CheckVerdict.BY_DESIGN, result.as_text()


def test_an_attribute_that_is_made_of_itself_is_asked_for_and_all_runs_on_the_cpu(checked):
    asked = checked("Plain", loss=f"{FILE}:Plotting.train")
    assert "self.window of Plotting is not known" in asked.message


def test_a_number_that_is_one_of_several_is_asked_for(checked):
    loop = f"{FILE}:Chosen.train"
    assert "self.weight of Chosen is not known" in checked("Plain", loss=loop).message
    assert checked("Plain", loss=loop, constants={"weight": 1.0}).verdict is CheckVerdict.RIGHT


def test_a_labelled_model_is_trained_by_what_is_given_for_its_command_line(checked):
    result = checked("Labelled", init={"labelled": True}, constants={"labelled": True}, loss=f"{FILE}:main")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    without = checked("Labelled", init={"labelled": True}, loss=f"{FILE}:main")
    assert without.verdict is CheckVerdict.FAILED


EVERY = len({feed.shape for feed in feeds([("linear", 6, 6)], None)})
RAISED = {
    "RuntimeError: mat1 and mat2 shapes cannot be multiplied": EVERY,  # whatever is in data of that shape
    "ValueError: Expected value of shape (4, 6) to be within the support": len(KINDS) * EVERY,
    "NameError: name 'beta' is not defined": 1,  # at any data
    "RuntimeError: expected m1 and m2 to have the same dtype": 2 * len(KINDS) * EVERY,  # in float32 once more
}


@pytest.mark.parametrize("error", RAISED)
def test_what_an_error_says_of_the_data_is_not_tried_again(monkeypatch, error):
    tried = []

    def ran(program, setting, replaced=None):
        tried.append(setting.x.shape)
        return Run(error=error)

    monkeypatch.setattr(TorchProgram, "run", ran)
    with pytest.raises(FunctionError, match=re.escape(error)):
        list(opened(torch.nn.Linear(6, 6), {}, loss="forward", rows=None, constants={}))
    assert len(tried) == RAISED[error]


def test_an_optimizer_in_a_file_costs_no_compiler(tmp_path):
    file = tmp_path / "optimized.py"
    file.write_text(
        "import torch\nnet = torch.nn.Linear(2, 2)\noptimizer = torch.optim.Adam(net.parameters())\n"
        "optimizer.zero_grad()\n"
    )
    script = (
        "import sys\nfrom elbo_compare.compare.checking.models.loading import load_model\n"
        "assert len(load_model(sys.argv[1]).found.param_groups) == 1\nassert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, f"{file}:optimizer"], check=True, timeout=120)
