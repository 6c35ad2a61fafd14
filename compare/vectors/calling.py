"""Calls of a user's function at a vector's inputs, and its numbers in the vector's convention."""

from dataclasses import dataclass

import numpy as np

from elbo_compare.compare.checking.experiment import called
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.readings import Reduction
from elbo_compare.compare.vectors import functions as f
from elbo_compare.compare.vectors.exact import Nested, flat
from elbo_compare.compare.vectors.families import VECTORS
from elbo_compare.compare.vectors.reading import Reading
from elbo_compare.compare.vectors.vector import GRADIENT, VALUE, Vector, tolerance
from elbo_compare.suites.bridge.user_arrays import Call, Term, UserArrays
from elbo_compare.suites.contract import Array, DType

PER_DATUM = frozenset(
    vector.function.name for vector in VECTORS if vector.function.parameters.get("mean", "").startswith("(batch")
) | {f.LOG_PRIOR.name, f.LOG_BERNOULLI.name, f.LOG_NORMAL.name, f.IWAE_BOUND.name}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the function returned at one vector: its only term, or why there is none (`failed`: it raised)."""

    vector: Vector
    dtype: DType
    term: Term | None
    note: str = ""
    failed: bool = False

    @property
    def precision(self) -> str:
        """The dtype that it computed in: its own, where that is the coarser one."""
        return "float32" if self.term is not None and "32" in self.term.dtype else str(self.dtype)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A reading of a function, with one framework's arrays."""

    reading: Reading
    arrays: UserArrays

    def vectors(self) -> list[Vector]:
        """Every vector that it is held against."""
        return [vector for vector in VECTORS if vector.function.name in self.reading.functions]

    def terms(self, vector: Vector, dtype: DType, seed: int = 0) -> tuple[Term, ...]:
        """What it returns at a vector. Raises FunctionError for whatever the function raises."""
        inputs = inputs_of(vector)
        given = {each.name: each.array(inputs) for each in self.reading.parameters}
        by = tuple(each.name for each in self.reading.parameters if each.ours not in ("x", "scale"))
        call = Call(arrays=given, dtype=dtype, differentiate=by, keys=self.reading.keys, seed=seed)
        callee = self.reading.callee
        return called(callee, call, self.arrays, callee.label, f"at {vector.id}, ")

    def result(self, vector: Vector, dtype: DType) -> Result:
        """Its result at a vector; never raises for what the function does."""
        term, note = None, self.reading.lacks(inputs_of(vector))
        if not note:
            try:
                term = self.terms(vector, dtype)[0]
            except FunctionError as error:
                return Result(vector=vector, dtype=dtype, term=None, note=str(error), failed=True)
        return Result(vector=vector, dtype=dtype, term=term, note=note)


def inputs_of(vector: Vector) -> dict[str, Array]:
    """A vector's inputs as arrays. Over points, each point is a datum of its own, with z = mean + sigma noise."""
    inputs = {name: np.asarray(values, float) for name, values in vector.inputs.items()}
    if vector.function is f.KL_OVER_POINTS:
        noise = inputs["noise"]
        mean, log_var = (np.broadcast_to(inputs[name], noise.shape).copy() for name in ("mean", "log_var"))
        inputs |= {"z": mean + np.exp(log_var / 2) * noise, "mean": mean, "log_var": log_var}
    return inputs


def numbers(result: Result, reading: Reading, reduction: Reduction, output: str) -> tuple[Array | None, str]:
    """The function's numbers for one output, in the vector's convention; None with the reason why there are none."""
    term = result.term
    assert term is not None
    if output.startswith(GRADIENT):
        return _gradient(result, reading, reduction, output.removeprefix(GRADIENT))
    value, batch = reading.sign * term.value, _batch(result.vector)
    if reduction is Reduction.NONE and value.ndim > 1 and value.shape[0] == batch:
        value = value.reshape(batch, -1).sum(1)  # one value per datum and dimension
    if result.vector.function is f.KL_OVER_POINTS:
        value = value / batch if reduction is Reduction.SUM else value.mean()
    wanted = len(flat(result.vector.terms[VALUE])) if reduction is Reduction.NONE else 1
    if value.size != wanted:
        return None, f"shape {term.value.shape} where {wanted} numbers are wanted"
    return value.reshape(-1), ""


def _gradient(result: Result, reading: Reading, reduction: Reduction, ours: str) -> tuple[Array | None, str]:
    assert result.term is not None
    parameter = next((each for each in reading.parameters if each.ours == ours), None)
    if parameter is None:
        return None, f"the function has no parameter for {ours}"
    if result.term.gradients is None:
        return None, result.term.no_gradient
    slope = parameter.slope(inputs_of(result.vector))
    gradient = reading.sign * result.term.gradients[parameter.name] / slope
    return (gradient * (_batch(result.vector) if reduction is Reduction.MEAN else 1)).reshape(-1), ""


def _batch(vector: Vector) -> int:
    if vector.function is f.IWAE_BOUND:
        return len(vector.inputs["log_weight"][0])
    name = "noise" if vector.function is f.KL_OVER_POINTS else next(iter(vector.function.parameters))
    return len(vector.inputs[name])


def reduced(result: Result, reduction: Reduction, output: str, exact: Array, allowed: Array) -> tuple[Array, Array]:
    """The right values and their tolerances, reduced over the batch as the function reduces its own."""
    if output != VALUE or reduction is Reduction.NONE or result.vector.function.name not in PER_DATUM:
        return exact, allowed
    over = len(exact) if reduction is Reduction.MEAN else 1
    return np.array([exact.sum() / over]), np.array([allowed.sum() / over])


def equals(result: Result, reading: Reading, reduction: Reduction, output: str, value: Nested) -> bool:
    """Whether a result is `value` within tolerance: nested as the vector's terms, or a number, already reduced."""
    given, _ = numbers(result, reading, reduction, output)
    if given is None:
        return False
    wanted = np.array(flat(value), float)
    allowed = np.array([tolerance(term, result.precision) for term in flat(result.vector.terms[output])])
    if wanted.size == allowed.size:
        wanted, allowed = reduced(result, reduction, output, wanted, allowed)
    else:
        allowed = np.array([allowed.sum()])
    # Equal infinities have no difference.
    with np.errstate(invalid="ignore"):
        return wanted.size == given.size and bool(np.all((given == wanted) | (np.abs(given - wanted) <= allowed)))
