"""The clock's numbers -> frames: medians over rounds with order-statistics intervals, ratios of neighbours in time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from elbo_compare.compare.bench.operations import step_flops
from elbo_compare.compare.bench.records import ALONE, EMPTY, SIZED, WHOLE, WITHOUT, FormTiming, Setting
from elbo_compare.compare.statistics import Interval, median, median_interval, ratio_interval
from elbo_compare.suites.contract import Problem
from elbo_compare.suites.forms import FORMS, Precision

BASELINE = "torch-hand eager"
DISPATCH, REMAINDER, ACCOUNTED, WHOLE_STEP = "dispatch", "remainder", "accounted for", "whole step"
COUNTED = ("import_s", "compile_s", "first_step_s", "peak_bytes", "growth_bytes", "operations", "launches", "bytes")


def steps_frame(
    setting: Setting, problem: Problem, outcomes: Mapping[str, FormTiming], rates: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """One row per form: seconds per step, its ratio to `torch-hand eager` in the same rounds, its operations per second
    as a share of those of a large matrix product and of the step's own products alone, in the same precision and round:
    in the same framework (`share`, `model_share`) and in the one that is fastest at them there (`common`,
    `products_share`); and on a GPU its time over the launch floor, that of as many kernels which do nothing."""
    flops = step_flops(problem, setting.batch)
    baseline = outcomes.get(BASELINE)
    rows = []
    for form in FORMS:
        if form.name not in outcomes:
            continue
        outcome = outcomes[form.name]
        row: dict[str, Any] = asdict(setting) | {"setting": setting.label, "form": form.name}
        row |= {"implementation": form.implementation, "kind": form.kind, "words": form.words}
        row |= {"status": outcome.status, "reason": outcome.reason, "distance": outcome.distance, "flops": flops}
        row |= {name: getattr(outcome, name) for name in COUNTED} | {"rounds": len(outcome.seconds)}
        seconds = list(outcome.seconds) if outcome.status == "ok" else []
        row |= spread("step_s", seconds)
        row |= ratio("ratio", seconds, list(baseline.seconds) if baseline else [])
        for name, framework, products in (
            ("share", form.framework, "square"),
            ("model_share", form.framework, "model"),
            ("common", None, "square"),
            ("products_share", None, "model"),
        ):
            of = ceiling(rates, framework, form.precision, products)
            row |= spread(name, [flops / each / of[i] for i, each in enumerate(seconds) if i in of])
        of = ceiling(rates, "torch", Precision.FULL, "launches")
        row |= spread("floor_ratio", [each * of[i] / outcome.launches for i, each in enumerate(seconds) if i in of])
        rows.append(row)
    return pd.DataFrame(rows)


def ceiling(
    rates: Sequence[Mapping[str, Any]], framework: str | None, precision: Precision, products: str
) -> dict[int, float]:
    """Round -> operations per second of one framework's products in one precision; None: of the fastest framework's
    there, in the rounds that every one of them has."""
    found: dict[str, dict[int, float]] = {}
    for each in rates:
        if (each["precision"], each["products"]) == (precision, products) and each["rate"]:
            found.setdefault(each["framework"], {})[each["round"]] = each["rate"]
    if framework is not None:
        return found.get(framework, {})
    rounds = set.intersection(*map(set, found.values())) if found else set()
    return {index: max(of[index] for of in found.values()) for index in sorted(rounds)}


def spread(name: str, values: list[float]) -> dict[str, float]:
    """Median and its 95% interval, as NAME, NAME_low and NAME_high; nan where there is nothing."""
    if not values:
        return {name: nan, f"{name}_low": nan, f"{name}_high": nan}
    bounds = median_interval(values)
    return {name: median(values), f"{name}_low": bounds.low, f"{name}_high": bounds.high}


def ratio(name: str, values: list[float], others: list[float]) -> dict[str, float]:
    """Median of the ratios round by round, and its interval, as `spread`."""
    shared = min(len(values), len(others))
    found, bounds = nan, Interval(nan, nan)
    if shared:
        found, bounds = ratio_interval(values[:shared], others[:shared])
    return {name: found, f"{name}_low": bounds.low, f"{name}_high": bounds.high}


def rounds_frame(setting: Setting, outcomes: Mapping[str, FormTiming]) -> pd.DataFrame:
    """Every timed turn: seconds per step by form and round."""
    return pd.DataFrame(
        [
            {"setting": setting.label, "form": name, "round": index, "step_s": value}
            for name, outcome in outcomes.items()
            for index, value in enumerate(outcome.seconds)
        ],
        columns=["setting", "form", "round", "step_s"],
    )


def ceilings_frame(setting: Setting, rates: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Operations per second of each framework's products: `square`, a large one, and `model`, those of the step;
    `launches`: kernels per second in a replayed graph."""
    rows = []
    for framework, precision, products in sorted(
        {(each["framework"], each["precision"], each["products"]) for each in rates}
    ):
        values = list(ceiling(rates, framework, precision, products).values())
        row = {"setting": setting.label, "framework": framework, "precision": precision, "products": products}
        rows.append(row | spread("rate", values))
    return pd.DataFrame(rows)


