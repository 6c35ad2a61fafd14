"""`compare diff OLD NEW`: which verdicts changed, in the suites too, and which numbers changed beyond their error.

Cells are matched by what they are about. Where no device is in both folders, the device is left out of that, so that a
CPU's run can be held against a GPU's; so are the size of a cell that counts draws and the chunks that it is cut into.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from elbo_compare.compare.citing.changes import Changes, changes, versions_changed
from elbo_compare.compare.citing.evidence import Evidence, read
from elbo_compare.compare.claims.pointwise import ROUNDING_FACTOR, UNIT_ROUNDOFF
from elbo_compare.compare.claims.training import ULPS_ALLOWED
from elbo_compare.compare.records import Procedure, Quantity
from elbo_compare.compare.statistics import ErrorBudget

# pandas types `frame[mask]` as DataFrame, Series or array, which no checker can narrow; these names say which it is.
Frame: TypeAlias = Any  # pandas.DataFrame
Values: TypeAlias = Any  # pandas.Series

SAME, CHANGED = 0, 1
IDENTITY = ("problem", "weights", "dataset", "implementation", "estimator", "procedure", "dtype", "seed", "datum")
COUNTS_DRAWS = (Procedure.DRAW, Procedure.GRADIENT, Procedure.SPREAD)
# Numbers that rounding alone may move, with the factor of their scale that it may move them by.
ROUNDED = dict.fromkeys(
    (
        Quantity.ELBO,
        Quantity.KL,
        Quantity.LOG_LIKELIHOOD,
        Quantity.LOG_Q,
        Quantity.LOG_PRIOR,
        Quantity.GRADIENT_DISTANCE,
        Quantity.RAW_LOSS,
        Quantity.KL_DETERMINISTIC,
        Quantity.ELBO_DETERMINISTIC,
        Quantity.ELBO_DEVIATION,
        Quantity.KL_DEVIATION,
    ),
    ROUNDING_FACTOR,
)
# The scale of a training path holds its own ulp: the claims allow a hundred of it.
PATHS = (Quantity.PATH_ELBO, Quantity.PATH_DISTANCE)
NOT_COMPARED = (
    "described, not compared: histograms, ties, timings, single noisy batches, exact functions of fitted weights"
)


@dataclass(frozen=True, kw_only=True)
class Diff:
    """What changed. Frames hold one row per change; `environment`: item -> (old, new)."""

    verdicts: Frame
    numbers: Frame
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    environment: Mapping[str, tuple[str, str]]
    compared_verdicts: int
    compared_numbers: int
    described: int
    suites: tuple[Changes, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where a verdict changed, in the suites too, else 0."""
        return CHANGED if len(self.verdicts) or any(len(each.changed) for each in self.suites) else SAME


def diff(old: Path, new: Path) -> Diff:
    """Compare two judged result folders or report folders. Raises StoreError for one that can't be read."""
    before, after = read(old), read(new)
    devices = [set(each.measurements["device"]) for each in (before, after)]
    identity = (*IDENTITY, *(("device",) if devices[0] & devices[1] else ()), "rows")
    first, second = (_identified(each.measurements, identity) for each in (before, after))
    verdicts, matched = _verdicts(before, after, first, second)
    numbers, compared, described = _numbers(first, second, _budget(before, after))
    return Diff(
        verdicts=verdicts,
        numbers=numbers,
        only_old=_only(first, second),
        only_new=_only(second, first),
        environment=_environment(before, after) | versions_changed(before, after),
        compared_verdicts=matched,
        compared_numbers=compared,
        described=described,
        suites=tuple(changes(before, after)),
    )


def _identified(measurements: Frame, identity: tuple[str, ...]) -> Frame:
    """The measurements with a column `cell`: what the cell is about, as text that matches between the folders."""
    frame = measurements.copy()
    if frame.empty:  # a suite's own folder
        return frame.assign(rows=0, cell="")
    draws = frame["procedure"].isin([str(each) for each in COUNTS_DRAWS])
    frame["rows"] = frame["size"].where(~draws, 0)
    numeric = frame[list(identity)].copy()
    for name in ("seed", "datum", "rows"):
        numeric[name] = numeric[name].astype(int)
    frame["cell"] = numeric.astype(str).agg("/".join, axis=1)
    return frame


def _only(these: Frame, those: Frame) -> tuple[str, ...]:
    lonely = these[~these["cell"].isin(those["cell"])]
    return tuple(sorted(set(lonely["label"].astype(str))))


# --- verdicts


