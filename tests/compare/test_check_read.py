"""How arguments are read: by the stem of a name, of an object, out of one that holds several; and what is no loss."""

import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.names import Role, read_name
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

TARGETS = Path(__file__).parent / "targets"
FILE = TARGETS / "kinds_named.py"
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED

KINDS = [
    ("kl_of_suffixed", RIGHT, r"KL\(q \|\| p\), one value per datum"),
    ("kl_of_suffixed_off", WRONG, r"sigma\^2 / s\^2 has no weight where 0.5 is right"),
    ("kl_of_suffixed_exchanged", WRONG, "exchanged"),
    ("kl_of_numbered", RIGHT, r"KL\(q \|\| p\)"),
    ("kl_of_numbered_doubled", WRONG, "-2 x the KL"),
    ("log_prob_of_value", RIGHT, r"log N\(value; mu, sigma\^2\)"),
    ("log_prob_of_value_off", WRONG, "."),
    ("nll_of_gamma", RIGHT, r"N\(x \| x_hat, exp\(2 loggamma_x\)\)"),
    ("nll_of_gamma_off", WRONG, r"\(x - output\)\^2 / s\^2 has 1 where 0.5 is right"),
    ("nll_beside_a_gamma", NOT_JUDGED, "loggamma_x, a spread of the decoder by its name, is never read"),
    ("kl_of_stacked", RIGHT, r"KL\(p \|\| q\), its first from its second"),
    ("kl_of_stacked_off", WRONG, r"log sigma\^2 has -0.25 where -0.5 is right"),
    ("loss_by_index", RIGHT, r"Bernoulli\(recon\) \+ KL\(q \|\| N\(0, I\)\)"),
    ("loss_by_index_in_another_order", RIGHT, r"Bernoulli\(recon\) \+ KL"),
    ("loss_by_index_off", WRONG, "averaged over the batch and the latent"),
    ("OfWeights.kl_loss", RIGHT, r"KL\(q \|\| N\(0, I\)\).*raw sigma"),
    ("OfWeights.kl_loss_off", WRONG, "."),
    ("OfWeightsAndBiases.kl_loss", CheckVerdict.OTHER_OBJECTIVE, r"KL\(q1 \|\| N\(0, 0.01 I\)\)"),
    ("OfWeightsAndBiases.kl_loss_off", WRONG, "."),
    ("OfAxis.kl", RIGHT, r"KL\(q \|\| N\(0, I\)\), one value per datum"),
    ("OfAxis.kl_off", WRONG, "log sigma"),
    ("OfTopics.kld", RIGHT, r"KL\(q \|\| p\), averaged.*self.n_topics is given"),
    ("OfHalves.nll", RIGHT, r"-log N\(z; mean, sigma\^2\)"),
    ("OfHalves.nll_off", WRONG, "."),
    ("OfArrays.kl", RIGHT, r"KL\(q \|\| p\)"),
    ("OfArrays.kl_off", WRONG, r"sigma / s\^2 has 0.5 and does not belong here"),
    ("MadeWrong.kl", WRONG, "is right if its log_var argument is taken for log_sigma"),
    ("MadeSoft.kl", NOT_JUDGED, "right for the arrays that its objects hold.*constructor makes something else"),
    ("OfForward.kl_loss", RIGHT, "averaged over the batch.*fed as they stand: self.logvar, self.mu"),
    ("OfForward.kl_loss_off", WRONG, "averaged over the latent dimensions"),
    ("nll_of_cut_parameters", RIGHT, r"-log N\(x; mu, exp\(2 log_s\)\)"),
    ("nll_of_cut_parameters_off", WRONG, "."),
    ("loss_of_a_batch", RIGHT, r"N\(pixel_values \| reconstruction, 1\) \+ KL"),
    ("kl_balanced", CheckVerdict.OTHER_OBJECTIVE, r"0.2 x KL\(q \|\| sg\(p\)\): KL balancing"),
    ("log_density_matrix", NOT_JUDGED, r"\(4, 4, 3\).*It is no loss"),
    ("product_of_experts", NOT_JUDGED, "one value per latent"),
    ("loss_of_each_latent", NOT_JUDGED, "one value per latent"),
    ("log_normal_clamped", WRONG, r"logvar is clamped to \[-4, 3\]"),
    ("kl_cut_off", WRONG, "its value is cut at 1000"),
    ("kl_floored_in_one_place", WRONG, "where var is below 0.001"),
    ("loss_of_variance_28", RIGHT, r"N\(x \| recon_x, 28\)"),
    ("loss_of_rows_of_28", CheckVerdict.OTHER_OBJECTIVE, "averages one term over axes of a picture"),
    ("loss_over_784", WRONG, "averaged over the observed dimensions"),
    ("elbo_of_samples", RIGHT, r"KL\(q \|\| p\).*one sample of each datum"),
    ("elbo_of_samples_off", WRONG, "observed"),
    ("iwae_of_samples", NOT_JUDGED, "K-sample bound"),
    (
        "kl_unsquared_beside_an_epsilon",
        WRONG,
        r"sigma\^2 has no weight|without its epsilon, 1e-08",
    ),
]


