"""Records <-> JSON. Strict JSON (no NaN literal): what is not finite is written as text; defaults are left out."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from functools import cache
from math import isfinite, isnan
from typing import Any

from elbo_compare.compare.records import Cell, CellResult, Measurement, Procedure, Quantity, Status

# One row stands for many draws: it has a range, and no interval.
RANGES = frozenset({Quantity.KL_HISTOGRAM, Quantity.ELBO_DEVIATION, Quantity.KL_DEVIATION})


def cell_to_json(cell: Cell) -> dict[str, Any]:
    """Every field, the enums as text; `library`, which few cells have, where there is one."""
    content = {field.name: _plain(getattr(cell, field.name)) for field in fields(Cell)}
    return content if cell.library else {name: value for name, value in content.items() if name != "library"}


def cell_from_json(content: Mapping[str, Any]) -> Cell:
    """The inverse of `cell_to_json`. Raises ValueError for anything that is not a cell."""
    values = _checked(content, Cell)
    values["procedure"] = Procedure(values["procedure"])
    return Cell(**values)


def measurement_to_json(measurement: Measurement) -> dict[str, Any]:
    """The fields that differ from their defaults."""
    content = {}
    for field in fields(Measurement):
        value = getattr(measurement, field.name)
        if field.default is MISSING or not (value == field.default or _both_nan(value, field.default)):
            content[field.name] = _plain(value)
    return content


def measurement_from_json(content: Mapping[str, Any]) -> Measurement:
    """The inverse of `measurement_to_json`."""
    values = _checked(content, Measurement)
    values["quantity"] = Quantity(values["quantity"])
    return Measurement(**values)


def _in_todays_words(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A stored row, where an earlier version had `low` and `high` hold what is no interval: the ends of a histogram's
    bin or of the draws, and under log p(x) the mean of the log weights, which is a row of its own."""
    quantity = content.get("quantity") if isinstance(content, Mapping) else None
    ends = {"low": "least", "high": "largest"}
    if quantity in RANGES and not ends.keys().isdisjoint(content):
        return [{ends.get(name, name): value for name, value in content.items()}]
    if quantity == Quantity.LOG_PX and "low" in content and "high" not in content:
        kept = {name: content[name] for name in ("index", "n") if name in content}
        mean = {"quantity": Quantity.LOG_WEIGHT_MEAN, "value": content["low"], **kept}
        return [{name: value for name, value in content.items() if name != "low"}, mean]
    return [content]


def result_to_json(result: CellResult) -> dict[str, Any]:
    """One cell's result as strict JSON."""
    return {
        "cell": cell_to_json(result.cell),
        "status": str(result.status),
        "reason": result.reason,
        "measurements": [measurement_to_json(measurement) for measurement in result.measurements],
        "images": result.images,
        "elapsed_s": _plain(float(result.elapsed_s)),
        "fingerprint": result.fingerprint,
    }


def result_from_json(content: Mapping[str, Any]) -> CellResult:
    """The inverse of `result_to_json`. Raises ValueError for anything that is not a result."""
    try:
        return CellResult(
            cell=cell_from_json(content["cell"]),
            status=Status(content["status"]),
            reason=str(content["reason"]),
            measurements=tuple(
                measurement_from_json(row) for stored in content["measurements"] for row in _in_todays_words(stored)
            ),
            images={str(name): grid for name, grid in content["images"].items()},
            elapsed_s=float(content["elapsed_s"]),
            fingerprint=str(content["fingerprint"]),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:  # overflow: an integer beyond every float
        raise ValueError(f"not a cell's result: {type(error).__name__} {error}") from error


def dumps(content: Any) -> bytes:
    """Compact strict JSON."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def _checked(content: Mapping[str, Any], record: type) -> dict[str, Any]:
    kinds = _kinds(record)
    if not isinstance(content, Mapping) or not content.keys() <= kinds.keys():
        raise ValueError(f"not a {record.__name__}: {content!r:.200}")
    values = {}
    for name, value in content.items():
        if kinds[name] is float:
            values[name] = float(value)
        elif kinds[name] is int and (type(value) is not int or not -(2**63) <= value < 2**63):
            raise ValueError(f"{record.__name__}.{name} must be an integer of 64 bits, not {value!r:.80}")
        elif kinds[name] is str and type(value) is not str:
            raise ValueError(f"{record.__name__}.{name} must be text, not {value!r:.80}")
        else:
            values[name] = value
    return values


@cache
def _kinds(record: type) -> dict[str, Any]:
    return {field.name: field.type for field in fields(record)}


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, float) and not isfinite(value):
        return repr(value)
    return value


def _both_nan(first: Any, second: Any) -> bool:
    return isinstance(first, float) and isinstance(second, float) and isnan(first) and isnan(second)
