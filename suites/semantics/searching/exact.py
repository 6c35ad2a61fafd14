"""The ELBO of a pair and its gradient, from the mathematics alone: no framework, and no code of `rendering`.

loss(t) = sum over guide scalars of w E_q log q  -  sum over model scalars of w E_q log p,  w = scale * mask * N/B,
in nats. A term is integrated over the latents that it depends on, each by its nodes given its parents, and the loss
is differentiated by central differences of fourth order. A latent that the guide lacks is drawn from its prior
and scored by neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.special as special

from elbo_compare.suites.semantics.searching.densities import Array, log_density, nodes
from elbo_compare.suites.semantics.searching.description import (
    PARAMETERS,
    Expression,
    Family,
    Index,
    Link,
    Pair,
    Parent,
    Site,
)

ORDERS = (20, 28)  # the difference of the two is taken for the error of the second
STEP = 2e-3  # truncation STEP^4 f'''''/30, rounding 1e-15 f/STEP: both below 1e-11 for terms of order one
Cell = tuple[str, Index]


@dataclass(frozen=True, kw_only=True)
class Exact:
    """loss in nats, its gradient with respect to t, and bounds of their numerical errors."""

    value: float
    gradient: tuple[float, ...]
    value_error: float
    gradient_error: tuple[float, ...]


@lru_cache(maxsize=64)
def exact(pair: Pair) -> Exact:
    """The expected loss of `Trace_ELBO`'s definition and its gradient at the pair's t."""
    low, high = (_Integral(pair, order) for order in ORDERS)
    theta = np.array(pair.theta)
    value, other = high.loss(theta), low.loss(theta)
    slopes, others = high.gradient(theta), low.gradient(theta)
    rounding = 1e-12 * (1 + high.size)
    return Exact(
        value=value,
        gradient=tuple(map(float, slopes)),
        value_error=abs(value - other) + rounding,
        gradient_error=tuple(float(error) for error in np.abs(slopes - others) + 10 * rounding / STEP * 1e-1),
    )


class _Integral:
    """One order of quadrature."""

    def __init__(self, pair: Pair, order: int) -> None:
        self.pair, self.order, self.size = pair, order, 0.0
        self.guide = {site.name: site for site in pair.guide}
        self.model = {site.name: site for site in pair.model}

    def loss(self, theta: Array) -> float:
        """In nats; `size` becomes the sum of absolute terms."""
        total, self.size = 0.0, 0.0
        for site, sign in (*((site, 1.0) for site in self.pair.guide), *((site, -1.0) for site in self.pair.model)):
            if sign < 0 and not site.observed and site.family is not Family.FACTOR and site.name not in self.guide:
                continue
            for number, cell in enumerate(self.pair.cells(site)):
                weight = self.weight(site, cell)
                if weight:
                    term = weight * self.expected(site, cell, number, theta)
                    total += sign * term
                    self.size += abs(term)
        return total

    def gradient(self, theta: Array) -> Array:
        """Fourth-order central differences."""
        found = []
        for k in range(len(theta)):
            unit = np.eye(len(theta))[k] * STEP
            f = {m: self.loss(theta + m * unit) for m in (-2, -1, 1, 2)}
            found.append((8 * (f[1] - f[-1]) - (f[2] - f[-2])) / (12 * STEP))
        return np.array(found)

    def weight(self, site: Site, cell: Index) -> float:
        """scale * mask * (N/B where the row is drawn; a random subsample's expected weight is 1)."""
        outer = cell[: len(cell) - bool(site.event)]
        number = self._outer_number(site, outer)
        weight = _entry(site.scale, number, 1.0) * float(_entry(site.mask, number, True))
        for name, row in zip(self.pair.axes(site), cell, strict=True):
            plate = self.pair.plate(name) if name else None
            if plate is not None and plate.subsample:
                weight *= plate.size / len(plate.subsample) * plate.subsample.count(row)
        return weight

    def _outer_number(self, site: Site, outer: Index) -> int:
        shape = self.pair.shape(site)[: len(outer)]
        return int(np.ravel_multi_index(outer, shape)) if outer else 0

    def expected(self, site: Site, cell: Index, number: int, theta: Array) -> float:
        """E_q of the log density of one scalar."""
        grid = _Grid(self, theta)
        if site.observed:
            value = np.array(_entry(site.observed, number, 0.0))
        elif site.family is Family.FACTOR:
            value = np.array(0.0)
        else:
            grid.add((site.name, cell))
            value = grid.values[site.name, cell]
        if site.family is Family.DELTA:
            return site.log_density
        arguments = [grid.argument(site, position, cell, number) for position in range(len(site.parameters))]
        terms = log_density(site.family, grid.whole(value), [grid.whole(each) for each in grid.links(site, arguments)])
        return float((grid.weights() * terms).sum())


class _Grid:
    """The latents that one term depends on: axis k belongs to the k-th of them, in an order that parents precede."""

    def __init__(self, integral: _Integral, theta: Array) -> None:
        self.integral, self.theta = integral, theta
        self.values: dict[Cell, Array] = {}
        self._weights: list[Array] = []

    def add(self, latent: Cell) -> None:
        """A latent's nodes, those of its parents first."""
        if latent in self.values:
            return
        name, cell = latent
        site = self.integral.guide.get(name) or self.integral.model[name]
        number = self.integral.pair.cells(site).index(cell)
        arguments = [self.argument(site, position, cell, number) for position in range(len(site.parameters))]
        depth = len(self.values)
        linked = [_deep(each, depth) for each in self.links(site, arguments)]
        values, weights = nodes(site.family, np.broadcast_arrays(*linked), self.integral.order)
        self.values[latent] = values
        self._weights.append(weights)

    def argument(self, site: Site, position: int, cell: Index, number: int) -> Array:
        """The linear expression of a parameter in one cell, over the axes that are there by then."""
        expression = site.parameters[position]
        total = np.array(_entry(expression.const, number, 0.0))
        if expression.theta is not None:
            total = total + self.theta[expression.theta + (number if expression.each else 0)]
        for parent in expression.parents:
            for value in self._values(site, parent, cell):
                total = _sum(total, parent.coefficient * value)
        return total

    def _values(self, site: Site, parent: Parent, cell: Index) -> Sequence[Array]:
        pair = self.integral.pair
        source = self.integral.guide.get(parent.name) or self.integral.model[parent.name]
        at = dict(zip(pair.axes(site), cell, strict=True))
        axes = [name for name in pair.axes(source) if name]
        base = tuple(at[name] for name in axes)
        cells = [(*base, k) for k in range(source.event)] if source.event else [base]
        for each in cells:
            self.add((parent.name, each))
        return [self.values[parent.name, each] for each in cells]

    def links(self, site: Site, arguments: Sequence[Array]) -> list[Array]:
        """Parameters, of their linear expressions."""
        kinds = PARAMETERS[site.family]
        return [_linked(link, expression, value)
                for (_, link), expression, value in zip(kinds, site.parameters, arguments, strict=True)]  # fmt: skip

    def whole(self, value: Array) -> Array:
        """With one axis for each latent."""
        return _deep(value, len(self.values))

    def weights(self) -> Array:
        """The product of all nodes' weights."""
        total = np.ones(())
        for each in self._weights:
            total = self.whole(total) * self.whole(each)
        return self.whole(total)


def _linked(link: Link, expression: Expression, value: Array) -> Array:
    if link is Link.LOGIT:  # as a logit: far out, a probability would round to 0
        return special.logit(value) if expression.bare else value
    return value if expression.bare or link is Link.IDENTITY else np.exp(value)


def _deep(value: Array, depth: int) -> Array:
    return np.reshape(value, (*value.shape, *[1] * (depth - value.ndim)))


def _sum(one: Array, other: Array) -> Array:
    depth = max(one.ndim, other.ndim)
    return _deep(one, depth) + _deep(other, depth)


def _entry(numbers: Sequence, number: int, default: float) -> float:
    if not numbers:
        return default
    return numbers[number] if len(numbers) > 1 else numbers[0]
