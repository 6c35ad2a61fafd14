"""A user's function held against the vectors: one row per vector, output and dtype; then the mutant that it equals."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, isnan, nan
from typing import Any

import numpy as np

from compare.checking.experiment import candidates
from compare.checking.failure import FunctionError, TargetError
from compare.records import Outcome
from compare.vectors import functions as f
from compare.vectors.exact import flat
from compare.vectors.families import FAMILIES, VECTORS
from compare.vectors.must_fail import must_fail
from compare.vectors.reading import Reading
from compare.vectors.vector import GRADIENT, VALUE, MustFail, Vector, tolerance
from suites.bridge.user_arrays import Call, Term, UserArrays, open_arrays
from suites.contract import Array, DType


class Reduction(StrEnum):
    """What the function does with the batch; found out from all vectors together."""

    NONE = "none: one value per datum"
    SUM = "sum over the batch"
    MEAN = "mean over the batch"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One output of one vector at one dtype. `worst`: the largest |difference| / tolerance; `difference` is there."""

    id: str
    output: str
    dtype: str
    outcome: Outcome
    worst: float = nan
    difference: float = nan
    tolerance: float = nan
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Held:
    """Every row under the reading and the reduction that most of them agree with."""

    reading: Reading
    reduction: Reduction
    framework: str
    rows: tuple[Row, ...]
    equals: tuple[Mapping[str, str], ...] = ()

    @property
    def agreeing(self) -> int:
        """How many rows agree."""
        return sum(row.outcome is Outcome.AGREES for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the function returned at one vector: its only term, or why there is none."""

    vector: Vector
    dtype: DType
    term: Term | None
    note: str = ""


def held(
    function: Callable[..., Any], readings: Sequence[Reading], framework: str | None = None, label: str = "the function"
) -> Held:
    """Hold a function against every vector that it can take, under its best reading and reduction.

    Raises FunctionError where it can't be called at all, TargetError where it returns several terms or draws inside.
    """
    first: Exception | None = None
    for name in candidates(function, framework):
        try:
            arrays = open_arrays(name)
        except (KeyError, ImportError) as error:
            raise TargetError(f"{name} can't be used here ({error}).") from error
        with arrays.seeded(0), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the function warns of is its author's affair: the numbers count
            try:
                _settle(function, readings[0], arrays, label)
            except TargetError:
                raise
            except Exception as error:
                first = first or error
                continue
            options = [each for reading in readings for each in _options(function, reading, arrays)]
            best = max(options, key=lambda each: each.agreeing)  # the first of equals: per datum, then the sum
            return replace(best, equals=tuple(_mutants(function, best, arrays)))
    if first is None:
        raise FunctionError(f"{label} can't be called.")
    message = (str(first).splitlines() or ["no message"])[0]
    raise FunctionError(f"{label} raises {type(first).__name__}: {message}") from first


def _settle(function: Callable[..., Any], reading: Reading, arrays: UserArrays, label: str) -> None:
    """Call it twice. Raises what the function raises; TargetError where the two differ or there are several terms."""
    vector = next(vector for vector in _vectors(reading) if not reading.lacks(_inputs(vector)))
    calls = [_call(function, reading, arrays, _inputs(vector), DType.FLOAT64, seed) for seed in (0, 1)]
    if any(len(terms) != 1 for terms in calls):
        names = ", ".join(repr(term.name) for term in calls[0])
        raise TargetError(
            f"{label} returns {len(calls[0])} terms ({names}); vectors want one. Wrap it, or use `check`."
        )
    if not np.array_equal(calls[0][0].value, calls[1][0].value, equal_nan=True):
        raise TargetError(f"{label} draws random numbers; vectors give z. Use `compare check`, which judges draws.")


def _options(function: Callable[..., Any], reading: Reading, arrays: UserArrays) -> Iterator[Held]:
    results = list(_results(function, reading, arrays))
    scalar = any(r.term is not None and r.term.value.ndim == 0 for r in results if r.vector.function.name in PER_DATUM)
    for reduction in (Reduction.SUM, Reduction.MEAN) if scalar else (Reduction.NONE,):
        rows = tuple(row for result in results for row in _rows(result, reading, reduction))
        yield Held(reading=reading, reduction=reduction, framework=arrays.name, rows=rows)


PER_DATUM = frozenset(
    vector.function.name for vector in VECTORS if vector.function.parameters.get("mean", "").startswith("(batch")
) | {f.LOG_PRIOR.name, f.LOG_BERNOULLI.name, f.LOG_NORMAL.name, f.IWAE_BOUND.name}


def _results(function: Callable[..., Any], reading: Reading, arrays: UserArrays) -> Iterator[Result]:
    for vector in _vectors(reading):
        inputs = _inputs(vector)
        for dtype in (DType.FLOAT64, DType.FLOAT32):
            lacking = reading.lacks(inputs)
            if lacking:
                yield Result(vector=vector, dtype=dtype, term=None, note=lacking)
                continue
            try:
                terms = _call(function, reading, arrays, inputs, dtype, 0)
            except Exception as error:
                note = f"raises {type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"
                yield Result(vector=vector, dtype=dtype, term=None, note=note)
                continue
            yield Result(vector=vector, dtype=dtype, term=terms[0])


def _vectors(reading: Reading) -> list[Vector]:
    return [vector for vector in VECTORS if vector.function.name in reading.functions]


def _inputs(vector: Vector) -> dict[str, Array]:
    """A vector's inputs as arrays. Over points, each point is a datum of its own, with z = mean + sigma noise."""
    inputs = {name: np.asarray(values, float) for name, values in vector.inputs.items()}
    if vector.function is f.KL_OVER_POINTS:
        noise = inputs["noise"]
        mean, log_var = (np.broadcast_to(inputs[name], noise.shape).copy() for name in ("mean", "log_var"))
        inputs |= {"z": mean + np.exp(log_var / 2) * noise, "mean": mean, "log_var": log_var}
    return inputs


def _call(
    function: Callable[..., Any],
    reading: Reading,
    arrays: UserArrays,
    inputs: Mapping[str, Array],
    dtype: DType,
    seed: int,
) -> tuple[Term, ...]:
    given = {each.name: each.array(inputs) for each in reading.parameters}
    by = tuple(each.name for each in reading.parameters if each.ours not in ("x", "scale"))
    return arrays.call(function, Call(arrays=given, dtype=dtype, differentiate=by, keys=reading.keys, seed=seed))


def _rows(result: Result, reading: Reading, reduction: Reduction) -> Iterator[Row]:
    terms = result.vector.terms
    for output, nested in terms.items():
        row = Row(id=result.vector.id, output=output, dtype=str(result.dtype), outcome=Outcome.NOT_RUN)
        if result.term is None:
            failed = result.note.startswith("raises")
            yield replace(row, outcome=Outcome.INCONCLUSIVE if failed else Outcome.NOT_RUN, note=result.note)
            continue
        dtype = "float32" if "32" in result.term.dtype else str(result.dtype)
        exact = np.array([float(each.value) for each in flat(nested)])
        allowed = np.array([tolerance(each, dtype) for each in flat(nested)])
        given, note = _given(result, reading, reduction, output)
        if given is None:
            outcome = Outcome.NOT_RUN if output.startswith(GRADIENT) else Outcome.DIFFERS
            yield replace(row, outcome=outcome, note=note)
            continue
        yield _compared(row, given, *_reduced(result, reduction, output, exact, allowed))


def _given(result: Result, reading: Reading, reduction: Reduction, output: str) -> tuple[Array | None, str]:
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
    slope = parameter.slope(_inputs(result.vector))
    gradient = reading.sign * result.term.gradients[parameter.name] / slope
    return (gradient * (_batch(result.vector) if reduction is Reduction.MEAN else 1)).reshape(-1), ""


def _batch(vector: Vector) -> int:
    if vector.function is f.IWAE_BOUND:
        return len(vector.inputs["log_weight"][0])
    name = "noise" if vector.function is f.KL_OVER_POINTS else next(iter(vector.function.parameters))
    return len(vector.inputs[name])


def _reduced(result: Result, reduction: Reduction, output: str, exact: Array, allowed: Array) -> tuple[Array, Array]:
    if output != VALUE or reduction is Reduction.NONE or result.vector.function.name not in PER_DATUM:
        return exact, allowed
    over = len(exact) if reduction is Reduction.MEAN else 1
    return np.array([exact.sum() / over]), np.array([allowed.sum() / over])


def _compared(row: Row, given: Array, exact: Array, allowed: Array) -> Row:
    difference = given - exact
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(difference == 0, 0.0, np.abs(difference) / allowed)
    at = int(np.argmax(np.where(np.isnan(size), inf, size)))
    if isnan(given[at]):
        return replace(row, outcome=Outcome.INCONCLUSIVE, note="nan")
    outcome = Outcome.AGREES if size[at] <= 1 else Outcome.DIFFERS
    return replace(
        row,
        outcome=outcome,
        worst=float(size[at]),
        difference=float(difference[at]),
        tolerance=float(allowed[at]),
        note=f"{given[at]:.6g} for {exact[at]:.6g}" if outcome is Outcome.DIFFERS else "",
    )


def _mutants(function: Callable[..., Any], best: Held, arrays: UserArrays) -> Iterator[Mapping[str, str]]:
    """The mutants whose must-fail vectors a function that differs falls into."""
    if all(row.outcome is not Outcome.DIFFERS for row in best.rows):
        return
    families = [each for each in FAMILIES if any(v.function.name in best.reading.functions for v in each.vectors)]
    for wrong in (wrong for family in families for wrong in must_fail(family)):
        if wrong.vector.function.name in best.reading.functions and _falls_into(function, best, arrays, wrong):
            yield {"vector": wrong.id, **wrong.mutant}


def _falls_into(function: Callable[..., Any], best: Held, arrays: UserArrays, wrong: MustFail) -> bool:
    inputs = _inputs(wrong.vector)
    if best.reading.lacks(inputs):
        return False
    try:
        term = _call(function, best.reading, arrays, inputs, DType.FLOAT64, 0)[0]
    except Exception:  # a function that raises here equals nothing here; the row of this vector says that it raises
        return False
    result = Result(vector=wrong.vector, dtype=DType.FLOAT64, term=term)
    terms = wrong.vector.terms
    return all(_equals(result, best, output, value, terms[output]) for output, value in wrong.value.items())


def _equals(result: Result, best: Held, output: str, value: Any, terms: Any) -> bool:
    given, _ = _given(result, best.reading, best.reduction, output)
    assert result.term is not None
    dtype = "float32" if "32" in result.term.dtype else "float64"
    planted = np.atleast_1d(np.asarray(value, float)).reshape(-1)
    allowed = np.array([tolerance(term, dtype) for term in flat(terms)])
    if given is None:
        return False
    if planted.size == allowed.size:
        planted, allowed = _reduced(result, best.reduction, output, planted, allowed)
    else:
        allowed = np.array([allowed.sum()])
    return planted.size == given.size and bool(np.all(np.abs(given - planted) <= np.maximum(allowed, 0)))
