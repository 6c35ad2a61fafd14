"""A user's function held against the vectors: one row per vector, output and dtype; then what it equals instead."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isnan

import numpy as np

from elbo_compare.compare.checking.experiment import open_framework
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.records import Outcome, SuiteVerdict
from elbo_compare.compare.vectors.calling import PER_DATUM, Caller, Reduction, Result, inputs_of, numbers, reduced
from elbo_compare.compare.vectors.exact import flat
from elbo_compare.compare.vectors.families import VECTORS
from elbo_compare.compare.vectors.named import legitimate_gradients, mutants_of
from elbo_compare.compare.vectors.reading import Reading
from elbo_compare.compare.vectors.vector import GRADIENT, tolerance
from elbo_compare.suites.bridge.user_arrays import UserArrays
from elbo_compare.suites.contract import Array, DType


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A verdict on every output of every vector (`quantity`) at each dtype (`subject`), under the reading and the
    reduction that most of them agree with; of an output, `difference` and `tolerance` are those of its worst number."""

    reading: Reading
    reduction: Reduction
    framework: str
    rows: tuple[SuiteVerdict, ...]
    equals: tuple[Mapping[str, str], ...] = ()

    @property
    def agreeing(self) -> int:
        """How many rows agree."""
        return sum(row.outcome is Outcome.AGREES for row in self.rows)


def compare_with_vectors(readings: Sequence[Reading], framework: str | None = None) -> Comparison:
    """Hold a function against every vector that it can take, under its best reading and reduction.

    Raises FunctionError where it can't be called at all, TargetError where it returns several terms or draws inside.
    """

    def attempt(arrays: UserArrays) -> list[Caller]:
        callers = [Caller(reading=reading, arrays=arrays) for reading in readings]
        _settle(callers[0])
        return callers

    with open_framework(readings[0].callee, framework, attempt) as callers:
        options = [(caller, each) for caller in callers for each in _options(caller)]
        return _explained(*max(options, key=lambda pair: pair[1].agreeing))  # the first of equals: the sum


def _settle(caller: Caller) -> None:
    """Call it twice. Raises what the function raises; TargetError where the two differ or there are several terms."""
    label = caller.reading.callee.label
    vector = next(vector for vector in caller.vectors() if not caller.reading.lacks(inputs_of(vector)))
    calls = [caller.terms(vector, DType.FLOAT64, seed) for seed in (0, 1)]
    if any(len(terms) != 1 for terms in calls):
        names = ", ".join(repr(term.name) for term in calls[0])
        raise TargetError(
            f"{label} returns {len(calls[0])} terms ({names}); vectors want one. Wrap it, or use `check`."
        )
    if not np.array_equal(calls[0][0].value, calls[1][0].value, equal_nan=True):
        raise TargetError(f"{label} draws random numbers; vectors give z. Use `compare check`, which judges draws.")


def _options(caller: Caller) -> Iterator[Comparison]:
    results = [caller.result(vector, dtype) for vector in caller.vectors() for dtype in (DType.FLOAT64, DType.FLOAT32)]
    scalar = any(r.term is not None and r.term.value.ndim == 0 for r in results if r.vector.function.name in PER_DATUM)
    for reduction in (Reduction.SUM, Reduction.MEAN) if scalar else (Reduction.NONE,):
        rows = tuple(row for result in results for row in _rows(result, caller.reading, reduction))
        yield Comparison(reading=caller.reading, reduction=reduction, framework=caller.arrays.name, rows=rows)


def _explained(caller: Caller, best: Comparison) -> Comparison:
    """The same with what it equals: mutants; or a legitimate variant, whose other gradients are then not judged."""
    wrong = [row for row in best.rows if row.outcome is Outcome.DIFFERS]
    if not wrong:
        return best
    if all(row.quantity.startswith(GRADIENT) for row in wrong):
        vectors = [vector for vector in VECTORS if vector.id in {row.id for row in wrong}]
        variant = legitimate_gradients(caller, best.reduction, vectors)
        if variant is not None:
            note = f"legitimate, with gradients of its own: {variant.title} ({variant.id})"
            rows = (replace(row, outcome=Outcome.NOT_RUN, reason=note) if row in wrong else row for row in best.rows)
            return replace(best, rows=tuple(rows))
    return replace(best, equals=tuple(mutants_of(caller, best.reduction)))


def _rows(result: Result, reading: Reading, reduction: Reduction) -> Iterator[SuiteVerdict]:
    terms = result.vector.terms
    for output, nested in terms.items():
        row = SuiteVerdict(
            id=result.vector.id, subject=str(result.dtype), quantity=output, outcome=Outcome.NOT_RUN, unit="nats"
        )
        if result.term is None:
            outcome = Outcome.INCONCLUSIVE if result.failed else Outcome.NOT_RUN
            yield replace(row, outcome=outcome, reason=result.note)
            continue
        exact = np.array([float(each.value) for each in flat(nested)])
        allowed = np.array([tolerance(each, result.precision) for each in flat(nested)])
        given, note = numbers(result, reading, reduction, output)
        if given is None:
            outcome = Outcome.NOT_RUN if output.startswith(GRADIENT) else Outcome.DIFFERS
            yield replace(row, outcome=outcome, reason=note)
            continue
        yield _compared(row, given, *reduced(result, reduction, output, exact, allowed))


def _compared(row: SuiteVerdict, given: Array, exact: Array, allowed: Array) -> SuiteVerdict:
    difference = given - exact
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(difference == 0, 0.0, np.abs(difference) / allowed)
    at = int(np.argmax(np.where(np.isnan(size), inf, size)))
    if isnan(given[at]):
        return replace(row, outcome=Outcome.INCONCLUSIVE, reason="nan")
    outcome = Outcome.AGREES if size[at] <= 1 else Outcome.DIFFERS
    return replace(
        row,
        outcome=outcome,
        difference=float(difference[at]),
        tolerance=float(allowed[at]),
        value=float(given[at]),
        reference=float(exact[at]),
        reason=f"{given[at]:.6g} for {exact[at]:.6g}" if outcome is Outcome.DIFFERS else "",
    )