def _verdicts(before: Evidence, after: Evidence, first: Frame, second: Frame) -> tuple[Frame, int]:
    """The verdicts whose outcome changed, and how many were compared. Several of one claim on one cell are matched in
    their order: the words of a part may change with the outcome."""
    keyed = [_keyed(each.verdicts.all(), cells) for each, cells in ((before, first), (after, second))]
    on = ["claim", "cell", "partner", "place"]
    both = keyed[0].merge(keyed[1], on=on, suffixes=("_old", "_new"))
    changed = both[both["outcome_old"] != both["outcome_new"]]
    columns = {
        "claim": "claim",
        "label_new": "cell",
        "other_new": "other",
        "part_new": "part",
        "outcome_old": "old",
        "outcome_new": "new",
        "difference_old": "difference_old",
        "difference_new": "difference_new",
        "tolerance_new": "tolerance_new",
        "reason_new": "reason_new",
    }
    return changed[list(columns)].rename(columns=columns).reset_index(drop=True), len(both)


def _keyed(verdicts: Frame, cells: Frame) -> Frame:
    names = cells.drop_duplicates("key").set_index("key")["cell"]
    frame = verdicts.assign(cell=verdicts["key"].map(names))
    frame = frame[frame["cell"].notna()].copy()
    frame["partner"] = [
        other.replace(f"/{device}", "") for other, device in zip(frame["other"], frame["device"], strict=True)
    ]
    frame["place"] = frame.groupby(["claim", "cell", "partner"]).cumcount()
    return frame


# --- numbers


def _numbers(first: Frame, second: Frame, budget: ErrorBudget) -> tuple[Frame, int, int]:
    """The numbers that changed beyond their error; how many were compared; how many are only described."""
    on = ["cell", "quantity", "part", "index"]
    both = first.merge(second.drop_duplicates(on), on=on, suffixes=("_old", "_new"))
    both = both[both["quantity"] != ""]
    sampled = (both["standard_error_old"] > 0) & (both["standard_error_new"] > 0)
    # The level of one test, or less where there are more comparisons than the budget was split for.
    z = ErrorBudget(alpha=budget.alpha, tests=max(budget.tests, int(sampled.sum()), 1)).z
    error = z * np.hypot(both["standard_error_old"], both["standard_error_new"])
    allowed = np.where(sampled, error, _rounding(both, "old") + _rounding(both, "new"))
    both = both.assign(
        difference=(both["value_new"] - both["value_old"]).astype(float),  # no row: no type
        allowed=np.asarray(allowed, float),
        error=np.where(sampled, "sampling", "rounding"),
    )
    compared = both[np.isfinite(both["allowed"])]
    # A value that is no longer (or not yet) a number is a change too.
    changed = compared[~(compared["difference"].abs() <= compared["allowed"]) & ~_both_nan(compared)]
    columns = ["quantity", "part", "index", "value_old", "value_new", "difference", "allowed", "error", "label_new"]
    chosen = changed[columns].rename(columns={"label_new": "cell"})
    return chosen.reset_index(drop=True), len(compared), len(both) - len(compared)


def _both_nan(both: Frame) -> Values:
    return both["value_old"].isna() & both["value_new"].isna()


def _rounding(both: Frame, side: str) -> np.ndarray:
    """What rounding may do to each number: nan where the quantity is not one that rounding alone may move."""
    quantity, scale = both["quantity"].astype(str), both[f"scale_{side}"].to_numpy(float)
    unit = both[f"dtype_{side}"].map(UNIT_ROUNDOFF).to_numpy(float)
    factor = quantity.map({str(name): value for name, value in ROUNDED.items()}).to_numpy(float) * unit
    factor = np.where(quantity.isin([str(name) for name in PATHS]), ULPS_ALLOWED, factor)
    summed = (quantity == str(Quantity.RAW_LOSS)) & both["part"].astype(str).str.endswith("sum")
    return factor * scale * np.where(summed, both[f"size_{side}"].to_numpy(float), 1.0)


def _budget(before: Evidence, after: Evidence) -> ErrorBudget:
    """The stricter of the two folders' budgets; the default one where neither records any (a report)."""
    return min((each.budget or ErrorBudget() for each in (before, after)), key=lambda budget: budget.per_test)


def _environment(before: Evidence, after: Evidence) -> dict[str, tuple[str, str]]:
    if not before.environment or not after.environment:  # a suite's own folder records none
        return {}
    items = {**before.environment, **after.environment}
    pairs = {item: (before.environment.get(item, "—"), after.environment.get(item, "—")) for item in items}
    return {item: pair for item, pair in pairs.items() if pair[0] != pair[1] and not item.startswith("account")}


# --- how it is shown


def to_json(result: Diff) -> str:
    """One JSON object; what is no number is null."""
    content = {name: value for name, value in vars(result).items() if name != "suites"} | {
        "verdicts": _records(result.verdicts),
        "numbers": _records(result.numbers),
        "environment": {item: list(pair) for item, pair in result.environment.items()},
        "suites": {
            str(each.sort): {
                "changed": _records(each.changed),
                "compared": each.compared,
                "only_old": list(each.only_old),
                "only_new": list(each.only_new),
            }
            for each in result.suites
        },
        "exit_code": result.exit_code,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)


def _records(frame: Frame) -> list[dict[str, Any]]:
    return json.loads(frame.to_json(orient="records", double_precision=15))
