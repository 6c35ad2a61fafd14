"""Whole torch models: right ones are entered without an edit, and each planted fault is named."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from processes import GENEROUS_S

pytest.importorskip("torch")
import torch

from elbo_compare import assert_elbo_claims
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.loading import load_model, whole
from elbo_compare.compare.checking.process import check_target
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.records import Outcome

TARGETS = Path(__file__).parent / "targets"
FILE, MORE = (str(TARGETS / name) for name in ("whole_models.py", "whole_objectives.py"))


@cache
def models():
    return load_model(f"{FILE}:VAE").names | load_model(f"{MORE}:FreeBits").names


def checked(name, **options):
    torch.manual_seed(16)
    return check_model(models()[name], names=models(), target=name, **options)


RIGHT = {
    "VAE": ("TraceMeanField_ELBO", "eq. 7"),
    "InPlace": ("Trace_ELBO", "eq. 6"),
    "ByName": ("/ batch", "averaged"),
    "SquaredError": ("up to a constant", "N(x | output, 1)"),
    "Softplus": ("TraceMeanField_ELBO", "eq. 7"),
    "Dropout": ("TraceMeanField_ELBO", "eq. 7"),
    "Steps": ("TraceMeanField_ELBO", "eq. 7"),
    "RowByRow": ("TraceMeanField_ELBO", "a batch of 4 alone"),
    "TwoLatents": ("TraceMeanField_ELBO", "2 latents"),
    "Epsilon": ("TraceMeanField_ELBO", "log(p + e) with an epsilon of about 1e-08"),
    "FloatInside": ("TraceMeanField_ELBO", "judged to float32's rounding: float makes float32"),
    "Narrow": ("TraceMeanField_ELBO", "eq. 7"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_model_equals_the_librarys_object_on_its_own_networks(name):
    result = checked(name)
    text = result.as_text()
    assert result.verdict is CheckVerdict.RIGHT, text
    assert all(words in text for words in RIGHT[name]), text
    assert "gradients too" in text
    assert len(text.splitlines()) <= 5
    claims = {claim.name: claim for claim in result.terms[0].claims}
    assert {"sampler", "value", "gradient", "Trace_ELBO", "TraceMeanField_ELBO"} <= set(claims)
    assert all(claims[one].difference <= claims[one].tolerance for one in ("sampler", "value", "gradient"))
    objects = [claims["Trace_ELBO"], claims["TraceMeanField_ELBO"]]  # one is the loss, one the loss with the other KL
    assert all(each.outcome is Outcome.AGREES and each.difference <= each.tolerance for each in objects)
    assert sum("sampled minus analytic KL" in each.note for each in objects) == 1


def test_an_epsilon_that_looks_like_a_weight_is_no_other_objective():
    torch.manual_seed(0)
    result = check_model(models()["EpsilonInAWideOne"], names=models())
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "epsilon of about 1e-08" in result.as_text()


WRONG = {
    "SigmaSquared": "multiplies the noise by sigma^2",
    "LogVarAsSigma": "multiplies the noise by log sigma^2",
    "SharedOverBatch": "shared by all 4 data",
    "UniformNoise": "uniform on (0, 1)",
    "MeanDecoded": "decoded from the mean",
    "NeverSampled": "never a sample",
    "SampleDetached": "detach in whole_models.py",
    "MeanDetached": "detach in whole_models.py",
    "NoGrad": "no_grad in whole_models.py",
    "SampleNotRsample": "sample() in whole_models.py",
    "Frozen": "requires_grad is False",
    "Item": "item in whole_models.py",
    "AlwaysDropout": "dropout is active in evaluation",
    "AlwaysBatch": "depends on the others in its batch",
    "DataAveraged": "averaged over the batch and the observed dimensions",
    "SignOfKl": "-1 x the KL",
    "LogVarSign": "log sigma^2 weighs 0.5, where -0.5 is right",
    "NoKl": "the KL is missing",
    "NearlyLogVar": "log sigma^2 weighs -0.50005, where -0.5 is right",
    "NearlyMean": "mean^2 weighs 0.5000005, where 0.5 is right",
    "OneHead": "from one head",
}
OTHER = {"SecondDraw": "second draw", "HalfMissing": "2 x KL"}


@pytest.mark.parametrize("name", WRONG | OTHER)
def test_a_planted_fault_is_caught_and_named(name):
    result = checked(name)
    verdict = CheckVerdict.OTHER_OBJECTIVE if name in OTHER else CheckVerdict.WRONG
    assert (result.verdict, result.exit_code) == (verdict, 1), result.as_text()
    assert result.diagnosis is not None
    said = f"{result.diagnosis.text} {result.diagnosis.advice}"
    assert (WRONG | OTHER)[name] in said, said
    assert len(result.as_text().splitlines()) <= 5


@pytest.mark.parametrize("name", ["Wasserstein", "Scaled"])
def test_what_is_no_vae_is_not_judged_and_never_accused(name):
    result = checked(name)
    assert (result.verdict, result.exit_code) == (CheckVerdict.NOT_JUDGED, 3), result.as_text()
    assert "not judged" in result.message


def test_a_weight_by_an_attribute_is_by_design():
    result = checked("Beta")
    assert (result.verdict, result.declared_by) == (CheckVerdict.BY_DESIGN, "its attribute beta")
    assert "scaled by 4" in result.message
    assert checked("HalfMissing", objective="beta").exit_code == 0


def test_a_weight_that_is_given_is_by_design_and_a_weight_of_one_announces_the_elbo():
    given = checked("WeightGiven", constants={"kld_weight": 0.00025})
    assert given.verdict is CheckVerdict.BY_DESIGN, given.as_text()
    assert given.declared_by == "--set kld_weight=0.00025"
    assert "beta x KL, beta = 0.000125 x observed" in given.equation or "beta = 0.00025 x observed" in given.equation
    for announced in ({"kld_weight": 1.0}, {}):
        one = checked("WeightGiven", constants=announced)
        assert one.verdict is CheckVerdict.WRONG, one.as_text()
        assert "averaged over the batch and the observed dimensions" in one.as_text()
        assert one.message == ""


def test_a_flow_that_keeps_volumes_is_judged_and_another_as_far_as_it_goes():
    result = checked("Householder")
    text = result.as_text()
    assert result.verdict is CheckVerdict.RIGHT, text
    assert "keeps volumes (|det| = 1): log q at z_0, log p(z) at z_T" in text
    assert "a guide with a flow is not made of them" in text
    wrong = checked("HouseholderDetached")
    assert wrong.verdict is CheckVerdict.WRONG, wrong.as_text()
    bent = checked("Bent")
    assert bent.verdict is CheckVerdict.NOT_JUDGED
    assert "the loss is the ELBO with its log-determinant, to 1e-5" in bent.message
    planar = checked("Planar")
    assert planar.verdict is CheckVerdict.NOT_JUDGED, planar.as_text()
    without = checked("BentWithoutDeterminant")
    assert without.verdict is CheckVerdict.NOT_JUDGED, without.as_text()
    assert "whose log |det| lies between" in without.message


def test_free_bits_are_judged_under_their_own_formula():
    result = checked("FreeBits")
    text = result.as_text()
    assert (result.verdict, result.objective, result.declared_by) == (
        CheckVerdict.BY_DESIGN,
        "free-bits",
        "its attribute free_bits",
    ), text
    assert "max(KL, 0.05)" in text
    assert "not run, they have no floor" in result.message
    wrong = checked("FreeBitsDetached")
    assert wrong.verdict is CheckVerdict.WRONG, wrong.as_text()
    assert "detach in whole_objectives.py" in wrong.as_text()


def test_a_capacity_that_no_kl_reaches_is_no_flipped_sign():
    result = checked("Capacity")
    assert (result.verdict, result.objective) == (CheckVerdict.BY_DESIGN, "capacity"), result.as_text()
    assert "2 x |KL - 60|" in result.equation
    assert checked("SignOfKl").verdict is CheckVerdict.WRONG


def test_a_capacity_that_grows_with_the_steps_is_told_from_a_flipped_sign_beyond_its_level():
    result = checked("GrowingCapacity")
    assert (result.verdict, result.objective) == (CheckVerdict.BY_DESIGN, "capacity"), result.as_text()
    assert "2 x |KL - 3.846" in result.equation
    assert checked("FlippedBesideAConstant").verdict not in (CheckVerdict.BY_DESIGN, CheckVerdict.RIGHT)


def test_the_sentence_comes_out_of_the_librarys_object(monkeypatch):
    """A broken ELBO class turns it red: the number is the object's own."""
    pytest.importorskip("pyro")
    from pyro.infer import TraceMeanField_ELBO

    loss = TraceMeanField_ELBO.differentiable_loss
    monkeypatch.setattr(TraceMeanField_ELBO, "differentiable_loss", lambda *args: 1.01 * loss(*args))
    result = checked("VAE")
    assert result.verdict is not CheckVerdict.RIGHT
    assert "TraceMeanField_ELBO off by" in result.as_text()


