"""All pairs (q, p) with a registered KL(q || p) in torch 2.13 with Pyro 1.9.2 and in NumPyro 0.22.0, with parameters;
of TensorFlow Probability (tfp-nightly 0.26.0.dev20261027), distrax 0.1.9 and zuko 1.6.0 those of the same families, and
of the latter two log densities at points.

A spec is framework-free: (class name, constructor arguments); wrappers hold another spec under "base". The same specs
go to both libraries and to the oracle. Standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elbo_compare.suites.semantics.case import Library

Spec = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class PairCheck:
    """KL(q || p) at one choice of parameters; `pair` is the registered pair of classes that it exercises."""

    pair: tuple[str, str]
    number: int
    q: Spec
    p: Spec

    @property
    def key(self) -> str:
        """Normal|Laplace#2."""
        return f"{self.pair[0]}|{self.pair[1]}#{self.number}"


def _all(family: str, names: tuple[str, ...], *rows: tuple[Any, ...]) -> tuple[Spec, ...]:
    return tuple((family, dict(zip(names, row, strict=True))) for row in rows)


# Three choices per family; q takes the first to third and p the second, third and first. Uniforms lie inside (0, 1) and
# above the Pareto scales, so that every pair below that can be finite is; whether it is, the oracle decides.
PARAMETERS: dict[str, tuple[Spec, ...]] = {
    "Bernoulli": _all("Bernoulli", ("probs",), (0.3,), (0.85,), (0.02,)),
    "Beta": _all("Beta", ("concentration1", "concentration0"), (1.5, 2.5), (3.0, 0.8), (0.7, 1.2)),
    "Binomial": _all("Binomial", ("total_count", "probs"), (7, 0.3), (7, 0.6), (7, 0.05)),
    "Categorical": _all("Categorical", ("probs",), ([0.2, 0.3, 0.5],), ([0.6, 0.3, 0.1],), ([0.05, 0.9, 0.05],)),
    "Cauchy": _all("Cauchy", ("loc", "scale"), (0.7, 0.5), (0.0, 1.0), (-2.0, 3.0)),
    "ContinuousBernoulli": _all("ContinuousBernoulli", ("probs",), (0.3,), (0.8,), (0.05,)),
    "Exponential": _all("Exponential", ("rate",), (1.5,), (0.8,), (4.0,)),
    "Gamma": _all("Gamma", ("concentration", "rate"), (1.5, 2.5), (4.0, 3.0), (0.8, 1.0)),
    "Geometric": _all("Geometric", ("probs",), (0.3,), (0.6,), (0.1,)),
    "Gumbel": _all("Gumbel", ("loc", "scale"), (0.7, 0.5), (0.0, 1.0), (-1.0, 0.8)),
    "HalfNormal": _all("HalfNormal", ("scale",), (0.5,), (1.0,), (3.0,)),
    "Kumaraswamy": _all("Kumaraswamy", ("concentration1", "concentration0"), (1.5, 2.5), (3.0, 0.8), (0.7, 1.2)),
    "Laplace": _all("Laplace", ("loc", "scale"), (0.7, 0.5), (0.0, 1.0), (-1.0, 2.0)),
    "Normal": _all("Normal", ("loc", "scale"), (0.7, 0.5), (0.0, 1.0), (-1.0, 0.3)),
    "OneHotCategorical": _all(
        "OneHotCategorical", ("probs",), ([0.2, 0.3, 0.5],), ([0.6, 0.3, 0.1],), ([0.05, 0.9, 0.05],)
    ),
    "Pareto": _all("Pareto", ("scale", "alpha"), (0.1, 4.0), (0.05, 6.0), (0.08, 5.0)),
    "Poisson": _all("Poisson", ("rate",), (1.5,), (4.0,), (0.3,)),
    "Uniform": _all("Uniform", ("low", "high"), (0.2, 0.6), (0.1, 0.9), (0.15, 0.5)),
    "Weibull": _all("Weibull", ("scale", "concentration"), (0.5, 1.7), (1.2, 0.9), (2.0, 3.0)),
    "Dirichlet": _all("Dirichlet", ("concentration",), ([2.0, 3.0, 4.0],), ([1.5, 2.5, 2.0],), ([3.0, 3.0, 1.2],)),
    "MultivariateNormal": _all(
        "MultivariateNormal",
        ("loc", "covariance_matrix"),
        ([0.7, -0.4], [[0.6, -0.2], [-0.2, 0.8]]),
        ([0.0, 0.0], [[1.0, 0.3], [0.3, 1.5]]),
        ([-2.0, 1.0], [[0.1, 0.05], [0.05, 0.2]]),
    ),
    "LowRankMultivariateNormal": _all(
        "LowRankMultivariateNormal",
        ("loc", "cov_factor", "cov_diag"),
        ([0.7, -0.4], [[0.5], [-0.3]], [0.4, 0.6]),
        ([0.0, 0.0], [[0.2], [0.7]], [0.9, 0.5]),
        ([-2.0, 1.0], [[1.5], [0.1]], [0.1, 0.2]),
    ),
    "LogNormal": _all("LogNormal", ("loc", "scale"), (0.7, 0.5), (0.0, 1.0), (-1.0, 0.3)),
    "Wishart": _all(
        "Wishart",
        ("df", "covariance_matrix"),
        (5.0, [[1.0, 0.0], [0.0, 1.0]]),
        (6.0, [[2.0, 0.3], [0.3, 1.0]]),
        (3.5, [[0.5, 0.1], [0.1, 0.4]]),
    ),
    "CirculantNormal": _all(
        "CirculantNormal",
        ("loc", "covariance_row"),
        ([0.0, 0.5, -0.5, 0.1], [1.5, 0.4, 0.2, 0.4]),
        ([0.0, 0.0, 0.0, 0.0], [1.0, 0.2, 0.1, 0.2]),
        ([1.0, 0.5, -0.5, 0.1], [3.0, -0.5, 0.2, -0.5]),
    ),
}
_NORMALS = (
    {"loc": [0.7, -0.4], "scale": [0.5, 1.3]},
    {"loc": [0.0, 0.0], "scale": [1.0, 1.0]},
    {"loc": [-1.0, 2.0], "scale": [0.3, 0.2]},
)
PARAMETERS |= {
    "Independent": tuple(("Independent", {"base": ("Normal", each), "ndims": 1}) for each in _NORMALS),
    "IndependentFour": tuple(
        ("Independent", {"base": ("Normal", {"loc": loc, "scale": scale}), "ndims": 1})
        for loc, scale in (
            ([0.7, -0.4, 0.2, 1.0], [0.5, 1.3, 0.8, 1.0]),
            ([0.0] * 4, [1.0] * 4),
            ([1.0] * 4, [0.3] * 4),
        )
    ),
    "MaskedDistribution": tuple(
        ("MaskedDistribution", {"base": ("Normal", each), "mask": [True, False]}) for each in _NORMALS
    ),
    "ExpandedDistribution": tuple(
        ("ExpandedDistribution", {"base": spec, "shape": [2]}) for spec in PARAMETERS["Normal"]
    ),
    "Delta": _all("Delta", ("v", "log_density"), (0.7, 0.0), (0.2, 0.0), (1.5, 0.0)),
    "Distribution": PARAMETERS["Normal"],
    "CategoricalProbs": PARAMETERS["Categorical"],
    "ExponentialFamily": PARAMETERS["Wishart"],
    "TransformedDistribution": PARAMETERS["LogNormal"],
}

