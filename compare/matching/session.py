"""Runs both sides at the same data and tapes, and judges: the whole of a match in one process."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import numpy as np

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.errors import CompareError
from elbo_compare.compare.matching.data import made_up
from elbo_compare.compare.matching.expecting import LEAN, SAMPLED, Runs, foreign, in_expectation
from elbo_compare.compare.matching.judging import judge
from elbo_compare.compare.matching.measured import SIZES, TAPES, UNIT, Measured, measured
from elbo_compare.compare.matching.result import MatchResult, MatchVerdict
from elbo_compare.compare.matching.retying import exchanges
from elbo_compare.compare.matching.tempering import tempered
from elbo_compare.compare.matching.tying import ORDERED, Tied, tie
from elbo_compare.suites.bridge.pairs.records import (
    OWN_ONLY,
    Asked,
    ProgramError,
    Run,
    SiteFacts,
    Total,
    Weight,
    together,
)
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.contract import Array, DType

MOST_DRAWS = 4
SPARE = 256  # runs that one process makes for another; a quarter of them with gradients
NORMAL = "normal"
FEWER = 9  # tapes at each temperature that is tried


@dataclass(frozen=True, kw_only=True)
class Side:
    """What is compared: (LOSS,) or (MODEL, GUIDE), of a framework; label: as it was named."""

    programs: tuple[Callable[..., Any], ...]
    framework: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The data, rows first (none: made up in a shape that the programs take), and how often both sides run. places:
    the programs' files, which may name that shape."""

    data: Sequence[Array] = ()
    places: Sequence[str] = ()
    sizes: tuple[int, ...] = SIZES
    tapes: int = TAPES

    def rows(self, size: int, tape: int) -> list[Array]:
        """The rows of one batch: the same for both sides."""
        count = len(self.data[0])
        chosen = np.random.default_rng([size, tape]).choice(count, size, replace=count < size)
        return [each[chosen] for each in self.data]


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The first side, run: its weights and their values, its state, its sites where it is a pair, its runs.

    spare: runs at one set of rows, for a verdict in expectation by another process.
    """

    label: str
    framework: str
    pair: bool
    weights: Sequence[Weight]
    values: Mapping[str, Array]
    buffers: Sequence[Array]
    facts: Sequence[SiteFacts]
    runs: Mapping[int, Sequence[Run]]
    spare: Mapping[int, Sequence[Run]] = field(default_factory=dict)


def match_sides(first: Side, second: Side, plan: Plan, ties: Mapping[str, str]) -> MatchResult:
    """Judge; whatever the programs raise becomes a message. Raises TargetError where the weights can't be tied."""
    began = time.perf_counter()
    try:
        result = _matched(first, second, plan, ties)
    except CompareError as error:
        if isinstance(error, TargetError):
            raise
        result = MatchResult(first=first.label, second=second.label, verdict=MatchVerdict.FAILED, message=str(error))
    return replace(result, timings={"matching": time.perf_counter() - began})


def _matched(first: Side, second: Side, plan: Plan, ties: Mapping[str, str]) -> MatchResult:
    with ExitStack() as stack:
        one, other = (stack.enter_context(opened(each, DType.FLOAT64)) for each in (first, second))
        plan = with_data(plan, (first, second), (one, other))
        set_up(other, second, plan)  # weights that both share are made by whoever comes first
        observed = observe(one, first, plan)
        return against(observed, other, second, plan, ties, drawing(one, first, plan))


def with_data(plan: Plan, described: Sequence[Side], sides: Sequence[Any]) -> Plan:
    """The plan with rows that every side here takes; zeros and ones where another process runs a side, which may want
    them. Raises TargetError that asks for --data."""
    if plan.data:
        return plan
    weights = [weight for side in sides for weight in side.weights()]

    def runs(rows: Sequence[Array]) -> str:
        tried = replace(plan, data=rows)
        try:
            for side, each in zip(sides, described, strict=True):
                set_up(side, each, tried)
                with called(each.label):
                    run = side.run(tried.rows(tried.sizes[0], 0), Tape(0), gradients=True)
                if not all(math.isfinite(run.values.get(total.value, 0.0)) for total in Total):
                    return f"{each.label} is not finite there"
        except FunctionError as error:
            return str(error)[:200]
        return ""

    return replace(plan, data=made_up(weights, plan.places, runs, binary=len(sides) == 1))


def set_up(side: Any, described: Side, plan: Plan) -> None:
    """Weights that are made on a first call are made."""
    with called(described.label):
        side.set_up(plan.rows(plan.sizes[0], 0))


