"""Problems: every name loads, the shapes are the contract's, and wrong weights are refused with a reason."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from elbo_compare.suites import datasets, problems, weights
from elbo_compare.suites.contract import Likelihood
from elbo_compare.suites.weights import read_record, read_weights, write_weights

ALL = [(name, each) for name, names in problems.WEIGHTS.items() for each in names]


@pytest.mark.parametrize(("name", "named_weights"), ALL, ids=lambda value: value)
def test_every_problem_loads_and_fits_its_data(name, named_weights):
    problem = problems.load(name, named_weights)
    data = datasets.load(problems.DATASET[name])
    assert (problem.name, problem.weights) == (name, named_weights)
    assert data.train.shape[1] == problem.observed
    datasets.validate(data.test, problem.likelihood)
    assert problem.params["encoder.mean.bias"].shape == (problem.latent,)
    assert ("decoder.output.bias" in problem.params) == (problem.likelihood is not Likelihood.NONE)


def test_vae_is_the_questioned_model():
    """Gated 300-300 encoder and decoder, 40 latents, 784 Bernoulli pixels."""
    problem = problems.load("vae", "initial")
    shapes = {name: value.shape for name, value in problem.params.items() if name.endswith("weight")}
    assert shapes == {
        "encoder.0.linear.weight": (300, 784),
        "encoder.0.gate.weight": (300, 784),
        "encoder.1.linear.weight": (300, 300),
        "encoder.1.gate.weight": (300, 300),
        "encoder.mean.weight": (40, 300),
        "encoder.log_var.weight": (40, 300),
        "decoder.0.linear.weight": (300, 40),
        "decoder.0.gate.weight": (300, 40),
        "decoder.1.linear.weight": (300, 300),
        "decoder.1.gate.weight": (300, 300),
        "decoder.output.weight": (784, 300),
    }


@pytest.mark.parametrize("name", ["vae-small", "vae"])
def test_initial_weights_have_the_xavier_variance(name):
    """n normal weights of variance 2 / (in + out): the mean square is within 6 sqrt(2 / n), relative."""
    for key, value in problems.load(name, "initial").params.items():
        if key.endswith("bias"):
            assert not value.any(), key
        else:
            ratio = (value**2).mean() * sum(value.shape) / 2.0
            assert abs(ratio - 1.0) < 6.0 * np.sqrt(2.0 / value.size), key


@pytest.mark.parametrize("latent", [2, 40])
@pytest.mark.parametrize("case", problems.CASES)
def test_gaussian_cases_are_what_they_are_called(latent, case):
    mean, log_var = problems.gaussian_moments(latent, case)
    sigma = np.exp(0.5 * log_var)
    holds = {
        "equal": not mean.any() and not log_var.any(),
        "typical": (sigma < 1.0).all() and (sigma > 0.2).all(),
        "shifted": (np.abs(mean) > 2.7).all() and not log_var.any(),
        "narrow": np.allclose(sigma, 1e-3, rtol=1e-14),
        "wide": np.allclose(sigma, 10.0, rtol=1e-14),
        "mixed": np.isclose(sigma.min(), 1e-3) and np.isclose(sigma.max(), 10.0),
        "collapsed": ((mean == 0.0) & (log_var == 0.0)).sum() == latent // 2,
        # E r^4 is finite iff sigma^2 > 3/4; 1e-3: log_var is rounded to four digits
        "near": (np.abs(log_var) < np.log(1.25) + 1e-3).all()
        and (np.abs(mean) < 1.0).all()
        and (sigma**2 > 0.75).all(),
    }
    assert holds[case]


def test_linear_gaussian_columns_are_orthogonal():
    """Only then can a diagonal q equal the posterior. 8 terms of size < 2: rounding stays below 1e-14."""
    w = problems.load("linear-gaussian", "generic").params["decoder.output.weight"]
    gram = w.T @ w
    np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0.0, atol=1e-14)
    np.testing.assert_allclose(np.sqrt(np.diag(gram)), [1.5, 0.8, 0.4], rtol=1e-14)


def test_weights_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        problems.load("vae-small", "initial").params["encoder.mean.bias"][0] = 1.0


@pytest.mark.parametrize("name", ["vae-small", "vae"])
def test_trained_weights_match_their_record(name):
    record = read_record(name)
    assert hashlib.sha256((weights.FOLDER / f"{name}.npz").read_bytes()).hexdigest() == record["sha256"]
    assert record["problem"] == name
    assert record["dataset_sha256"] == datasets.load(problems.DATASET[name]).sha256


@pytest.mark.parametrize("name", ["vae-small", "vae"])
def test_trained_weights_reach_the_recorded_heldout_elbo(name):
    """The record's held-out ELBO (same noise) to 1e-4 nats, which float32 storage of the weights allows for."""
    from elbo_compare.suites.contract import Device, DType
    from elbo_compare.suites.estimators import SAMPLED_KL
    from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle

    problem, x = problems.load(name, "trained"), datasets.load(problems.DATASET[name]).test
    noise = np.random.default_rng(0).standard_normal((1, len(x), problem.latent))
    session = NumpyOracle().prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT64)
    record = read_record(name)
    elbo = session.evaluate(problem.params, x, noise).elbo
    assert elbo == pytest.approx(record["heldout_elbo_nats"], abs=1e-4)
    assert elbo > record["train_elbo_first_epoch_nats"] + 10.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("veo", "initial"), r"No problem 'veo'\. Nearest: vae"),
        (("vae", "trianed"), r"No weights for 'vae' named 'trianed'\. Nearest: trained"),
        (("gaussian-kl", "3-equal"), r"No weights for 'gaussian-kl' named '3-equal'\. Nearest: 2-equal"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(call, message):
    with pytest.raises(ValueError, match=message):
        problems.load(*call)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("decoder.output.bias"), r"missing decoder\.output\.bias; unknown none"),
        (lambda p: p.update(extra=np.zeros(1)), "missing none; unknown extra"),
        (
            lambda p: p.update({"encoder.mean.bias": np.zeros(4)}),
            r"encoder\.mean\.bias has shape \(4,\), expected \(3,\)",
        ),
        (
            lambda p: p.update({"encoder.mean.bias": np.full(3, np.nan)}),
            r"encoder\.mean\.bias holds a number .* finite",
        ),
    ],
)
def test_wrong_weights_are_refused(change, message):
    problem = problems.load("linear-gaussian", "generic")
    params = dict(problem.params)
    change(params)
    with pytest.raises(ValueError, match=message):
        problems.check_params(problem, params)


