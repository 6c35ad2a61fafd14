"""Which pairs TraceMeanField_ELBO integrates, and where it samples without a word.

Two seeds tell the two apart: an analytic KL repeats, a sampled one equals Trace_ELBO's loss under the same seed.
Oracles: matrices for normals, one-dimensional quadrature over SciPy's densities for the rest.
"""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import inf, log
from typing import Any, cast

import numpy as np
import scipy  # its parts are loaded where they are first used: who lists the cases waits for none of them

from elbo_compare.suites.semantics.case import OF_PROGRAMS, Behaviour, Case, Formula, Library, Numbers

SOURCE = (
    "TraceMeanField_ELBO (pyro.infer 1.9.2, numpyro.infer 0.22.0): 'uses analytic KL divergences when those are "
    "available'; nothing says which are, and nothing is printed where they are not"
)
ANALYTIC, SAMPLED = "analytic: the same number for every seed", "sampled: equals Trace_ELBO under the same seed"
_LOC, _ZERO = np.array([0.7, -0.4]), np.zeros(2)
_DIAGONAL, _P_COV = np.diag([0.25, 1.69]), np.array([[1.0, 0.3], [0.3, 1.5]])
_Q_COV = np.array([[0.6, -0.2], [-0.2, 0.8]])
_LOW_Q = np.outer([0.5, -0.3], [0.5, -0.3]) + np.diag([0.4, 0.6])
_LOW_P = np.outer([0.2, 0.7], [0.2, 0.7]) + np.diag([0.9, 0.5])


def multivariate_kl(q_loc: np.ndarray, q_cov: np.ndarray, p_loc: np.ndarray, p_cov: np.ndarray) -> float:
    """(tr(P^-1 Q) + d' P^-1 d - D + log|P| - log|Q|) / 2 with d = q_loc - p_loc.  Cover and Thomas 2006, ch. 8."""
    difference = q_loc - p_loc
    quadratic = difference @ np.linalg.solve(p_cov, difference)
    log_ratio = np.linalg.slogdet(p_cov)[1] - np.linalg.slogdet(q_cov)[1]
    return float(0.5 * (np.trace(np.linalg.solve(p_cov, q_cov)) + quadratic - len(q_loc) + log_ratio))


def quadrature_kl(q: Any, log_p: Callable[[float], float]) -> float:
    """Integral of q (log q - log p) over q's central 1 - 2e-13, in pieces between its quantiles."""
    quantiles = q.ppf([1e-13, 1e-6, 1e-2, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1 - 1e-6, 1 - 1e-13])

    def integrand(z: float) -> float:
        return float(q.pdf(z) * (q.logpdf(z) - log_p(z)))

    return sum(
        scipy.integrate.quad(integrand, low, high, epsabs=1e-13, epsrel=1e-12, limit=200)[0]
        for low, high in pairwise(quantiles)
    )


def _univariate(pair: Callable[[Any], tuple[Any, Any]]) -> Callable[[], float]:
    def kl() -> float:
        q, p = pair(scipy.stats)
        return quadrature_kl(q, p.logpdf)

    return kl


def _mixture(z: float) -> float:
    """log(0.4 N(z | -1, 0.25) + 0.6 N(z | 1, 2.25))."""
    return log(0.4 * scipy.stats.norm.pdf(z, -1.0, 0.5) + 0.6 * scipy.stats.norm.pdf(z, 1.0, 1.5))


# Kumaraswamy(a, b) is the distribution of B^(1/a) with B ~ Beta(1, b), so that its KL to Beta(c, d) is taken over B.
@cache
def _kumaraswamy_beta() -> float:
    a, b = 1.5, 2.5
    base, beta = scipy.stats.beta(1.0, b), cast(Any, scipy.stats.beta(2.0, 3.0))
    # log density of B^(1/a) at z = B^(1/a) is log Beta(B | 1, b) + log(a) + (1 - 1/a) log B
    return quadrature_kl(base, lambda y: float(beta.logpdf(y ** (1 / a)) - log(a) - (1 - 1 / a) * log(y)))


@cache
def truncated_kumaraswamy_beta(order: int = 10) -> float:
    """The KL of case 16 with its series cut: exact - (d - 1) b sum_{m > order} B(m/a, b) / (m + a b).

    Nalisnick and Smyth 2017 (arXiv 1605.06197), eq. 12; the terms fall like m^-(b+1), 10^6 of them are added here.
    """
    a, b, d = 1.5, 2.5, 3.0
    m = np.arange(order + 1, 1_000_000)
    return _kumaraswamy_beta() - float((d - 1) * b * np.sum(np.exp(scipy.special.betaln(m / a, b)) / (m + a * b)))


def _normal() -> Any:
    return scipy.stats.norm(0.7, 0.5)


