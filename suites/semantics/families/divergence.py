"""Registered analytic divergences that are wrong in value or gradient; the sweep over all pairs is in `pairs`."""

from itertools import product
from math import exp, expm1, inf, log, log1p, nan
from sys import float_info

import numpy as np
import scipy

from elbo_compare.suites.semantics.case import Behaviour, Case, Library, Numbers

_P, _Q, _D = 6.0, 5.0, 2
_LOG_RATIO, _TRACE = _D * log(0.5), _D * 0.5  # of (2 I)^-1 I


def wishart_kl(_: Numbers) -> Numbers:
    """KL(W(n, V) || W(m, U)) for n = 5, V = I, m = 6, U = 2 I in two dimensions, and its derivatives in n and m.

    -m/2 log|U^-1 V| + n/2 (tr U^-1 V - D) + log Gamma_D(m/2) - log Gamma_D(n/2) + (n - m)/2 psi_D(n/2); the factors
    pi^(D (D-1)/4) of Gamma_D cancel.  Soch et al., The Book of Statistical Proofs, wish-kl.
    """
    halves = [(1 - i) / 2 for i in range(1, _D + 1)]
    log_gamma = sum(float(scipy.special.gammaln(_P / 2 + h) - scipy.special.gammaln(_Q / 2 + h)) for h in halves)
    psi_q, psi_p = (sum(float(scipy.special.digamma(df / 2 + h)) for h in halves) for df in (_Q, _P))
    curvature = sum(float(scipy.special.polygamma(1, _Q / 2 + h)) for h in halves)
    guide_gradient = (_TRACE - _D) / 2 + (_Q - _P) / 4 * curvature
    return {
        "kl": -_P / 2 * _LOG_RATIO + _Q / 2 * (_TRACE - _D) + log_gamma + (_Q - _P) / 2 * psi_q,
        "guide_gradient": guide_gradient,
        "guide_difference": guide_gradient,
        "model_gradient": -_LOG_RATIO / 2 + (psi_p - psi_q) / 2,
    }


_DEGREES, _PRIOR = (4.0, 5.0, 6.0), 5.0


def _psi(df: float) -> float:
    return sum(float(scipy.special.digamma((df + 1 - i) / 2)) for i in range(1, _D + 1))


def _wisharts_alone(_: Numbers) -> Numbers:
    """As `wishart_kl`, KL(W(n, I) || W(5, 2 I)) for n = 4, 5, 6: the same alone and in a batch."""
    numbers = {}
    for n in _DEGREES:
        log_gamma = sum(
            float(scipy.special.gammaln((_PRIOR + 1 - i) / 2) - scipy.special.gammaln((n + 1 - i) / 2))
            for i in range(1, _D + 1)
        )
        kl = -_PRIOR / 2 * _LOG_RATIO + n / 2 * (_TRACE - _D) + log_gamma + (n - _PRIOR) / 2 * _psi(n)
        numbers |= {f"batch_{n:g}": kl, f"alone_{n:g}": kl}
    return numbers


def _wisharts_added_up(_: Numbers) -> Numbers:
    """The term (m - n)/2 (D log 2 + psi_D(n/2)) of every member is taken from each, its own included."""
    terms = {n: (_PRIOR - n) / 2 * (_D * log(2) + _psi(n)) for n in _DEGREES}
    alone = _wisharts_alone({})
    return {f"batch_{n:g}": alone[f"alone_{n:g}"] + terms[n] - sum(terms.values()) for n in _DEGREES}


def _simulated_wisharts() -> dict[str, tuple[float, float]]:
    rng, found = np.random.default_rng(0), {}
    for n in _DEGREES:
        q, p = scipy.stats.wishart(n, np.eye(_D)), scipy.stats.wishart(_PRIOR, 2 * np.eye(_D))
        drawn = np.moveaxis(q.rvs(2_000, random_state=rng), 0, -1)
        ratio = q.logpdf(drawn) - p.logpdf(drawn)
        found[f"batch_{n:g}"] = float(ratio.mean()), float(ratio.std(ddof=1) / len(ratio) ** 0.5)
    return found


