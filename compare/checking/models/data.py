"""What a model is fed: rows of --data, or made ones whose shape its own layers name."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.suites.contract import Array
from elbo_compare.suites.datasets import shipped
from elbo_compare.suites.datasets.formats import DataError, read_npy

SIDES = (28, 32, 64, 16, 8, 96, 128)
KINDS = ("unit", "binary", "counts")
SHIPPED = {"digits": "digits", "mnist": "mnist-5k"}


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Rows of one shape. kind: `unit` (uniform in (0, 1)), `binary`, `counts`, or `rows` that were given; fixed: the
    batch size that the model is written for, 0 where it takes any."""

    shape: tuple[int, ...]
    kind: str = "unit"
    rows: Array | None = None
    fixed: int = 0

    def batch(self, size: int, number: int) -> Array:
        """One batch, another one for each number."""
        rng, size = np.random.default_rng([16, number]), self.fixed or size
        if self.rows is not None:
            chosen = rng.permutation(len(self.rows))[:size]
            return self.rows[chosen].reshape(size, *self.shape)
        if self.kind == "counts":
            return rng.poisson(3.0, (size, *self.shape)).astype(float)
        unit = rng.uniform(0.02, 0.98, (size, *self.shape))
        return unit if self.kind == "unit" else (unit > 0.5).astype(float)

    @property
    def text(self) -> str:
        """`(batch, 784)`."""
        return f"({', '.join(['batch', *map(str, self.shape)])})"


def given_rows(data: str) -> Array:
    """The rows of FILE.npy, `digits` or `mnist`. Raises TargetError for anything else, or fewer than 16 rows."""
    if data in SHIPPED:
        return shipped.grey_parts(SHIPPED[data])[1][:256]
    path = Path(data)
    if path.suffix != ".npy" or not path.is_file():
        raise TargetError(
            f"--data takes a file FILE.npy, digits or mnist; {data!r} arrived, and there is no such file."
        )
    try:
        return checked_rows(read_npy(path), data)
    except DataError as error:
        raise TargetError(f"--data: {error}") from error


def checked_rows(rows: Array, label: str) -> Array:
    """The same rows. Raises TargetError where they are too few, or no numbers."""
    rows = np.asarray(rows, float)
    if rows.ndim < 2 or len(rows) < 16:
        raise TargetError(f"{label} has shape {rows.shape}; at least 16 rows of data, (rows, ...), are wanted.")
    if not np.isfinite(rows).all():
        raise TargetError(f"{label} holds values that are no numbers.")
    return rows


def feeds(layers: Sequence[tuple[str, int, int]], rows: Array | None) -> Iterator[Feed]:
    """Every feed to try, likeliest first. layers: (kind, in, out) in the model's order."""
    for shape in _shapes(layers, None if rows is None else rows.shape[1:]):
        if rows is not None:
            yield Feed(shape=shape, kind="rows", rows=rows)
        else:
            yield from (Feed(shape=shape, kind=kind) for kind in KINDS)


def _shapes(layers: Sequence[tuple[str, int, int]], given: tuple[int, ...] | None) -> Iterator[tuple[int, ...]]:
    found: dict[tuple[int, ...], None] = {}
    if given is not None:
        size = math.prod(given)
        found |= dict.fromkeys([tuple(given), (size,), *_images(size)])
        yield from found
        return
    flat = [in_ for kind, in_, _ in layers if kind == "linear"]
    ends = [out for kind, _, out in layers if kind == "linear"][-2:]
    convolved = [(kind, in_) for kind, in_, _ in layers if kind.startswith("conv")]
    if layers and layers[0][0] == "conv2":
        found |= {(layers[0][1], side, side): None for side in SIDES}
    if layers and layers[0][0] == "conv1":
        found |= {(layers[0][1], length): None for length in (64, 128, 100, 256)}
    for size in dict.fromkeys([*flat[:1], *ends[::-1], *flat[1:]]):
        found |= {(size,): None} | dict.fromkeys(_images(size))
    for kind, channels in convolved[:2]:
        found |= {(channels, side, side): None for side in SIDES if kind == "conv2"}
    yield from list(found)[:16]


def _images(size: int) -> list[tuple[int, ...]]:
    """Images of that many pixels."""
    return [
        shape
        for channels in (1, 3)
        if size % channels == 0 and (side := math.isqrt(size // channels)) ** 2 * channels == size and side > 3
        for shape in ((channels, side, side), *(((side, side),) if channels == 1 else ()))
    ]
