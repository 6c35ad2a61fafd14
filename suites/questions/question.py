"""The records of the questions suite: a question, its claims, and one measured row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import nan

RATIO = "ratio"  # the unit of a row whose standard error is that of its logarithm


class Rule(StrEnum):
    """How a claim's rows are judged; see `compare.questions.judging`."""

    ROUNDING = "rounding"  # |value - reference| <= 16 u scale
    EQUAL = "equal"  # the interval of value - reference lies inside +-margin
    BEYOND = "beyond"  # it lies outside of +-margin
    ABOVE = "above"  # it lies above margin
    RATIO_ABOVE = "ratio-above"  # the interval of log(value / reference) lies above 0


@dataclass(frozen=True, kw_only=True)
class QuestionClaim:
    """A statement that can be false, judged on rows. `id` is permanent; a withdrawn claim leaves its number unused."""

    id: str
    rule: Rule
    statement: str
    derivation: str
    source: str
    tolerance: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured number.

    `claim`: the ID of the claim that judges it, empty for a row that is only shown. `group` sorts cases for the answer.
    `at`: the abscissa of a curve (a sample size, a scale). Deterministic rows: `scale` is the sum of absolute terms,
    `standard_error` 0. Means of draws: `n` draws, each of skewness `skewness`. With unit RATIO `standard_error` is that
    of log(value) and `skewness` that which log(value) would have for one draw.
    """

    claim: str
    case: str
    quantity: str
    value: float
    reference: float = nan
    standard_error: float = 0.0
    scale: float = 0.0
    margin: float = nan
    at: float = nan
    n: int = 1
    skewness: float = 0.0
    unit: str = "nats"
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked, in words and as a formula, where it comes from, and how it is measured (at fixed seeds).

    `see`: where else in a report something bears on it.
    """

    id: str
    title: str
    words: str
    formula: str
    source: str
    claims: tuple[QuestionClaim, ...]
    measure: Callable[[], Iterable[Row]]
    see: str = ""

    def claim(self, identifier: str) -> QuestionClaim:
        """Its claim of this ID. Raises KeyError where it has none."""
        found = {claim.id: claim for claim in self.claims}
        if identifier not in found:
            raise KeyError(f"{self.id} has no claim {identifier!r}. It has {', '.join(found)}.")
        return found[identifier]