@pytest.mark.parametrize(("name", "other"), [("VAE", "Trace_ELBO"), ("Sampled", "TraceMeanField_ELBO")])
def test_the_object_with_the_other_kl_is_judged_too_and_accuses_nobody(monkeypatch, name, other):
    pyro = pytest.importorskip("pyro")
    elbo = getattr(pyro.infer, other)
    loss = elbo.differentiable_loss

    def off(self, *args):
        return loss(self, *args) + 0.125 * (type(self) is elbo)  # the one class inherits from the other

    monkeypatch.setattr(elbo, "differentiable_loss", off)
    result = checked(name)
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    claim = next(each for each in result.terms[0].claims if each.name == other)
    assert claim.outcome is Outcome.NOT_RUN
    assert claim.difference == pytest.approx(0.125, abs=1e-9)


def test_without_the_library_it_is_not_run_and_says_so(monkeypatch):
    from elbo_compare.compare.checking.models import libraries

    monkeypatch.setattr(libraries, "find_spec", lambda package: None)
    result = checked("VAE")
    assert result.verdict is CheckVerdict.RIGHT
    assert "not run, pyro is not installed" in result.message


def test_the_model_is_left_as_it_was():
    model = models()["Dropout"]()
    model.eval()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    check_model(model, names=models())
    after = model.state_dict()
    assert not model.training
    assert all(torch.equal(before[name], after[name]) and before[name].dtype == after[name].dtype for name in before)


