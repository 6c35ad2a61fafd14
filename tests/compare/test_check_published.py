"""Code as people publish it: the right verdict, objective and words for each kind, in functions of our own."""

import functools
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.result import CheckVerdict
from elbo_compare.compare.checking.target import load

TARGETS = Path(__file__).parent / "targets"
RIGHT, WRONG, NOT_JUDGED = CheckVerdict.RIGHT, CheckVerdict.WRONG, CheckVerdict.NOT_JUDGED
DESIGN, OTHER = CheckVerdict.BY_DESIGN, CheckVerdict.OTHER_OBJECTIVE


@functools.cache
def unasked(name):
    return check_function(load(f"{TARGETS / 'published.py'}:{name}"))


def checked(name, **options):
    if not options:
        return unasked(name)
    return check_function(load(f"{TARGETS / 'published.py'}:{name}"), **options)


@cache
def as_it_stands(name):
    """Checked once for its verdict and for its words."""
    return checked(name)


# name, verdict, what the text says
KINDS = [
    # 1. never RIGHT without having judged
    ("kl_dropped_beside", WRONG, "KL is missing from 'total'.*returned beside it as 'kl_term'"),
    ("parts_without_names", NOT_JUDGED, "can't be told"),
    ("outer_total", WRONG, r"shape \(batch, batch\)"),
    ("parts_apart", RIGHT, "returned apart"),
    ("log_likelihood_apart", RIGHT, "returned apart"),
    ("kl_in_probabilities", WRONG, r"right where it does not overflow.*float32 from \|z\|"),
    ("as_dataclass", RIGHT, "averaged over the batch"),
    # 2. guards as guards
    ("clamped_logits", WRONG, r"clamped to \[1e-6, 1 - 1e-6\]"),
    ("one_sided_epsilon", RIGHT, r"guard, log\(p \+ 1e-08\)"),
    ("sigma_floor", RIGHT, "guard, sigma clamped at 0.003|guard, sigma.2 clamped at 9e-06"),
    # 3. likelihoods by value
    ("laplace", RIGHT, r"Laplace\(x \| x_hat, 1\).*0.6931 nats per observed"),
    ("poisson", RIGHT, "Poisson"),
    ("hyperbolic", RIGHT, "hyperbolic secant"),
    ("full_normal", RIGHT, r"N\(x \| x_hat, 0.25\), .*|N\(x \| x_hat, 0.25\)"),
    ("squared_error_without_one", WRONG, "KL term equals the analytic KL without its -1"),
    # 4. objectives by design
    ("beta_inside", OTHER, r"reconstruction \+ 2.5 x KL: beta-VAE.*--objective beta"),
    ("weight_of_mse", DESIGN, "declared by its argument kld_weight"),
    ("capacity", DESIGN, r"100 x \|batch mean of the KL - 12\|: capacity, Burgess"),
    ("group_floor", OTHER, r"max\(KL, 1.5\): free bits.*--objective free-bits"),
    ("Weighted.loss_function", DESIGN, "declared by its attribute self.beta"),
    ("at_two", DESIGN, r"reconstruction \+ 2 x KL"),
    ("info_vae", NOT_JUDGED, "maximum mean discrepancy"),
    ("counted", RIGHT, "returned apart"),
    ("weighted_module_kl", DESIGN, "0.0005 x KL.*declared by its argument weight"),
    ("floor_beside_a_mean", WRONG, "not so at q close to p"),
    ("weight_of_detached", WRONG, r"but not at ordinary inputs \(the gradient\)"),
    # 5. it can be called
    ("Model.kl", RIGHT, "KL"),
    ("of_distribution", RIGHT, "KL"),
    ("between_distributions", RIGHT, r"KL\(q \|\| p\)"),
    ("general_kl", RIGHT, r"KL\(q \|\| p\)"),
    ("images", RIGHT, "summed over the batch"),
    ("feature_maps", RIGHT, "one value per datum"),
    ("written_for_ten", RIGHT, "right at the 10 latents that it is written for, and only there"),
    ("bernoulli_validated", RIGHT, r"Bernoulli\(sigmoid\(decoder_logits\)\)"),
    # 6. what it is, not what it is called
    ("log_normal_diag", RIGHT, r"log N\(x; mean, exp\(log_var\)\)"),
    ("something", NOT_JUDGED, "log density"),
    ("reparameterize", NOT_JUDGED, "returns a sample"),
    ("spread_of", NOT_JUDGED, "no KL"),
    ("reconstruction_loss", RIGHT, r"log Bernoulli\(recon_x\)"),
    # right where it is small, ordinary or called for the first time
    ("kl_of_64_latents", WRONG, "right at small sizes.*slice of fixed size"),
    ("kl_of_a_small_batch", WRONG, "right at small sizes"),
    ("kl_above_a_threshold", WRONG, "q close to p"),
    ("clamped_far_outside", RIGHT, r"beyond log sigma\^2 = -30 it is another.*beyond log sigma\^2 = 20 it"),
    ("a_little_too_much", WRONG, "1.000001 x the KL"),
    ("counted_in_the_module", OTHER, "KL annealing"),
    ("two_latents", RIGHT, r"KL\(q1 \|\| N\(0, I\)\) \+ KL\(q2"),
    ("huber", RIGHT, "Huber density"),
    ("continuous", RIGHT, "ContinuousBernoulli"),
    # several arrays in one argument
    ("positional", RIGHT, "KL"),
    ("of_outputs", RIGHT, "ELBO"),
    ("of_keys", RIGHT, "ELBO"),
    ("of_attributes", RIGHT, "ELBO"),
    ("of_halves", RIGHT, "ELBO"),
    # names that may stand for two things
    ("second_sigma", RIGHT, "sigma_2|given|KL"),
    ("flipped_without_one", WRONG, "sign is flipped, and the constant -0.5 x latent does not belong"),
    ("scripted", RIGHT, "one value per datum and dimension"),
    # the decoder's own variance
    ("own_variance", RIGHT, r"N\(x \| x_mean, exp\(x_logvar\)\)"),
    ("gaussian_likelihood", RIGHT, r"log N\(x \| x_hat, exp\(2 logscale\)\)"),
    ("own_variance_without_log", WRONG, r"Log s\^2 has no weight where 0.5 is right"),
    ("deviation_for_variance", WRONG, "recon_std=output_var"),
    # 7. two mistakes at once
    ("sign_and_mean", WRONG, r"0.5 / latent log sigma\^2"),
    ("precedence_in_log_q", WRONG, r"e\^2 has 1 where -0.5 is right"),
]


