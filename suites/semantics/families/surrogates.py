"""Variational losses of a target density and a surrogate distribution: TensorFlow Probability's estimators of them.

No closed form of the library is used: integrals are sums over a fine grid of a smooth, decaying integrand, which
converge faster than any power of its spacing (Trefethen and Weideman 2014), or sums over all outcomes.
"""

from itertools import product
from math import exp, log, sqrt
from typing import Any

import numpy as np

from elbo_compare.suites.semantics.case import Behaviour, Case, Library, Numbers
from elbo_compare.suites.semantics.gaussian import log_normal

_VI = "tfp.vi.monte_carlo_variational_loss, tfp-nightly 0.26.0.dev20261027"
_GRID_REASON = "sums over the draws' grid and over the oracle's, each exact to rounding, of some hundred terms"
_M, _S, _X, _W, _K = 0.7, 0.5, 1.5, 0.8, 5


def _behaviour(program: str, **fields: Any) -> Behaviour:
    return Behaviour(library=Library.TFP, formula=fields.pop("formula", "as stated"), program=program, **fields)


# --- doubly reparameterised gradients


def _dreg(measured: Numbers) -> Numbers:
    """Minus log mean w and its gradients at the draws: the decoder's with weights w~ = w / sum w, q's through the
    samples with w~^2 (Tucker et al. 2019, eq. 6), and q's ordinary ones."""
    z = np.array([measured[f"z{k}"] for k in range(_K)])
    noise = (z - _M) / _S
    log_w = np.array([log_normal(each) + log_normal(_X, _W * each) - log_normal(each, _M, _S) for each in z])
    w = np.exp(log_w - log_w.max())
    normalised = w / w.sum()
    decoder = -float(normalised @ ((_X - _W * z) * z))
    path = -z + (_X - _W * z) * _W + (z - _M) / _S**2  # d log w / dz at fixed parameters
    return {
        "loss": -float(log_w.max() + log(w.mean())),
        "dreg_decoder": decoder,
        "dreg_loc": -float(normalised**2 @ path),
        "dreg_sigma": -float(normalised**2 @ (path * noise)),
        "plain_decoder": decoder,
        "plain_loc": -float(normalised @ (path - noise / _S)),
        "plain_sigma": -float(normalised @ (path * noise - (noise**2 - 1) / _S)),
        "two_losses_decoder": decoder,
        "two_losses_loc": -float(normalised**2 @ path),
        "two_losses_sigma": -float(normalised**2 @ (path * noise)),
    }


def _squared_for_all(measured: Numbers) -> Numbers:
    """The decoder's gradient with the weights w~^2."""
    z = np.array([measured[f"z{k}"] for k in range(_K)])
    log_w = np.array([log_normal(each) + log_normal(_X, _W * each) - log_normal(each, _M, _S) for each in z])
    w = np.exp(log_w - log_w.max())
    return {"dreg_decoder": -float((w / w.sum()) ** 2 @ ((_X - _W * z) * z))}


_LOC, _SCALE = 0.5, 1.2
_GRID = np.linspace(-14.0, 14.0, 40_001)


def _log_ratio(z: np.ndarray) -> np.ndarray:
    """log p / q, p = N(0, 1), q = N(0.5, 1.2^2)."""
    return -0.5 * z**2 + log(_SCALE) + 0.5 * ((z - _LOC) / _SCALE) ** 2


def _of_p(integrand: np.ndarray) -> float:
    """E_p over the grid."""
    return float((integrand * np.exp(-0.5 * _GRID**2)).sum() * (_GRID[1] - _GRID[0]) / sqrt(2 * np.pi))


def _mean_gradients(_: Numbers) -> Numbers:
    """d/d(loc, sigma) of both divergences of the normals: (loc^2 + s^2 - 1) / 2 - log s is the KL(q || p), and
    log s + (1 + loc^2) / (2 s^2) - 1/2 the KL(p || q)."""
    reverse = {"loc": _LOC, "sigma": _SCALE - 1 / _SCALE}
    forward = {"loc": _LOC / _SCALE**2, "sigma": 1 / _SCALE - (1 + _LOC**2) / _SCALE**3}
    right = {"reverse": reverse, "forward": forward}
    return {
        f"{name}_{way}_{of}": slopes[of]
        for name, slopes in right.items()
        for way in ("sticking", "plain")
        for of in ("loc", "sigma")
    }


