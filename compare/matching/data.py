"""The rows that both sides run on: named, or made up in a shape that the programs take."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.matching.loading import load_value
from elbo_compare.suites.bridge.pairs.records import Weight
from elbo_compare.suites.contract import Array
from elbo_compare.suites.datasets.formats import DataError, read_npy, read_npz

ROWS = 64  # of made-up data
TRIED = 12  # widths at most
SHIPPED = {"digits": "digits", "mnist": "mnist-5k"}


def named_data(text: str) -> list[Array]:
    """`FILE.npy`, `FILE.npz` (its arrays in order), `digits`, `mnist`, or FILE.py:NAME (an array, a tuple of arrays, or
    a function that returns them). Rows first. Raises TargetError."""
    if text in SHIPPED:
        from elbo_compare.suites.datasets import load

        return [np.asarray(load(SHIPPED[text]).train, np.float64)]
    if text.endswith((".npy", ".npz")):
        path = Path(text)
        if not path.exists():
            raise TargetError(f"There is no file {text}.")
        try:
            return as_rows(read_npz(path) if path.suffix == ".npz" else [read_npy(path)], text)
        except DataError as error:
            raise TargetError(f"--data: {error}") from error
    found = load_value(text)
    found = found() if callable(found) and not hasattr(found, "shape") else found
    return as_rows(found if isinstance(found, (tuple, list)) else [found], text)


def as_rows(arrays: Sequence[Any], label: str) -> list[Array]:
    """NumPy arrays of equally many rows: numbers in float64, labels as whole numbers. Raises TargetError."""
    found = []
    for each in arrays:
        array = np.asarray(each.detach().cpu() if hasattr(each, "detach") else each)
        if array.dtype.kind not in "fiub" or not array.ndim or not len(array):
            raise TargetError(f"{label}: rows of numbers are wanted; {type(each).__name__} {array.dtype} arrived.")
        found.append(array.astype(np.float64) if array.dtype.kind == "f" else array.astype(np.int64))
    if len({len(each) for each in found}) != 1:
        raise TargetError(
            f"{label}: equally many rows are wanted; {', '.join(str(len(each)) for each in found)} arrived."
        )
    if not all(np.isfinite(each).all() for each in found):
        raise TargetError(f"{label} holds a value that is not finite.")
    return found


def made_up(
    weights: Sequence[Weight], places: Sequence[str], runs: Callable[[list[Array]], str], *, binary: bool
) -> list[Array]:
    """Random rows as wide as the first weight that both programs accept, else as a number that their files name:
    numbers in (0, 1), else (or where `binary`) zeros and ones.

    runs: "" where the programs take the rows, else what they raise. Raises TargetError that asks for --data.
    """
    rng, said = np.random.default_rng(0), ""
    widths = [each.shape[0 if each.kernel else 1] for each in weights if len(each.shape) == 2][:6] or _named(places)
    for width in dict.fromkeys(widths):
        rows = rng.uniform(0.02, 0.98, (ROWS, width))
        for made in ([] if binary else [rows]) + [(rows < 0.4).astype(np.float64)]:
            problem = runs([made])
            if not problem:
                return [made]
            said = said or problem
    said = f" ({said})" if said else ""
    raise TargetError(f"What the programs take can't be told{said}: give --data FILE.npy, digits, or FILE.py:NAME.")


def _named(places: Sequence[str]) -> list[int]:
    """Whole numbers that the programs' files name, the largest first: one of them is the width of a datum."""
    found: set[int] = set()
    for place in places:
        path = Path(place)
        if path.suffix == ".py" and path.is_file():
            found |= {int(each) for each in re.findall(r"(?<![\w.])\d{1,4}(?![\w.])", path.read_text(errors="replace"))}
    return sorted((each for each in found if 2 <= each <= 4096), reverse=True)[:TRIED]