_EXACT: tuple[tuple[str, Callable[[], float]], ...] = (
    ("Normal.to_event | MultivariateNormal", lambda: multivariate_kl(_LOC, _DIAGONAL, _ZERO, _P_COV)),
    ("MultivariateNormal | Normal.to_event", lambda: multivariate_kl(_LOC, _Q_COV, _ZERO, np.eye(2))),
    ("MultivariateNormal | MultivariateNormal", lambda: multivariate_kl(_LOC, _Q_COV, _ZERO, _P_COV)),
    ("LowRankMultivariateNormal | MultivariateNormal", lambda: multivariate_kl(_LOC, _LOW_Q, _ZERO, _P_COV)),
    ("LowRankMultivariateNormal | itself", lambda: multivariate_kl(_LOC, _LOW_Q, _ZERO, _LOW_P)),
    # the KL is invariant under the common map exp
    ("LogNormal | itself", _univariate(lambda s: (_normal(), s.norm(0.0, 1.0)))),
    ("Laplace | itself", _univariate(lambda s: (s.laplace(0.7, 0.5), s.laplace(0.0, 1.0)))),
    ("HalfNormal | itself", _univariate(lambda s: (s.halfnorm(0.0, 0.5), s.halfnorm(0.0, 1.0)))),
    ("Uniform | itself", _univariate(lambda s: (s.uniform(0.2, 0.4), s.uniform(0.0, 1.0)))),
    ("Weibull | Gamma", _univariate(lambda s: (s.weibull_min(1.7, scale=0.5), s.gamma(2.0, scale=1 / 3)))),
    ("Gamma | itself", _univariate(lambda s: (s.gamma(1.5, scale=1 / 2.5), s.gamma(2.0, scale=1 / 3)))),
    ("affine-transformed Normal | itself", _univariate(lambda s: (_normal(), s.norm(0.0, 2.0)))),
    ("Normal | mixture of normals", lambda: quadrature_kl(_normal(), _mixture)),
    ("StudentT | itself", _univariate(lambda s: (s.t(5.0, 0.7, 0.5), s.t(3.0, 0.0, 1.0)))),
    ("Normal | Gamma", lambda: inf),
    ("Kumaraswamy | Beta", _kumaraswamy_beta),
    ("Normal | Laplace", _univariate(lambda s: (_normal(), s.laplace(0.0, 1.0)))),
    ("Exponential | itself", _univariate(lambda s: (s.expon(scale=1 / 1.5), s.expon(scale=1 / 0.8)))),
)
# The pairs, by their number, that each library integrates. Number 9 (uniforms) cannot be told apart: log q - log p is
# constant on q's support, so that sampling has no variance either.
_INTEGRATED = {
    Library.PYRO: {1, 3, 4, 5, 6, 7, 8, 9, 11, 15, 17, 18},
    Library.NUMPYRO: {3, 9, 10, 11, 16},
}


def _computes(library: Library, number: int) -> Formula | None:
    """None for the exact divergence."""
    if (library, number) == (Library.NUMPYRO, 16):
        return _truncated
    return None if number in _INTEGRATED[library] else _one_draw


def _one_draw(measured: Numbers) -> Numbers:
    return {"mean_field": measured["trace"], "mean_field_again": measured["trace_again"]}


def _truncated(_: Numbers) -> Numbers:
    kl = truncated_kumaraswamy_beta()
    return {"mean_field": kl, "mean_field_again": kl}


def _behaviour(library: Library, number: int) -> Behaviour:
    integrated = number in _INTEGRATED[library]
    return Behaviour(
        library=library,
        formula=ANALYTIC if integrated else SAMPLED,
        program=f"fallback/fallback_{number:03d}_{library}.py",
        computes=_computes(library, number),
        sampled=() if integrated else ("mean_field", "mean_field_again"),
    )


def _case(number: int, pair: str, exact: Callable[[], float]) -> Case:
    integrated = cache(exact)  # asked once per library and again for each finding; quadrature takes a moment

    def oracle(_: Numbers) -> Numbers:
        return {"mean_field": integrated(), "mean_field_again": integrated()}

    return Case(
        id=f"SEM-FALLBACK-{number:03d}",
        title=f"TraceMeanField_ELBO with {pair}",
        statement="loss = KL(q || p), or one draw of log q - log p where no closed form is registered",
        source=SOURCE,
        behaviours=tuple(_behaviour(library, number) for library in OF_PROGRAMS),
        oracle=oracle,
        given=("trace", "trace_again"),
        tolerance=1e-9,
        tolerance_reason="quadrature over all but 2e-13 of q, and Laplace tails cut there, leave about 1e-11",
    )


CASES = tuple(_case(number, pair, exact) for number, (pair, exact) in enumerate(_EXACT, 1))
CASES += (
    Case(
        id="SEM-FALLBACK-019",
        title="TraceMeanField_ELBO with Kumaraswamy | Beta and 1000 terms of the series",
        statement="loss = KL(q || p)",
        source="numpyro.distributions.Kumaraswamy.KL_KUMARASWAMY_BETA_TAYLOR_ORDER 0.22.0; for number 16",
        behaviours=(
            Behaviour(library=Library.NUMPYRO, formula=ANALYTIC, program="fallback/fallback_019_numpyro.py"),
        ),
        oracle=lambda _: dict.fromkeys(("mean_field", "mean_field_again"), _kumaraswamy_beta()),
        given=("trace", "trace_again"),
        tolerance=1e-6,
        tolerance_reason="the terms beyond the thousandth add up to 2.2e-7",
    ),
)  # fmt: skip