def _without_score(measured: Numbers) -> Numbers:
    """The gradient lacks E_q[f'(u) u d log q] = E_p[(1 + log p/q) d log q / d(loc, sigma)], which is 0 under KL(q || p)
    alone: there f'(u) u = -1."""
    factor, noise = 1 + _log_ratio(_GRID), (_GRID - _LOC) / _SCALE
    right = _mean_gradients(measured)
    return {
        "forward_sticking_loc": right["forward_sticking_loc"] + _of_p(factor * noise / _SCALE),
        "forward_sticking_sigma": right["forward_sticking_sigma"] + _of_p(factor * (noise**2 - 1) / _SCALE),
    }


# --- divergences


def _divergences(_: Numbers) -> Numbers:
    """Each divergence by its definition in p and q, integrated on a grid; see the functions' documentation."""
    step, z = _GRID[1] - _GRID[0], _GRID
    log_p, log_q = (-0.5 * z**2 - 0.5 * log(2 * np.pi), -0.5 * z**2 - 0.5 * log(2 * np.pi) - _log_ratio(z))
    p, q = np.exp(log_p), np.exp(log_q)
    m = (p + q) / 2
    log_m = np.logaddexp(log_p, log_q) - log(2)

    def total(integrand: np.ndarray) -> float:
        return float(integrand.sum() * step)

    forward, reverse = total(p * (log_p - log_q)), total(q * (log_q - log_p))
    return {
        "kl_forward": forward,
        "kl_reverse": reverse,
        "jeffreys": (forward + reverse) / 2,
        "jensen_shannon": total(p * (log_p - log_m)) + total(q * (log_q - log_m)),
        "arithmetic_geometric": total(m * (log_m - log_p)) + total(m * (log_m - log_q)),
        "modified_gan": total(q * (np.logaddexp(log_p, log_q) - log_p)),
        "pearson": total((p - q) ** 2 * np.exp(-log_q)),
        "chi_square": total(np.exp(2 * log_p - log_q)) - 1,
        "squared_hellinger": total((np.exp(log_p / 2) - np.exp(log_q / 2)) ** 2),
        "total_variation": total(np.abs(p - q)) / 2,
        "triangular": total((p - q) ** 2 * np.exp(-np.logaddexp(log_p, log_q))),
        "log1p_abs": total(np.exp(np.where(p > q, log_p, 2 * log_q - log_p)) - q),
        "amari_half": -4 * total(np.exp((log_p + log_q) / 2)) + 4,
        "t_power_third": 1 - total(np.exp(log_p / 3 + 2 * log_q / 3)),
    }


# --- discrete surrogates


_LOGIT, _DRAWS = 0.4, 3


def _log_weights(logit: float, decoder: float) -> np.ndarray:
    """log p(z) p(x | z) / q(z) at z = 0, 1."""
    q = 1 / (1 + exp(-logit))
    return np.array([log(0.5) + log_normal(_X, decoder * z) - log(q if z else 1 - q) for z in (0, 1)])


def _exact_loss(logit: float, decoder: float, draws: int) -> float:
    """-E log mean w over every outcome of `draws` draws."""
    q, log_w = 1 / (1 + exp(-logit)), _log_weights(logit, decoder)
    total = 0.0
    for outcome in product((0, 1), repeat=draws):
        chosen = log_w[list(outcome)]
        weight = np.prod([q if z else 1 - q for z in outcome])
        total -= weight * (np.logaddexp.reduce(chosen) - log(draws))
    return float(total)


def _exact_gradients(_: Numbers) -> Numbers:
    """Central differences of the exact mean loss, extrapolated (Richardson): error h^4."""

    def slope(of: Any) -> float:
        wide, narrow = ((of(h) - of(-h)) / (2 * h) for h in (2e-3, 1e-3))
        return (4 * narrow - wide) / 3

    return {
        f"{name}_{of}": slope(change)
        for name, draws in (("score", 1), ("vimco", _DRAWS))
        for of, change in (
            ("logit", lambda h, draws=draws: _exact_loss(_LOGIT + h, _W, draws)),
            ("decoder", lambda h, draws=draws: _exact_loss(_LOGIT, _W + h, draws)),
        )
    }


# --- groups of samples


def _groups(measured: Numbers) -> Numbers:
    def bound(draws: list[float], loc: float, scale: float) -> float:
        log_w = [log_normal(z) - log_normal(z, loc, scale) for z in draws]
        return float(np.logaddexp.reduce(log_w) - log(len(draws)))

    z = [measured[f"z{k}"] for k in range(6)]
    first, second = ([measured[f"y{k}{datum}"] for k in range(2)] for datum in range(2))
    return {
        "groups": -(bound(z[:3], _M, _S) + bound(z[3:], _M, _S)) / 2,
        "first": -bound(first, 0.7, 0.5),
        "second": -bound(second, -0.3, 1.3),
    }


# --- numbers


