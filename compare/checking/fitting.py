"""What a term is made of: coefficients of the reconstruction term, the KL and a constant, and their laws over sizes.

The fit is by value: at three batch, latent and observed sizes each coefficient is one number, which a law
factor * batch^i * latent^j * observed^k must explain. Nothing is asked of names here.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import isclose
from typing import Any

import numpy as np

from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.oracle import HALF_LOG_2PI
from elbo_compare.compare.checking.readings import REDUCED_UNITS, Reading, Reduction, data_elements, kl_elements
from elbo_compare.suites.contract import Array

EXACT, SINGLE, GUARDED = 1e-9, 1e-5, 3e-4  # left over, relative to the terms: float64, float32, a guard's epsilon
EXPONENTS: list[tuple[int, int, int]] = sorted(
    product((0, -1, 1, -2), (0, -1, 1), (0, -1, 1)), key=lambda powers: sum(map(abs, powers))
)  # -2: divided by the batch twice, by its size and by a mean
SNAPPED = 1e-9  # relative
SIMPLE = (1.0, 0.5, 2.0, 0.25, 4.0)
NORMALISERS = (HALF_LOG_2PI, 2 * HALF_LOG_2PI, math.log(2), math.log(math.pi), math.log(math.pi) / 2)
AXES = ("batch", "latent", "observed")
Size = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Law:
    """A coefficient over all sizes: factor * batch^i * latent^j * observed^k."""

    factor: float
    powers: tuple[int, int, int] = (0, 0, 0)

    def at(self, size: Size) -> float:
        """The coefficient at one size."""
        return self.factor * math.prod(a**p for a, p in zip(size, self.powers, strict=True) if p)

    def over(self, other: "Law") -> "Law":
        """The quotient of two laws."""
        powers = tuple(a - b for a, b in zip(self.powers, other.powers, strict=True))
        return Law(factor=self.factor / other.factor, powers=powers)  # type: ignore[arg-type]

    @property
    def plain(self) -> bool:
        """Whether it is the same number at all sizes."""
        return not any(self.powers)

    @property
    def text(self) -> str:
        """`0.5 x batch x observed`, `1 / latent`."""
        up = [axis if p == 1 else f"{axis}^{p}" for axis, p in zip(AXES, self.powers, strict=True) if p > 0]
        down = [axis if p == -1 else f"{axis}^{-p}" for axis, p in zip(AXES, self.powers, strict=True) if p < 0]
        return " x ".join([short(self.factor), *up]) + "".join(f" / {axis}" for axis in down)


def short(number: float) -> str:
    """Four digits, and no trailing zeros; more where four would make it a whole number."""
    rounded = round(number)
    if isclose(number, rounded, rel_tol=1e-7, abs_tol=1e-12):
        return f"{rounded:d}"
    return next(text for digits in (4, 7, 9, 17) if float(text := f"{number:.{digits}g}") != rounded)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One term = data * reconstruction + kl * KL + constant under a reading's forms; `left`: the worst relative rest.

    A law is None where the coefficient is zero. `tier`: EXACT, SINGLE or GUARDED, whichever it reached.
    """

    reading: Reading
    data: Law | None
    kl: Law | None
    constant: Law | None
    tier: float
    elements: bool = False


def by_size(observations: Iterable[Observation]) -> dict[Size, list[Observation]]:
    """The observations of each size (batch, latent, observed)."""
    groups: dict[Size, list[Observation]] = {}
    for one in observations:
        latent = next((one.inputs[r].shape[1] for r in (Role.MEAN, Role.Z) if r in one.inputs), 1)
        observed = one.inputs[Role.X].shape[1] if Role.X in one.inputs else 1
        groups.setdefault((one.batch, latent, observed), []).append(one)
    return groups


