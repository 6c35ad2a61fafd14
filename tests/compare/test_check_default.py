"""What a default, a name, a short constant or a shared gradient hides: each right kind beside its wrong neighbour."""

from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

FILE = Path(__file__).parent / "targets" / "kinds_default.py"
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED
DESIGN, OTHER = CheckVerdict.BY_DESIGN, CheckVerdict.OTHER_OBJECTIVE

KINDS = [
    ("kl_of_a_default_prior", RIGHT, "KL(q || N(0, I))"),
    ("kl_of_a_default_prior_unsquared", WRONG, "right at prior_std = 1 alone; at prior_std = 1.5"),
    ("kl_of_a_default_prior_added", WRONG, "no KL(q || N(0.5, 1 I)), and equals 0.5 mean^2"),
    ("kl_of_a_default_log", RIGHT, "KL(q || N(0, I))"),
    ("kl_of_a_default_log_flipped", WRONG, "equals 1.125 mean^2"),
    ("kl_that_a_scale_weighs", RIGHT, "KL(q || N(0, I))"),
    ("loss_of_a_default_decoder", RIGHT, "N(x | recon, 1)"),
    ("loss_of_a_default_decoder_unsquared", WRONG, "weighs 0.6667, where 0.4444 is right"),
    ("OfAPrior.kl", RIGHT, "KL(q || N(0, I))"),
    ("OfAPrior.kl_unsquared", WRONG, "right at self.prior_sigma = 1 alone"),
    ("kl_of_two_parts", NOT_JUDGED, "their names say of two"),
    ("kl_of_a_layers_parameters", RIGHT, "by its use sigma_param is the raw sigma (softplus)"),
    ("kl_of_a_layers_parameters_as_variances", WRONG, "taken for var"),
    ("kl_from_the_plain_one", RIGHT, "KL(q || p)"),
    ("kl_to_the_plain_one", NOT_JUDGED, "which no name tells"),
    ("loss_with_a_spread_put_aside", RIGHT, "x_logvar is not read: a fixed variance"),
    ("kl_less_a_size", RIGHT, "n_dim is given the width of mu"),
    ("kl_over_its_data", RIGHT, "n_data is given the size of the batch"),
    ("kl_by_a_short_logarithm", RIGHT, "a constant of few digits moves it by"),
    ("kl_by_a_short_root", RIGHT, "a constant of few digits moves it by"),
    ("kl_by_no_constant", WRONG, ""),
    ("entropy_beside_an_epsilon", RIGHT, "a sigmoid in front of the cross-entropy, log(p + 1e-07)"),
    ("entropy_beside_an_epsilon_off", NOT_JUDGED, ""),
    ("kl_balanced", DESIGN, "0.8 x KL(sg(q) || p) + 0.2 x KL(q || sg(p)): KL balancing"),
    ("kl_balanced_floored", OTHER, "0.5 x KL(sg(q) || p) + 0.1 x KL(q || sg(p)), each of max(KL, 1) of a datum"),
    ("kl_balanced_of_batches", OTHER, "each of max(batch mean of the KL, 1)"),
    ("kl_balanced_off", WRONG, "only its gradient is off"),
    ("kl_above_a_low_level", OTHER, "max(batch mean of the KL, 0.3): free bits"),
    ("kl_above_a_declared_level", DESIGN, "declared by its argument free"),
    ("log_p_of_levels", RIGHT, "a discretised Gaussian by the tanh approximation, 256 levels in [-1, 1]"),
    ("log_p_of_levels_without_an_end", WRONG, "but at its last level, where it is no whole tail"),
    ("log_p_of_levels_cut_off", WRONG, "only its gradient is off, by mean"),
    ("log_p_of_levels_too_broad", NOT_JUDGED, ""),
    ("nll_of_levels", RIGHT, "-log P(x | mean, scale)"),
    ("log_p_of_logistic_levels", RIGHT, "both ends are levels like the others"),
    ("loss_of_exchanged_data", WRONG, "has x and recon exchanged in its cross-entropy"),
    ("loss_of_exchanged_logarithms", WRONG, "has x and recon exchanged in its cross-entropy"),
    ("loss_of_exchanged_logits", WRONG, "has x and x_logits exchanged in its cross-entropy"),
    ("loss_of_a_narrow_laplace", RIGHT, "Laplace(x | recon, 0.05)"),
    ("kl_less_its_priors_constant", RIGHT, "KL(q || N(0, I))"),
    ("loss_over_a_sigma", RIGHT, "N(x | recon, 0.5)"),
    ("kl_of_a_misnamed_sigma", WRONG, "right if its log_var argument is taken for sigma"),
    ("kl_that_warms_up", OTHER, "0.001 x KL: KL annealing"),
    ("loss_of_counts", RIGHT, "Poisson(rate)"),
    ("loss_of_no_counts", WRONG, "right where x is 0 or 1 alone"),
    ("loss_of_squared_counts", WRONG, "right where x is 0 or 1 alone"),
    ("loss_of_a_softplus", RIGHT, "Poisson(softplus(out))"),
    ("loss_of_a_sigmoid", RIGHT, "N(x | sigmoid(out), 1)"),
    ("loss_of_a_sigmoid_of_logits", WRONG, "MUT-124"),
    ("loss_with_a_variance_read_in_vain", NOT_JUDGED, "x_logvar, a spread of the decoder by its name, changes nothing"),
    ("loss_in_bits", OTHER, "the negative ELBO / the observed dimensions, in bits"),
]


@pytest.mark.parametrize(("name", "verdict", "words"), KINDS, ids=[kind[0] for kind in KINDS])
def test_what_is_hidden_is_told(name, verdict, words):
    result = check_function(load(f"{FILE}:{name}"))
    assert result.verdict is verdict, result.as_text()
    assert words.lower() in result.as_text().replace("\n", " ").lower()


def test_no_mutant_is_named_for_a_constant_of_other_digits():
    result = check_function(load(f"{FILE}:kl_by_no_constant"))
    assert result.diagnosis is not None
    assert not result.diagnosis.id


def test_two_priors_are_asked_for_by_their_names():
    with pytest.raises(TargetError, match="'mu2' and 'mu2_p' both read as prior mean"):
        check_function(load(f"{FILE}:kl_of_three"))


def test_kl_balancing_is_declared_by_its_option():
    result = check_function(load(f"{FILE}:kl_balanced_floored"), objective="kl-balancing")
    assert result.verdict is DESIGN
    assert result.declared_by == "--objective kl-balancing"
