"""The kinds that a set collected by somebody else brought, each beside its nearest wrong neighbour."""

import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

FILES = tuple(Path(__file__).parent / "targets" / name for name in ("kinds.py", "kinds_handed.py", "kinds_sized.py"))
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED
OTHER, FAILED = CheckVerdict.OTHER_OBJECTIVE, CheckVerdict.FAILED

KINDS = [
    ("both_forms", RIGHT, r"KL\(q \|\| N\(0, I\)\), one value per datum.*sigma is fed as the sigma of log_sigma"),
    ("both_forms_off", WRONG, "log sigma"),
    ("both_forms_unsquared", WRONG, r"sigma for sigma\^2"),
    ("variance_beside", RIGHT, "averaged over the batch.*var is fed as the var of logvar"),
    ("two_pairs", RIGHT, r"KL\(q \|\| p\).*sigma_p is fed as the sigma of log_sigma_p"),
    ("log_normal_of_both", RIGHT, r"log N\(x; mean, exp\(2 log_std\)\)"),
    ("loss_of_both", RIGHT, r"Bernoulli\(recon_x\) \+ KL.*std is fed as the sigma of logvar"),
    ("absolute", RIGHT, r"Laplace\(x \| x_hat, 1\).*a likelihood term alone: no KL is judged"),
    ("feature_matching", NOT_JUDGED, "a distance of features"),
    ("maps_apart", NOT_JUDGED, "it takes lists of arrays"),
    ("of_weights", RIGHT, "summed over the batch"),
    ("kl_of_short_names", RIGHT, r"KL\(q \|\| p\)"),
    ("kl_of_short_names_off", WRONG, r"\(mean - prior mean\)\^2 has 0.5 and does not belong here"),
    ("predictive_nll", RIGHT, r"N\(y \| f_mean, f_var\)"),
    ("squares_of_two", WRONG, "averaged over the observed dimensions"),
    ("of_sequences", RIGHT, r"averaged over the batch.*called with sequences, \(batch, steps, axis\)"),
    ("of_steps", RIGHT, "each step counts as a datum"),
    ("of_steps_averaged", WRONG, "latent"),
    ("of_steps_first", RIGHT, r"averaged over the batch.*\(steps, batch, axis\)"),
    ("loss_of_sequences", RIGHT, r"Bernoulli\(x_hat\) \+ KL\(q \|\| N\(0, I\)\), averaged over the batch"),
    (
        "loss_of_sequences_uneven",
        OTHER,
        "0.1429 x KL.*1/7 of a sum is an average over the steps",
    ),
    ("deviance", NOT_JUDGED, "no number at the values of y_true"),
    ("kl_of_cut_halves", RIGHT, "one value per datum"),
    ("kl_of_cut_halves_averaged", WRONG, "averaged over the latent"),
    ("OfSizes.loss", CheckVerdict.BY_DESIGN, r"4 x KL.*its attribute self.beta"),
    ("Compared", RIGHT, r"KL\(q \|\| p\), averaged over the batch"),
    ("ComparedOnAverage", WRONG, "averaged over the batch and the latent dimensions"),
    ("OfEpsilons.log_normal", RIGHT, "right but for an epsilon, 1e-08"),
    ("OfEpsilons.log_normal_off", WRONG, "."),
    ("OfEpsilons.kl_loss", RIGHT, "right but for an epsilon, 1e-08"),
    ("OfEpsilons.kl_loss_off", WRONG, "."),
    ("kl_by_a_helper", RIGHT, r"log\(sigma\^2 \+ 1e-08\)"),
    ("kl_by_a_helper_off", WRONG, "."),
    ("kl_of_guarding", RIGHT, "an epsilon, 1e-08"),
    ("kl_of_guarding_off", WRONG, "."),
    ("factor_beside_an_epsilon", WRONG, "."),
    ("of_one_tuple", RIGHT, r"N\(target \| recons, 1\) \+ KL"),
    ("kl_first_from_second", WRONG, "averaged over the batch and the latent dimensions"),
    ("of_windows", RIGHT, r"N\(x \| d.loc, d.scale\^2\) \+ KL.*called with sequences"),
    ("of_windows_off", WRONG, "KL"),
    ("drawn_of_a_misnamed_spread", WRONG, "right if its sigma argument is taken for log_var"),
    ("drawn_of_either_spread", RIGHT, "by its use var is the log variance"),
    ("drawn_of_two_spreads", WRONG, "another mean"),
    ("gaussian_nll_of_means", WRONG, "averaged over the batch and the dimensions of a datum"),
    ("log_prob_halved", WRONG, r"log sigma\^2 has -0.25 where -0.5 is right"),
    ("log_normal_without_scale", WRONG, r"log sigma\^2 is missing"),
    ("log_normal_unscaled", RIGHT, r"log N\(x; mu, exp\(log_var\)\)"),
    ("kl_of_records", RIGHT, r"KL\(q \|\| p\)"),
    ("kl_of_records_exchanged", WRONG, "the two Gaussians are exchanged"),
    ("loss_of_a_list", RIGHT, r"Bernoulli\(y_pred\) \+ KL"),
    ("loss_of_a_list_off", WRONG, "averaged over the latent"),
    ("of_a_graph_twice", WRONG, "the KL, averaged over the batch, twice"),
    ("kl_from_nought", RIGHT, r"KL\(q \|\| p\)"),
    ("kl_from_nought_doubled", WRONG, "-2 x the KL"),
    ("kl_of_p_from_q", RIGHT, r"KL\(p \|\| q\), its first from its second"),
    ("kl_of_p_from_q_halved", WRONG, "."),
    ("saturating", RIGHT, r"guard, a sigmoid in front .*\|logit\| = 10, .*from \|logit\| = 17 on"),
    ("loss_of_steps_beside_one_code", OTHER, "0.1429 x reconstruction"),
    ("loss_of_steps_and_spreads", OTHER, "0.1429 x reconstruction"),
    ("loss_of_steps_squared", OTHER, "0.1429 with 7 steps, 0.07692 with 13 steps, relative to the KL"),
    ("loss_of_codes_averaged", OTHER, "weighs 7 with 7 steps, 13 with 13 steps"),
    ("loss_of_steps_summed", RIGHT, r"N\(x \| x_hat, 7\)"),
    ("nll_of_steps", WRONG, "averages over the steps"),
    ("loss_of_channels", OTHER, "over axes of a picture.*0.3333 with a picture of 3 x 2"),
    ("loss_of_rows", OTHER, "over axes of a picture.*1 with a picture of 3 x 2"),
    ("loss_of_pixels", RIGHT, r"N\(x \| x_hat, 1\)"),
    ("loss_of_rows_of_pixels", OTHER, "over axes of a picture.*0.03571 with a picture of 1 x 28 x 28"),
    ("loss_of_all_rows", RIGHT, r"N\(x \| x_hat, 1\)"),
    ("generator_loss", WRONG, "averaged over the observed dimensions"),
    ("recon_of_style", WRONG, "averaged over the batch and the observed dimensions"),
    ("style_apart", NOT_JUDGED, "a distance of features"),
    ("loss_without_zeros", FAILED, "NaN at ordinary inputs"),
    ("bernoulli_without_zeros", FAILED, "NaN at ordinary inputs"),
    ("kl_with_a_small_factor", WRONG, "."),
    ("kl_with_a_small_penalty", WRONG, "."),
    ("kl_with_a_named_penalty", WRONG, "."),
    ("kl_beside_an_epsilon", RIGHT, "epsilon|1e-07"),
    ("loss_of_squeezed", RIGHT, "float32 rounding only|guard"),
    ("kl_shifted", RIGHT, "float32 rounding"),
    ("kl_divided_by_one", WRONG, "."),
    ("kl_of_two_logarithms", RIGHT, "logstd is fed as the log_sigma of logvar"),
    ("kl_of_two_logarithms_off", WRONG, "log sigma"),
    ("kl_scaled", NOT_JUDGED, "scale may be a weight or a spread.*--set scale=1"),
    ("kl_scaled_off", WRONG, "."),
    ("kl_scaled_in_a_logarithm", WRONG, "."),
    ("sampled_kl", WRONG, "."),
    ("kl_of_clamped", RIGHT, "epsilon|1e-0"),
]