def account_frame(setting: Setting, form: str, turns: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What a step's time is made of: one row per part, then `dispatch`, the remainder, what is accounted for and the
    whole; seconds per step, their share of the whole step's in the same turn, and the part's time alone.

    A part counts with what the step saves without it, where that was measured, else with its time alone. `dispatch`:
    the same step on single numbers; both ways of a part are taken beyond the same way on single numbers, so that
    dispatching is counted once. Remainder: the whole less all of them, of either sign; accounted for: 1 - |remainder|
    / whole, so that what is counted twice tells against the account as what is missing does.
    """
    if not turns:
        return pd.DataFrame()
    counted: dict[str, list[float]] = {}
    alone: dict[str, list[float]] = {}
    for turn in (each["parts"] for each in turns):
        by_itself = {part: turn[SIZED][ALONE][part] - turn[EMPTY][ALONE][part] for part in turn[SIZED][ALONE]}
        whole, dispatch = (turn[size][WHOLE][WHOLE] for size in (SIZED, EMPTY))
        saved = {
            part: whole - less - (dispatch - turn[EMPTY][WITHOUT][part]) for part, less in turn[SIZED][WITHOUT].items()
        }
        parts = by_itself | saved | {DISPATCH: dispatch}
        rest = whole - sum(parts.values())
        for name, value in (parts | {REMAINDER: rest, ACCOUNTED: whole - abs(rest), WHOLE_STEP: whole}).items():
            counted.setdefault(name, []).append(value)
        for name, value in by_itself.items():
            alone.setdefault(name, []).append(value)
    rows = []
    for name, values in counted.items():
        row: dict[str, Any] = asdict(setting) | {"setting": setting.label, "form": form, "part": name}
        row |= {"rounds": len(values)} | spread("seconds", values) | ratio("share", values, counted[WHOLE_STEP])
        rows.append(row | spread("alone", alone.get(name, [])))
    return pd.DataFrame(rows)


def draws_frame(found: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per library, problem and way to loop: both rates, their ratio, and how far apart the same draws are."""
    rows = []
    for each in found:
        for name in [name for name in each["rates"] if name != "blocks"]:
            known = ("implementation", "problem", "weights", "chunk", "compared", "elbo_distance", "kl_distance")
            row = {key: each[key] for key in known} | {"loop": name}
            row |= spread("block_rate", each["rates"]["blocks"]) | spread("loop_rate", each["rates"][name])
            row |= ratio("speed_up", each["rates"]["blocks"], each["rates"][name])
            rows.append(row)
    return pd.DataFrame(rows)


def replicas_frame(implementation: str, problem: str, steps: int, turns: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per number of seeds S: seconds per step of all S in one program, and that over S single trainings and
    over one, in the same round."""
    rows = []
    for size in turns[0]["together"] if turns else ():
        together, single = [each["together"][size] for each in turns], [each["single"] for each in turns]
        row = {"implementation": implementation, "problem": problem, "replicas": int(size), "steps": steps}
        row |= spread("seconds", [each / steps for each in together])
        row |= ratio("over_singles", together, [int(size) * each for each in single])
        rows.append(row | ratio("over_one", together, single))
    return pd.DataFrame(rows)


def curves_frame(implementation: str, axis: str, curves: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """Seconds per step, or per call for `draws`, at every size."""
    rows = []
    for size in curves[0] if curves else ():
        row = {"implementation": implementation, "axis": axis, "size": int(size)}
        rows.append(row | spread("seconds", [each[size] for each in curves if each.get(size)]))
    return pd.DataFrame(rows)


def exponents_frame(curves: pd.DataFrame) -> pd.DataFrame:
    """The slope of log seconds over log size by least squares, with the 95% interval that Student's t gives it."""
    rows = []
    for _, part in curves.groupby(["implementation", "axis"], sort=False) if len(curves) else ():
        implementation, axis = part["implementation"].iloc[0], part["axis"].iloc[0]
        slope, low, high = exponent(part["size"].to_numpy(float), part["seconds"].to_numpy(float))
        row: dict[str, Any] = {"implementation": implementation, "axis": axis, "sizes": len(part)}
        rows.append(row | {"exponent": slope, "exponent_low": low, "exponent_high": high})
    return pd.DataFrame(rows)


def exponent(sizes: np.ndarray, seconds: np.ndarray) -> tuple[float, float, float]:
    """b of seconds = a size^b, and its 95% interval; nan for fewer than two sizes, no interval for two."""
    if len(sizes) < 2:
        return nan, nan, nan
    x, y = np.log(sizes) - np.log(sizes).mean(), np.log(seconds) - np.log(seconds).mean()
    slope = float(x @ y / (x @ x))
    if len(sizes) < 3:
        return slope, nan, nan
    rest, freedom = y - slope * x, len(sizes) - 2
    half = float(stdtrit(freedom, 0.975) * np.sqrt(rest @ rest / freedom / (x @ x)))
    return slope, slope - half, slope + half
