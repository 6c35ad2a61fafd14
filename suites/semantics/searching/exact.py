"""The ELBO of a pair and its gradient, from the mathematics alone: no framework, and no code of `rendering`.

loss(t) = sum over guide scalars of w E_q log q  -  sum over model scalars of w E_q log p,  w = scale * mask * N/B,
in nats. A term is integrated over the latents that it depends on, each by its nodes given its parents, and the loss
is differentiated by central differences of fourth order. A latent that the guide lacks is drawn from its prior
and scored by neither; one that TraceEnum_ELBO sums out enters as -E_q log sum_z p(z) p(all that reads z | z).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, nan

import numpy as np
import scipy.special as special

from elbo_compare.suites.semantics.searching.densities import (
    Array,
    joint_log_density,
    joint_nodes,
    log_density,
    nodes,
)
from elbo_compare.suites.semantics.searching.description import (
    JOINT,
    PARAMETERS,
    Expression,
    Family,
    Index,
    Link,
    Pair,
    Parent,
    Site,
    written_out,
)

ORDERS = (20, 28)  # the difference of the two is taken for the error of the second
STEP = 2e-3  # truncation STEP^4 f'''''/30, rounding 1e-15 f/STEP: both below 1e-11 for terms of order one
Cell = tuple[str, Index]


@dataclass(frozen=True, kw_only=True)
class Exact:
    """loss in nats, its gradient with respect to t, bounds of their numerical errors, and what is added up: the sum of
    the terms' absolute expectations."""

    value: float
    gradient: tuple[float, ...]
    value_error: float
    gradient_error: tuple[float, ...]
    size: float = 1.0


@lru_cache(maxsize=64)
def exact(pair: Pair) -> Exact:
    """The expected loss of `Trace_ELBO`'s definition and its gradient at the pair's t."""
    low, high = (Integral(written_out(pair), order) for order in ORDERS)
    theta = np.array(pair.theta)
    value, other = high.loss(theta), low.loss(theta)
    if not isfinite(value):  # impossible data: no gradient
        return Exact(value=value, gradient=(nan,) * len(theta), value_error=0.0, gradient_error=(0.0,) * len(theta))
    size = high.size
    slopes, others = high.gradient(theta), low.gradient(theta)
    rounding = 1e-12 * (1 + size)
    return Exact(
        value=value,
        gradient=tuple(map(float, slopes)),
        value_error=abs(value - other) + rounding,
        gradient_error=tuple(float(error) for error in np.abs(slopes - others) + 10 * rounding / STEP * 1e-1),
        size=size,
    )


class Integral:
    """One order of quadrature."""

    def __init__(self, pair: Pair, order: int) -> None:
        self.pair, self.order, self.size = pair, order, 0.0
        self.guide = {site.name: site for site in pair.guide}
        self.model = {site.name: site for site in pair.model}

    def loss(self, theta: Array) -> float:
        """In nats; `size` becomes the sum of absolute terms."""
        total, self.size = 0.0, 0.0
        summed = {name for each in self.pair.model if each.summed for name in (each.name, *self.readers(each))}
        for site, sign in (*((site, 1.0) for site in self.pair.guide), *((site, -1.0) for site in self.pair.model)):
            if sign < 0 and not site.observed and site.family is not Family.FACTOR and site.name not in self.guide:
                continue
            if sign > 0 or site.name not in summed:
                for number, cell in self.scalars(site):
                    weight = self.weight(site, cell)
                    if weight:
                        term = weight * self.expected(site, cell, number, theta)
                        total += sign * term
                        self.size += abs(term)
        for site in (each for each in self.pair.model if each.summed):
            for cell in self.pair.cells(site):
                term = self.weight(site, cell) * self.summed(site, cell, theta)
                total, self.size = total - term, self.size + abs(term)
        return total

    def scalars(self, site: Site) -> list[tuple[int, Index]]:
        """Numbers and indices of the cells that have a density of their own: of a joint family an event's first."""
        every = list(enumerate(self.pair.cells(site)))
        return [each for each in every if each[1][-1] == 0] if site.joint else every

    def readers(self, site: Site) -> list[str]:
        """Names of the model's sites that read it."""
        return [each.name for each in self.pair.model if site.name in each.parents]

    def summed(self, site: Site, cell: Index, theta: Array) -> float:
        """E_q log sum_z p(z) p(what reads z | z), of one cell of a site that is summed out."""
        at = dict(zip(self.pair.axes(site), cell, strict=True))
        logs: list[Array] = []
        for level in range(2 if site.family is Family.BERNOULLI else 3):
            grid = Grid(self, theta)
            grid.values[site.name, cell] = np.array(float(level))
            terms = [self.term(grid, site, cell, self.pair.cells(site).index(cell))]
            for reader in (self.model[name] for name in self.readers(site)):
                for number, other in self.scalars(reader):
                    there = dict(zip(self.pair.axes(reader), other, strict=True))
                    if all(there[name] == row for name, row in at.items()):
                        terms.append(self.term(grid, reader, other, number))
            logs.append(np.asarray(sum(grid.whole(each) for each in terms)))
        return float((grid.weights() * np.logaddexp.reduce(logs, axis=0)).sum())

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
        if site.family is Family.DELTA:
            return site.log_density
        grid = Grid(self, theta)
        terms = self.term(grid, site, cell, number)
        return float((grid.weights() * grid.whole(terms)).sum())

    def term(self, grid: "Grid", site: Site, cell: Index, number: int) -> Array:
        """The log density of one scalar, or of one event of a joint family, over the grid."""
        entries = [(*cell[:-1], k) for k in range(JOINT[site.family])] if site.joint else [cell]
        values = [grid.value(site, each, number + k) for k, each in enumerate(entries)]
        arguments = grid.linked(site, entries, number)
        whole = [[grid.whole(each) for each in parameter] for parameter in arguments]
        if site.joint:
            return joint_log_density(site.family, [grid.whole(each) for each in values], whole)
        return log_density(site.family, grid.whole(values[0]), [each for (each,) in whole])


