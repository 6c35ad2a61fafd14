"""Whether what a model gives is minimised: read in its file, told by values, and else asked for."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.descending import descents, direction
from elbo_compare.compare.checking.models.loading import whole
from elbo_compare.compare.checking.models.returning import loss_of, total_of
from elbo_compare.compare.checking.process import check_target
from elbo_compare.compare.checking.result import CheckVerdict

TARGETS = Path(__file__).parent / "targets"
WRONG, RIGHT, NOT_JUDGED = CheckVerdict.WRONG, CheckVerdict.RIGHT, CheckVerdict.NOT_JUDGED
UP = """
import torch
from whole_models import VAE

class Upward(VAE):
    loss_function = None

    def forward(self, x):
        recon_x, _, mu, logvar, z = super().forward(x)
        return -(self.data_term(recon_x, x) + self.kl_term(mu, logvar, z)) / len(x)
"""
APART = """
import torch
from whole_models import VAE

class Apart(VAE):
    def loss_function(self, recon_x, x, mu, logvar, z):
        recon, kl = self.data_term(recon_x, x), self.kl_term(mu, logvar, z)
        {}
"""


@pytest.fixture
def checked(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(TARGETS))
    monkeypatch.delitem(sys.modules, "whole_models", raising=False)
    torch.manual_seed(16)

    def check(name, text, **options):
        file = tmp_path / f"written_{len(list(tmp_path.iterdir()))}.py"  # the source of another is remembered
        file.write_text(text)
        loaded = whole(f"{file}:{name}", asked=True)
        assert loaded is not None
        return check_model(loaded.found, names=loaded.names, target=name, **options)

    return check


LOOP = """
def train(model, loader, opt):
    for x, _ in loader:
        opt.zero_grad()
        {}
        opt.step()
"""
STEP = """
class Runner:
    def one_step(self, batch):
        {}
        self.optimizer.step()
"""
TRAINED = [
    ("", NOT_JUDGED, "say --loss forward"),
    (LOOP.format("loss = model(x); loss.backward()"), WRONG, "Its sign is flipped"),
    (LOOP.format("out = model(x); out.backward()"), WRONG, "Its sign is flipped"),
    (LOOP.format("loss = -model(x); loss.backward()"), RIGHT, "its file minimises the negative"),
    (STEP.format("loss = self.model(batch).mean(); loss.backward()"), WRONG, "Its sign is flipped"),
    (STEP.format("elbo = self.model(batch); (-elbo).backward()"), RIGHT, "its file minimises the negative"),
    (STEP.format("found = self.unknown(batch); found.backward()"), NOT_JUDGED, "say --loss forward"),
]


@pytest.mark.parametrize(("trained", "verdict", "said"), TRAINED)
def test_an_elbo_that_its_file_minimises_is_wrong_and_one_that_nobody_minimises_is_asked_for(
    checked, trained, verdict, said
):
    result = checked("Upward", UP + trained)
    assert result.verdict is verdict, result.as_text()
    assert said in result.as_text()


def test_the_option_says_that_it_is_minimised_and_the_loop_that_it_is_not(checked):
    result = checked("Upward", UP, loss="forward")
    assert (result.verdict, "sign is flipped" in result.as_text()) == (WRONG, True)
    named = UP.replace("return -(", "elbo = -(") + "        return elbo\n"
    result = checked("Upward", named)
    assert result.verdict is RIGHT, result.as_text()
    assert "it is called elbo" in result.as_text()


READ = {
    "loss = vae(x).sum() / 3\nloss.backward()": 1,
    "loss = 0\nloss -= vae(x)\nloss.backward()": -1,
    "scaler.scale(torch.neg(vae(x))).backward()": -1,
    "accelerator.backward(-1.0 * vae(x))": -1,
    "optimizer.minimize(-(vae(x) + 0.1 * norm))": -1,
    "def of(p):\n    return -model.apply(p, x).mean()\njax.value_and_grad(of)(params)": -1,
    "jax.grad(lambda p: model.apply(p, x))(params)": 1,
    "vae(x).backward()\n(-vae(x)).backward()": 0,  # both
    "loss = weight * vae(x)\nloss.backward()": 0,  # of either sign
    "elbo, kl = vae(x)\nelbo.backward()": 0,  # which of the two it is was not read
    "loss = other(x)\nloss.backward()": 0,
}


@pytest.mark.parametrize("source", READ)
def test_the_sign_with_which_a_gradient_is_taken(source):
    model = torch.nn.Linear(2, 2)
    text = f"vae = Linear()\n{source}\n"
    assert direction(descents(f"{text}optimizer.step()\n", model, {})) == READ[source]
    model.owner = test_the_sign_with_which_a_gradient_is_taken  # as of a pair of functions, whose owner is no class
    assert descents(text, model, {"Linear": torch.nn.Linear})
    del model.owner
    assert direction(descents(f"{text}Adam(params, maximize=True)\n", model, {})) == -READ[source]
    if "optimizer" not in source:  # by hand the step may be up the gradient
        assert direction(descents(text, model, {})) == 0


def test_a_gradient_in_a_child_or_of_another_class_is_not_the_models(checked):
    child = (
        "\nclass Child(Upward):\n    def step(self, x):\n        self(x).backward()\n        self.optimizer.step()\n"
    )
    assert checked("Upward", UP + child).verdict is NOT_JUDGED
    other = "\nclass Other: pass\nnet = Other()\n" + STEP.format("net(batch).backward()")
    assert checked("Upward", UP + other).verdict is NOT_JUDGED


def test_two_parts_are_not_right_where_their_file_adds_them_unread(checked):
    apart = APART.format("return recon, kl")
    unread = STEP.format("a, b = self.model.loss_function(*self.model(batch)); total = a - b; total.backward()")
    result = checked("Apart", apart + unread)
    assert (result.verdict, result.exit_code) == (NOT_JUDGED, 3), result.as_text()
    assert "line 12 of its file takes the gradient of total, which no way could run" in result.message
    assert "is taken for the loss" not in result.as_text()
    assert checked("Apart", apart).verdict is RIGHT
    loop = LOOP.format("a, b = model.loss_function(*model(x)); total = a - b; total.backward()")
    assert checked("Apart", apart + loop).verdict is WRONG


PARTS = [
    ("reg = 0.01 * z.pow(4).sum(); return recon + kl, recon, reg", RIGHT, ""),
    ("first = recon + kl; reg = z.pow(4).sum(); return reg, first, recon, kl", RIGHT, ""),  # by its value
    ("minus_log_likelihood = recon; return minus_log_likelihood, kl", RIGHT, "minus_log_likelihood + kl"),
    ("recon = -recon; return recon, kl", RIGHT, "recon is a log likelihood by its value"),
    (
        "log_likelihood = recon; return log_likelihood, kl",
        NOT_JUDGED,
        "log_likelihood is a negative log likelihood by its value",
    ),
    ("recon = recon.mean() / 13; return recon, -kl", WRONG, ""),
    ("recon = -recon; return recon, 2 * kl", CheckVerdict.OTHER_OBJECTIVE, "2 x KL"),
]


@pytest.mark.parametrize(("returned", "verdict", "said"), PARTS)
def test_no_name_alone_accuses_a_part_that_its_value_tells(checked, returned, verdict, said):
    result = checked("Apart", APART.format(returned))
    assert result.verdict is verdict, result.as_text()
    assert said in result.as_text()


JAX = """
import jax
import jax.numpy as jnp
from whole_jax import data_term, decode, encode, init_params, kl_term, sample

