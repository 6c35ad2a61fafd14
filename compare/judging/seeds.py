"""FIT rows over seeds -> one row per group of trainings that differ in their seed only. Described, not judged."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import nan, sqrt
from statistics import fmean, stdev

import pandas as pd
from scipy.special import stdtrit

from elbo_compare.compare.records import Cell, CellResult, Procedure, Quantity, Status

SEEDS = "seeds"
BASELINE = "torch-hand"
CONFIDENCE = 0.95
COLUMNS = (
    *("problem", "dataset", "implementation", "estimator", "dtype", "device", "protocol", "steps"),
    *("seeds", "value", "low", "high", "deviation", "pairs", "difference", "difference_low", "difference_high"),
)


def is_training(cell: Cell) -> bool:
    """Whether `seed_frame` reads the cell; only such a one has pictures."""
    return cell.procedure is Procedure.FIT


def seed_frame(results: Iterable[CellResult]) -> pd.DataFrame:
    """The last held-out ELBO of every training: its mean over seeds with a 95% t interval, nats per datum, and the
    mean difference from torch-hand's, paired by seed: batches and held-out noise of a seed are everybody's."""
    groups: dict[Cell, dict[int, float]] = defaultdict(dict)
    steps: dict[Cell, int] = {}
    for result in results:
        last = _last(result)
        if last is not None:
            group = replace(result.cell, seed=0, replicas=0)
            groups[group][result.cell.seed] = last[1]
            steps[group] = max(steps.get(group, 0), last[0])
    rows = [
        _row(group, steps[group], runs, groups.get(replace(group, implementation=BASELINE), {}))
        for group, runs in groups.items()
        if len(runs) > 1
    ]
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS))


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): Student's 95% interval for the mean of independent values of about a normal distribution.

    nan for the bounds where there are fewer than two values, for all three where there is none.
    """
    if len(values) < 2:
        return (fmean(values) if values else nan), nan, nan
    mean = fmean(values)
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * stdev(values) / sqrt(len(values))
    return mean, mean - half, mean + half


def _last(result: CellResult) -> tuple[int, float] | None:
    """(completed steps, held-out ELBO) of the last checkpoint of a training that ended well."""
    if not is_training(result.cell) or result.status is not Status.OK:
        return None
    found = [(row.index, row.value) for row in result.measurements if row.quantity is Quantity.HELDOUT_ELBO]
    return max(found, default=None)


def _row(group: Cell, steps: int, runs: dict[int, float], baseline: dict[int, float]) -> tuple:
    shared = [runs[seed] - baseline[seed] for seed in runs if seed in baseline]
    paired = shared if group.implementation != BASELINE else []
    return (
        *(f"{group.problem}@{group.weights}", group.dataset, group.implementation, group.estimator),
        *(group.dtype, group.device, group.protocol, steps),
        *(len(runs), *mean_interval(list(runs.values())), stdev(runs.values())),
        *(len(paired), *mean_interval(paired)),
    )