_Q_LOGIT, _P_LOGIT = -500.0, 20.0


def _log_normaliser(logit: float) -> float:
    """log of the integral of e^(t x) over (0, 1): log((e^t - 1) / t)."""
    return logit + log(-expm1(-logit) / logit) if logit > 0 else log(expm1(logit) / logit)


def _continuous_bernoulli_kl(q_logit: float, natural: float) -> float:
    """m(t) (natural - u) - log Z(t) + log Z(u), t = q_logit, u = 20, m(t) = 1/(1 - e^-t) - 1/t; right: natural = t."""
    mean = 1 / (1 - exp(-q_logit)) - 1 / q_logit
    return mean * (natural - _P_LOGIT) - _log_normaliser(q_logit) + _log_normaliser(_P_LOGIT)


_BOUNDED = {"float64": (-20.0, -7.0, 3.0, 20.0), "float32": (-8.0, -3.0, 2.0, 8.0)}


def _bounded_kl(_: Numbers) -> Numbers:
    """m(t) (t - u) - log Z(t) + log Z(u) for every pair of logits within the bounds."""
    return {
        f"{name}_{t:g}_{u:g}": (1 / (1 - exp(-t)) - 1 / t) * (t - u) - _log_normaliser(t) + _log_normaliser(u)
        for name, logits in _BOUNDED.items()
        for t, u in product(logits, repeat=2)
    }


def _clamped_kl(_: Numbers) -> Numbers:
    """torch clamps the probability to eps, which is a logit of -36, for everything but the natural parameter."""
    clamped = log(float_info.epsilon) - log1p(-float_info.epsilon)
    mass = exp(_log_normaliser(_Q_LOGIT) - _log_normaliser(clamped))
    return {"mean_field": _continuous_bernoulli_kl(clamped, _Q_LOGIT), "mass": mass}


def _uniform_continuous_bernoulli(measured: Numbers) -> Numbers:
    """log 2 - t z + log Z(t) at the draw, and its mean with E z = 1/4."""
    logit = log(0.3 / 0.7)
    constant = log(2) + _log_normaliser(logit)
    return {"trace": constant - logit * measured["z"], "mean_field": constant - logit / 4}


# Minimax coefficients of the Stirling remainder, DiDonato and Morris 1992 (ACM TOMS 708), function ALGDIV.
_REMAINDER = (
    0.833333333333333e-01,
    -0.277777777760991e-02,
    0.793650666825390e-03,
    -0.595202931351870e-03,
    0.837308034031215e-03,
    -0.165322962780713e-02,
)


def log_beta(small: float, large: float, x: float) -> float:
    """log B(small, large) for large >= 8 by ALGDIV, where x is meant to be large / (small + large).

    log Gamma(small) + w - (large + small - 1/2) log(1 + small/large) - small (log large - 1), w the difference of the
    Stirling remainders: sum_n c_n (1 - x^(2n+1)) / (1 - x) large^(-2n), times small / (small + large) / large.
    """
    powers = (sum(x**k for k in range(2 * n + 1)) for n in range(len(_REMAINDER)))
    series = sum(c * power * large ** (-2 * n) for n, (c, power) in enumerate(zip(_REMAINDER, powers, strict=True)))
    remainder = series * small / (small + large) / large
    stirling = (large + small - 0.5) * log1p(small / large) + small * (log(large) - 1)
    return float(scipy.special.gammaln(small)) + remainder - stirling


def _betas(measured: Numbers) -> Numbers:
    """Losses at the draw and on average: q = Beta(8, 2), p = Beta(2, 3), B(2, 3) = 1/12, B(8, 2) = 1/72."""
    z = measured["z"]
    digammas = (
        6 * float(scipy.special.digamma(8)) - float(scipy.special.digamma(2)) - 5 * float(scipy.special.digamma(10))
    )
    return {
        "trace": log(72 / 12) + 6 * log(z) - log1p(-z),
        "mean_field": log(72 / 12) + digammas,
        "log_beta": -log(72),
    }


