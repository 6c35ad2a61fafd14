"""KL(q || p) by numerical integration over SciPy's densities, sums over supports, or matrices. No framework.

A univariate continuous q is integrated in s = -log(tail probability), from the median to both sides, so that heavy
tails end after a few units: KL = int e^-s (log q - log p)(x(s)) ds on either side.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import exp, inf, log
from typing import Any

import numpy as np
import scipy  # its parts are loaded where they are first used: who lists the sweep waits for none of them

from elbo_compare.suites.semantics.families.fallback import multivariate_kl
from elbo_compare.suites.semantics.pairs.table import Spec

Arguments = Mapping[str, Any]
DISCRETE = ("Bernoulli", "Binomial", "Geometric", "Poisson")
FINITE = ("Categorical", "OneHotCategorical")


class ContinuousBernoulli:
    """C(l) l^x (1 - l)^(1 - x) on (0, 1).  Loaiza-Ganem and Cunningham 2019 (arXiv 1907.06845), eq. 5."""

    def __init__(self, probs: float) -> None:
        self.logit = log(probs / (1 - probs))

    def support(self) -> tuple[float, float]:
        """The unit interval."""
        return 0.0, 1.0

    def logpdf(self, x: float) -> float:
        """x t - log((e^t - 1) / t) with t the logit; 0 at t = 0."""
        t = self.logit
        return x * t - (log(np.expm1(t) / t) if t else 0.0)

    def ppf(self, u: float) -> float:
        """Quantile: log(1 + u (e^t - 1)) / t."""
        return float(np.log1p(u * np.expm1(self.logit)) / self.logit) if self.logit else u

    def isf(self, u: float) -> float:
        """Upper quantile."""
        return self.ppf(1 - u)


class Laplace:
    """e^(-|x - m| / b) / (2 b). SciPy takes the logarithm of the density, which underflows far out."""

    def __init__(self, loc: float, scale: float) -> None:
        self.loc, self.scale = loc, scale

    def support(self) -> tuple[float, float]:
        """The real line."""
        return -inf, inf

    def logpdf(self, x: float) -> float:
        """Log density."""
        return -abs(x - self.loc) / self.scale - log(2 * self.scale)

    def ppf(self, u: float) -> float:
        """Quantile, for u <= 1/2."""
        return self.loc + self.scale * log(2 * u)

    def isf(self, u: float) -> float:
        """Upper quantile, for u <= 1/2."""
        return self.loc - self.scale * log(2 * u)


class Kumaraswamy:
    """a b x^(a-1) (1 - x^a)^(b-1) on (0, 1).  Kumaraswamy 1980."""

    def __init__(self, concentration1: float, concentration0: float) -> None:
        self.a, self.b = concentration1, concentration0

    def support(self) -> tuple[float, float]:
        """The unit interval."""
        return 0.0, 1.0

    def logpdf(self, x: float) -> float:
        """Log density."""
        return log(self.a * self.b) + (self.a - 1) * log(x) + (self.b - 1) * float(np.log1p(-(x**self.a)))

    def ppf(self, u: float) -> float:
        """Quantile: (1 - (1 - u)^(1/b))^(1/a)."""
        return float(-np.expm1(np.log1p(-u) / self.b)) ** (1 / self.a)

    def isf(self, u: float) -> float:
        """Upper quantile: (1 - u^(1/b))^(1/a)."""
        return float((1 - u ** (1 / self.b)) ** (1 / self.a))


FROZEN: dict[str, Callable[..., Any]] = {
    "Bernoulli": lambda probs: scipy.stats.bernoulli(probs),
    "Beta": lambda concentration1, concentration0: scipy.stats.beta(concentration1, concentration0),
    "Binomial": lambda total_count, probs: scipy.stats.binom(total_count, probs),
    "Cauchy": lambda loc, scale: scipy.stats.cauchy(loc, scale),
    "ContinuousBernoulli": ContinuousBernoulli,
    "Exponential": lambda rate: scipy.stats.expon(scale=1 / rate),
    "Gamma": lambda concentration, rate: scipy.stats.gamma(concentration, scale=1 / rate),
    "Geometric": lambda probs: scipy.stats.geom(probs, loc=-1),
    "Gumbel": lambda loc, scale: scipy.stats.gumbel_r(loc, scale),
    "HalfNormal": lambda scale: scipy.stats.halfnorm(scale=scale),
    "Kumaraswamy": Kumaraswamy,
    "Laplace": Laplace,
    "LogNormal": lambda loc, scale: scipy.stats.lognorm(scale, scale=exp(loc)),
    "Normal": lambda loc, scale: scipy.stats.norm(loc, scale),
    "Pareto": lambda scale, alpha: scipy.stats.pareto(alpha, scale=scale),
    "Poisson": lambda rate: scipy.stats.poisson(rate),
    "Uniform": lambda low, high: scipy.stats.uniform(low, high - low),
    "Weibull": lambda scale, concentration: scipy.stats.weibull_min(concentration, scale=scale),
}


def log_density(spec: Spec, x: float) -> float:
    """log p(x) in nats, of a univariate family; an order statistic of n has n f F^(n-1) or n f (1 - F)^(n-1)."""
    family, given = spec
    if family == "GeneralizedNormal":
        return float(scipy.stats.gennorm.logpdf(x, given["beta"]))
    if family == "NormalMixture":
        parts = scipy.stats.norm.logpdf(x, given["loc"], given["scale"])
        return float(scipy.special.logsumexp(parts, b=given["weights"]))
    if family in ("TruncatedNormal", "LeastNormal", "LargestNormal"):
        base = scipy.stats.norm(given["loc"], given["scale"])
        if family == "TruncatedNormal":
            return float(base.logpdf(x) - log(base.cdf(given["high"]) - base.cdf(given["low"])))
        beyond = base.logsf(x) if family == "LeastNormal" else base.logcdf(x)
        return float(log(given["n"]) + base.logpdf(x) + (given["n"] - 1) * beyond)
    univariate = _univariate(spec)
    return float(univariate.logpmf(x) if family in DISCRETE else univariate.logpdf(x))


def exact_kl(q: Spec, p: Spec) -> float:
    """KL(q || p) in nats, summed over batch dimensions; inf where q has mass that p lacks or where it diverges."""
    family, arguments = q
    if family == "Delta":
        return arguments["log_density"] - float(_univariate(_base(p)).logpdf(arguments["v"])) * _size(p)
    if family == "MaskedDistribution":
        rows = zip(_rows(arguments["base"]), _rows(p[1]["base"]), arguments["mask"], strict=True)
        return sum(exact_kl(one, other) for one, other, kept in rows if kept)
    if "ExpandedDistribution" in (family, p[0]):
        return max(_size(q), _size(p)) * exact_kl(_base(q), _base(p))
    if family == "Dirichlet":
        return _dirichlet(np.array(arguments["concentration"]), np.array(p[1]["concentration"]))
    if family == "Wishart":
        return _wishart(arguments, p[1])
    if family in FINITE:
        return _sum(np.array(arguments["probs"]), np.array(p[1]["probs"]))
    if family in ("Independent", "MultivariateNormal", "LowRankMultivariateNormal"):
        return multivariate_kl(*_moments(q), *_moments(p))
    return _discrete(q, p) if family in DISCRETE else _continuous(_univariate(q), _univariate(p))


def _base(spec: Spec) -> Spec:
    return spec[1]["base"] if spec[0] == "ExpandedDistribution" else spec


def _size(spec: Spec) -> int:
    return int(np.prod(spec[1]["shape"])) if spec[0] == "ExpandedDistribution" else 1


def _rows(spec: Spec) -> list[Spec]:
    """A batch of univariate specs, one by one."""
    family, arguments = spec
    return [(family, dict(zip(arguments, values, strict=True))) for values in zip(*arguments.values(), strict=True)]


def _univariate(spec: Spec) -> Any:
    family, arguments = spec
    return FROZEN[family](**arguments)


def _moments(spec: Spec) -> tuple[np.ndarray, np.ndarray]:
    family, arguments = spec
    if family == "Independent":
        base = arguments["base"][1]
        return np.array(base["loc"]), np.diag(np.square(base["scale"]))
    loc = np.array(arguments["loc"])
    if family == "LowRankMultivariateNormal":
        factor = np.array(arguments["cov_factor"])
        return loc, factor @ factor.T + np.diag(arguments["cov_diag"])
    if family == "CirculantNormal":
        row = arguments["covariance_row"]
        return loc, np.array([np.roll(row, shift) for shift in range(len(row))])
    return loc, np.array(arguments["covariance_matrix"])


def _sum(q: np.ndarray, p: np.ndarray) -> float:
    return float(scipy.special.rel_entr(q, p).sum())


def _discrete(q: Spec, p: Spec) -> float:
    one, other = _univariate(q), _univariate(p)
    with np.errstate(divide="ignore"):  # SciPy computes the skewness of a degenerate distribution too
        top = one.mean() + 60 * one.std() + 60  # what lies beyond weighs less than 1e-25 for the table's parameters
    values = np.arange(0, int(min(top, one.support()[1])) + 1)
    log_q, log_p = one.logpmf(values), other.logpmf(values)
    present = log_q > -inf
    return float((np.exp(log_q[present]) * (log_q[present] - log_p[present])).sum())


def _continuous(q: Any, p: Any) -> float:
    (q_low, q_high), (p_low, p_high) = q.support(), p.support()
    if q_low < p_low or q_high > p_high:
        return inf

    def side(quantile: Callable[[float], float]) -> float:
        def integrand(s: float) -> float:
            x = quantile(exp(-s))
            if not q_low < x < q_high:  # closer to the edge than floats can tell: of weight e^-s
                return 0.0
            return exp(-s) * float(q.logpdf(x) - p.logpdf(x))

        knots = (log(2), 1.5, 3.0, 6.0, 12.0, 25.0, 50.0, 100.0, 200.0)
        pieces = (
            scipy.integrate.quad(integrand, *ends, epsabs=1e-13, epsrel=1e-11, limit=200) for ends in pairwise(knots)
        )
        return sum(value for value, _ in pieces)

    total = side(q.ppf) + side(q.isf)
    # a Pareto tail of index <= 2 has no second moment: a normal p then gives inf, which no cut-off integral shows
    return inf if _no_second_moment(q) and _gaussian_tail(p) else total


def _no_second_moment(q: Any) -> bool:
    return getattr(getattr(q, "dist", None), "name", "") == "pareto" and q.args[0] <= 2


def _gaussian_tail(p: Any) -> bool:
    return getattr(getattr(p, "dist", None), "name", "") == "norm"


def truncated_kumaraswamy_beta(q: Spec, p: Spec, order: int = 10) -> float:
    """KL(Kumaraswamy(a, b) || Beta(c, d)) with its series cut after `order` terms: what NumPyro computes.

    (a - c)/a (-gamma - psi(b) - 1/b) + log(a b) + log B(c, d) - (b - 1)/b
        + (d - 1) b sum_{m=1}^order B(m/a, b) / (m + a b)
    Nalisnick and Smyth 2017 (arXiv 1605.06197), eq. 12.
    """
    a, b = q[1]["concentration1"], q[1]["concentration0"]
    c, d = p[1]["concentration1"], p[1]["concentration0"]
    m = np.arange(1, order + 1)
    series = (d - 1) * b * float(np.sum(np.exp(scipy.special.betaln(m / a, b)) / (m + a * b)))
    first = (a - c) / a * float(-np.euler_gamma - scipy.special.digamma(b) - 1 / b)
    return first + log(a * b) + float(scipy.special.betaln(c, d)) - (b - 1) / b + series


def _dirichlet(q: np.ndarray, p: np.ndarray) -> float:
    """Double integral over the triangle (three components)."""
    log_q, log_p = (_dirichlet_log_density(each) for each in (q, p))

    def integrand(y: float, x: float) -> float:
        point = np.array([x, y, 1 - x - y])
        if point.min() <= 0:
            return 0.0
        return exp(log_q(point)) * (log_q(point) - log_p(point))

    return scipy.integrate.dblquad(integrand, 0, 1, 0, lambda x: 1 - x, epsabs=1e-9, epsrel=1e-9)[0]


def _dirichlet_log_density(concentration: np.ndarray) -> Callable[[np.ndarray], float]:
    constant = scipy.special.gammaln(concentration.sum()) - scipy.special.gammaln(concentration).sum()
    return lambda point: float(constant + ((concentration - 1) * np.log(point)).sum())


def _wishart(q: Arguments, p: Arguments) -> float:
    """See `families.divergence.wishart_kl`; torch's covariance_matrix is the scale matrix V."""
    n, m = q["df"], p["df"]
    ratio = np.linalg.solve(np.array(p["covariance_matrix"]), np.array(q["covariance_matrix"]))
    size = len(ratio)
    halves = (1 - np.arange(1, size + 1)) / 2
    value = -m / 2 * np.linalg.slogdet(ratio)[1] + n / 2 * (np.trace(ratio) - size)
    value += (scipy.special.gammaln(m / 2 + halves) - scipy.special.gammaln(n / 2 + halves)).sum()
    return float(value + (n - m) / 2 * scipy.special.digamma(n / 2 + halves).sum())