@pytest.mark.parametrize(("name", "verdict", "says"), KINDS, ids=[kind[0] for kind in KINDS])
def test_each_kind_has_its_verdict_and_its_words(name, verdict, says):
    result = as_it_stands(name)
    assert result.verdict is verdict, result.as_text(verbose=True)
    assert re.search(says, result.as_text(), re.DOTALL), result.as_text(verbose=True)


@pytest.mark.parametrize("name", [kind[0] for kind in KINDS])
def test_the_words_fit_on_a_screen(name):
    assert len(as_it_stands(name).as_text().splitlines()) <= 5


def test_a_function_that_changes_after_many_calls_is_not_judged():
    result = checked("worn")
    assert result.verdict is CheckVerdict.FAILED, result.as_text()
    assert "keeps a state" in result.message


def test_an_objective_that_is_declared_exits_with_0_and_another_one_does_not():
    assert checked("beta_inside", objective="beta").exit_code == 0
    assert checked("group_floor", objective="free-bits").exit_code == 0
    assert checked("beta_inside", objective="free-bits").exit_code == 1
    assert checked("drawn_beta").exit_code == 1
    assert checked("drawn_beta", objective="beta").verdict is DESIGN


def test_a_weight_of_one_on_a_mean_over_pixels_is_no_declaration():
    result = checked("weight_of_mse", constants={"kld_weight": 1.0})
    assert result.verdict is WRONG
    assert "beta = 0.5 x observed" in result.diagnosis.advice


def test_a_likelihood_that_is_asked_for_is_the_only_one():
    assert checked("laplace", likelihood="laplace").verdict is RIGHT
    assert checked("laplace", likelihood="normal").verdict is WRONG


def test_a_required_number_is_asked_for_once_and_given_by_set():
    with pytest.raises(TargetError, match="--set kl_weight=1"):
        checked("Model.loss")
    assert checked("Model.loss", constants={"kl_weight": 1.0}).verdict is RIGHT
    result = checked("Model.loss", constants={"kl_weight": 4.0})
    assert (result.verdict, result.declared_by) == (DESIGN, "its argument kl_weight")


def test_a_switch_is_asked_for_as_a_word():
    with pytest.raises(TargetError, match="--set mode=WORD"):
        checked("by_mode")
    assert checked("by_mode", constants={"mode": "normal"}).verdict is RIGHT


def test_a_whole_model_is_told_so_in_one_line():
    with pytest.raises(TargetError, match=r"whole model.*Model\.loss"):
        checked("Model")


def test_two_wrong_weights_at_once_are_named_term_by_term():
    advice = checked("sign_and_mean").diagnosis.advice
    for name in ("mean^2", "sigma^2", "log sigma^2"):
        assert name in advice


def test_a_crash_of_the_check_is_not_reported_as_the_functions(monkeypatch):
    from elbo_compare.compare.checking import verdict as module

    def broken(*_, **__):
        raise ArithmeticError("ours")

    monkeypatch.setattr(module, "layout_of", broken)
    result = unasked.__wrapped__("Model.kl")  # anew: its verdict is cached
    assert (result.verdict, result.exit_code) == (CheckVerdict.FAILED, 3)
    assert "compare check itself failed" in result.message


def test_the_counter_of_a_call_is_annealing_and_no_random_number():
    spec = importlib.util.spec_from_loader("counting", loader=None)
    module = importlib.util.module_from_spec(spec)
    code = (
        "import numpy as np\n"
        "class Loss:\n"
        "    calls = 0\n"
        "    def __call__(self, probs, x, mean, log_var):\n"
        "        self.calls += 1\n"
        "        nll = -(x * np.log(probs) + (1 - x) * np.log1p(-probs)).sum()\n"
        "        kl = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum()\n"
        "        return nll + min(1.0, self.calls / 50) * kl\n"
    )
    exec(code, module.__dict__)
    loss = module.Loss()
    result = check_function(loss, framework="numpy")
    assert (result.verdict, result.objective, result.draws) == (OTHER, "annealing", False)
    assert check_function(module.Loss(), framework="numpy", objective="annealing").exit_code == 0


SIZES = {"batch": 8, "latent": 10, "observed": 12}


@pytest.mark.parametrize("fixed", [("batch",), ("latent",), ("observed",), ("batch", "latent", "observed")])
def test_fixed_sizes_change_no_verdict(fixed):
    sizes = {name: SIZES[name] for name in fixed}
    assert checked("as_dataclass", **sizes).verdict is RIGHT
    assert checked("laplace", **sizes).verdict is RIGHT
    assert checked("sign_and_mean", **{k: v for k, v in sizes.items() if k != "observed"}).verdict is WRONG
    assert checked("weight_of_mse", constants={"kld_weight": 1.0}, **sizes).verdict is WRONG
