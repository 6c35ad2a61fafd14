"""Sample targets as users write them: the verdict, the reduction and the diagnosis of each."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.records import Outcome
from elbo_compare.compare.testing import assert_elbo_claims

TARGETS = Path(__file__).parent / "targets"
MEAN, SUM, NONE = "mean over the batch", "sum over the batch", "none: one value per datum"


def function(file, name):
    spec = importlib.util.spec_from_file_location(f"target_{file}", TARGETS / f"{file}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


RIGHT = [
    ("torch_right", "kl", SUM),
    ("torch_right", "kl_batch_mean", MEAN),
    ("torch_right", "kl_of_sigma", NONE),
    ("torch_right", "kl_of_log_std", NONE),
    ("torch_right", "kl_of_variance", NONE),
    ("torch_right", "kl_library", "none: one value per datum and dimension"),
    ("torch_right", "sampled_kl", NONE),
    ("torch_right", "sampled_kl_float32", NONE),
    ("torch_right", "loss_function", SUM),
    ("torch_right", "loss_images", MEAN),
    ("torch_right", "loss_tuple", SUM),
    ("torch_right", "loss_dict", MEAN),
    ("torch_right", "loss_terms", NONE),
    ("torch_right", "elbo", NONE),
    ("torch_right", "log_weight", NONE),
    ("torch_right", "drawn_kl", NONE),
    ("torch_right", "drawn_cross_entropy", NONE),
    ("torch_right", "drawn_loss", MEAN),
    ("torch_right", "printing", SUM),
    ("torch_right", "criterion", SUM),
    ("jax_functions", "kl", NONE),
    ("jax_functions", "negative_elbo", MEAN),
    ("jax_functions", "drawn_kl", NONE),
    ("jax_functions", "kl_with_python_branch", NONE),
    ("numpy_functions", "kl", NONE),
    ("numpy_functions", "log_weight", NONE),
    ("numpy_functions", "drawn_kl", MEAN),
]


@pytest.mark.parametrize(("file", "name", "reduction"), RIGHT)
def test_a_right_function_is_right_and_its_reduction_is_named(file, name, reduction):
    result = check_function(function(file, name))
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert result.reduction == reduction
    assert result.framework == file.split("_")[0]
    assert result.diagnosis is None


# What the diagnosis must say (or the catalogue's title): each an arithmetic fact about the target's own source.
WRONG = [
    ("torch_wrong", "kl_latent_mean", "averaged over the latent dimensions"),
    ("torch_wrong", "kl_mean", "averaged over the latent dimensions and the batch"),
    ("torch_wrong", "kl_sign", "sign|minus|negative|-KL"),
    ("torch_wrong", "kl_without_half", "twice the analytic KL"),
    ("torch_wrong", "kl_third", "0.6 x the KL"),
    ("torch_wrong", "kl_log_var_as_log_sigma", "log_sigma|log sigma"),
    ("torch_wrong", "kl_offset", r"the KL \+ 1\.5 nats"),
    ("torch_wrong", "kl_fixed_batch", "0.0078125 x the KL"),
    ("torch_wrong", "kl_clamped", r"a guard, log sigma\^2 clamped at -10"),
    ("torch_wrong", "kl_detached_log_var", "gradient|log variance detached"),
    ("torch_wrong", "kl_no_grad", "detached"),
    ("torch_wrong", "kl_one_sided_constant", "dropped from log p"),
    ("torch_wrong", "kl_half_missing", "1/2 before"),
    ("torch_wrong", "k2", "k2"),
    ("torch_wrong", "kl_detached_z", "z detached"),
    ("torch_wrong", "kl_unexplained", "none of the known mistakes"),
    ("torch_wrong", "loss_mean_and_sum", "averaged over pixels and batch"),
    ("torch_wrong", "loss_mean_and_mean", "averaged over pixels beside a KL summed over dimensions"),
    ("torch_wrong", "loss_latent_mean", "KL.*averaged over the latent dimensions"),
    ("torch_wrong", "loss_tuple", "averaged over the batch and the latent dimensions"),
    ("torch_wrong", "loss_terms_reduced_differently", "averaged over the batch beside a likelihood summed over it"),
    ("torch_wrong", "loss_broadcast", "broadcast"),
    ("torch_wrong", "loss", r"\+ELBO returned as a loss"),
    ("torch_wrong", "drawn_without_gradient", "rsample"),
    ("torch_wrong", "drawn_with_variance", r"exp\(log_var\)"),
    ("torch_wrong", "drawn_latent_mean", "/ latent times the right mean"),
    ("torch_wrong", "drawn_shared_noise", "one noise for the whole batch"),
    ("torch_wrong", "drawn_shared_noise_scalar", "one noise for the whole batch"),
    ("jax_functions", "kl_latent_mean", "averaged over the latent dimensions"),
    ("jax_functions", "kl_stopped", "z detached"),
    ("numpy_functions", "kl_reversed", r"KL\(p|reversed|p \|\| q"),
    ("numpy_functions", "loss_with_epsilon", r"log\(p \+ (1e-4|0.0001)\)"),
]


@pytest.mark.parametrize(("file", "name", "says"), WRONG)
def test_a_wrong_function_is_wrong_and_the_diagnosis_says_how(file, name, says):
    result = check_function(function(file, name))
    assert result.verdict is CheckVerdict.WRONG, result.as_text()
    assert result.diagnosis is not None
    assert re.search(says, result.diagnosis.text), result.as_text()


BROKEN = [
    ("raises", "raises ValueError: no such thing in line"),
    ("exits", "ends the process: sys.exit"),
    ("gives_nan", "NaN at ordinary inputs"),
    ("nothing", "returned no floating-point"),
]


@pytest.mark.parametrize(("name", "says"), BROKEN)
def test_a_function_that_gives_no_value_is_reported_as_that(name, says):
    result = check_function(function("broken", name), framework="numpy")
    assert result.verdict is CheckVerdict.FAILED
    assert result.exit_code == 3
    assert re.search(says, result.message), result.message
    assert "\n" not in result.message


def test_a_shape_that_is_no_loss_is_not_judged_and_said():
    """A matrix of a width of its own is no loss of a batch, and nobody is accused of one."""
    result = check_function(function("broken", "wrong_shape"), framework="numpy")
    assert (result.verdict, result.exit_code) == (CheckVerdict.NOT_JUDGED, 3)
    assert re.search(r"shape \(2, 9\).*It is no loss: not judged", result.message), result.message


def test_sticking_the_landing_is_recognised_and_not_failed():
    result = check_function(function("torch_right", "sticking_the_landing"))
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert result.diagnosis.id.startswith("VAR-")
    assert "sticks the landing" in result.as_text()
    (gradient,) = [claim for claim in result.terms[0].claims if claim.name == "gradient"]
    assert gradient.outcome is Outcome.NOT_RUN


@pytest.mark.parametrize("name", ["drawn_noisy", "drawn_k3"])
def test_a_noisy_estimator_is_inconclusive_and_not_accused_of_sharing_its_noise(name):
    result = check_function(function("torch_right", name))
    assert (result.verdict, result.exit_code) == (CheckVerdict.INCONCLUSIVE, 3)
    outcomes = {claim.name: claim.outcome for claim in result.terms[0].claims}
    assert outcomes["expectation"] is Outcome.INCONCLUSIVE
    assert outcomes["own noise"] is Outcome.AGREES


def test_a_function_that_computes_in_float32_is_right_and_says_so():
    result = check_function(function("torch_right", "sampled_kl_float32"))
    assert "float32" in result.terms[0].note


def test_what_is_minimised_is_judged_and_the_terms_beside_it_are_described():
    result = check_function(function("torch_wrong", "loss_tuple"))
    total, reconstruction, kl = result.terms
    assert (total.right, reconstruction.right, kl.right) == (False, True, True)
    assert "reconstruction" in reconstruction.read_as
    assert "averaged over the batch and the latent dimensions" in kl.note


def test_a_latent_sample_beside_the_loss_is_not_judged():
    result = check_function(function("torch_right", "loss_dict"))
    assert [term.name for term in result.terms if not term.read_as] == ["z"]


def test_the_diagnosis_counts_the_latents():
    result = check_function(function("torch_wrong", "kl_latent_mean"))
    assert "1/40 of the right value at 40 latents" in result.diagnosis.text
    assert "sum over the last axis" in result.diagnosis.advice


def test_a_gradient_that_is_cut_off_is_seen_although_the_value_is_right():
    result = check_function(function("torch_wrong", "kl_detached_z"))
    outcomes = {claim.name: claim.outcome for claim in result.terms[0].claims}
    assert outcomes["gradient"] is Outcome.DIFFERS
    assert {outcomes[name] for name in ("value", "extreme value", "q = p", "exact mean")} == {Outcome.AGREES}


def test_parameters_are_read_by_map_and_by_kind():
    renamed = function("numpy_functions", "kl_renamed")
    assert check_function(renamed, mapping=["a=mean", "b=sigma"]).verdict is CheckVerdict.RIGHT
    for result in (check_function(renamed), check_function(renamed, kind="analytic_kl")):  # read by value
        assert (result.verdict, result.parameters) == (CheckVerdict.RIGHT, {"a": "mean", "b": "sigma"})


def test_another_parametrisation_than_the_name_says_is_recognised():
    result = check_function(function("numpy_functions", "kl_sigma_is_variance"))
    assert result.verdict is CheckVerdict.WRONG
    assert result.diagnosis.text == "is right if its sigma argument is taken for var"


def test_a_likelihood_can_be_asked_for():
    result = check_function(function("torch_wrong", "loss_squared_error"), likelihood="bernoulli")
    assert result.verdict is CheckVerdict.WRONG
    assert "Bernoulli" in result.terms[0].read_as


@pytest.mark.parametrize("option", [{"kind": "kl"}, {"framework": "mxnet"}, {"likelihood": "cauchy"}])
def test_an_unknown_choice_names_the_known_ones(option):
    with pytest.raises(TargetError, match="Known:"):
        check_function(function("numpy_functions", "kl"), **option)


def test_the_json_says_what_the_text_says():
    result = check_function(function("torch_wrong", "kl_mean"))
    data = json.loads(result.as_json())
    assert (data["verdict"], data["exit_code"], data["framework"]) == ("wrong", 1, "torch")
    assert data["diagnosis"]["id"] == result.diagnosis.id
    assert data["reduction"] == result.reduction
    assert data["parameters"] == {"mu": "mean", "logvar": "log_var"}
    assert {claim["name"] for claim in data["claims"]} >= {"value", "gradient", "additivity", "q = p", "float32"}


def test_the_assertion_passes_for_the_right_one_and_carries_the_diagnosis_of_a_wrong_one():
    assert_elbo_claims(function("torch_right", "kl"))
    with pytest.raises(AssertionError, match="averaged over the latent dimensions and the batch"):
        assert_elbo_claims(function("torch_wrong", "kl_mean"))


def test_a_check_leaves_the_random_state_and_the_float64_switch_as_they_were():
    import jax
    import numpy as np
    import torch

    def state():
        return (
            torch.random.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),
            jax.config.read("jax_enable_x64"),
        )

    before = state()
    check_function(function("torch_right", "drawn_kl"))
    check_function(function("jax_functions", "kl"))
    assert state() == before