_UNIVARIATE = {
    "Bernoulli": "Bernoulli Poisson",
    "Beta": "Beta ContinuousBernoulli Exponential Gamma Normal Pareto Uniform",
    "Binomial": "Binomial",
    "Categorical": "Categorical",
    "Cauchy": "Cauchy",
    "ContinuousBernoulli": "ContinuousBernoulli Exponential Normal Pareto Uniform",
    "Delta": "Distribution",
    "Dirichlet": "Dirichlet",
    "Exponential": "Beta ContinuousBernoulli Exponential Gamma Gumbel Normal Pareto Uniform",
    "ExponentialFamily": "ExponentialFamily",
    "Gamma": "Beta ContinuousBernoulli Exponential Gamma Gumbel Normal Pareto Uniform",
    "Geometric": "Geometric",
    "Gumbel": "Beta ContinuousBernoulli Exponential Gamma Gumbel Normal Pareto Uniform",
    "HalfNormal": "HalfNormal",
    "Independent": "Independent MultivariateNormal",
    "Laplace": "Beta ContinuousBernoulli Exponential Gamma Laplace Normal Pareto Uniform",
    "LowRankMultivariateNormal": "LowRankMultivariateNormal MultivariateNormal",
    "MaskedDistribution": "MaskedDistribution",
    "MultivariateNormal": "LowRankMultivariateNormal MultivariateNormal",
    "Normal": "Beta ContinuousBernoulli Exponential Gamma Gumbel Laplace Normal Pareto Uniform",
    "OneHotCategorical": "OneHotCategorical",
    "Pareto": "Beta ContinuousBernoulli Exponential Gamma Normal Pareto Uniform",
    "Poisson": "Bernoulli Binomial Poisson",
    "TransformedDistribution": "TransformedDistribution",
    "Uniform": "Beta ContinuousBernoulli Exponential Gamma Gumbel Normal Pareto Uniform",
}
PYRO_PAIRS = tuple((q, p) for q, ps in _UNIVARIATE.items() for p in ps.split())
NUMPYRO_PAIRS = (
    ("Beta", "Beta"),
    ("CategoricalProbs", "CategoricalProbs"),
    ("Delta", "Distribution"),
    ("Delta", "ExpandedDistribution"),
    ("Dirichlet", "Dirichlet"),
    ("Distribution", "ExpandedDistribution"),
    ("ExpandedDistribution", "Distribution"),
    ("ExpandedDistribution", "ExpandedDistribution"),
    ("Gamma", "Gamma"),
    ("Independent", "CirculantNormal"),
    ("Independent", "Independent"),
    ("Kumaraswamy", "Beta"),
    ("MaskedDistribution", "MaskedDistribution"),
    ("MultivariateNormal", "MultivariateNormal"),
    ("Normal", "Normal"),
    ("Weibull", "Gamma"),
)
# Of the families above: TensorFlow Probability has more, and some of these by another family's divergence.
TFP_PAIRS = (
    *((name, name) for name in ("Bernoulli", "Beta", "Categorical", "Cauchy", "Exponential", "Gamma", "Gumbel",
                                "HalfNormal", "Laplace", "Normal", "OneHotCategorical", "Pareto",
                                "Uniform", "Weibull", "Dirichlet", "MultivariateNormal", "LogNormal", "Independent")),
    ("Exponential", "Gamma"),
    ("Gamma", "Exponential"),
    ("Weibull", "Exponential"),
    ("Weibull", "Gamma"),
)  # fmt: skip
# By `Distribution.kl_divergence`; a categorical beside a one-hot one is another's in this table: the same numbers.
DISTRAX_PAIRS = tuple((name, name) for name in (
    "Bernoulli", "Beta", "Categorical", "Dirichlet", "Gamma", "Gumbel", "Independent", "Laplace", "MultivariateNormal",
    "Normal", "OneHotCategorical", "Uniform"))  # fmt: skip
