"""The constants ledger's machinery: the same objective with and without normalisers, as values and as gradients.

An objective is a signed sum of log densities of z = draw(noise, parameters): log q - log p for a KL. A density may be
a mixture; its dropped form leaves out chosen terms of chosen components.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from elbo_compare.suites.complex_step import STEP, Dual, logsumexp
from elbo_compare.suites.contract import Array

Values = Mapping[str, Dual]


class Effect(StrEnum):
    """What leaving out normalisers does to an objective."""

    CANCELS = "cancels"
    CONSTANT = "leaves a constant"
    WRONG_GRADIENT = "gives wrong gradients"


@dataclass(frozen=True, kw_only=True)
class Density:
    """One signed log density. `terms`: (z, parameters) -> (component, 3, n, latent), see `densities`.

    `dropped`: (component, 3), 1 for a term that the hand-written form keeps. `weights`: of the components, sum 1.
    """

    sign: int
    terms: Callable[[Dual, Values], Dual]
    dropped: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...] = (1.0,)

    def log(self, z: Dual, values: Values, *, drop: bool) -> Dual:
        """log sum_c w_c exp(sum of the kept terms of component c). Shape: (n,)."""
        keep = np.array(self.dropped) if drop else np.ones((len(self.weights), 3))
        summed = (self.terms(z, values).sum(-1) * keep[..., None]).sum(1)
        return logsumexp(np.log(self.weights)[:, None] + summed, 0)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the ledger.

    `parameters`: several sets of them, each name -> array; `of_q`: the names that are q's. `offset`: (z, parameters) ->
    (n,), what algebra says that the dropped form adds, written without `Density`.
    """

    name: str
    effect: Effect
    parameters: tuple[Mapping[str, Array], ...]
    draw: Callable[[Array, Values], Dual]
    densities: tuple[Density, ...]
    offset: Callable[[Dual, Values], Dual | float]
    noise: Array
    of_q: frozenset[str] = field(default_factory=frozenset)

    def value(self, values: Values, *, drop: bool) -> Dual:
        """The objective at every draw. Shape: (n,). Nats."""
        z = self.draw(self.noise, values)
        return sum((each.sign * each.log(z, values, drop=drop) for each in self.densities), np.zeros(len(self.noise)))

    def scale(self, values: Values) -> Array:
        """Sum of absolute terms, for a mixture that of its largest component. Shape: (n,)."""
        z = self.draw(self.noise, values)
        sizes = [_size(np.real(each.terms(z, values))) - np.log(each.weights).min() for each in self.densities]
        return sum(sizes, np.zeros(len(self.noise)))


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """Derivatives of the mean over draws with respect to every element of some parameters, one after another.

    `scale`: for each element the mean sum of its absolute terms.
    """

    full: Array
    dropped: Array
    offset: Array
    scale: Array


def slopes(entry: Entry, *, of_q: bool) -> Slopes:
    """The gradients of all parameter sets by complex steps, one evaluation for each element."""
    rows = [
        _slope(entry, values, name, index)
        for values in entry.parameters
        for name, value in values.items()
        if (name in entry.of_q) == of_q
        for index in np.ndindex(np.shape(value))
    ]
    full, dropped, offset, scale = np.array(rows).reshape(-1, 4).T
    return Slopes(full=full, dropped=dropped, offset=offset, scale=scale)


def _slope(entry: Entry, values: Values, name: str, index: tuple[int, ...]) -> tuple[float, float, float, float]:
    moved = np.asarray(values[name]).astype(complex)
    moved[index] += 1j * STEP
    at = {**values, name: moved}
    z = entry.draw(entry.noise, at)
    parts = (
        entry.value(at, drop=False),
        entry.value(at, drop=True),
        entry.offset(z, at) + np.zeros(len(entry.noise)),
    )
    full, dropped, offset = (float(np.imag(part).mean()) / STEP for part in parts)
    # A component's share in a mixture's gradient is exp of a log density: its relative error is u times that scale.
    mixed = any(len(each.weights) > 1 for each in entry.densities)
    error = 1.0 + (float(entry.scale(values).max()) if mixed else 0.0)
    size = sum(float(_size(np.imag(each.terms(z, at))).mean()) for each in entry.densities) / STEP
    return full, dropped, offset, size * error


def _size(terms: Array) -> Array:
    """Sum of the absolute terms of each component, the largest one. Shape: (n,)."""
    return np.abs(terms).sum((1, -1)).max(0)