@pytest.mark.parametrize(("name", "verdict", "words"), KINDS, ids=[name for name, _, _ in KINDS])
def test_each_reading_and_its_wrong_neighbour_have_their_verdict_and_words(name, verdict, words):
    """RIGHT, WRONG or not judged, as was written down first."""
    result = check_function(load(f"{FILE}:{name}"))
    text = result.as_text(verbose=True).replace("\n", " ")
    assert result.verdict is verdict, text
    assert re.search(words, text, re.IGNORECASE), text


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *(("log_stdevs_v", Role.SPREAD), ("mu0_v", Role.MEAN), ("actions_v", Role.X), ("z_t", Role.Z)),
        *(("z_10", Role.Z), ("s_t", None), ("kl_weight_t", None), ("num_params", None), ("beta_v", None)),
        ("v_t", None),
    ],
)
def test_a_stem_says_what_a_name_means_and_a_weight_or_a_letter_says_nothing(name, role):
    """A suffix, a number and a plural are left out; a single letter is no stem but x, y and z."""
    pair = read_name(name)
    assert (pair[0] if pair else None) is role


def test_an_attribute_that_is_no_size_is_asked_for():
    """It is right for no width of an axis: --set gives it, and the object is not blamed."""
    with pytest.raises(TargetError, match=r"self\.n_topics, which OfTopics has not got.*--set self.n_topics=1"):
        check_function(load(f"{FILE}:OfTopics.kld_off"))
    given = check_function(load(f"{FILE}:OfTopics.kld_off"), constants={"self.n_topics": 1.0})
    assert given.verdict is WRONG, given.as_text()


def test_an_object_is_made_of_what_init_gives_and_called_at_the_size_that_it_holds():
    """A method of a class whose constructor wants a shape."""
    right = check_function(load(f"{FILE}:OfShape.log_prob", {"shape": [8]}))
    assert right.verdict is RIGHT, right.as_text()
    assert "8 latents" in right.as_text()
    off = check_function(load(f"{FILE}:OfShape.log_prob_off", {"shape": [8]}))
    assert off.verdict is not RIGHT, off.as_text()
    with pytest.raises(TargetError, match="can't be made of --init"):
        load(f"{FILE}:OfShape.log_prob", {"form": 8})


@pytest.mark.parametrize(
    ("name", "verdict", "words"),
    [
        ("elbo_as_a_loss", WRONG, "the ELBO, and line [0-9]+ of its file minimises it: its sign is flipped"),
        ("elbo_turned", RIGHT, "line [0-9]+ of its file minimises minus it"),
        ("elbo_of_no_line", RIGHT, "the ELBO itself, as its name says: minimise minus it"),
        ("objective", RIGHT, "minimises minus it"),
        ("turned", WRONG, "-ELBO, and line [0-9]+ of its file minimises minus it"),
        ("plain", RIGHT, "-ELBO = "),
    ],
)
def test_what_the_file_minimises_decides_the_sign_and_else_the_name_does(name, verdict, words):
    """A function named elbo is not right by its name where a line steps down it."""
    result = check_function(load(f"{TARGETS / 'kinds_minimised.py'}:{name}"))
    assert result.verdict is verdict, result.as_text()
    assert re.search(words, result.as_text().replace("\n", " "), re.IGNORECASE), result.as_text()


LITTLE = [
    ("kl_and_a_handed_weight", WRONG, r"mean\^2 has 0.5000003 where 0.5 is right"),
    ("kl_and_a_weight_two_calls_away", WRONG, r"mean\^2 has 0.5000003"),
    ("kl_and_a_hidden_weight", WRONG, r"mean\^2 has 0.5000003"),
    ("kl_with_a_handed_epsilon", RIGHT, r"log\(sigma\^2 \+ 1e-08\)"),
    ("kl_with_one_coefficient_off", WRONG, r"sigma\^2 has 0.50000025 where 0.5 is right"),
    ("kl_by_element_off", WRONG, r"sigma\^2 has 0.50000025"),
    ("kl_with_a_factor", WRONG, r"1.0000003 x the KL"),
    ("kl_of_a_rounded_constant", RIGHT, "float32 rounding only.*a rounded constant"),
    ("kl_of_half_a_rounded_constant", RIGHT, "float32 rounding only.*a rounded constant"),
    ("kl_of_another_constant", WRONG, r"log sigma\^2 has -0.5000002"),
    ("kl_in_float32", RIGHT, "float32 rounding only"),
    ("kl_in_float32_in_part", RIGHT, "float32 rounding only"),
    (
        "bce_of_a_sigmoid",
        RIGHT,
        r"guard, a sigmoid .*0.00023 nats a dimension at \|logit\| = 10.*from \|logit\| = 17 on",
    ),
    ("bce_of_a_clamped_sigmoid", WRONG, r"off .*\|logits?\|"),
    ("bce_of_a_sigmoid_beside_epsilons", RIGHT, r"a sigmoid .*log\(p \+ 1e-07\)"),
    ("bce_of_a_coarse_sigmoid", WRONG, r"off by 1.2 nats .* at \|logit\| = 5"),
    ("bce_of_a_sigmoid_that_overflows", WRONG, "."),
    ("bce_of_a_sigmoid_detached", WRONG, "."),
    ("bce_of_two_sigmoids", WRONG, "a sigmoid too many"),
    ("bce_of_a_sigmoid_a_little_steep", WRONG, r"at \|logit\| = 5"),
    ("bce_of_clamped_logits", WRONG, "."),
]


@pytest.mark.parametrize(("name", "verdict", "words"), LITTLE, ids=[name for name, _, _ in LITTLE])
def test_what_is_off_by_little_is_told_from_rounding_and_from_a_guard(name, verdict, words):
    """A weight has a slope, float32 has none; a sigmoid's rounding is a guard, and what is more than it is wrong."""
    result = check_function(load(f"{TARGETS / 'kinds_little.py'}:{name}"))
    text = result.as_text().replace("\n", " ")
    assert result.verdict is verdict, result.as_text(verbose=True)
    assert re.search(words, text, re.IGNORECASE), text