class Columns:
    """The quantities of every reading at every observation, computed once."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        self.groups = by_size(observations)
        self._known: dict[tuple[object, int], Any] = {}

    def data(self, reading: Reading, one: Observation) -> Array:
        """(batch, observed) elements of the reconstruction term; (batch, 1) where it comes in as a number."""
        if reading.data is None:
            return np.full((one.batch, 1), float(one.inputs[Role.DATA_TERM]) / one.batch)
        data, guard = reading.data, reading.guard
        return self._once((data, guard) if guard else data, one, lambda: data_elements(reading, data, one.inputs))

    def kl(self, reading: Reading, one: Observation) -> Array:
        """(batch, latent) elements of the KL."""
        key = (reading.sampled, reading.spread, reading.prior, reading.joint, reading.mixture)
        key = (*key, reading.relative, reading.guard, reading.fixed)
        return self._once(key, one, lambda: kl_elements(reading, one.inputs))

    def kept(self, key: object, one: Observation, make: Callable[[], Any]) -> Any:
        """Any other column of an observation."""
        known = self._known.get((key, id(one)))
        if known is None:
            known = self._known[key, id(one)] = make()
        return known

    def _once(self, key: object, one: Observation, make: object) -> Array:
        known = self._known.get((key, id(one)))
        if known is None:
            with np.errstate(all="ignore"):
                known = self._known[key, id(one)] = make().value  # type: ignore[operator]
        return known


def fit_one(columns: Columns, position: int, reading: Reading, tier: float = EXACT) -> Fit | None:
    """The coefficients under one reading; None where something is left over or no law explains one."""
    has = [reading.has_data, reading.has_kl]
    found: list[dict[Size, float]] = [{}, {}, {}]
    elements = False
    for size, group in columns.groups.items():
        rows, values = [], []
        for one in group:
            parts = [columns.data(reading, one)] if has[0] else []
            parts += [columns.kl(reading, one)] if has[1] else []
            matrix, elements = _rows(one.terms[position].value, parts, one.batch)
            if matrix is None:
                return None
            rows.append(matrix)
            values.append(one.terms[position].value.ravel())
        solved = solve(np.concatenate(rows), np.concatenate(values), tier)
        if solved is None:
            return None
        names = [i for i in (0, 1) if has[i]] + [2]
        for i, coefficient in zip(names, solved, strict=True):
            found[i][size] = float(coefficient)
    laws = [explain(column, tier) if column else None for column in found]
    if any(law is None and any(column.values()) for law, column in zip(laws, found, strict=True)):
        return None
    data, kl, constant = laws
    return Fit(reading=reading, data=data, kl=kl, constant=constant, tier=tier, elements=elements)


def _rows(value: Array, parts: list[Array], batch: int) -> tuple[Array | None, bool]:
    """The columns that a returned shape asks for: per datum, per element, or summed; and a one."""
    if value.size == 1:
        return np.array([[*(part.sum() for part in parts), 1.0]]), False
    if value.size == batch:
        return np.stack([*(part.sum(1) for part in parts), np.ones(batch)], axis=1), False
    if len(parts) == 1 and value.size == parts[0].size:
        return np.stack([parts[0].ravel(), np.ones(value.size)], axis=1), True
    return None, False


def solve(matrix: Array, right: Array, tier: float) -> Array | None:
    """Least squares; None where more than `tier` of the terms is left over. Tiny coefficients become 0."""
    if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
        return None
    norms = np.abs(matrix).max(0) + 1e-300
    coefficients = np.linalg.lstsq(matrix / norms, right, rcond=1e-12)[0] / norms
    scale = np.abs(right).max() + np.abs(matrix * coefficients).max()
    if np.abs(matrix @ coefficients - right).max() > tier * scale:
        return None
    return np.where(np.abs(matrix * coefficients).max(0) <= 10 * tier * scale, 0.0, coefficients)


def explain(column: Mapping[Size, float], tier: float = EXACT) -> Law | None:
    """One coefficient's law over the sizes: the one with the fewest axes. None where it is zero, or has no law."""
    if not any(column.values()):
        return None
    for powers in EXPONENTS:
        laws = [math.prod(a**p for a, p in zip(size, powers, strict=True)) for size in column]
        factors = [value / law for value, law in zip(column.values(), laws, strict=True)]
        if np.ptp(factors) <= max(1e-6, 30 * tier) * abs(factors[0]):
            return _at_fixed(Law(factor=_snapped(float(np.mean(factors)), tier), powers=powers), column)
    return None


def _snapped(factor: float, tier: float) -> float:
    """The number that a coefficient stands for: at a guard's size a simple one, else a short decimal or 1/n nearby.

    A fit knows a small weight only to a rounding of the whole, and extreme inputs magnify what is left.
    """
    size = abs(factor)
    if tier > EXACT:
        near = [n for n in SIMPLE if abs(size - n) <= 30 * tier * n]
        return math.copysign(near[0], factor) if near else factor
    candidates = [float(f"{size:.{digits}g}") for digits in range(1, 8)] + (
        [1 / round(1 / size)] if 0 < size < 1 else []
    )
    candidates += list(NORMALISERS)
    near = [n for n in candidates if abs(size - n) <= SNAPPED * size]
    return math.copysign(near[0], factor) if near else factor


def _at_fixed(law: Law, column: Mapping[Size, float]) -> Law:
    """Where an axis has one size only, its law can't be seen: 1/784 at 784 dimensions is taken for an average, and
    784/2 log(2 pi) for a normaliser of each; so is 1/32 in a batch that is always 32."""
    factor = abs(law.factor)
    fixed = [a for a in range(3) if len({size[a] for size in column}) == 1 and not law.powers[a]]
    size = next(iter(column))
    fixed = [axis for axis in fixed if size[axis] > 1]
    if not fixed or isclose(factor, 1.0, rel_tol=1e-6) or (0 not in fixed and _among(factor, SIMPLE)):
        return law
    subsets = [axes for n in range(1, len(fixed) + 1) for axes in combinations(fixed, n)]
    for power, known in ((-1, (1.0,)), (-1, SIMPLE), (1, NORMALISERS)):
        for axes in subsets:
            shared = factor * math.prod(float(size[axis]) for axis in axes) ** -power
            if _among(shared, known):
                powers = tuple(power if axis in axes else law.powers[axis] for axis in range(3))
                return Law(factor=math.copysign(shared, law.factor), powers=powers)  # type: ignore[arg-type]
    return law


def _among(number: float, known: Sequence[float]) -> bool:
    return any(isclose(number, each, rel_tol=1e-6) for each in known)


REDUCED: Mapping[Reduction, Law] = {reduction: Law(factor=1.0, powers=p) for reduction, p in REDUCED_UNITS.items()}
