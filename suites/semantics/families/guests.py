"""Losses of libraries that people take instead, each in an environment of its own: Pythae and PyMC.

The oracles are closed forms at the library's own draws; for PyMC, whose draws are not given, the guide is the exact
posterior, where log p(x, z) - log q(z) = log p(x) for every z.
"""

from math import exp, log, log1p, pi

import numpy as np

from elbo_compare.suites.semantics.case import Behaviour, Case, Library, Numbers
from elbo_compare.suites.semantics.gaussian import log_normal

_K, _SLOPE, _SHIFT, _M, _LOG_VAR = 3, 6.0, -4.0, 0.7, 0.8


def _sigmoid(logit: float) -> float:
    return 1 / (1 + exp(-logit))


def _weights(measured: Numbers) -> tuple[np.ndarray, np.ndarray, Numbers]:
    """log w and w~ at the draws, and the gradients -sum w~ d log w by q's mean and log-variance."""
    z = np.array([measured[f"z{k}"] for k in range(_K)])
    spread = exp(_LOG_VAR / 2)
    logits = _SLOPE * z + _SHIFT
    log_q = np.array([log_normal(each, _M, spread) for each in z])
    log_w = -np.log1p(np.exp(-logits)) + np.array([log_normal(each) for each in z]) - log_q
    weights = np.exp(log_w - log_w.max())
    weights /= weights.sum()
    path = _SLOPE / (1 + np.exp(logits)) - z  # d log p(x, z) / dz; log q moves with z at a fixed noise: only -log s
    noise = (z - _M) / spread
    slopes = {
        "by_mean": -float(weights @ path),
        "by_log_var": -float(weights @ (path * spread * noise / 2 + 0.5)),
    }
    return log_w, weights, slopes


def _bound(measured: Numbers) -> Numbers:
    log_w, _, slopes = _weights(measured)
    largest = float(log_w.max())
    bound = -largest - log(float(np.exp(log_w - largest).mean()))
    return {"loss": bound, "nll": bound, "below": 0.0, **slopes}  # by Jensen no mean of bounds is below -log p(x)


def _weighted(measured: Numbers) -> Numbers:
    log_w, weights, _ = _weights(measured)
    return {**_bound(measured), "loss": -float(weights @ log_w), "below": 1.0}


def _line(measured: Numbers) -> Numbers:
    """log q(z) - log p(z): two normals of one spread, around the encoder's means of x = 0.9 and the pseudo-input."""
    spread = exp(-1.4 / 2)
    q, p = (0.7 * x - 0.2 for x in (0.9, measured["pseudo"]))
    return {"kl": log_normal(measured["z"], q, spread) - log_normal(measured["z"], p, spread)}


def _pixels(_: Numbers) -> Numbers:
    """-log(1 - sigmoid(l)) = log(1 + e^l), with slope sigmoid(l)."""
    at = {"single": 20.0, "moderate": 5.0, "double": 20.0}
    losses = {f"{name}_loss": logit + log1p(exp(-logit)) for name, logit in at.items()}
    return losses | {f"{name}_slope": _sigmoid(logit) for name, logit in at.items()}


def _saturated(measured: Numbers) -> Numbers:
    """sigmoid(20) is 1 in float32, its logarithm's complement is cut at -100, and nothing is left to differentiate."""
    return {**_pixels(measured), "single_loss": 100.0, "single_slope": 0.0}


def _scaled(_: Numbers) -> Numbers:
    """log N(0; 0, 1/2) = log 2 - log(2 pi) / 2, twice."""
    right = log(2) - log(2 * pi) / 2
    return {"python": right, "array": right}


def _rounded(measured: Numbers) -> Numbers:
    """log sigma as float32 has it."""
    return {**_scaled(measured), "python": -float(np.log(np.float32(0.5))) - log(2 * pi) / 2}


_X, _N = np.array([0.3, -0.2, 1.0, 0.7, 0.4]), 100


def _evidence(_: Numbers) -> Numbers:
    """-log of the integral of N(mu; 0, 1) prod N(x; mu, 1)^(N / B): a Gaussian one with precision 1 + N."""
    times = _N / len(_X)
    total, squares, precision = times * _X.sum(), times * (_X**2).sum(), 1.0 + _N
    log_evidence = -0.5 * _N * log(2 * pi) - 0.5 * log(precision) - 0.5 * (squares - total**2 / precision)
    return {"loss": -float(log_evidence), "whole_loss": -float(log_evidence)}


