"""The kinds that a fresh set of public functions brought, each in a function of our own: verdict and words."""

import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

FRESH = Path(__file__).parent / "targets" / "fresh.py"
UNSEEN = FRESH.with_name("unseen.py")
RIGHT, WRONG, OTHER = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.OTHER_OBJECTIVE

KINDS = [
    ("of_a_decoder", RIGHT, r"-log N\(x \| .*KL\(q \|\| N\(0, I\)\), averaged over the batch"),
    ("without_its_kl", WRONG, "KL is missing"),
    ("of_string_keys", RIGHT, r"KL\(q \|\| N\(0, I\)\), averaged over the batch"),
    ("log_normal_of_elements", RIGHT, r"log N\(z; mean, sigma\^2\), one value per datum and dimension"),
    ("log_normal_misnamed", WRONG, "logvar.*log_sigma|log_sigma.*logvar"),
    ("to_a_moved_prior", RIGHT, r"KL\(q \|\| N\(prior_mean, I\)\)"),
    ("between_two_times", RIGHT, r"KL\(q \|\| p\)"),
    ("noisy_squares", RIGHT, r"N\(x \| x_recon, exp\(2 logstd_noise\)\)"),
    ("of_a_log_likelihood", RIGHT, "the given reconstruction loss"),
    ("entropy_of_logits", WRONG, "probabilities.*called logits"),
    ("with_tiny_epsilons", RIGHT, "right to float32 rounding: an epsilon, 1e-16"),
    ("of_signals", OTHER, r"reconstruction \+ 4 x KL"),
    ("of_a_graph", WRONG, "beta = 0.1 x observed"),
    ("times_its_pixels", RIGHT, "right at the 784 observed dimensions"),
    ("of_a_residual", RIGHT, r"KL\(q \|\| p\), q given by its change from p"),
    ("of_a_plain_pair", WRONG, ""),
    ("of_two_targets", RIGHT, r"KL\(q \|\| p\)"),
    ("GaussianError", RIGHT, r"-log N\(target; mu, sigma\^2\), one value per datum and dimension"),
    ("curve", RIGHT, r"log N\(x; mu, var\), one value per datum and dimension"),
    ("averaged_and_guarded", WRONG, r"averaged over the batch and the latent.*log\(sigma\^2 \+ 1e-08\)"),
    ("weighed_and_guarded", WRONG, r"KL, averaged over.*log\(p \+ 1e-06\).*sigma \+ 0.001 for sigma"),
    ("half_an_entropy", WRONG, "where x = 0, weight 1, and another function of the output where x = 1"),
    ("weighed.loss", CheckVerdict.BY_DESIGN, "0.1 x KL.*declared by its attribute self.hparams.kl_coeff"),
    ("of_lists", WRONG, "NaN wherever mu is negative.*lists of probabilities"),
    ("first_from_second", RIGHT, r"KL\(p \|\| q\), its first from its second, one value per datum and dimension"),
    ("second_from_first", WRONG, ""),
    ("log_liklihood", RIGHT, r"log N\(x; p_mean, exp\(p_log_var\)\)"),
    ("epsilon_of_the_prior", RIGHT, "an epsilon, 1e-10"),
    ("uneven_error", CheckVerdict.NOT_JUDGED, "no likelihood that is known here"),
    ("less_its_entropy", RIGHT, "with a constant, -1e-06 nats per observed dimension"),
    ("normaliser_in_digits", RIGHT, r"log N\(obs \| mean, 1\)"),
    ("above_a_capacity", CheckVerdict.BY_DESIGN, r"\|batch mean of the KL - 0.5\|.*its argument c"),
    ("squares_per_pixel", OTHER, "negative ELBO / the observed dimensions"),
    ("kl_of_elements", WRONG, ""),
    ("OfRecords", RIGHT, r"Bernoulli\(pred_pose\)"),
]


