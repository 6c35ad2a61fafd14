"""Fifty digits: arithmetic in mpmath, inputs that float32 holds exactly, and numbers as decimal text.

mpmath shares no code with NumPy, so that a value here is no copy of the float64 oracle's. Every input is exactly
representable in binary32 (and so in binary64): a float32 and a float64 implementation see the same numbers, and no
tolerance has to pay for their rounding.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import mpmath

DIGITS = 50
GUARD_DIGITS = 30  # sums here cancel at most a factor of 1e13 (sigma 1e-3 against a mean of 30); thirty digits cover it

MP = mpmath.mp.clone()
MP.dps = DIGITS + GUARD_DIGITS

Number = Any  # an mpmath.mpf: mpmath has no types
Row = Sequence[Number]
Rows = Sequence[Row]
Nested = Any  # a number or nested lists of numbers


def single(value: float) -> float:
    """The binary32 number nearest to `value`."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def mapped(change: Callable[[Any], Any], values: Nested) -> Nested:
    """`change` of every number in nested lists of any depth."""
    if isinstance(values, list | tuple):
        return [mapped(change, value) for value in values]
    return change(values)


def exact(values: Nested) -> Nested:
    """The same numbers in mpmath; a float converts without rounding."""
    return mapped(MP.mpf, values)


def decimal(value: Number) -> str:
    """A number with 50 significant digits."""
    return str(mpmath.nstr(value, DIGITS))


def flat(values: Nested) -> list[Any]:
    """Every number of nested lists, in order."""
    if isinstance(values, list | tuple):
        return [number for value in values for number in flat(value)]
    return [values]


def shape(values: Nested) -> tuple[int, ...]:
    """The shape of nested lists, () for a number."""
    return (len(values), *shape(values[0])) if isinstance(values, list | tuple) else ()
