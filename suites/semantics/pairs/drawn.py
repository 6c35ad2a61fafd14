"""Random parameters, batch shapes and boundaries for every registered divergence. Framework-free, by seed.

A trial holds two specs whose parameters have a batch shape in front of their own axes: the same, one against many
either way, or crossing. Its cells are what the oracle integrates one by one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.pairs.table import PAIRS, Spec

Array = np.ndarray
SHAPES = (((), ()), ((3,), (3,)), ((3,), ()), ((), (3,)), ((2, 1), (3,)), ((3,), (1,)))
EDGES_SHARE = 0.25  # of the draws of a parameter that has edges
SELF_SHARE = 0.15  # of the trials of a class with itself that ask for KL(q || q)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """KL(q || p) of a registered pair. Parameters are float64 arrays: batch shape, then their own axes (`OWN_AXES`)."""

    library: Library
    pair: tuple[str, str]
    number: int
    q: tuple[str, Mapping[str, Array]]
    p: tuple[str, Mapping[str, Array]]

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Batch shapes of q and p."""
        return batch(self.q), batch(self.p)

    @property
    def label(self) -> str:
        """Normal|Laplace#2."""
        return f"{'|'.join(self.pair)}#{self.number}"

    def cells(self) -> Iterator[tuple[tuple[int, ...], Spec, Spec]]:
        """Index into the broadcast batch, and the two specs without batch."""
        one, other = self.shapes
        for index in np.ndindex(np.broadcast_shapes(one, other)):
            yield index, cell(self.q, index), cell(self.p, index)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What a library gives for a trial: the divergence by cell, and the gradient of its sum by (side, parameter)."""

    value: Array = field(default_factory=lambda: np.zeros(0))
    slopes: Mapping[tuple[str, str], Array] = field(default_factory=dict)
    raised: str = ""


OWN_AXES = {
    "concentration": {"Dirichlet": 1}, "probs": {"Categorical": 1, "OneHotCategorical": 1},
    "loc": {"MultivariateNormal": 1, "LowRankMultivariateNormal": 1, "Independent": 1, "CirculantNormal": 1},
    "scale": {"Independent": 1}, "covariance_matrix": {"MultivariateNormal": 2, "Wishart": 2},
    "cov_factor": {"LowRankMultivariateNormal": 2}, "cov_diag": {"LowRankMultivariateNormal": 1},
    "covariance_row": {"CirculantNormal": 1},
}  # fmt: skip
FIXED = ("total_count", "log_density")  # without a gradient
# What a registered class stands for where it is none that can be made: the class that is drawn.
STANDS_FOR = {"Distribution": "Normal", "CategoricalProbs": "Categorical", "ExponentialFamily": "Wishart",
              "ExpandedDistribution": "Normal", "MaskedDistribution": "Normal"}  # fmt: skip


def own(family: str, name: str) -> int:
    """How many axes of a parameter are its own."""
    return OWN_AXES.get(name, {}).get(family, 0)


def batch(spec: tuple[str, Mapping[str, Array]]) -> tuple[int, ...]:
    """The shape in front of a spec's own axes."""
    family, arguments = spec
    return np.broadcast_shapes(*(np.shape(each)[: np.ndim(each) - own(family, name)] for name, each in
                                 arguments.items()))  # fmt: skip


def cell(spec: tuple[str, Mapping[str, Array]], index: tuple[int, ...]) -> Spec:
    """The spec at one index of the broadcast batch, of which it may have fewer axes."""
    family, arguments = spec
    return family, {name: each[place(each, own(family, name), index)] for name, each in arguments.items()}


def place(values: Array, own_axes: int, index: tuple[int, ...]) -> tuple[int, ...]:
    """Where a broadcast index falls in an array's batch."""
    shape = np.shape(values)[: np.ndim(values) - own_axes]
    return tuple(0 if size == 1 else k for size, k in zip(shape, index[len(index) - len(shape) :], strict=True))


def trials(library: Library, seed: int, each: int) -> Iterator[Trial]:
    """`each` trials of every registered pair of a library."""
    for position, pair in enumerate(PAIRS[library]):
        for number in range(each):
            rng = np.random.default_rng([seed, position, number, list(Library).index(library)])
            shapes = SHAPES[number % len(SHAPES)]
            first, second = _classes(pair, rng)
            q, p = _drawn(first, shapes[0], rng), _drawn(second, shapes[1], rng)
            if first == second and rng.random() < SELF_SHARE:
                p = q
            if first == "Binomial" and second == "Binomial":
                p = (second, {**p[1], "total_count": np.full(batch(p), 7.0)})
                q = (first, {**q[1], "total_count": np.full(batch(q), 7.0)})
            yield Trial(library=library, pair=pair, number=number, q=_single(q), p=_single(p))


def _single(spec: tuple[str, Mapping[str, Array]]) -> tuple[str, Mapping[str, Array]]:
    """Rounded to float32, so that both precisions are asked the same question."""
    return spec[0], {name: np.asarray(value).astype(np.float32).astype(float) for name, value in spec[1].items()}