MORE = [
    ("per_feature", RIGHT, r"N\(x \| recon_x, 1\)"),
    ("on_a_device", RIGHT, "averaged over the batch"),
    ("of_a_default_size", RIGHT, "called with the 50 observed dimensions that the source names"),
    ("over_its_batch", RIGHT, "right at the 16 data in a batch that it is written for"),
    ("half_over_its_batch", WRONG, "factor of 0.5"),
    ("over_given_settings", RIGHT, "averaged over the batch"),
    ("Parted.loss", RIGHT, r"N\(x \| x_hat, 1\).*averaged over the batch"),
    ("doubled", WRONG, "MUT-024"),
    ("drawn_and_compared", CheckVerdict.NOT_JUDGED, "maximum mean discrepancy"),
    ("sym_kl", CheckVerdict.NOT_JUDGED, "0.5 x Jeffreys' divergence"),
    ("kl_second_from_first", CheckVerdict.NOT_JUDGED, r"KL\(p \|\| q\).*no name tells"),
    ("kl_turned_round", WRONG, r"KL\(p \|\| q\): the two Gaussians are exchanged"),
    ("transport_cost", CheckVerdict.NOT_JUDGED, "2-Wasserstein"),
    ("kl_laplace", CheckVerdict.NOT_JUDGED, "laplace"),
    ("kl_concentrations", CheckVerdict.NOT_JUDGED, "calls digamma|calls lgamma"),
    ("of_a_capacity.loss", CheckVerdict.BY_DESIGN, r"1000 x \|batch mean of the KL - 0.025\|"),
    ("of_bins", CheckVerdict.NOT_JUDGED, ""),
    ("loss_of_bins", CheckVerdict.NOT_JUDGED, ""),
    ("kl_by_element", WRONG, "0.5 mean\\^2.*[Ll]og sigma\\^2 has -0.25 where -0.5 is right"),
    ("heights_by_element", CheckVerdict.NOT_JUDGED, "one value per datum and dimension"),
    ("kl_of_guarded_logarithms", RIGHT, "right but for an epsilon, 1e-06: it moves the value by 0.00"),
    ("kl_of_proportions", CheckVerdict.NOT_JUDGED, "no likelihood that is known here"),
    ("Recording.loss", RIGHT, r"Bernoulli\(recon\)"),
    ("log_normal_of_guarded", RIGHT, "right"),
    ("kl_of_sig", RIGHT, "averaged over the batch"),
    ("reparameterize_squashed", CheckVerdict.NOT_JUDGED, "draws a sample"),
    ("of_a_variance", WRONG, "averaged over the batch and the observed"),
    ("unevenly_weighted", WRONG, "latent"),
    ("kl_with_a_global_epsilon", RIGHT, "right but for an epsilon, 5e-09"),
    ("Guarding.kl", RIGHT, "right but for an epsilon, 5e-09"),
    ("kl_with_a_gradient_too_large", WRONG, ""),
    ("kl_with_a_factor_beside_an_epsilon", WRONG, ""),
    ("kl_with_a_tiny_factor", WRONG, ""),
    ("short_normaliser", RIGHT, r"log N\(x; mu, exp\(logvar\)\)"),
]
ALL = [*((FRESH, *kind) for kind in KINDS), *((UNSEEN, *kind) for kind in MORE)]


@pytest.mark.parametrize(("file", "name", "verdict", "says"), ALL, ids=[kind[1] for kind in ALL])
def test_each_fresh_kind_has_its_verdict_and_its_words(file, name, verdict, says):
    result = check_function(load(f"{file}:{name}"))
    assert result.verdict is verdict, result.as_text(verbose=True)
    assert re.search(says, result.as_text(), re.DOTALL), result.as_text(verbose=True)


def test_a_full_covariance_is_refused_in_words():
    with pytest.raises(TargetError, match="cov is a matrix for every datum"):
        check_function(load(f"{FRESH}:of_a_matrix"))


@pytest.mark.parametrize(("name", "says"), [("between_matrices", "cholesky"), ("of_a_dense_posterior", "covariance")])
def test_matrices_under_other_names_are_refused_in_words(name, says):
    with pytest.raises(TargetError, match=f"{says}.*full covariance"):
        check_function(load(f"{UNSEEN}:{name}"))


def test_a_switch_without_default_is_asked_for_as_a_switch():
    with pytest.raises(TargetError, match="--set use_bce=True"):
        check_function(load(f"{FRESH}:with_a_switch"))
    result = check_function(load(f"{FRESH}:with_a_switch"), constants={"use_bce": True})
    assert result.verdict is RIGHT, result.as_text(verbose=True)
