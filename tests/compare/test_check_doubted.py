"""A word, a path or a name makes nothing right: each beside what the code does say."""

import re
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

FILE = Path(__file__).parent / "targets" / "kinds_doubted.py"
OF_WORDS = FILE.with_name("kinds_doubted_words.py")
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED

WORDS = [
    ("OfARelaxedLatent.loss", WRONG, "MUT-120"),
    ("WithAHead.loss", NOT_JUDGED, "nothing says which"),
    ("loss_of_tags", NOT_JUDGED, "nothing says which"),
    ("loss_categorical_kl", NOT_JUDGED, "nothing says which"),
]
PATHS = [("OfAPath.loss", WRONG, "MUT-120")]
SQUASHED = [("loss_of_two_sigmoids", NOT_JUDGED, "may have been through its sigmoid")]
SAMPLES = [
    ("log_q", NOT_JUDGED, "which nothing says"),
    ("log_q_of_samples", RIGHT, "one sample of each datum"),
]
SIGNS = [
    ("gaussian_nll", WRONG, "its sign is flipped"),
    ("gaussian_nll_negated", RIGHT, r"-log N\(x; mean"),
    ("negative_log_prior", WRONG, "its sign is flipped"),
    ("recon_loss", WRONG, "its sign is flipped"),
    ("recon_loss_that_is_maximised", RIGHT, r"log Bernoulli\(probs\)"),
    ("log_prob_loss", RIGHT, r"log Bernoulli\(probs\)"),
    ("levels_nll", WRONG, "its sign is flipped"),
]
CONSTANTS = [
    ("log_q_of_a_latent_too_few", WRONG, r"-0.9189 for each latent and \+0.9189 once for each datum"),
    ("log_q_of_the_batch", WRONG, "another at every size, -3.6758 at 4 x 3"),
    ("log_q_off_by_little", WRONG, "-0.9180 per dimension where -0.9189 is right"),
    ("log_q_in_few_digits", RIGHT, "in few digits"),
]
FURTHER = [
    ("levels_of_few_scales", NOT_JUDGED, "another function at other scales"),
    ("levels_held_up", NOT_JUDGED, "another function far from the mean"),
    ("levels", RIGHT, "256 levels"),
    ("poisson_of_squares_by_element", WRONG, "right where x is 0 or 1 alone"),
    ("poisson_by_element", RIGHT, "Poisson"),
    ("poisson_of_clamped_counts", WRONG, "at counts up to 299"),
    ("recon_of_itself", WRONG, "quals zero"),
    ("loss_along_an_axis_that_is_none", CheckVerdict.FAILED, "IndexError"),
    ("kl_to_a_variance", WRONG, "right if sigma_p is taken for var"),
    ("kl_without_a_square", WRONG, "sigma_p = 1 alone"),
]
KINDS = [*PATHS, *SQUASHED, *SAMPLES, *SIGNS, *CONSTANTS, *FURTHER]
ALL = [*((OF_WORDS, *kind) for kind in WORDS), *((FILE, *kind) for kind in KINDS)]


@pytest.mark.parametrize(("file", "name", "verdict", "says"), ALL, ids=[kind[1] for kind in ALL])
def test_a_word_makes_nothing_right(file, name, verdict, says):
    result = check_function(load(f"{file}:{name}"))
    assert result.verdict is verdict, result.as_text(verbose=True)
    assert re.search(says, result.as_text(), re.DOTALL), result.as_text(verbose=True)


def test_what_is_wrong_is_not_said_to_be_right_to_rounding():
    result = check_function(load(f"{FILE}:log_prior_of_a_latent_too_few"))
    assert result.verdict is WRONG
    assert "once for each datum" in result.as_text()
    assert "rounding" not in result.as_text()


LAYERS = """import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Softmax(dim=1))

    def decode(self, h):
        p = self.net(h)
        return p.clamp(min=1e-8)

    def loss(self, x, recon_x, mu, logvar):
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
        return (kl - (x * recon_x.log()).sum(1)).mean()
"""


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        (("", ""), RIGHT),
        (("def decode", "def decoder"), RIGHT),
        (("Softmax(dim=1)", "Softmax(dim=0)"), NOT_JUDGED),
        (("Softmax(dim=1)", "Softplus()"), NOT_JUDGED),
        (("Softmax(dim=1)", "Sigmoid()"), WRONG),
        (("p.clamp(min=1e-8)", "p * 2"), NOT_JUDGED),
        (("p.clamp(min=1e-8)", "torch.exp(-p)"), NOT_JUDGED),
        (("self.net(h)", "torch.softmax(h, dim=0)"), NOT_JUDGED),
    ],
)
def test_the_last_layer_of_a_decoder_is_followed(tmp_path, changed, verdict):
    file = tmp_path / "model.py"
    file.write_text(LAYERS.replace(*changed, 1), encoding="utf-8")
    result = check_function(load(f"{file}:Model.loss"))
    assert result.verdict is verdict, result.as_text()
