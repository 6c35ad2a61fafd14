"""Programs that are entered without an edit: trainers, main blocks, mappings, pairs, JAX training steps."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
import torch

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.loading import whole
from elbo_compare.compare.checking.process import check_target
from elbo_compare.compare.checking.result import CheckVerdict

TARGETS = Path(__file__).parent / "targets"


@pytest.fixture(autouse=True)
def _beside_the_targets(monkeypatch):
    monkeypatch.syspath_prepend(str(TARGETS))
    torch.manual_seed(16)


def checked(name, file="whole_scripts.py", **options):
    loaded = whole(f"{TARGETS / file}:{name}", asked=True)
    assert loaded is not None
    return check_model(loaded.found, names=loaded.names, target=name, **options)


def test_a_class_is_made_as_its_main_block_makes_it_and_judged_by_the_loop_there():
    before = list(sys.argv)
    result = checked("Trained")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "as line 22 of its file does: Trained(X, args.latent)" in result.as_text()
    assert "training loop, line 121" in result.parameters["loss"]
    assert sys.argv == before


def test_the_loop_of_a_trainer_is_run_with_what_its_class_says_of_self():
    result = checked("Trained", loss=f"{TARGETS / 'whole_scripts.py'}:Solver.train", constants={"beta": 4})
    assert (result.verdict, result.declared_by) == (CheckVerdict.BY_DESIGN, "--set beta=4"), result.as_text()
    asked = checked("Trained", loss=f"{TARGETS / 'whole_scripts.py'}:Solver.train")
    assert "self.beta of Solver is not known: give it, as in --set beta=1" in asked.message


def test_what_main_makes_of_its_arguments_is_known_to_its_loop():
    result = checked("Sized", "whole_main.py")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "as line 25 of its file does: Sized(args.sizes)" in result.as_text()
    assert "given" not in result.as_text()  # args is parsed, and the loader is no number
    assert "training loop, line 27" in result.parameters["loss"]


def test_a_jax_elbo_of_weights_that_its_main_block_makes_on_data_of_0_and_1():
    pytest.importorskip("jax")
    result = checked("elbo", "whole_jax_main.py")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "weights made as line 24 of its file does: init_params = " in result.as_text()
    assert "your loss = -TraceMeanField_ELBO of your own networks" in result.message


def test_a_batch_that_is_read_by_name_and_settings_of_a_class_of_their_own():
    assert checked("Mapped").verdict is CheckVerdict.RIGHT
    result = checked("Configured", init={"config": {"width": 4, "shape": [1, 2]}})
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()


def test_a_pyro_pair_is_judged_by_the_object_that_its_file_names():
    pytest.importorskip("pyro")
    result = checked("Pair")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "your loss = Trace_ELBO of your own networks" in result.message
    assert result.parameters["loss"] == "Trace_ELBO(model, guide)"
    assert whole(f"{TARGETS / 'whole_scripts.py'}:Pair", asked=False) is not None
    assert checked("SquaredPair").verdict is not CheckVerdict.RIGHT


def test_numbers_that_nobody_gave_are_told_and_given_ones_are_used():
    pytest.importorskip("pyro")
    assumed = checked("Fitted", "whole_given.py")
    assert assumed.verdict is CheckVerdict.RIGHT, assumed.as_text()
    assert "given: lam = 1" in assumed.as_text()  # and no word of the device, the loader or the step
    pair = checked("model", "whole_given.py")
    assert pair.verdict is CheckVerdict.RIGHT, pair.as_text()
    assert "given: beta = 1" in pair.as_text()
    assert "4 x KL" in checked("model", "whole_given.py", init={"beta": 4.0}).as_text()
    with pytest.raises(TargetError, match=r"--init does not fit model beside the data: .*'gamma'"):
        checked("model", "whole_given.py", init={"gamma": 4.0})


def test_a_numpyro_pair_and_a_jax_training_step():
    pytest.importorskip("numpyro")
    result = checked("model", "whole_jax_steps.py")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "Trace_ELBO of your own networks (NumPyro" in result.message


def test_inputs_beside_targets_are_what_the_decoder_gave():
    result = checked("Fitted", "whole_given.py", loss="by_torchs_names")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert checked("Fitted", "whole_given.py", loss="turned_round").verdict is not CheckVerdict.RIGHT


def test_a_determinant_is_told_by_its_name_whatever_order_forward_has():
    result = checked("WithoutSteps", "whole_given.py", loss="flow_loss")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "your loss = Trace_ELBO of your own networks" in result.message
    assert checked("WithoutSteps", "whole_given.py", loss="flow_loss_at_the_mean").verdict is not CheckVerdict.RIGHT


def test_a_model_of_another_file_is_entered_where_its_own_wants_a_package_that_is_not_there(tmp_path):
    """`train.py:models.VAE` of a file that reads its data by another framework."""
    file = tmp_path / "trains.py"
    lines = ("import sys", f"sys.path.insert(0, {str(TARGETS)!r})", "import no_such_package", "import whole_models")
    file.write_text("\n".join(lines), encoding="utf-8")
    answer = check_target(f"{file}:whole_models.VAE", model={"init": "{}"}, timeout_s=300)
    assert answer.exit_code == 0, answer.text
    assert "line 3 needs 'no_such_package', which is not installed" in answer.text