def function(name):
    """One of the kinds, by its name."""
    head = name.partition(".")[0]
    (file,) = [file for file in FILES if re.search(rf"^(def|class) {head}\b|^{head}\b.* = ", file.read_text(), re.M)]
    return load(f"{file}:{name}")


@pytest.mark.parametrize(("name", "verdict", "words"), KINDS, ids=[name for name, _, _ in KINDS])
def test_each_kind_and_its_wrong_neighbour_have_their_verdict_and_words(name, verdict, words):
    """RIGHT, WRONG or not judged, as was written down first."""
    result = check_function(function(name))
    assert result.verdict is verdict, result.as_text(verbose=True)
    assert re.search(words, result.as_text(verbose=True).replace("\n", " "), re.IGNORECASE), result.as_text(
        verbose=True
    )


@pytest.mark.parametrize("name", [name for name, verdict, _ in KINDS if verdict is WRONG])
def test_nothing_is_wrong_without_words(name):
    """A cause stands beside every WRONG."""
    result = check_function(function(name))
    assert result.diagnosis is not None
    assert result.diagnosis.text


def test_an_object_that_can_not_be_made_is_asked_for_by_name():
    """The attribute that it lacks is named, and nobody is blamed for it."""
    with pytest.raises(TargetError, match=r"self\.beta.*name an instance"):
        check_function(function("OfSettings.loss"))


def test_a_number_that_is_taken_by_key_is_asked_for_as_a_number():
    """By the name that the body gives to it."""
    with pytest.raises(TargetError, match="--set M_N=1"):
        check_function(function("of_a_weight_by_key"))