def terms(params, x, key):
    mean, log_var = encode(params, x)
    return data_term(decode(params, sample(key, mean, log_var)), x), kl_term(mean, log_var)

def told(params, x, key):
    recon, kl = terms(params, x, key)
    {}

def fit(params, x, key, optimizer):
    {}
"""
IN_JAX = [
    ("recon = -recon; return recon, kl", "pass", RIGHT, "recon is a log likelihood by its value"),
    ("reg = kl**2; first = recon + kl; return reg, first, recon, kl", "pass", RIGHT, "-ELBO"),
    ("return -(recon + kl)", "pass", NOT_JUDGED, "say --loss forward"),
    ("return -(recon + kl)", "return optimizer.update(jax.grad(told)(params, x, key))", WRONG, "-1 x the KL"),
    (
        "return -(recon + kl)",
        "return optimizer.update(jax.grad(lambda p: -told(p, x, key).sum())(params))",
        RIGHT,
        "the negative",
    ),
]


@pytest.mark.parametrize(("returned", "fitted", "verdict", "said"), IN_JAX)
def test_the_same_of_a_jax_function(checked, returned, fitted, verdict, said):
    pytest.importorskip("jax")
    result = checked("told", JAX.format(returned, fitted))
    assert result.verdict is verdict, result.as_text()
    assert said in result.as_text()


def test_a_total_is_the_first_value_that_is_the_sum_of_others():
    for values, name in (((7.0, 3.0, 4.0), "a"), ((7.0 + 1e-9, 3.0, 4.0), ""), ((0.0, 3.0, 3.0), "")):
        assert total_of(dict(zip("abc", map(np.asarray, values), strict=True)), 2.0**-53) == name
    rows = {"a": np.array([7.0, 5.0]), "b": np.array([3.0, 1.0]), "c": np.array([4.0, 4.0]), "d": np.asarray(0.5)}
    assert total_of(rows, 2.0**-53) == "a"
    assert total_of({**rows, "c": np.array([4.0, 3.0])}, 2.0**-53) == ""
    loss, terms = loss_of({"a": 7.0, "b": 3.0}, picked="b")
    assert (loss, terms.name) == (3.0, "b")


def test_the_weights_that_are_made_here_are_the_same_in_every_run(tmp_path):
    file = tmp_path / "made.py"
    file.write_text(
        "import torch\nfrom torch import nn\n\nclass VAE(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.encoder = nn.Linear(5, 2)\n"
        "        raise ValueError(float(self.encoder.weight.sum()))\n"
    )
    first, second = (check_target(f"{file}:VAE").text for _ in range(2))
    assert "ValueError: " in first
    assert first == second