def observe(side: Any, described: Side, plan: Plan) -> Observed:
    """All that the second side needs to know of the first, in this process or in another."""
    set_up(side, described, plan)
    rows = plan.rows(plan.sizes[0], 0)
    with called(described.label):
        facts = side.facts(rows)
        probe, again = (side.run(rows, Tape(0), gradients=wanted) for wanted in (True, False))
    if probe.values != again.values:
        raise FunctionError(
            f"{described.label} gives another value at the same noise: it draws from somewhere else than its framework "
            "(NumPy, random), or keeps a state; that can't be tied."
        )
    return Observed(
        label=described.label,
        framework=described.framework,
        pair=len(described.programs) > 1,
        weights=side.weights(),
        values=side.values(),
        buffers=side.buffers(),
        facts=facts,
        runs=runs(side, described.label, plan, OWN_ONLY, probe),
    )


def drawing(side: Any, described: Side, plan: Plan, asked: Asked = LEAN) -> Runs:
    """Runs of a side at one set of rows, as many as are asked for."""

    def drawn(size: int, begin: int, count: int, gradients: bool) -> list[Run]:
        with called(described.label):
            return [
                side.run(plan.rows(size, 0), Tape(tape), gradients=gradients, asked=asked)
                for tape in range(begin, begin + count)
            ]

    return drawn


