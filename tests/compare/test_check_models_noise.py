"""Whole models with several samples a datum, noise on the data, layers that count: no false accusation."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
import torch

from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.loading import load_model
from elbo_compare.compare.checking.result import CheckVerdict

FILE = Path(__file__).parent / "targets" / "whole_noise.py"


def checked(name, **options):
    torch.manual_seed(16)
    loaded = load_model(f"{FILE}:{name}")
    return check_model(loaded.found, names=loaded.names, target=name, **options)


def test_the_bound_of_several_samples_is_judged_under_its_own_formula():
    result = checked("Importance")
    assert result.verdict is CheckVerdict.OTHER_OBJECTIVE, result.as_text()
    assert "is not the ELBO but a tighter bound: -(logsumexp_k log w - log K)" in result.diagnosis.text
    assert "averaged" not in checked("Shown").diagnosis.text  # summed, and one sample handed out as if it were alone
    meant = checked("Weighted", objective="iwae")
    assert (meant.verdict, meant.declared_by) == (CheckVerdict.BY_DESIGN, "--objective iwae"), meant.as_text()
    assert {claim.name for claim in meant.terms[0].claims} == {"sampler", "value", "gradient"}


def test_the_elbo_by_several_samples_is_right_and_says_along_which_axis():
    result = checked("Averaged")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "-ELBO = -(mean_k log w), K along the first axis, summed over the batch" in result.equation
    assert "not run, 3 samples a datum" in result.message
    assert not any("constant" in note for note in result.notes)
    whole = checked("AveragedWhole")
    assert whole.verdict is CheckVerdict.RIGHT, whole.as_text()
    assert "up to a constant of 5.51363 nats a datum" in whole.notes  # 6 / 2 log 2 pi


FAULTS = {
    "Added": "subtract log K",
    "WeightedThrough": "detach the normalised weights",
    "AveragedDetached": "detach in whole_noise.py",
    "DenoisingDetached": "detach in whole_noise.py",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_beside_several_samples_or_noisy_data_is_named(name):
    result = checked(name)
    assert result.verdict is CheckVerdict.WRONG, result.as_text()
    assert FAULTS[name] in f"{result.diagnosis.text} {result.diagnosis.advice}"


def test_noise_on_the_data_is_no_latent():
    for name in ("Denoising", "Binarised"):
        result = checked(name)
        assert result.verdict is CheckVerdict.RIGHT, result.as_text()
        assert "networks read x with noise on it, which is no part of z" in result.as_text()


def test_a_loss_averaged_over_everything_is_the_elbo_per_pixel_and_no_near_miss():
    for name, batch in (("ByPixel", None), ("WrittenForEight", 8)):
        result = checked(name, batch=batch)
        assert (result.verdict, result.objective) == (CheckVerdict.OTHER_OBJECTIVE, "per-pixel"), result.as_text()
        assert "0.1667 x TraceMeanField_ELBO of your own networks / batch" in result.message
    assert checked("ByPixel", objective="per-pixel").verdict is CheckVerdict.BY_DESIGN


def test_a_layers_own_power_iteration_is_no_cut_of_the_model():
    result = checked("Spectral")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
