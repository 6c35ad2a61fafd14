"""The kinds that a seventh set of public functions brought: wrong accusations first, each beside its near-miss."""

import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.child import answer
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import import_of, load

FILE = Path(__file__).parent / "targets" / "kinds_seventh.py"
OF_ONE_SUM = FILE.with_name("kinds_proportions.py")
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED

PROPORTIONS = [
    ("of_a_vocabulary", NOT_JUDGED, "nothing says which"),
    ("multinomial", RIGHT, r"Multinomial\(recon_x\).*sums to one.*\(1 - x\) log\(1 - p\) would be missing"),
    ("multinomial_guarded", RIGHT, r"guard, log\(p \+ 1e-06\)"),
    ("multinomial_and_half_a_kl", WRONG, r"\+ 0.5 x latent nats"),
    ("multinomial_off_by_little", CheckVerdict.OTHER_OBJECTIVE, "1.0001 x reconstruction"),
    ("of_nothing_told", NOT_JUDGED, "--likelihood multinomial or --likelihood bernoulli"),
    ("of_nothing_told_and_weighed", NOT_JUDGED, r"\+ 4 x KL"),
    ("of_nothing_told_and_flipped", WRONG, "KL"),
    ("cross_entropy_of_categories", NOT_JUDGED, "nothing says which"),
    ("categorical_cross_entropy", RIGHT, r"Multinomial\(y_pred\)"),
    ("cross_entropy_of_nothing_told", NOT_JUDGED, "nothing says which"),
    ("EndsInASoftmax.loss", RIGHT, r"Multinomial\(recon_x\)"),
    ("Attending.loss", NOT_JUDGED, "nothing says which"),
    ("averaged_over_its_counts", NOT_JUDGED, "the rest, a term of x and recon_x, is no likelihood known here"),
    ("of_its_square_roots", WRONG, "where x = 1, weight 1 / batch, and another function of the output where x = 0"),
    ("of_other_words", NOT_JUDGED, "nothing says which"),
]
PIXELS = [
    ("of_pixels", WRONG, "MUT-120"),
    ("error_of_a_classifier", NOT_JUDGED, "nothing says which"),
    ("binary_error_of_ones", NOT_JUDGED, "no likelihood that is known here"),
    ("divergence_of_proportions", NOT_JUDGED, "a divergence of two arrays of proportions"),
    ("EndsInASigmoid.loss", WRONG, "MUT-120"),
    ("OfEither.loss", RIGHT, r"Multinomial\(recon_x\)"),
    ("categorical_loss", NOT_JUDGED, "nothing says which"),
]
PRIORS = [
    ("WithItsPrior.kl", RIGHT, r"KL\(q \|\| p\).*fed as they stand: self.mu2, self.var2"),
    ("WithItsPrior.kl_with_a_square_too_many", WRONG, ""),
    ("kl_to_topics", NOT_JUDGED, "depends on their number, 0.5 at 2 latents, 0.6667 at 3 latents"),
    ("OfSomeTopics.kl", RIGHT, "right at the 6 latents that it is written for, and only there"),
    ("OfSomeTopics.kl_of_batches", WRONG, ""),
    ("OfItsOwn.kl", NOT_JUDGED, "reads self.anchors of its object"),
    ("OfItsOwn.kl_turned", WRONG, r"KL\(p \|\| q\): the two Gaussians are exchanged"),
    ("kl_to_topics_around", NOT_JUDGED, "depends on their number"),
    ("kl_to_topics_without_its_logarithm", WRONG, ""),
    ("kl_of_a_square", RIGHT, r"KL\(q \|\| N\(0, I\)\)"),
    ("kl_of_a_whole_square", WRONG, r"ean\^2 has 1 where 0.5 is right"),
    ("OfParameters.log_prob", RIGHT, r"log N\(z; 0, I\)"),
    ("log_prior", WRONG, "s right at some inputs; off by|off only at"),
]
OTHERS = [
    ("log_prob_of_sequences", RIGHT, r"log N\(z; mean, sigma\^2\)"),
    ("kl_of_draws", RIGHT, "one sample of each datum"),
    ("kl_broadcast", NOT_JUDGED, "which nothing says"),
    ("poisson_in_float32", RIGHT, "Poisson.*an epsilon, 1e-10"),
    ("poisson_in_float32_detached", WRONG, "gradient"),
    ("poisson_in_float32_off_by_little", WRONG, ""),
    ("kl_densities", NOT_JUDGED, r"'log_q' - 'log_p'.*is the sampled KL"),
    ("kl_densities_of_one", WRONG, ""),
    ("kl_in_channels", NOT_JUDGED, "AssertionError.*other arrays than its names"),
    ("kl_at_a_sample", RIGHT, r"log q\(z\) - log p\(z\)"),
    ("kl_of_a_logarithm", WRONG, "s right if z_logvar is taken for sigma"),
    ("kl_of_half_a_logarithm", NOT_JUDGED, "other arrays than its names"),
    ("log_normal_of_a_number", NOT_JUDGED, "--set sigma=1"),
    ("loss_of_labels", NOT_JUDGED, "other arrays than its names"),
    ("log_gaussian_at", WRONG, "-0.125 where -0.5 is right|-0.25 where -0.5 is right"),
    ("kl_beside_a_penalty", RIGHT, r"KL\(q \|\| p\)"),
    ("kl_with_a_penalty", WRONG, r"Log\^2\(sigma / s\) has 4 .*and does not belong here"),
    ("kl_with_a_bracket_too_many", WRONG, r"sigma\^2 / s\^4"),
    ("kl_of_objects_turned", WRONG, r"KL\(p \|\| q\): the two Gaussians are exchanged"),
    ("negative_binomial_loss", NOT_JUDGED, "a likelihood of counts by its lgamma and theta"),
    ("gauss_kl", RIGHT, r"KL\(q \|\| N\(0, sigma0\^2\)\)"),
    ("gauss_kl_turned", WRONG, ""),
    ("OfTwoLogits", NOT_JUDGED, "the same number at every input"),
    ("kl_dist", WRONG, r"og sigma\^2 has -1 where -0.5 is right"),
    ("kl_of_pairs", RIGHT, r"KL\(q \|\| p\)"),
    ("kl_of_pairs_without_a_half", WRONG, r"og sigma\^2 has -1 where -0.5 is right"),
    ("error_of_a_deviation", WRONG, "if x_sigma is taken for var"),
]


