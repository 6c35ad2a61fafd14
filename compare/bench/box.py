"""A time box: how long a unit of the bench may take. What is measured by then is kept; the rest says why not."""

from dataclasses import dataclass, field
from math import inf
from time import monotonic

# Of a box with many forms: those not started by then stay out, rounds end by then, the rest is for counts and memory.
STARTS, ROUNDS = 0.6, 0.85
# Where a target's interval holds its mark after the rounds that were asked for, so many times as many are measured;
# what is open then stays undecided. Intervals are looked at twice at most.
FURTHER = 3


@dataclass(frozen=True, kw_only=True)
class Box:
    """`seconds` from `began` on; without an end by default."""

    seconds: float = inf
    began: float = field(default_factory=monotonic)

    def left(self, share: float = 1.0) -> float:
        """Seconds until this share of the box is over, negative afterwards."""
        return self.began + share * self.seconds - monotonic()

    @property
    def words(self) -> str:
        """Why something is missing."""
        return f"its time box of {self.seconds:g} s was over"
