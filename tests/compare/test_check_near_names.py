"""Near-misses of names: two numbers, a spread that is never read, arrays in a guessed order, a stem in another form."""

import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

FILE = Path(__file__).parent / "targets" / "kinds_near.py"
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED
NO_NAME = "exchanged in the order of its arguments, which no name tells"

CASES = [
    ("kl_of_numbers", RIGHT, r"KL\(q \|\| p\)"),
    ("kl_of_numbers_turned", NOT_JUDGED, NO_NAME),
    ("kl_of_the_first_number_turned", NOT_JUDGED, NO_NAME),
    ("kl_of_letters_turned", NOT_JUDGED, NO_NAME),
    ("kl_of_mixed_numbers", NOT_JUDGED, NO_NAME),  # the same value, for the means enter as a square
    ("elbo_loss_without_its_variance", NOT_JUDGED, "recon_logvar.*is never read"),
    ("nll_without_its_variance", NOT_JUDGED, "x_logvar.*is never read"),
    ("nll_that_leaves_its_variance_out", RIGHT, r"N\(x \| x_mean, 1\)"),
    ("kl_in_the_other_order", RIGHT, "q holds, in this order, q_spread, q_mean"),
    ("kl_in_no_order", WRONG, "."),
    ("loss_with_its_output_last", RIGHT, "out holds, in this order, mean, spread, recon"),
    ("kl_of_a_soft_spread", RIGHT, "by its use spread_param is the raw sigma"),
    ("kl_of_a_scale_that_is_a_logarithm", RIGHT, "by its use scale_arr is the log variance"),
    ("kl_of_a_scale_that_is_a_logarithm_off", WRONG, "."),
    ("kl_of_a_log_std_as_a_log_variance", NOT_JUDGED, "the stem of its name says log_sigma.*--map log_std_t=log_var"),
    ("kl_of_a_soft_sigma", NOT_JUDGED, "the stem of its name says sigma.*--map sigma_t=raw_sigma"),
    ("drawn_kl_of_a_std_as_a_logarithm", NOT_JUDGED, "the stem of its name says sigma.*--map std_t=log_sigma"),
    ("drawn_kl_of_a_std", RIGHT, "in expectation"),
    ("kl_of_a_sigma_at_t", RIGHT, r"KL\(q"),
    ("nll_of_a_log_variance_gamma", RIGHT, r"N\(x \| recon, exp\(loggamma\)\)"),
    ("nll_of_a_log_variance_gamma_off", WRONG, "."),
]


@pytest.mark.parametrize(("name", "verdict", "words"), CASES, ids=[name for name, _, _ in CASES])
def test_a_name_that_only_hints_neither_makes_right_nor_accuses(name, verdict, words):
    result = check_function(load(f"{FILE}:{name}"))
    assert result.verdict is verdict, result.as_text()
    assert re.search(words, result.as_text().replace("\n", " ")), result.as_text()


def test_a_stem_that_is_said_with_map_is_judged_as_it_is_said():
    """--map is a statement and no hint, in both ways."""
    target = load(f"{FILE}:kl_of_a_log_std_as_a_log_variance")
    assert check_function(target, mapping=["log_std_t=log_var"]).verdict is RIGHT
    assert check_function(target, mapping=["log_std_t=log_sigma"]).verdict is WRONG