ALL = [*((OF_ONE_SUM, *kind) for kind in PROPORTIONS), *((FILE, *kind) for kind in (*PIXELS, *PRIORS, *OTHERS))]


@pytest.mark.parametrize(("file", "name", "verdict", "says"), ALL, ids=[kind[1] for kind in ALL])
def test_each_kind_has_its_verdict_and_its_words(file, name, verdict, says):
    result = check_function(load(f"{file}:{name}"))
    assert result.verdict is verdict, result.as_text(verbose=True)
    assert re.search(says, result.as_text(), re.DOTALL), result.as_text(verbose=True)


SOFTMAX = "import torch\n\n\nclass Model:\n    def decode(self, h):\n        return torch.softmax(h, 1)\n\n"
LOSS = """    def loss(self, x, recon_x, mu, logvar):
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
        return (kl - (x * recon_x.log()).sum(1)).mean()
"""


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        (("", ""), RIGHT),
        (("softmax", "sigmoid"), WRONG),
        (("def decode", "def attend"), NOT_JUDGED),
        (("return torch.softmax(h, 1)", "return (h, 'attention', torch.softmax(h, 1), self.attention)"), NOT_JUDGED),
        (("import torch", "import torch\n\ndecoder = torch.sigmoid"), NOT_JUDGED),
    ],
)
def test_where_a_class_ends_decides(tmp_path, changed, verdict):
    file = tmp_path / "model.py"
    file.write_text(SOFTMAX.replace(*changed, 1) + LOSS, encoding="utf-8")
    result = check_function(load(f"{file}:Model.loss"))
    assert result.verdict is verdict, result.as_text()


@pytest.mark.parametrize(("likelihood", "verdict"), [("multinomial", RIGHT), ("bernoulli", WRONG)])
def test_the_likelihood_that_is_asked_for_decides(likelihood, verdict):
    result = check_function(load(f"{OF_ONE_SUM}:of_nothing_told"), likelihood=likelihood)
    assert result.verdict is verdict, result.as_text()


def test_a_number_is_judged_once_it_is_given():
    result = check_function(load(f"{FILE}:log_normal_of_a_number"), constants={"sigma": 0.5})
    assert result.verdict is RIGHT, result.as_text()
    assert "N(x | mu, 0.25)" in result.equation


def test_a_parameter_that_is_called_is_no_distribution():
    with pytest.raises(TargetError, match="'model'"):
        check_function(load(f"{FILE}:kl_of_a_flow"))


def test_the_number_of_a_loss_module_comes_from_init():
    request = {"target": f"{FILE}:GivenNoise", "options": {}, "verbose": False, "model": {"init": '{"noise_var": 0.1}'}}
    said = answer(request, lambda _: None)
    assert said["exit_code"] == 0, said["text"]
    assert "N(x_true | x_hat, 0.1)" in said["text"]


@pytest.mark.parametrize(
    ("name", "verdict", "says"),
    [
        ("OfWords", RIGHT, r"Multinomial\(output\)"),
        ("OfWordsAndTwoKls", CheckVerdict.OTHER_OBJECTIVE, "2 x KL"),
        ("OfRates", RIGHT, "Poisson"),
    ],
)
def test_the_softmax_of_a_whole_model_is_seen_by_its_values(name, verdict, says):
    result = check_model(getattr(import_of(f"{FILE.with_name('whole_proportions.py')}"), name))
    assert result.verdict is verdict, result.as_text()
    assert re.search(says, result.as_text(), re.DOTALL), result.as_text()