class Grid:
    """The latents that terms depend on: one axis for each, two for a joint family, in an order that parents precede."""

    def __init__(self, integral: Integral, theta: Array) -> None:
        self.integral, self.theta, self.depth = integral, theta, 0
        self.values: dict[Cell, Array] = {}
        self._weights: list[Array] = []

    def value(self, site: Site, cell: Index, number: int) -> Array:
        """What is observed, or the nodes."""
        if site.observed:
            return np.array(_entry(site.observed, number, 0.0))
        if site.family is Family.FACTOR:
            return np.array(0.0)
        self.add((site.name, cell))
        return self.values[site.name, cell]

    def add(self, latent: Cell) -> None:
        """A latent's nodes, those of its parents first."""
        if latent in self.values:
            return
        name, cell = latent
        site = self.integral.guide.get(name) or self.integral.model[name]
        entries = [(*cell[:-1], k) for k in range(JOINT[site.family])] if site.joint else [cell]
        arguments = self.linked(site, entries, self.integral.pair.cells(site).index(entries[0]))
        whole = [[self.whole(each) for each in parameter] for parameter in arguments]
        if site.joint:
            values, weights = joint_nodes(site.family, whole, self.integral.order)
        else:
            flat = np.broadcast_arrays(*(each for (each,) in whole))
            one, weights = nodes(site.family, flat, self.integral.order)
            values = [one]
        self.depth += 2 if site.joint else 1
        self.values |= {(name, each): value for each, value in zip(entries, values, strict=True)}
        self._weights.append(weights)

    def linked(self, site: Site, entries: Sequence[Index], first: int) -> list[list[Array]]:
        """Parameters, by position and by entry, as arrays over the axes that are there by then."""
        return [
            [
                _linked(link, site.parameters[place], self.argument(site, place, cell, first + k))
                for k, cell in enumerate(entries)
            ]
            for place, (_, link) in enumerate(PARAMETERS[site.family])
        ]

    def argument(self, site: Site, position: int, cell: Index, number: int) -> Array:
        """The linear expression of a parameter in one cell, over the axes that are there by then."""
        expression = site.parameters[position]
        total = np.array(_entry(expression.const, number, 0.0))
        if expression.theta is not None:
            total = total + self.theta[expression.theta + (number if expression.each else 0)]
        if expression.state:
            total = total + self.integral.pair.state
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
        cells = [(*base, k) for k in range(1 if source.joint else source.event)] if source.event else [base]
        for each in cells:
            self.add((parent.name, each))
        return [self.values[parent.name, each] for each in cells]

    def whole(self, value: Array) -> Array:
        """With one axis for each latent."""
        return _deep(value, self.depth)

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
