"""The clock's rows -> one row per timed cell: medians, intervals and ratios to torch-hand. Described, not judged."""

from collections.abc import Iterable
from math import nan

import pandas as pd

from elbo_compare.compare.records import Cell, CellResult, Procedure, Quantity, Status
from elbo_compare.compare.running.rounds import timing_group
from elbo_compare.compare.statistics import Interval, median, median_interval, ratio_interval

BASELINE = "torch-hand"
COLUMNS = (
    *("implementation", "estimator", "problem", "dtype", "device", "size", "compile_s", "first_step_s"),
    *("steady_step_s", "steady_low", "steady_high", "ratio", "ratio_low", "ratio_high"),
    *("draws_per_second", "draws_per_second_low", "draws_per_second_high", "rounds", "peak_bytes"),
)


def is_timed(cell: Cell) -> bool:
    """Whether `timing_frame` has a row for the cell."""
    return cell.procedure is Procedure.TIME


def timing_frame(results: Iterable[CellResult]) -> pd.DataFrame:
    """Medians with 95% order-statistics intervals over rounds; ratios are of the same round, then their median."""
    timed = [each for each in results if is_timed(each.cell) and each.status is Status.OK]
    baselines = {
        (timing_group(each.cell), each.cell.estimator): _by_round(each, Quantity.STEADY_STEP_S)
        for each in timed
        if each.cell.implementation == BASELINE
    }
    rows = [_row(each, baselines.get((timing_group(each.cell), each.cell.estimator), {})) for each in timed]
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS))


def _row(result: CellResult, baseline: dict[int, float]) -> list:
    cell = result.cell
    steady, draws = _by_round(result, Quantity.STEADY_STEP_S), _by_round(result, Quantity.DRAWS_PER_SECOND)
    shared = [index for index in steady if index in baseline]
    ratio, bounds = nan, Interval(nan, nan)
    if shared:
        ratio, bounds = ratio_interval([steady[i] for i in shared], [baseline[i] for i in shared])
    return [
        *(cell.implementation, cell.estimator, f"{cell.problem}@{cell.weights}", cell.dtype, cell.device, cell.size),
        _one(result, Quantity.COMPILE_S),
        _one(result, Quantity.FIRST_STEP_S),
        *_median(steady),
        *(ratio, *bounds),
        *_median(draws),
        len(steady),
        _one(result, Quantity.PEAK_BYTES),
    ]


def _median(rounds: dict[int, float]) -> tuple[float, float, float]:
    values = list(rounds.values())
    if not values:
        return nan, nan, nan
    bounds = median_interval(values)
    return median(values), bounds.low, bounds.high


def _by_round(result: CellResult, quantity: Quantity) -> dict[int, float]:
    return {row.index: row.value for row in result.measurements if row.quantity is quantity}


def _one(result: CellResult, quantity: Quantity) -> float:
    return next((row.value for row in result.measurements if row.quantity is quantity), nan)
