"""Expectations by numerical integration in 30 digits (mpmath, tanh-sinh): references that no closed form enters."""

from collections.abc import Callable, Sequence
from typing import Any

DIGITS = 30


def integral(function: Callable[[Any, Any], Any], points: Sequence[float]) -> float:
    """The integral of function(x, mpmath) over the intervals between `points`, which may be infinite.

    tanh-sinh (Takahasi and Mori 1974) copes with a kink or an infinite slope where a point stands on it.
    """
    import mpmath

    with mpmath.workdps(DIGITS):
        value: Any = mpmath.quad(lambda x: function(x, mpmath), [mpmath.mpf(point) for point in points])
        return float(value)