def _float32_kl(_: Numbers) -> Numbers:
    """(m - 1000)^2 / 2 at the float32 number next to m = 1000.1."""
    return {"python": float((np.float32(1000.1) - np.float32(1000.0)) ** 2) / 2, "python_bits": 32.0}


CASES = (
    Case(
        id="SEM-DREG-001",
        title="The doubly reparameterised gradient of an importance-weighted bound: for q and for the decoder",
        statement="for q sum w~^2 d log w / dz dz; for the model sum w~ d log p(x, z), w~ = w / sum w; K = 5",
        source=f"{_VI}, GradientEstimators.DOUBLY_REPARAMETERIZED; Tucker et al. 2019 (arXiv 1810.04152), eq. 6",
        behaviours=(
            _behaviour(
                "dreg/dreg_001_tfp.py",
                formula="every parameter gets the squared weights: the decoder sum w~^2 d log p(x, z)",
                computes=_squared_for_all,
            ),
        ),
        oracle=_dreg,
        given=tuple(f"z{k}" for k in range(_K)),
    ),
    Case(
        id="SEM-DREG-002",
        title="The mean gradient of sticking the landing under KL(q || p) and under another divergence",
        statement="d/d(loc, sigma) of E_q f(p / q); q = N(0.5, 1.2^2), p = N(0, 1), f(u) = -log u and u log u",
        source=f"{_VI}, GradientEstimators.DOUBLY_REPARAMETERIZED with importance_sample_size=1; Roeder et al. 2017 "
        "(arXiv 1703.09194), eq. 6: the score that is left out has mean zero where f is -log",
        behaviours=(
            _behaviour(
                "dreg/dreg_002_tfp.py",
                formula="under another divergence E_p[(1 + log p/q) d log q] is missing",
                computes=_without_score,
            ),
        ),
        oracle=_mean_gradients,
        tolerance=1e-11,
        tolerance_reason=_GRID_REASON,
    ),
    Case(
        id="SEM-CSISZAR-001",
        title="The divergences that the discrepancy functions stand for",
        statement="E_q f(p / q) = the divergence that f is named after; q = N(0.5, 1.2^2), p = N(0, 1)",
        source=f"{_VI}, tfp.vi's Csiszar functions as documented",
        behaviours=(_behaviour("csiszar/csiszar_001_tfp.py"),),
        oracle=_divergences,
        tolerance=1e-7,
        tolerance_reason="|p - q| and max(p, q) have a kink at p = q, where a grid's error is the spacing squared",
    ),
    Case(
        id="SEM-SCORE-001",
        title="A discrete surrogate: the score-function gradient and VIMCO, averaged over every outcome",
        statement="the mean gradient is d/d(logit, decoder) of -E log mean w, one draw (score function), three (VIMCO)",
        source=f"{_VI}, GradientEstimators.SCORE_FUNCTION and VIMCO; Mnih and Rezende 2016 (arXiv 1602.06725)",
        behaviours=(_behaviour("score/score_001_tfp.py"),),
        oracle=_exact_gradients,
        tolerance=1e-9,
        tolerance_reason="the oracle's differences: h^4 of 1e-12 and rounding / h of 1e-12, some times that",
    ),
    Case(
        id="SEM-SAMPLES-001",
        title="sample_size groups of importance_sample_size draws, and a batch of surrogates",
        statement="the mean over groups of -log mean w within a group; one loss for each surrogate of a batch",
        source=f"{_VI}, sample_size and importance_sample_size; Burda et al. 2016 (arXiv 1509.00519), eq. 8",
        behaviours=(_behaviour("samples/samples_001_tfp.py"),),
        oracle=_groups,
        given=(*(f"z{k}" for k in range(6)), *(f"y{k}{datum}" for k in range(2) for datum in range(2))),
    ),
    Case(
        id="SEM-DTYPE-002",
        title="A distribution of Python numbers in a process whose x64 switch is on",
        statement="KL(N(1000.1, 1) || N(1000, 1)) = 0.1^2 / 2, in float64",
        source="tfp.distributions.Normal, tfp-nightly 0.26.0.dev20261027: a dtype hint of float32 where no argument is "
        "an array; jax.numpy makes float64 arrays of the same numbers",
        behaviours=(
            _behaviour(
                "dtype/dtype_002_tfp.py",
                formula="Python numbers alone give a float32 distribution",
                computes=_float32_kl,
            ),
        ),
        oracle=lambda measured: {"python": 0.005, "arrays": 0.005, "python_bits": 64.0, "array_bits": 64.0},
        tolerance=1e-10,
        tolerance_reason="1000.1 is rounded to float64 by 5e-14, which the difference of 0.1 keeps",
    ),
)
