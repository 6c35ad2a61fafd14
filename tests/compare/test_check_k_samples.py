"""Bounds of several samples: which one a function of log weights is, and what is wrong with it."""

import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED
DESIGN, OTHER, FAILED = CheckVerdict.BY_DESIGN, CheckVerdict.OTHER_OBJECTIVE, CheckVerdict.FAILED


def checked(name, **options):
    return check_function(load(f"{Path(__file__).parent / 'targets' / 'k_samples.py'}:{name}"), **options)


@pytest.mark.parametrize(
    ("name", "verdict", "says"),
    [
        ("iwae", OTHER, r"IWAE, Burda.*--objective iwae"),
        ("samples_last", OTHER, "K along the second axis, one value per datum"),
        ("mean_of_log_weights", RIGHT, "-ELBO = -.mean_k log w"),
        ("renyi", DESIGN, "alpha = 0.5.*Li and Turner"),
        ("normalised_weights", OTHER, "the IWAE's gradient"),
        ("weights_added", WRONG, "Subtract log K"),
        ("over_the_batch_too", WRONG, "samples and batch together"),
        ("underflows", WRONG, "does not underflow.*-2000"),
        ("cut_off", WRONG, "no gradient"),
        ("maximised_loss", WRONG, "sign is flipped"),
        ("something_else", NOT_JUDGED, "none of the bounds"),
        ("raises", FAILED, "no weights"),
        ("iwae_of_arguments", OTHER, r"IWAE, Burda.*--objective iwae"),
        ("detached_mean_of_arguments", WRONG, "another gradient by mean"),
    ],
)
def test_a_bound_of_several_samples_has_its_verdict_and_its_words(name, verdict, says):
    result = checked(name)
    assert result.verdict is verdict, result.as_text(verbose=True)
    assert re.search(says, result.as_text(), re.DOTALL), result.as_text()
    assert len(result.as_text().splitlines()) <= 5


def test_a_bound_that_is_declared_exits_with_0():
    assert checked("iwae", objective="iwae").exit_code == 0
    assert checked("iwae_of_arguments", objective="iwae").exit_code == 0
    assert checked("iwae", objective="renyi").exit_code == 1