def with_spare(first: Observed, side: Any, described: Side, plan: Plan) -> Observed:
    """With runs for a verdict in expectation; the first of the larger batch have their gradients."""
    more = drawing(side, described, plan)
    size = max(SAMPLED)
    spare = {each: more(each, 0, SPARE, False) for each in SAMPLED}
    with_gradients = more(size, 0, SPARE // 4, True)
    return replace(first, spare=spare | {size: [*with_gradients, *spare[size][len(with_gradients) :]]})


def _recorded(first: Observed) -> Runs:
    """The spare runs that another process has made."""

    def drawn(size: int, begin: int, count: int, gradients: bool) -> list[Run]:
        found = list(first.spare.get(size, ()))[begin : begin + count]
        return [run for run in found if run.gradients] if gradients else found

    return drawn


def against(
    first: Observed, other: Any, second: Side, plan: Plan, ties: Mapping[str, str], more: Runs | None = None
) -> MatchResult:
    """The second side at the first one's weights, state, data and tapes; the result. more: further runs of the first,
    where it is in this process."""
    rows = plan.rows(plan.sizes[0], 0)
    set_up(other, second, plan)
    tied = tie(first.weights, other.weights(), ties)
    other.take(tied.names, first.values, [each.name for each in first.weights if each.kernel])
    other.take_buffers(first.buffers)
    with called(second.label):
        sites = other.facts(rows)
        asked = Asked(enumerate=any(site.discrete and not site.observed for site in sites))
        probe = other.run(rows, Tape(0), gradients=True, asked=asked)
    draws = draws_of(first.runs[plan.sizes[0]][0], probe)
    asked = replace(asked, draws=draws)
    theirs: dict[int, list[Run]] = {}
    for wide, moved in ((False, False), (True, False), (True, True)):  # what costs most, last
        known = probe if draws == 1 and not wide else None
        theirs = joined(theirs, runs(other, second.label, plan, replace(asked, wide=wide, moved=moved), known))
        result, apart = concluded(first, second.label, theirs, sites, tied, second.framework)
        if result.verdict not in (MatchVerdict.NOT_EXPLAINED, MatchVerdict.NOT_JUDGED):
            break
        if result.verdict is MatchVerdict.NOT_JUDGED and not apart:  # more terms can't mend what its own lack
            break
        if apart and foreign([*sites, *first.facts]) and (more or first.spare):
            return _expected(result, apart, first, other, second, plan, sites, more)
    if result.verdict in (MatchVerdict.DIFFERS, MatchVerdict.NOT_EXPLAINED):
        result = _tied_otherwise(result, first, other, second, plan, sites, tied, asked)
    if result.verdict is not MatchVerdict.NOT_EXPLAINED or apart or first.pair:
        return result

    def sharpened(sharpness: float) -> Measured:
        made = runs(other, second.label, replace(plan, tapes=FEWER), replace(asked, wide=False, sharpness=sharpness))
        few = {size: list(each)[:FEWER] for size, each in first.runs.items()}
        return measured(few, made, sites, first.facts, UNIT)

    return replace(result, **tempered(sharpened, sites) or {})


def _tied_otherwise(
    result: MatchResult,
    first: Observed,
    other: Any,
    second: Side,
    plan: Plan,
    sites: Sequence[SiteFacts],
    tied: Tied,
    asked: Asked,
) -> MatchResult:
    """The result, or that nothing is judged: with two layers exchanged, which order alone had tied, it is the same."""
    few = replace(first, runs={size: list(each)[:FEWER] for size, each in first.runs.items()})
    kernels = [each.name for each in first.weights if each.kernel]
    for again, one, another in exchanges(tied, other.weights()):
        other.take(again.names, first.values, kernels)
        theirs = runs(other, second.label, replace(plan, tapes=FEWER), asked)
        found, _ = concluded(few, second.label, theirs, sites, again, second.framework)
        if found.verdict is MatchVerdict.SAME:
            ties = " ".join(f"--tie {layer}={_layer(again.names, layer)}" for layer in (one, another))
            text = (
                f"the weights were tied {ORDERED}, and with {one} and {another} exchanged both sides are the same: say "
                f"which is which, as in {ties}"
            )
            return replace(result, verdict=MatchVerdict.NOT_JUDGED, differences=(), message=text)
    other.take(tied.names, first.values, kernels)
    return result


def _layer(names: Mapping[str, str], layer: str) -> str:
    return next(ours.rpartition(".")[0] for theirs, ours in names.items() if theirs.rpartition(".")[0] == layer)


def _expected(
    result: MatchResult,
    apart: str,
    first: Observed,
    other: Any,
    second: Side,
    plan: Plan,
    sites: Sequence[SiteFacts],
    more: Runs | None,
) -> MatchResult:
    """The verdict in expectation, and why it is no closer one."""

    def exact(size: int) -> Run | None:
        with called(second.label):
            return other.exact(plan.rows(size, 0)) if more else None

    total = Total.TRACE.value if first.pair else Total.LOSS.value
    judged = in_expectation(more or _recorded(first), drawing(other, second, plan), exact, total, sites)
    fields = dict(judged.fields) | {"notes": [*judged.fields.get("notes", ()), apart]}
    return replace(result, verdict=judged.verdict, **fields)


def joined(before: Mapping[int, Sequence[Run]], now: dict[int, list[Run]]) -> dict[int, list[Run]]:
    """The wider runs with what the ELBO objects gave before: they are not asked again."""
    return {
        size: [
            replace(
                new,
                values={**old.values, **new.values},
                gradients=together(old.gradients, new.gradients),
                errors=old.errors,
                draws=old.draws,
            )
            for old, new in zip(before[size], each, strict=True)
        ]
        if before
        else each
        for size, each in now.items()
    }


def runs(side: Any, label: str, plan: Plan, asked: Asked, known: Run | None = None) -> dict[int, list[Run]]:
    """Every batch size and tape; the gradients at the first, which may be known."""

    def run(size: int, tape: int) -> Run:
        first = (size, tape) == (plan.sizes[0], 0)
        if first and known is not None:
            return known
        return side.run(plan.rows(size, tape), Tape(tape), gradients=first, asked=asked)

    with called(label):
        return {size: [run(size, tape) for tape in range(plan.tapes)] for size in plan.sizes}


def concluded(
    first: Observed,
    second: str,
    theirs: Mapping[int, Sequence[Run]],
    sites: Sequence[SiteFacts],
    tied: Tied,
    framework: str,
) -> tuple[MatchResult, str]:
    """The result of both sides' runs; why their noise was not the same, empty where it was."""
    found = measured(first.runs, theirs, sites, first.facts, UNIT)
    total = Total.TRACE.value if first.pair else Total.LOSS.value
    judged = judge(total, found, one_framework=first.framework == framework)
    totals = {f"first: {name}": each[found.sizes[0]].values[0] for name, each in found.first.items()}
    totals |= {f"second: {name}": each[found.sizes[0]].values[0] for name, each in found.second.items()}
    result = MatchResult(
        first=first.label,
        second=second,
        verdict=judged.verdict,
        tied=tied.names,
        how_tied=tied.how,
        totals={name: float(value) for name, value in totals.items()},
        **judged.fields,
    )
    return result, judged.untied


def draws_of(first: Run, second: Run) -> int:
    """How often the guide has to run on one tape to have drawn as much as the first side did."""
    ours, theirs = (sum(math.prod(shape) for kind, shape in run.draws if kind == NORMAL) for run in (first, second))
    return min(MOST_DRAWS, max(1, -(-ours // theirs))) if theirs else 1


@contextmanager
def called(label: str) -> Iterator[None]:
    """What a person's program raises is a FunctionError with its label."""
    try:
        yield
    except CompareError:
        raise
    except ProgramError as error:
        raise FunctionError(f"{label}: {error}") from error
    except Exception as error:
        text = (" ".join(str(error).split()) or "no message")[:300]
        raise FunctionError(f"{label} raises {type(error).__name__}: {text}") from error


@contextmanager
def opened(side: Side, dtype: DType) -> Iterator[Any]:
    """The side's context, of its framework."""
    module = import_module(f"elbo_compare.suites.bridge.pairs.{side.framework}_side")
    with ExitStack() as stack:
        with called(side.label):
            one = stack.enter_context(module.opened(side.programs, dtype))
        yield one