def _betas_by_jax(measured: Numbers) -> Numbers:
    transcribed = log_beta(2.0, 8.0, x=2.0 / 10.0)
    return {"mean_field": _betas(measured)["mean_field"] - (transcribed + log(72)), "log_beta": transcribed}


def _not_injective(_: Numbers) -> Numbers:
    """Of the bases: a shift by 1 in two dimensions; a factor of 2 on loc (1, 2) and scale 1."""
    doubled = sum(-log(2) + (4 + loc**2 - 1) / 2 for loc in (1.0, 2.0))
    return {"softmax": 2 * 1.0**2 / 2, "normalize": doubled}


CASES = (
    Case(
        id="SEM-KL-001",
        title="Folded normals that |x| makes equal",
        statement="KL(|N(1, 0.5^2)| || |N(-1, 0.5^2)|) = 0",
        source="pyro.distributions.FoldedDistribution 1.9.2; torch.distributions.kl._kl_transformed_transformed 2.13",
        behaviours=(
            Behaviour(library=Library.PYRO,
                      formula="MeanField = KL(N(1, 0.5^2) || N(-1, 0.5^2)) = 8: of the base, as if |x| were injective",
                      program="kl/kl_001_pyro.py", computes=lambda _: {"mean_field": (1 - -1) ** 2 / (2 * 0.5**2)}),
        ),
        oracle=lambda _: {"trace": 0.0, "mean_field": 0.0},
    ),
    Case(
        id="SEM-KL-009",
        title="Normals that softmax and Normalize make equal",
        statement="KL = 0: softmax(z + 1) = softmax(z), 2 z / |2 z| = z / |z|; neither distribution has a log_prob",
        source="torch.distributions.SoftmaxTransform 2.13, pyro.distributions.transforms.Normalize 1.9.2, both with "
               "bijective = False; torch.distributions.kl._kl_transformed_transformed 2.13",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="KL of the bases, N((1, 2), I) || N((0, 1), I) and "
                                                    "N((2, 4), 4 I) || N((1, 2), I)",
                      program="kl/kl_009_pyro.py", computes=_not_injective),
        ),
        oracle=lambda _: {"softmax": 0.0, "normalize": 0.0, "softmax_density": 0.0, "normalize_density": 0.0},
    ),
    Case(
        id="SEM-KL-002",
        title="The gradient of KL(Wishart || Wishart) with respect to the guide",
        statement="d KL / d n = (tr U^-1 V - D)/2 + (n - m)/4 psi'_D(n/2)",
        source="torch.distributions.kl._kl_expfamily_expfamily 2.13: p_nparams = [np.detach().requires_grad_() ...]",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="0: q's parameters are detached",
                      program="kl/kl_002_pyro.py", computes=lambda _: {"guide_gradient": 0.0}),
        ),
        oracle=wishart_kl,
        tolerance=1e-8,
        tolerance_reason="the central difference with h = 1e-4 errs by h^2 / 6 times a third derivative, about 1e-9",
    ),
    Case(
        id="SEM-KL-010",
        title="KL(Wishart || Wishart) of a batch",
        statement="the divergence of each member, as it is alone",
        source="torch.distributions.kl._kl_expfamily_expfamily 2.13: _sum_rightmost(term, len(q.event_shape)); the "
        "term of the degrees of freedom has the batch's shape alone",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="the degrees' terms (m - n)/2 (D log 2 + psi_D(n/2)) of the whole "
                                                    "batch are taken from each member",
                      program="kl/kl_010_pyro.py", computes=_wisharts_added_up),
        ),
        oracle=_wisharts_alone,
        simulate=_simulated_wisharts,
    ),
    Case(
        id="SEM-KL-003",
        title="Continuous Bernoullis with an extreme logit",
        statement="KL = m(t) (t - u) - log Z(t) + log Z(u) at logits t = -500, u = 20, and the density has mass 1",
        source="torch.distributions.ContinuousBernoulli 2.13: probs = clamp_probs(logits_to_probs(logits))",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="m and Z at the clamped logit -36, t - u at the true one",
                      program="kl/kl_003_pyro.py", computes=_clamped_kl),
        ),
        oracle=lambda _: {
            "mean_field": _continuous_bernoulli_kl(_Q_LOGIT, _Q_LOGIT),
            "mean_field_in_range": _continuous_bernoulli_kl(-20.0, -20.0),
            "mass": 1.0,
        },
        tolerance=1e-6,
        tolerance_reason="log(1 - p) at p = sigmoid(20) = 1 - 2e-9 loses nine of sixteen digits; the trapezoids of "
        "width h = 1e-6 err by (500 h)^2 / 12 = 2e-8",
    ),
    Case(
        id="SEM-KL-008",
        title="Continuous Bernoullis with bounded logits: 20 in float64, 8 in float32",
        statement="KL = m(t) (t - u) - log Z(t) + log Z(u) for logits t, u within the bounds",
        source="as SEM-KL-003; the workaround for it. Over a grid of 41 x 21 pairs the library is off by at most "
        "3.5e-8 in float64 and 8.8e-5 in float32; at 24 and 12 by 5e-7 and 9e-3, at 36 and 16 by 0.05 and 0.11",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="as stated", program="kl/kl_008_pyro.py"),
        ),
        oracle=_bounded_kl,
        tolerance=2e-4,
        tolerance_reason="float32: log(1 - p) at p = sigmoid(8) loses three and a half of seven digits, and the terms "
        "of up to 16 cancel",
    ),
    Case(
        id="SEM-KL-004",
        title="A Poisson of rate 0",
        statement="KL(Poisson(0) || Poisson(1)) = 1: the rates' difference",
        source="torch.distributions.kl._kl_poisson_poisson 2.13: p.rate * (p.rate.log() - q.rate.log())",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="nan: 0 log 0 without xlogy", program="kl/kl_004_pyro.py",
                      computes=lambda _: {"kl": nan}),
        ),
        oracle=lambda _: {"kl": 1.0, "by_log_prob": 1.0},
    ),
    Case(
        id="SEM-KL-005",
        title="A binomial of probability 1",
        statement="KL(Binomial(7, 1) || Binomial(7, 0.3)) = -7 log 0.3",
        source="torch.distributions.kl._kl_binomial_binomial 2.13: (-p.probs).log1p() beside clamped logits",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="-inf: the unclamped log(1 - 1)", program="kl/kl_005_pyro.py",
                      computes=lambda _: {"kl": -inf}),
        ),
        oracle=lambda _: {"kl": -7 * log(0.3), "by_log_prob": -7 * log(0.3)},
    ),
    Case(
        id="SEM-KL-006",
        title="A uniform and a continuous Bernoulli whose supports share an end",
        statement="KL(Uniform(0, 1/2) || CB(0.3)) = log 2 - t/4 + log Z(t), t = logit 0.3",
        source="torch.distributions.kl._kl_uniform_continuous_bernoulli 2.13: torch.le(p.low, q.support.lower_bound)",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="inf: <= where < is meant (Uniform | Beta has <)",
                      program="kl/kl_006_pyro.py", computes=lambda _: {"mean_field": inf}),
        ),
        oracle=_uniform_continuous_bernoulli,
        given=("z",),
    ),
    Case(
        id="SEM-KL-007",
        title="The divergence of beta distributions with a parameter of 8 or more, in float64",
        statement="KL = log B(2, 3) - log B(8, 2) + 6 psi(8) - psi(2) - 5 psi(10), log B(8, 2) = -log 72",
        source="jax.scipy.special.betaln 0.10.2, jax._src.third_party.scipy.betaln.algdiv: x = h / (1 + h); the "
               "Fortran original (DiDonato and Morris 1992, ACM TOMS 708) has x = 1 / (1 + h) for a <= b",
        behaviours=(
            Behaviour(library=Library.NUMPYRO, formula="log B(a, b) with that x: 1.3e-6 too large at (8, 2)",
                      program="kl/kl_007_numpyro.py", computes=_betas_by_jax),
        ),
        oracle=_betas,
        given=("z",),
    ),
)  # fmt: skip
