"""What a procedure gets to work with, and the checks on what an implementation hands back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from elbo_compare.compare.records import Cell
from elbo_compare.suites.contract import Array, Dataset, DType, Estimator, Fit, Problem, Session


class InvalidResultError(Exception):
    """An implementation returned something of the wrong shape, dtype or value; the message says what arrived."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One cell with everything it names, loaded. `fits`: trainings of siblings that wait for their cells, by key."""

    cell: Cell
    session: Session
    problem: Problem
    estimator: Estimator
    dataset: Dataset
    fits: dict[str, Fit] = field(default_factory=dict)

    @property
    def dtype(self) -> DType:
        """The cell's dtype as the contract's enum."""
        return DType(self.cell.dtype)

    def rows(self, start: int, count: int) -> Array:
        """Test data start .. start + count - 1, shape (count, observed); wraps round where the set is smaller."""
        return np.take(self.dataset.test, np.arange(start, start + count), axis=0, mode="wrap")

    def rounded(self, x: Array) -> tuple[Problem, Array]:
        """The problem and x after rounding to the cell's dtype, as float64: what a correct implementation sees."""
        params = {name: _round(value, self.dtype) for name, value in self.problem.params.items()}
        return replace(self.problem, params=params), _round(x, self.dtype)

    def generator(self, purpose: str) -> np.random.Generator:
        """Random numbers that every implementation, estimator, dtype and device shares."""
        return np.random.default_rng(self.cell.shared_seed(purpose))


def _round(value: Array, dtype: DType) -> Array:
    return np.asarray(value, dtype=np.dtype(dtype.value)).astype(np.float64)


def require_dtype(what: str, arrived: DType, task: Task) -> None:
    """Raise InvalidResultError unless the framework computed in the cell's dtype."""
    if str(arrived) != task.cell.dtype:
        raise InvalidResultError(f"{what} was computed in {arrived}, not in {task.cell.dtype}")


def require_array(what: str, value: Array, shape: tuple[int, ...]) -> Array:
    """`value` as float64. Raises InvalidResultError where its shape differs or a value is not finite."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidResultError(f"{what} must be an array of numbers, not {type(value).__name__}") from error
    if array.shape != shape:
        raise InvalidResultError(f"{what} has shape {array.shape}, not {shape}")
    bad = int(np.size(array) - np.count_nonzero(np.isfinite(array)))
    if bad:
        example = array[~np.isfinite(array)].flat[0]
        raise InvalidResultError(f"{what} holds {bad} of {array.size} values that are not finite (such as {example})")
    return array


def require_number(what: str, value: float) -> float:
    """`value` as a finite float. Raises InvalidResultError otherwise."""
    return float(require_array(what, np.asarray(value), ()))


def require_params(what: str, arrived: Mapping[str, Array], expected: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of `arrived` under the names and shapes of `expected`."""
    if set(arrived) != set(expected):
        odd = sorted(set(arrived) ^ set(expected))
        raise InvalidResultError(f"{what} has other names than the weights: {', '.join(odd)}")
    return {name: require_array(f"{what} of {name}", arrived[name], expected[name].shape) for name in expected}