def test_in_a_test_of_ones_own():
    rows = np.random.default_rng(0).uniform(0.1, 0.9, (20, 13))
    assert_elbo_claims(model=models()["VAE"](), data=rows)
    with pytest.raises(AssertionError, match="detach"):
        assert_elbo_claims(model=models()["SampleDetached"], data=rows)
    with pytest.raises(TargetError, match="one of them"):
        assert_elbo_claims()


def test_bad_input_is_one_line_that_says_what_to_give(tmp_path):
    with pytest.raises(TargetError, match="latent_dim"):
        check_model(_needs_sizes, target="made")
    with pytest.raises(TargetError, match="No loss 'nothing'"):
        checked("VAE", loss="nothing")
    with pytest.raises(TargetError, match="at least 16 rows"):
        checked("VAE", data=np.zeros((3, 13)))
    with pytest.raises(TargetError, match=r"FILE\.npy, digits or mnist"):
        checked("VAE", data="nowhere.npy")
    assert checked("VAE", data=np.full((20, 5), 0.5)).verdict is CheckVerdict.FAILED
    old = tmp_path / "old.py"
    old.write_text("class VAE:\n    def f(self):\n        print 'of Python 2'\n")
    with pytest.raises(TargetError, match="Python 2"):
        load_model(f"{old}:VAE")


def _needs_sizes(latent_dim):
    raise AssertionError(latent_dim)


def test_a_file_that_wants_its_data_and_trains_at_import_is_entered(tmp_path):
    """Its definitions are run, what fails or would train is left out and said."""
    program = tmp_path / "program.py"
    lines = [
        "import missing_plots",
        "from whole_models import VAE as Base",
        "class VAE(Base): pass",
        "model = VAE()",
        "rows = open('no such data').read()",
        "def train(): raise SystemExit('trained')",
        "for epoch in range(10**9): train()",
        "train()",
    ]
    program.write_text("\n".join(["import sys", f"sys.path.insert(0, {str(TARGETS)!r})", *lines]))
    loaded = whole(f"{program}:model", asked=False)
    assert loaded is not None
    assert len(loaded.left_out) == 4
    assert "missing_plots" in loaded.note
    assert whole(f"{FILE}:VAE.loss_function", asked=False) is None


def test_the_loss_of_a_training_loop_is_found_without_an_edit():
    loaded = load_model(str(TARGETS / "training_script.py:VAE"))
    result = check_model(loaded.found, names=loaded.names)
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "training loop, line" in result.parameters["loss"]
    assert "TraceMeanField_ELBO of your own networks" in result.message


def test_the_example_right_and_once_wrong():
    place = str(Path(__file__).resolve().parents[2] / "examples" / "whole_models" / "torch_module.py")
    right, wrong = load_model(f"{place}:VAE"), load_model(f"{place}:Detached")
    assert_elbo_claims(model=right.found())
    with pytest.raises(AssertionError, match=r"detach in torch_module\.py"):
        assert_elbo_claims(model=wrong.found())


def test_from_the_command_line():
    answer = check_target(f"{FILE}:VAE", timeout_s=GENEROUS_S, model={"init": '{"width": 5}', "loss": "loss_function"})
    assert answer.exit_code == 0, answer.text
    assert "TraceMeanField_ELBO of your own networks" in answer.text
    assert json.loads(answer.json)["kind"] == "whole model"