def _classes(pair: tuple[str, str], rng: np.random.Generator) -> tuple[str, str]:
    if pair == ("TransformedDistribution",) * 2:
        one = "FoldedDistribution" if rng.random() < 0.5 else "LogNormal"
        return one, one
    first, second = (STANDS_FOR.get(name, name) for name in pair)
    return first, second


def _drawn(family: str, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[str, Mapping[str, Array]]:
    if family in _WHOLE:
        made = [_WHOLE[family](rng) for _ in range(int(np.prod(shape)))]
        names = made[0]
        return family, {name: np.reshape([each[name] for each in made], (*shape, *np.shape(names[name])))
                        for name in names}  # fmt: skip
    return family, {name: np.array(_one_of(draw, edges, shape, rng)) for name, (draw, edges) in _RANGES[family].items()}


def _one_of(draw: Callable, edges: tuple[float, ...], shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    values = np.asarray(draw(rng, shape))
    if not edges:
        return values
    at_edge = rng.random(shape) < EDGES_SHARE
    return np.where(at_edge, rng.choice(edges, shape), values)


def _between(low: float, high: float) -> Callable:
    return lambda rng, shape: rng.uniform(low, high, shape)


def _log_between(low: float, high: float) -> Callable:
    return lambda rng, shape: np.exp(rng.uniform(np.log(low), np.log(high), shape))


_POSITIVE = (_log_between(0.2, 6.0), ())
_REAL = (_between(-2.0, 2.0), (0.0,))
_SHAPE = (_log_between(0.4, 14.0), (1.0,))
_RANGES: dict[str, dict[str, tuple[Callable, tuple[float, ...]]]] = {
    "Bernoulli": {"probs": (_between(0.02, 0.98), (0.0, 1.0))},
    "Beta": {"concentration1": _SHAPE, "concentration0": _SHAPE},
    "Binomial": {"total_count": (_between(7, 7), ()), "probs": (_between(0.02, 0.98), (0.0, 1.0))},
    "Cauchy": {"loc": _REAL, "scale": _POSITIVE},
    "ContinuousBernoulli": {"probs": (_between(0.02, 0.98), (0.5, 1e-7, 1 - 1e-7))},
    "Delta": {"v": (_between(0.1, 0.9), ()), "log_density": (_between(-1.0, 1.0), (0.0,))},
    "Exponential": {"rate": _POSITIVE},
    "FoldedDistribution": {"loc": _REAL, "scale": _POSITIVE},
    "Gamma": {"concentration": _SHAPE, "rate": _POSITIVE},
    "Geometric": {"probs": (_between(0.05, 0.95), (1.0,))},
    "Gumbel": {"loc": _REAL, "scale": (_log_between(0.3, 2.0), ())},
    "HalfNormal": {"scale": _POSITIVE},
    "Kumaraswamy": {name: (_log_between(0.5, 6.0), (1.0,)) for name in ("concentration1", "concentration0")},
    "Laplace": {"loc": _REAL, "scale": _POSITIVE},
    "LogNormal": {"loc": _REAL, "scale": (_log_between(0.2, 1.5), ())},
    "Normal": {"loc": _REAL, "scale": (_log_between(0.01, 20.0), ())},
    "Pareto": {"scale": (_log_between(0.05, 2.0), (0.5, 1.0)), "alpha": (_between(2.6, 7.0), ())},
    "Poisson": {"rate": (_log_between(0.05, 9.0), (0.0,))},
    "Uniform": {"low": (_between(0.05, 0.3), (0.0, -1.0)), "high": (_between(0.4, 0.95), (1.0, 2.0))},
    "Weibull": {"scale": _POSITIVE, "concentration": (_log_between(0.6, 4.0), (1.0,))},
}  # fmt: skip


def _matrix(rng: np.random.Generator, size: int = 2) -> Array:
    factor = rng.normal(size=(size, size))
    return factor @ factor.T + 0.3 * np.eye(size)


_WHOLE: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "Categorical": lambda rng: {"probs": rng.dirichlet([1.5] * 3)},
    "OneHotCategorical": lambda rng: {"probs": rng.dirichlet([1.5] * 3)},
    "Dirichlet": lambda rng: {"concentration": np.exp(rng.uniform(-0.5, 2.0, 3))},
    "Independent": lambda rng: {"loc": rng.normal(size=2), "scale": np.exp(rng.normal(size=2))},
    "MultivariateNormal": lambda rng: {"loc": rng.normal(size=2), "covariance_matrix": _matrix(rng)},
    "LowRankMultivariateNormal": lambda rng: {"loc": rng.normal(size=2), "cov_factor": rng.normal(size=(2, 1)),
                                              "cov_diag": np.exp(rng.normal(size=2))},
    "Wishart": lambda rng: {"df": np.array(rng.uniform(2.5, 7.0)), "covariance_matrix": _matrix(rng)},
    "CirculantNormal": lambda rng: {"loc": rng.normal(size=2),
                                    "covariance_row": np.array([rng.uniform(1.0, 3.0), rng.uniform(-0.8, 0.8)])},
}  # fmt: skip
