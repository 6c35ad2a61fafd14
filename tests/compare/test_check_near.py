"""Near-misses: what is right at one sample alone, right up to far logits alone, and what no line says is minimised."""

from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

FILE = Path(__file__).parent / "targets" / "kinds_near.py"
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED


@pytest.mark.parametrize(
    ("name", "verdict", "words"),
    [
        ("kl_averaged_over_samples", RIGHT, "one sample of each datum"),
        ("kl_summed_over_samples", NOT_JUDGED, "two samples don't give the mean"),
        ("kl_largest_of_samples", NOT_JUDGED, "two samples don't give the mean"),
        ("kl_of_a_bound", NOT_JUDGED, "two samples don't give the mean"),
        ("bce_of_logits_clamped_far_out", WRONG, "at |logit| = 30"),
        ("bce_of_another_slope_far_out", WRONG, "at |logit| = 30"),
        ("bce_of_a_float32_sigmoid", RIGHT, "a sigmoid in front of the cross-entropy"),
        ("bce_of_a_float32_sigmoid_off", WRONG, "1.001 x"),
        ("bce_of_a_float32_sigmoid_that_overflows", WRONG, "."),
        ("bce_of_float32_logits_clamped_far_out", WRONG, "."),
        ("bce_of_float32_logits_clamped_farther_in", WRONG, "."),
        ("bce_of_float32_logits_of_another_slope", WRONG, "."),
        ("bce_of_float32_logits_alone_clamped", WRONG, "|logits| 30"),
    ],
)
def test_what_one_sample_or_a_near_edge_hides_is_seen(name, verdict, words):
    result = check_function(load(f"{FILE}:{name}"))
    assert result.verdict is verdict, result.as_text()
    assert words in result.as_text().replace("\n", " ")


TRAINING = {  # what turns a gradient or a sign, out of sight of names and signs
    "gradient": "e = elbo(*x)\n    e.backward(gradient=minus)",
    "turned gradients": "e = elbo(*x)\n    e.backward()\n    [p.grad.neg_() for p in model]",
    "named factor": "loss = SIGN * elbo(*x)\n    loss.backward()",
    "another's": "loss = model.elbo(*x)\n    loss.backward()",
    "second part": "out = elbo(*x)\n    out[1].backward()",
    "branches": "if model:\n        loss = -elbo(*x)\n    else:\n        loss = elbo(*x)\n    loss.backward()",
    "two of a name": "def one():\n        def of():\n            return -elbo(*x)\n        of().backward()\n"
    "    def two():\n        def of():\n            return elbo(*x)\n        return of()",
    "scaled": "scaler.scale(-elbo(*x)).backward()\n    elbo(*x).backward()",
}


@pytest.mark.parametrize("lines", TRAINING.values(), ids=TRAINING)
def test_an_elbo_is_not_accused_by_a_line_that_cannot_be_followed(tmp_path, lines):
    file = tmp_path / "model.py"
    file.write_text(f"{FILE.read_text('utf-8')}\n\ndef train(model, x, scaler, minus, SIGN):\n    {lines}\n", "utf-8")
    result = check_function(load(f"{file}:elbo"))
    assert result.verdict is RIGHT, result.as_text()
    assert "as its name says" in result.as_text()


def test_a_line_that_can_be_followed_still_accuses(tmp_path):
    file = tmp_path / "model.py"
    file.write_text(
        f"{FILE.read_text('utf-8')}\n\ndef train(x):\n    loss = 2 * elbo(*x) / len(x)\n    loss.backward()\n"
    )
    result = check_function(load(f"{file}:elbo"))
    assert result.verdict is WRONG and "its sign is flipped" in result.as_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kl_of_log10", "what 'log10_var' is"),
        ("kl_over_an_axis", "give a value to 'dim'"),
        ("Layer.kl_of_a_property", "needs mean and spread"),
        ("Layer.kl_of_layers", "needs mean and spread"),
        ("Layer.kl_of_another_part", "needs mean and spread"),
    ],
)
def test_what_can_only_be_guessed_is_asked_for(name, words):
    with pytest.raises(TargetError, match=words):
        check_function(load(f"{FILE}:{name}"))


def test_a_layer_s_own_pairs_are_judged():
    assert check_function(load(f"{FILE}:Layer.kl_of_both")).verdict is RIGHT


def test_a_weight_that_is_an_epsilon_elsewhere_is_no_mistake_of_the_catalogue():
    """Without the number the term is right: no mutant of a right term is its cause."""
    result = check_function(load(f"{FILE}:kl_and_a_weight_beside_its_epsilon"))
    assert result.verdict is WRONG and "MUT-" not in result.as_text()
