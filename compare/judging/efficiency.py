"""What an estimator buys per second: the variance of its gradient times the time of a step, over a baseline's.

Only estimators of one and the same gradient are compared: those of the ELBO with `sampled-kl`, those of the bound
IWAE-K with `iwae-K`. Described, not judged: a time is never a claim.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, hypot, inf, isfinite, log, nan
from typing import Any

import pandas as pd

from elbo_compare.compare.records import Cell, CellResult, Procedure, Quantity, Status, as_row
from elbo_compare.compare.statistics import Interval, ratio_interval, two_sided_z
from elbo_compare.suites.contract import Bound, GradientForm, Noise
from elbo_compare.suites.estimators import ESTIMATORS, SAMPLED_KL

# Two intervals at 97.5% hold together at 95% or more (Bonferroni), and so does the product of their ends.
LEVEL = 0.975

Key = tuple[str, str, str]  # problem, implementation, estimator
Variance = tuple[float, float]  # value and standard error, nats^2
Rounds = dict[int, float]  # seconds per step by round


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """One estimator against its baseline in the same implementation; each ratio with its 97.5% interval.

    `variance_ratio`: tr Cov of the gradient of the encoder's outputs at one datum; `time_ratio`: of a training step in
    the same interleaved rounds; `product`: of the two, below 1 where the estimator buys more per second than its
    baseline, with an interval of at least 95%. `draws`, `rounds`: what they rest on.
    """

    problem: str
    weights: str
    implementation: str
    estimator: str
    baseline: str
    variance_ratio: float
    variance_low: float
    variance_high: float
    time_ratio: float
    time_low: float
    time_high: float
    product: float
    product_low: float
    product_high: float
    draws: int
    rounds: int


def baseline_of(name: str) -> str | None:
    """The estimator of the same gradient in its plainest form; None where there is none (a biased or another bound)."""
    estimator = ESTIMATORS[name]
    if estimator.bound is Bound.ELBO:
        return None if name == "k2" else SAMPLED_KL.name  # k2's gradient is another one's: it is biased
    plain = estimator.gradient is GradientForm.REPARAMETERISED and estimator.noise is Noise.INDEPENDENT
    name = f"iwae-{estimator.particles}"
    return name if estimator.alpha == 0 and (not plain or estimator.name == name) else None


def counts_for_efficiency(cell: Cell) -> bool:
    """Whether `efficiencies` reads the cell: timed ones, and gradients of the first datum and seed in float64."""
    first = cell.dtype == "float64" and not cell.datum and not cell.seed
    return cell.procedure is Procedure.TIME or (cell.procedure is Procedure.GRADIENT and first)


def efficiencies(results: Iterable[CellResult]) -> list[Efficiency]:
    """One row per problem, weights, implementation and estimator with drawn gradients and a timed step."""
    done = [each for each in results if each.status is Status.OK]
    steps = _steps(done)
    rows = []
    for (problem, weights), variances in _variances(done).items():
        for implementation, estimator in variances:
            baseline = baseline_of(estimator)
            names = (estimator, baseline or "")
            found = [variances.get((implementation, name)) for name in names]
            times = [steps.get((problem, implementation, name)) for name in names]
            if estimator != baseline and all(found) and all(times):
                ratios = _ratios([each[0] for each in found if each], [each for each in times if each])
                rows.append(
                    Efficiency(
                        problem=problem,
                        weights=weights,
                        implementation=implementation,
                        estimator=estimator,
                        baseline=names[1],
                        draws=found[0][1] if found[0] else 0,
                        **ratios,
                    )
                )
    return rows


def _ratios(variances: list[Variance], times: list[Rounds]) -> dict[str, Any]:
    """The ratio of the two variances, of the two times round by round, and their product, each with its interval."""
    shared = sorted(times[0].keys() & times[1].keys())
    seconds = [[rounds[i] for i in shared] for rounds in times]
    time, spread = ratio_interval(seconds[0], seconds[1], LEVEL)
    variance, around = _variance_ratio(*variances)
    return {
        "variance_ratio": variance,
        "variance_low": around.low,
        "variance_high": around.high,
        "time_ratio": time,
        "time_low": spread.low,
        "time_high": spread.high,
        "product": variance * time,
        "product_low": around.low * spread.low,
        "product_high": around.high * spread.high,
        "rounds": len(shared),
    }


def efficiency_frame(results: Iterable[CellResult]) -> pd.DataFrame:
    """`efficiencies` as a frame, with its columns where there are none."""
    columns = list(Efficiency.__dataclass_fields__)
    return pd.DataFrame.from_records([as_row(row) for row in efficiencies(results)], columns=columns)


def _variances(results: Iterable[CellResult]) -> Mapping[tuple[str, str], dict[tuple[str, str], tuple[Variance, int]]]:
    """Both heads' traces together, by (problem, weights), then by (implementation, estimator); first datum, float64."""
    found: dict[tuple[str, str], dict[tuple[str, str], tuple[Variance, int]]] = {}
    for result in results:
        cell = result.cell
        rows = [row for row in result.measurements if row.quantity is Quantity.GRADIENT_VARIANCE]
        if cell.procedure is not Procedure.GRADIENT or not counts_for_efficiency(cell) or not rows:
            continue
        total = sum(row.value for row in rows), hypot(*(row.standard_error for row in rows))
        group = found.setdefault((cell.problem, cell.weights), {})
        group[cell.implementation, cell.estimator] = (total, rows[0].n)
    return found


def _steps(results: Iterable[CellResult]) -> dict[Key, Rounds]:
    """Seconds per training step by round of every timed cell; of several sizes or dtypes the first."""
    found: dict[Key, Rounds] = {}
    for result in results:
        if result.cell.procedure is Procedure.TIME:
            rounds = {row.index: row.value for row in result.measurements if row.quantity is Quantity.STEADY_STEP_S}
            found.setdefault((result.cell.problem, result.cell.implementation, result.cell.estimator), rounds)
    return found


def _variance_ratio(top: Variance, bottom: Variance) -> tuple[float, Interval]:
    """Ratio of two independent variances with its interval, normal on the logarithm (delta method)."""
    if not (top[0] > 0 and bottom[0] > 0):
        return (0.0 if bottom[0] > 0 else nan), Interval(nan, nan)
    error = hypot(top[1] / top[0], bottom[1] / bottom[0])
    half = two_sided_z(1 - LEVEL) * error if isfinite(error) else inf
    centre = log(top[0] / bottom[0])
    return exp(centre), Interval(exp(centre - half), exp(centre + half))