def test_a_damaged_weights_file_is_refused(tmp_path, monkeypatch):
    problem = problems.load("vae-small", "initial")
    path = write_weights("vae-small", problem.params, {"steps": 0}, tmp_path)
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    restored = read_weights("vae-small", problem.params)
    for name, value in problem.params.items():
        np.testing.assert_array_equal(restored[name], value.astype(np.float32))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"vae-small\.npz has SHA-256 .* restore the file"):
        read_weights("vae-small", problem.params)


def test_a_missing_weights_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"vae-small\.npz is missing: restore it"):
        read_weights("vae-small", problems.load("vae-small", "initial").params)


@pytest.mark.parametrize("fault", ["missing", "shape", "nan"])
def test_a_weights_file_of_another_model_is_refused(fault, tmp_path, monkeypatch):
    problem = problems.load("vae-small", "initial")
    params = dict(problem.params)
    if fault == "missing":
        del params["encoder.mean.bias"]
    else:
        params["encoder.mean.bias"] = np.zeros(9) if fault == "shape" else np.full(8, np.nan)
    write_weights("vae-small", params, {}, tmp_path)
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"vae-small\.npz"):
        read_weights("vae-small", problem.params)


def test_the_record_is_plain_json(tmp_path):
    write_weights("toy", {"a": np.zeros(1)}, {"steps": 3}, tmp_path)
    record = json.loads((tmp_path / "toy.json").read_text())
    assert record.keys() == {"sha256", "problem", "steps"}
    assert record["problem"] == "toy"


def test_a_problem_can_be_replaced_but_not_changed():
    problem = problems.load("linear-gaussian", "generic")
    assert replace(problem, likelihood_scale=1.0).likelihood_scale == 1.0
    with pytest.raises(AttributeError):
        problem.latent = 4  # pyright: ignore[reportAttributeAccessIssue]
