"""A term that is not known here is not judged; a mistaken one stays wrong, with what is right beside it."""

import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

FILE = Path(__file__).parent / "targets" / "apart.py"
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED
DESIGN, OTHER = CheckVerdict.BY_DESIGN, CheckVerdict.OTHER_OBJECTIVE

# name, verdict, what the text says
KINDS = [
    (
        "own_optimal_variance",
        NOT_JUDGED,
        r"KL\(q \|\| N\(0, I\)\) is in it, weight 1; the rest, a term of x and recon_x",
    ),
    ("smooth_absolute_error", NOT_JUDGED, r"is in it, weight 1 / batch; the rest"),
    ("second_latent_weighed", NOT_JUDGED, r"1 x KL\(q1 \|\| N\(0, I\)\) \+ 0.1 x KL\(q2 \|\| N\(0, I\)\)"),
    ("penalty_on_z", NOT_JUDGED, "Bernoulli cross-entropy of probabilities, weight 1; KL.*the rest, a term of z"),
    ("heavy_tailed_prior", NOT_JUDGED, r"log q\(z\) is in it, weight 1; .*another prior"),
    ("covariance_penalty", NOT_JUDGED, "joins the data of a batch"),
    ("reconstruction_alone", NOT_JUDGED, "no likelihood that is known here"),
    ("cubed_mean", WRONG, "reconstruction term is right.*what is left, of mu and logvar, is no KL"),
    ("kl_forgotten", WRONG, "neither mu and logvar: there is no KL"),
    ("kl_subtracted", WRONG, "the KL's sign is flipped"),
    ("kl_averaged", WRONG, "weight 1 / latent.*Sum the KL over the latent"),
    ("spread_misread", WRONG, "if std is taken for log_var"),
    ("product", WRONG, "none of the known mistakes"),
    ("entropy", NOT_JUDGED, "it is the entropy of q, no KL"),
    ("wasserstein", NOT_JUDGED, "2-Wasserstein distance"),
    ("hellinger", NOT_JUDGED, "promises no KL"),
    ("kl_of_wasserstein", WRONG, "- 2 sigma"),
    ("kl_with_prior", DESIGN, r"KL\(q \|\| N\(0, 9 I\)\).*declared by its argument prior_std"),
    (
        "loss_with_prior",
        OTHER,
        r"another prior than N\(0, I\): reconstruction \+ KL\(q \|\| N\(1, 0.5 I\)\).*--objective prior",
    ),
    ("prior_without_its_constant", WRONG, "0.05556 where 0.5"),
    ("kl_of_rho", RIGHT, r"by its use rho is the raw sigma \(softplus\)"),
    ("sampled_of_rho", RIGHT, "raw sigma"),
    ("kl_of_precision", RIGHT, "log precision"),
    ("DiagonalGaussian.kl", RIGHT, "one value per datum"),
    ("kl_of_record", RIGHT, "one value per datum"),
    ("log_standard_normal", RIGHT, r"log N\(z; 0, I\)"),
    ("log_prior_without_half", WRONG, r"equals -1 sum z\^2"),
    ("log_prior_of_laplace", NOT_JUDGED, "not log N"),
    ("log_bernoulli_of_a_mean", RIGHT, r"log Bernoulli\(mean\)"),
    ("keyed", RIGHT, "-ELBO"),
    ("nested", RIGHT, "-ELBO"),
    ("misnamed_and_weighed", WRONG, "2 x the KL, if sigma is taken for log_var"),
    ("clamped_far_out", RIGHT, r"a guard: it acts where p is 1e-08 from 0 or 1 \(off by"),
    ("logarithm_forgotten", WRONG, r"its KL is right.*-1 x log p -1 \(1 - x\)\(1 - p\), where"),
    ("clamped_coarsely", WRONG, "between 0.3 and 0.7 alone"),
    ("ones_weigh_more", NOT_JUDGED, "ones and zeros weigh apart, -3 x log p -1"),
    ("configured.loss", DESIGN, r"reconstruction \+ 2 x KL.*its attribute self.config.kl_weight"),
]


@pytest.mark.parametrize(("name", "verdict", "says"), KINDS, ids=[kind[0] for kind in KINDS])
def test_the_verdict_and_its_words(name, verdict, says):
    text = check_function(load(f"{FILE}:{name}"), framework="numpy")
    assert text.verdict is verdict, text.as_text()
    assert re.search(says, " ".join(text.as_text().split()), re.IGNORECASE), text.as_text()
    assert len(text.as_text().splitlines()) <= 5


def test_a_configuration_that_classes_share_is_left_as_it_was():
    target = load(f"{FILE}:configured.loss")
    check_function(target, framework="numpy")
    assert target.__self__.config.kl_weight == 2.0


def test_another_prior_is_declared_by_the_option():
    found = check_function(load(f"{FILE}:loss_with_prior"), framework="numpy", objective="prior")
    assert found.verdict is DESIGN, found.as_text()


def test_a_divergence_is_judged_as_a_kl_where_that_is_asked():
    found = check_function(load(f"{FILE}:entropy"), framework="numpy", kind="analytic_kl")
    assert found.verdict is WRONG, found.as_text()
