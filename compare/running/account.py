"""Where the wall time of a run went: measured work in any worker, the oracle's references, and the harness itself."""

from collections.abc import Iterable
from dataclasses import dataclass

Span = tuple[str, float, float]
MEASURED = ("import", "call")  # imports, compilation and calls into implementations
ORACLE = "oracle"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Seconds of wall time. `oracle_s`: only the oracle's references were being computed, in no worker anything else.

    `harness_s` = wall - measured - oracle: planning, scheduling, storing, judging, drawing, waiting.
    """

    wall_s: float
    measured_s: float
    oracle_s: float

    @property
    def harness_s(self) -> float:
        """Wall time in which no worker did what it is there for."""
        return max(self.wall_s - self.measured_s - self.oracle_s, 0.0)

    @property
    def harness_share(self) -> float:
        """harness_s / wall_s."""
        return self.harness_s / self.wall_s if self.wall_s else 0.0

    def in_words(self) -> str:
        """One sentence, in whole seconds."""
        return (
            f"Wall time {self.wall_s:.0f} s: {self.measured_s:.0f} s imports, compilation and measured calls, "
            f"{self.oracle_s:.0f} s the oracle's references alone, harness {self.harness_s:.0f} s "
            f"({100 * self.harness_share:.1f}%)."
        )


def account(spans: Iterable[Span], wall_s: float) -> Account:
    """The account of a run: unions over workers that ran side by side, so that no second counts twice."""
    spans = list(spans)
    measured = union_s((start, end) for kind, start, end in spans if kind in MEASURED)
    everything = union_s((start, end) for _, start, end in spans)
    return Account(wall_s=wall_s, measured_s=measured, oracle_s=everything - measured)


def union_s(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of closed intervals."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total