# zuko has no divergences of its own: its DiagNormal and BoxUniform take torch's of an Independent.
ZUKO_PAIRS = (("Independent", "Independent"), ("Uniform", "Uniform"))
PAIRS = {
    Library.PYRO: PYRO_PAIRS,
    Library.NUMPYRO: NUMPYRO_PAIRS,
    Library.TFP: TFP_PAIRS,
    Library.DISTRAX: DISTRAX_PAIRS,
    Library.ZUKO: ZUKO_PAIRS,
}
DENSITY = "log density"
_NORMAL = {"loc": 0.3, "scale": 0.8}
# Family, parameters, points. Zuko's are those that torch has not; an order statistic is the least or largest of n.
_ZUKO_DENSITIES = (
    ("GeneralizedNormal", {"beta": 1.5}, (-1.2, 0.4, 2.5)),
    ("GeneralizedNormal", {"beta": 4.0}, (-0.9, 0.1, 1.6)),
    ("TruncatedNormal", {**_NORMAL, "low": -0.5, "high": 1.5}, (-0.4, 0.3, 1.4)),
    ("NormalMixture", {"weights": [0.2, 0.8], "loc": [-1.0, 1.0], "scale": [0.5, 0.8]}, (-1.3, 0.2, 2.0)),
    ("LeastNormal", {**_NORMAL, "n": 4}, (-1.0, 0.0, 0.9)),
    ("LargestNormal", {**_NORMAL, "n": 4}, (-0.2, 0.8, 2.0)),
)
_DISTRAX_FAMILIES = {
    "Beta": (0.1, 0.5, 0.9),
    "Gamma": (0.2, 1.0, 3.0),
    "Gumbel": (-0.5, 0.7, 2.5),
    "Laplace": (-1.0, 0.2, 2.0),
    "Normal": (-1.0, 0.2, 2.0),
    "Uniform": (0.25, 0.4, 0.5),
    "Bernoulli": (0.0, 1.0),
}
_DISTRAX_DENSITIES = tuple((name, PARAMETERS[name][0][1], points) for name, points in _DISTRAX_FAMILIES.items())