def _divided(measured: Numbers) -> Numbers:
    right = _evidence(measured)
    return {**right, "loss": right["loss"] * len(_X) / _N}


CASES: tuple[Case, ...] = (
    Case(
        id="SEM-WEIGHTS-001",
        title="The loss of an importance-weighted autoencoder with 3 samples",
        statement="-log (1/K) sum w, w = p(x, z) / q(z|x); its gradient is -sum w~ d log w, w~ = w / sum w; its mean "
        "is -log p(x) or more",
        source="pythae.models.IWAE, pythae 0.1.2; Burda et al. 2016 (arXiv 1509.00519), eqs. 8 and 14",
        behaviours=(
            Behaviour(
                library=Library.PYTHAE,
                formula="-sum w~ log w with w~ held fixed: its gradient is right, its value is not the bound",
                program="weights/weights_001_pythae.py",
                computes=_weighted,
            ),
        ),
        oracle=_bound,
        given=tuple(f"z{k}" for k in range(_K)),
    ),
    Case(
        id="SEM-LINE-001",
        title="The questioned line in Pythae's VAMP",
        statement="KLD = -(log_p_z - log_q_z) is log q(z|x) - log p(z) at one draw: both lack the same log 2 pi",
        source="pythae.models.VAMP, pythae 0.1.2, with one component: p(z) is q(z|pseudo-input)",
        behaviours=(Behaviour(library=Library.PYTHAE, formula="as stated", program="line/line_001_pythae.py"),),
        oracle=_line,
        given=("z", "pseudo"),
    ),
    Case(
        id="SEM-PIXEL-001",
        title="A pixel x = 0 under a logit of 20, by the cross-entropy of probabilities",
        statement="-log p(x = 0) = log(1 + e^l), with slope sigmoid(l): 20 nats and 1 at l = 20",
        source="pythae.models.VAE, pythae 0.1.2, reconstruction_loss='bce': torch's binary_cross_entropy of what the "
        "decoder returns, whose logarithms are cut at -100",
        behaviours=(
            Behaviour(
                library=Library.PYTHAE,
                formula="in float32 the probability is 1: the loss is 100, its slope 0",
                program="pixel/pixel_001_pythae.py",
                computes=_saturated,
            ),
        ),
        oracle=_pixels,
        tolerance=1e-5,
        tolerance_reason="1 - sigmoid(5) keeps 6.7e-3 of float32's 6e-8, 1 - sigmoid(20) 2e-9 of float64's 1e-16",
    ),
    Case(
        id="SEM-BATCH-001",
        title="The loss of 5 of 100 data with total_size=100",
        statement="-ELBO with the likelihood times N / B = 20; at the exact posterior it is -log p(x) for every draw",
        source="pymc.ADVI(...).fit(n, score=True).hist, pymc 5.28.5; Approximation.scale_cost_to_minibatch",
        behaviours=(
            Behaviour(
                library=Library.PYMC,
                formula="-ELBO B / N, unless approx.scale_cost_to_minibatch is False",
                program="batch/batch_001_pymc.py",
                computes=_divided,
            ),
        ),
        oracle=_evidence,
        tolerance=1e-9,
        tolerance_reason="the spread passes through softplus and back; a hundred terms of order one",
    ),
    Case(
        id="SEM-DTYPE-003",
        title="A normal's log density in float64 with the scale 0.5, a number of Python and an array of float64",
        statement="log N(0; 0, 1/2) = log 2 - log(2 pi) / 2, both times",
        source="pymc.logp of pymc.Normal, pymc 5.28.5 with floatX = float64, pytensor's default",
        behaviours=(
            Behaviour(
                library=Library.PYMC,
                formula="a number that float32 holds exactly becomes float32, and so does its logarithm",
                program="dtype/dtype_003_pymc.py",
                computes=_rounded,
            ),
        ),
        oracle=_scaled,
        tolerance=1e-12,
        tolerance_reason="three terms of order one",
    ),
)
