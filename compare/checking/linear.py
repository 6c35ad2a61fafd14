"""The linear form of a wrong term: a * reconstruction + b * KL + c, with a, b, c explained by the sizes of the axes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

from elbo_compare.compare.checking import oracle
from elbo_compare.compare.checking.claims import Record
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.readings import Quantity, Reading, target
from elbo_compare.compare.checking.signature import Form, Role
from elbo_compare.suites.contract import Array, DType

# The fit is exact when the form is right: what is left over is rounding, far below any coefficient of interest.
RESIDUAL = {DType.FLOAT64: 1e-9, DType.FLOAT32: 1e-5}
SAME_FACTOR = {DType.FLOAT64: 1e-6, DType.FLOAT32: 1e-3}
EXPONENTS = sorted(product((0, -1, 1), repeat=3), key=lambda powers: sum(map(abs, powers)))


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A coefficient over all sizes: factor * batch^batch * latent^latent * observed^observed. None: no such law."""

    name: str
    factor: float
    batch: int
    latent: int
    observed: int

    @property
    def text(self) -> str:
        """In words: `0.5 x the KL, averaged over the latent dimensions`."""
        factor = "" if math.isclose(self.factor, 1, rel_tol=1e-6) else f"{self.factor:.6g} x "
        if self.name == "constant":
            powers = (("batch", self.batch), ("latent", self.latent), ("observed", self.observed))
            axes = "".join(f" x {axis}" if power > 0 else f" / {axis}" for axis, power in powers if power)
            return f"{self.factor:.6g}{axes} nats"
        words = [
            f"{'averaged over' if power < 0 else 'times the size of'} the {axis}"
            for axis, power in (
                ("batch", self.batch),
                ("latent dimensions", self.latent),
                ("observed dimensions", self.observed),
            )
            if power
        ]
        return f"{factor}the {self.name}" + (", " + " and ".join(words) if words else "")


@dataclass(frozen=True, kw_only=True)
class LinearForm:
    """A term = sum of weights (zero ones left out), beside the reading whose quantities it weighs."""

    reading: Reading
    weights: tuple[Weight, ...]

    @property
    def text(self) -> str:
        """In words."""
        return " + ".join(weight.text for weight in self.weights) or "zero"


def fit(record: Record, position: int, candidates: Iterable[Reading]) -> LinearForm | None:
    """The first reading under which the term is exactly linear in its quantities and a constant."""
    sizes: dict[tuple[int, int, int], list[Observation]] = {}
    for one in record.ordinary:
        observed = one.inputs[Role.X].shape[1] if Role.X in one.inputs else 0
        sizes.setdefault((one.batch, one.inputs[Role.MEAN].shape[1], observed), []).append(one)
    for reading in candidates:
        fitted = {size: _coefficients(reading, position, group) for size, group in sizes.items()}
        if any(coefficients is None for coefficients in fitted.values()):
            continue
        names = [*_parts(reading, record.ordinary[0]), "constant"]
        dtype = record.ordinary[0].dtype
        columns = [{size: float(c[i]) for size, c in fitted.items() if c is not None} for i in range(len(names))]
        weights = [_explain(name, column, dtype) for name, column in zip(names, columns, strict=True)]
        if all(weight is not None for weight in weights):
            kept = tuple(weight for weight in weights if weight is not None and weight.factor != 0)
            return LinearForm(reading=reading, weights=kept)
    return None


def _parts(reading: Reading, observation: Observation) -> dict[str, Array]:
    """The quantities of a reading, (batch,), with the sign that they have in it."""
    inputs = observation.inputs
    parts = {}
    if reading.quantity is not Quantity.KL:
        data = oracle.reconstruction(inputs[Role.X], inputs[Role.OUTPUT], reading.output)
        # A normal's constant is kept apart, so that a loss without it is seen as just that.
        normal = reading.output is Form.LOCATION
        value = data.value - (oracle.HALF_LOG_2PI if normal else 0.0)
        parts["half squared error" if normal else "reconstruction term"] = reading.sign * value.sum(1)
    if reading.quantity is not Quantity.RECONSTRUCTION:
        kl = target(
            Reading(
                quantity=Quantity.KL, sampled=reading.sampled, sign=1, output=reading.output, spread=reading.spread
            ),
            inputs,
        )
        parts["KL"] = reading.sign * kl.value
    return parts


def _coefficients(reading: Reading, position: int, group: list[Observation]) -> Array | None:
    """Least squares at one size; None where something is left over."""
    rows, values = [], []
    for one in group:
        value = one.terms[position].value
        columns = np.stack([*_parts(reading, one).values(), np.ones(one.batch)], axis=1)
        if value.size == one.batch and one.batch > 1:
            rows.append(columns)
            values.append(value.ravel())
        elif value.size == 1:
            rows.append(np.append(columns.sum(0)[:-1], 1.0)[None])
            values.append(value.ravel())
        else:
            return None
    matrix, right = np.concatenate(rows), np.concatenate(values)
    coefficients = np.linalg.lstsq(matrix, right, rcond=None)[0]
    left = np.abs(matrix @ coefficients - right).max()
    scale = np.abs(right).max() + np.abs(matrix * coefficients).max()
    if left > RESIDUAL[group[0].dtype] * scale:
        return None
    noise = RESIDUAL[group[0].dtype] * scale * 10
    return np.where(np.abs(matrix * coefficients).max(0) <= noise, 0.0, coefficients)


def _explain(name: str, column: dict[tuple[int, int, int], float], dtype: DType) -> Weight | None:
    """One coefficient's law over the sizes: the one with the fewest axes."""
    for powers in EXPONENTS:
        laws = [math.prod(axis**power for axis, power in zip(size, powers, strict=True) if axis) for size in column]
        factors = [value / law for value, law in zip(column.values(), laws, strict=True)]
        if np.ptp(factors) <= SAME_FACTOR[dtype] * abs(factors[0]):
            return Weight(name=name, factor=factors[0], batch=powers[0], latent=powers[1], observed=powers[2])
    return None