def _densities(*rows: tuple[str, Mapping[str, Any], tuple[float, ...]]) -> tuple[PairCheck, ...]:
    places = [(family, arguments, x) for family, arguments, points in rows for x in points]
    return tuple(
        PairCheck(pair=(family, DENSITY), number=number, q=(family, arguments), p=(DENSITY, {"x": x}))
        for number, (family, arguments, x) in enumerate(places)
    )


DENSITIES = {Library.ZUKO: _densities(*_ZUKO_DENSITIES), Library.DISTRAX: _densities(*_DISTRAX_DENSITIES)}


def checks(library: Library) -> tuple[PairCheck, ...]:
    """Three checks for every registered pair of a library."""
    return tuple(
        PairCheck(pair=pair, number=number, q=q, p=_shifted(pair)[number])
        for pair in PAIRS[library]
        for number, q in enumerate(PARAMETERS["IndependentFour" if pair[1] == "CirculantNormal" else pair[0]])
    )


def _shifted(pair: tuple[str, str]) -> tuple[Spec, ...]:
    first, *rest = PARAMETERS[pair[1]]
    return (*rest, first)


# The edges of domains and supports. Their numbers are their keys: new ones are added at the end.
EDGES: tuple[PairCheck, ...] = tuple(
    PairCheck(pair=(q[0], p[0]), number=10 + number, q=q, p=p)
    for number, (q, p) in enumerate(
        (
            (("Uniform", {"low": 0.0, "high": 1.0}), ("Beta", {"concentration1": 1.0, "concentration0": 1.0})),
            (("Uniform", {"low": -0.5, "high": 0.5}), ("Exponential", {"rate": 1.0})),
            (("Uniform", {"low": -0.5, "high": 0.5}), ("Gamma", {"concentration": 1.0, "rate": 1.0})),
            (("Uniform", {"low": 0.5, "high": 1.5}), ("Beta", {"concentration1": 2.0, "concentration0": 2.0})),
            (("Pareto", {"scale": 0.1, "alpha": 1.5}), ("Normal", {"loc": 0.0, "scale": 1.0})),
            (("Pareto", {"scale": 0.1, "alpha": 4.0}), ("Pareto", {"scale": 0.2, "alpha": 4.0})),
            (("Binomial", {"total_count": 8, "probs": 0.3}), ("Binomial", {"total_count": 7, "probs": 0.3})),
            (("Bernoulli", {"probs": 0.0}), ("Bernoulli", {"probs": 0.3})),
            (("Bernoulli", {"probs": 0.3}), ("Bernoulli", {"probs": 0.0})),
            (("Categorical", {"probs": [0.5, 0.5, 0.0]}), ("Categorical", {"probs": [0.2, 0.3, 0.5]})),
            (("Categorical", {"probs": [0.2, 0.3, 0.5]}), ("Categorical", {"probs": [0.5, 0.5, 0.0]})),
            (("Poisson", {"rate": 0.0}), ("Poisson", {"rate": 1.0})),
            (("Binomial", {"total_count": 7, "probs": 1.0}), ("Binomial", {"total_count": 7, "probs": 0.3})),
            (("Uniform", {"low": 0.0, "high": 0.5}), ("ContinuousBernoulli", {"probs": 0.3})),
            (("Uniform", {"low": 0.0, "high": 0.5}), ("Beta", {"concentration1": 2.0, "concentration0": 3.0})),
            (("Geometric", {"probs": 1.0}), ("Geometric", {"probs": 0.5})),
            (("Bernoulli", {"probs": 1.0}), ("Poisson", {"rate": 1.0})),
            (("ContinuousBernoulli", {"probs": 0.5}), ("ContinuousBernoulli", {"probs": 0.3})),
            (("Normal", {"loc": 0.0, "scale": 1e-8}), ("Normal", {"loc": 0.0, "scale": 1.0})),
        )
    )
)
