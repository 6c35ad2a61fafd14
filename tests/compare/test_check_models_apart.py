"""A loss that comes back in parts, labels that forward wants, and outputs that no weight moves."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
import torch

from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.loading import whole
from elbo_compare.compare.checking.models.returning import loss_of
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict

TARGETS = Path(__file__).parent / "targets"


@pytest.fixture(autouse=True)
def _beside_the_targets(monkeypatch):
    monkeypatch.syspath_prepend(str(TARGETS))
    monkeypatch.delitem(sys.modules, "whole_models", raising=False)
    torch.manual_seed(16)


def checked(name, file="whole_apart.py", **options):
    loaded = whole(f"{TARGETS / file}:{name}", asked=True)
    assert loaded is not None
    return check_model(loaded.found, names=loaded.names, target=name, **options)


@pytest.mark.parametrize(
    ("name", "added"),
    [
        ("Halves", "self.data_term(recon_x, x) + self.kl_term(mu, logvar, z)"),
        ("LogLikelihood", "kl - log_likelihood"),
    ],
)
def test_of_two_parts_without_a_total_their_sum_is_judged_and_said(name, added):
    result = checked(name)
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert f"returned apart: {added} is taken for the loss; what adds them was not seen" in result.notes


def test_a_mistake_in_a_part_is_seen_and_a_missing_part_is_missing():
    result = checked("WrongHalf")
    assert result.verdict is CheckVerdict.WRONG, result.as_text()
    assert "mean^2 weighs 1, where 0.5 is right" in result.as_text()
    result = checked("HalfOnly")
    assert result.verdict is CheckVerdict.WRONG
    assert "The KL is missing" in result.as_text()


@pytest.mark.parametrize("name", ["Thirds", "KlBeside"])
def test_what_is_added_by_nobody_is_asked_for(name):
    result = checked(name)
    assert result.verdict is CheckVerdict.FAILED, result.as_text()
    assert "apart, and no loss was found; name what makes it of them, as in --loss NAME" in result.message


def test_nothing_is_missing_that_stands_beside():
    result = checked("Unnamed")
    assert result.verdict is CheckVerdict.NOT_JUDGED, result.as_text()
    assert "lacks the KL; beside it stand second: name what adds them" in result.message


@pytest.mark.parametrize(("name", "weight"), [("Fitted", 3), ("Child", 5)])
def test_a_model_that_trains_itself_is_judged_by_what_its_own_loop_adds(name, weight):
    result = checked(name, "whole_fitted.py")
    assert result.verdict is CheckVerdict.OTHER_OBJECTIVE, result.as_text()
    assert f"{weight} x KL" in result.as_text()
    assert "training loop" in result.parameters["loss"]


def _named():
    free_energy = 1.0
    return free_energy  # noqa: RET504


def test_the_loss_among_nested_parts_and_the_sum_where_its_name_stands_first():
    one, two, three = torch.tensor(1.0), torch.tensor(2.0), torch.tensor(4.0)

    def nested():
        mll, kld, negative_elbo = one, two, three
        return (mll, kld), negative_elbo

    loss, terms = loss_of(nested(), nested)
    assert (float(loss), terms.apart) == (4.0, "")
    assert loss_of(one, lambda: 0)[1].name == ""
    assert loss_of(one, _named)[1].name == "free_energy"
    loss, terms = loss_of({"rec": one, "kld": two, "vae_total": three})
    assert (float(loss), terms.apart) == (4.0, "")
    loss, terms = loss_of({"nll": one, "kld": two})
    assert (float(loss), terms.apart) == (3.0, "nll + kld")

    def two_of_three():
        recon, kl_l, kl_z = one, two, three
        return recon + kl_l, kl_z

    loss, terms = loss_of(two_of_three(), two_of_three)
    assert (float(loss), terms.apart) == (7.0, "recon + kl_l + kl_z")

    def total_first():
        recon, kl = one, two
        return recon + kl, kl

    loss, terms = loss_of(total_first(), total_first)
    assert (float(loss), terms.apart) == (3.0, "")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("OneHot", "y = one-hot labels of 4 classes"),
        ("Numbered", "y = labels of 4 classes"),
    ],
)
def test_labels_are_given_as_forward_takes_them(name, given):
    result = checked(name)
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert f"given: {given}" in result.as_text()
    assert "your loss = TraceMeanField_ELBO of your own networks" in result.message


def test_a_mistake_of_a_conditional_model_is_seen_and_the_number_of_classes_is_taken_from_the_option():
    result = checked("Averaged", constants={"classes": 4})
    assert result.verdict is CheckVerdict.WRONG, result.as_text()
    assert "latent dimensions" in result.as_text()
    result = checked("OneHot", constants={"classes": 5})
    assert result.verdict is CheckVerdict.FAILED
    assert "say of how many classes, as in --set classes=10" in result.message


def test_an_elbo_without_a_name_is_asked_for_and_under_the_name_of_a_loss_it_is_wrong():
    result = checked("Upward")  # nothing in its file says which way it goes
    assert result.verdict is CheckVerdict.NOT_JUDGED, result.as_text()
    assert "what forward gives is the ELBO itself" in result.message
    result = checked("UpwardLoss")
    assert result.verdict is CheckVerdict.WRONG, result.as_text()


def test_the_prior_of_the_labels_is_a_constant_and_another_constant_is_a_mistake():
    result = checked("Joint")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "log p(y) = -log 4 of the given labels is in it" in result.as_text()
    result = checked("JointOfOthers")
    assert result.verdict is CheckVerdict.WRONG, result.as_text()


def test_a_number_for_each_datum_is_given_as_one_where_no_plain_number_is_taken():
    result = checked("Columned", constants={"prior_mean": 0.0, "prior_var": 1.0})
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()


def test_a_parameter_of_whole_numbers_is_no_weight():
    result = checked("Counting")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "1 weights" not in result.as_text(verbose=True)
    assert "seed" not in result.as_text(verbose=True)


def test_nothing_is_right_where_no_weight_moves_the_output():
    result = checked("Dead")
    assert result.verdict is CheckVerdict.FAILED, result.as_text()
    assert "has no slope by any weight" in result.message


def test_a_file_at_the_start_of_a_sentence_keeps_its_name():
    said = CheckResult(target="t", verdict=CheckVerdict.FAILED, message="model.py:VAE: it raises").as_text()
    assert "\n  model.py:VAE: it raises." in said
