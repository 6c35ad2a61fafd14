"""The records of a questions run: what measuring one question gave, and what each row says about its claim."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite, nan
from typing import Any

from elbo_compare.compare.records import Outcome, Status
from elbo_compare.suites.questions.question import Row

PACKAGES = ("numpy", "scipy", "scikit-learn", "mpmath")


@dataclass(frozen=True, kw_only=True)
class QuestionResult:
    """One measured question. `versions`: distribution -> version; `reason` says why there are no rows."""

    question: str
    status: Status
    reason: str = ""
    rows: tuple[Row, ...] = ()
    elapsed_s: float = nan
    versions: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class QuestionVerdict:
    """One row, judged where it has a claim; `outcome` is None for a row that is only shown.

    `low`, `high`: the 95% interval of `value`. `bound_low`, `bound_high`: the interval of `difference`, at the level
    of the error budget, that decided; nan where rounding decides. For a ratio `difference` is log(value / reference).
    """

    question: str
    claim: str
    case: str = ""
    group: str = ""
    quantity: str = ""
    outcome: Outcome | None = None
    at: float = nan
    value: float = nan
    low: float = nan
    high: float = nan
    reference: float = nan
    difference: float = nan
    tolerance: float = nan
    bound_low: float = nan
    bound_high: float = nan
    n: int = 0
    unit: str = ""
    rule: str = ""
    reason: str = ""


def result_to_json(result: QuestionResult) -> dict[str, Any]:
    """Strict JSON: what is not finite is written as text."""
    content = asdict(result)
    content["rows"] = [{name: _plain(value) for name, value in row.items()} for row in content["rows"]]
    return {name: _plain(value) for name, value in content.items()}


def result_from_json(content: Mapping[str, Any]) -> QuestionResult:
    """The inverse of `result_to_json`. Raises ValueError for anything that is not a result."""
    try:
        return QuestionResult(
            question=str(content["question"]),
            status=Status(content["status"]),
            reason=str(content["reason"]),
            rows=tuple(_row(row) for row in content["rows"]),
            elapsed_s=float(content["elapsed_s"]),
            versions={str(name): str(version) for name, version in content["versions"].items()},
            fingerprint=str(content["fingerprint"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a question's result: {error}") from error


NUMBERS = ("value", "reference", "standard_error", "scale", "margin", "at", "skewness")
TEXTS = ("claim", "case", "quantity", "unit", "group")


def _row(content: Mapping[str, Any]) -> Row:
    values: dict[str, Any] = {name: float(content[name]) for name in NUMBERS}
    values |= {name: str(content[name]) for name in TEXTS}
    return Row(**values, n=int(content["n"]))


def _plain(value: Any) -> Any:
    return repr(float(value)) if isinstance(value, float) and not isfinite(value) else value
