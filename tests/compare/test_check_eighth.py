"""Kinds of an eighth reading of public code: a density's constant, a floor far up, axes, names that tell q from p."""

import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

FILE = Path(__file__).parent / "targets" / "kinds_eighth.py"
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED

UNNORMALISED = r"without its normaliser D/2 log 2 pi: cancels in log q - log p, not alone"
CONSTANTS = [
    ("log_prob", RIGHT, r"one value per datum\.\n?$"),
    ("log_prob_in_digits", RIGHT, r"constant is -0\.919 per dimension, in few digits"),
    ("log_prob_unnormalised", RIGHT, UNNORMALISED),
    ("log_prob_of_root_two", WRONG, r"constant is -1\.4913 per dimension where -0\.9189 is right"),
    ("log_prob_of_action", WRONG, r"constant is -1\.8379 per dimension where -0\.9189 is right"),
    ("log_prob_plus", WRONG, r"constant is 0\.9189 per dimension where -0\.9189 is right"),
    ("log_prob_of_one_latent", WRONG, r"constant is -0\.9189 for each datum, of however many latents"),
    ("neg_log_prob_of_seven", WRONG, r"constant is -7\.0000 per dimension"),
    ("misfit_of_action", RIGHT, r"constant is -3 per dimension, where -0\.9189 is right; no gradient sees it"),
    ("log_prior", RIGHT, r"one value per datum\.\n?$"),
    ("log_prior_unnormalised", RIGHT, UNNORMALISED),
    ("log_prior_of_two_pi", WRONG, r"constant is -1\.8379 per dimension"),
]


@pytest.mark.parametrize(("name", "verdict", "words"), CONSTANTS, ids=[row[0] for row in CONSTANTS])
def test_the_constant_of_a_log_density_is_its_normaliser_or_none_at_all(name, verdict, words):
    result = check_function(load(f"{FILE}:{name}"))
    assert result.verdict is verdict, result.as_text()
    assert re.search(words, " ".join(result.as_text().split())), result.as_text()


DISTRIBUTIONS = [
    ("kl_above_a_floor", NOT_JUDGED, r"max\(batch mean of the KL, 3\): free bits.*Independent"),
    ("kl_above_a_floor_and_more", WRONG, "."),
    ("kl_below_a_ceiling", WRONG, "."),
    ("kl_averaged", WRONG, "averaged over the batch and the latent dimensions"),
    ("kl_of_two", RIGHT, r"KL\(q \|\| p\), averaged over the batch"),
    ("kl_of_two_doubled", WRONG, "2 x the KL"),
]


@pytest.mark.parametrize(("name", "verdict", "words"), DISTRIBUTIONS, ids=[row[0] for row in DISTRIBUTIONS])
def test_distributions_are_tried_over_whole_data_and_where_their_default_is_none(name, verdict, words):
    result = check_function(load(f"{FILE}:{name}"))
    assert result.verdict is verdict, result.as_text()
    assert re.search(words, " ".join(result.as_text().split())), result.as_text()


NAMES = [
    ("normal_logpdf", RIGHT, r"log N\(z; mean, sigma\^2\), one value per datum"),
    ("normal_logpdf_halved", WRONG, r"[Ll]og sigma\^2 has -0\.25 where -0\.5 is right"),
    ("log_bernoulli", RIGHT, r"log Bernoulli\(probs\), one value per datum"),
    ("log_bernoulli_of_ones", NOT_JUDGED, "no likelihood that is known"),
    ("kl_of_letters", RIGHT, r"KL\(p \|\| q\), its first from its second"),
    ("kl_of_letters_q_first", WRONG, r"the two Gaussians are exchanged"),
    ("kl_of_letters_halved", WRONG, "."),
]


@pytest.mark.parametrize(("name", "verdict", "words"), NAMES, ids=[row[0] for row in NAMES])
def test_names_tell_the_datum_of_a_density_and_q_from_p(name, verdict, words):
    result = check_function(load(f"{FILE}:{name}"))
    assert result.verdict is verdict, result.as_text()
    assert re.search(words, " ".join(result.as_text().split())), result.as_text()


def test_a_mean_over_the_first_two_of_four_axes_is_not_judged_and_one_over_a_map_is_wrong():
    four = check_function(load(f"{FILE}:kl_of_four_axes"))
    assert four.verdict is NOT_JUDGED and "the first two of four axes" in four.as_text(), four.as_text()
    averaged = check_function(load(f"{FILE}:kl_of_a_map_averaged"))
    assert averaged.verdict is WRONG, averaged.as_text()


def test_a_gradient_of_float32_is_nothing_else_that_is_off_and_a_clamp_is():
    single = check_function(load(f"{FILE}:loss_of_float32_averaged"))
    assert single.verdict is WRONG and "something else" not in single.as_text(), single.as_text()
    clamped = check_function(load(f"{FILE}:kl_averaged_and_clamped"))
    assert clamped.verdict is WRONG and "something else is off there" in clamped.as_text(), clamped.as_text()
