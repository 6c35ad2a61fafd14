"""The labels that a conditional model's forward wants beside x: as numbers or one-hot, of as many classes as fit it.

They are tried, not asked for: the form is the first that forward takes without an error at one of the feeds. The number
of classes is what the model says of itself, else what its layers take beyond x, else 10; `--set classes=N` says it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from elbo_compare.compare.checking.models.data import SIDES, Feed
from elbo_compare.suites.bridge.program import Setting

NAMES = re.compile(r"label|target|class|cond|attr|one_?hot|^ys?$|^cs?$", re.IGNORECASE)
COUNTED = re.compile(r"class|label|cond|attr|^[yc]_?(dim|size)$", re.IGNORECASE)
USUAL, MOST, ROWS = 10, 1000, 4
CLASSES = "classes"  # as --set says it


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels for the parameters of these names: row n of a batch is of class n modulo `classes`."""

    parameters: tuple[str, ...]
    classes: int
    hot: bool

    def of(self, x: Any) -> Any:
        """(batch, classes) one-hot, or (batch,) whole numbers, in the framework of x."""
        rows = np.arange(len(x)) % self.classes
        values = np.eye(self.classes)[rows] if self.hot else rows
        if hasattr(x, "new_tensor"):
            made = x.new_tensor(values)
            return made if self.hot else made.long()
        return import_module("jax.numpy").asarray(values, x.dtype if self.hot else int)

    @property
    def given(self) -> tuple[str, ...]:
        """`y = one-hot labels of 10 classes`."""
        kind = "one-hot labels" if self.hot else "labels"
        return tuple(f"{name} = {kind} of {self.classes} classes" for name in self.parameters)


def labels_for(
    bridge: Any, model: Any, fed: Sequence[Feed], parameters: Sequence[str], constants: Mapping[str, Any]
) -> tuple[Labels, Feed] | None:
    """The labels that forward takes and the feed that it takes them with; None where no form goes through."""
    layers = bridge.layer_sizes(getattr(model, "module", model))
    shaped = {feed.shape: feed for feed in reversed([*fed, *_narrower(fed, layers)])}
    for single in (False, True):  # in float32 what casts its labels to that
        for feed in reversed(shaped.values()):
            for labels in _forms(model, feed, layers, tuple(parameters), constants):
                program = bridge.open_program(model, _forward(model, labels), single=single)
                if not program.run(Setting(x=feed.batch(ROWS, 0))).error:
                    return labels, feed
    return None


def _forward(model: Any, labels: Labels) -> Any:
    return lambda x: {"out": model(x, **{name: labels.of(x) for name in labels.parameters})}


def _narrower(fed: Sequence[Feed], layers: Sequence[tuple[str, int, int]]) -> Iterator[Feed]:
    """Feeds without the channels or the columns that hold the labels."""
    if not fed or fed[0].rows is not None:
        return
    if layers and layers[0][0] == "conv2":
        channels = [each for each in (1, 3) if each < layers[0][1]]
        yield from (replace(fed[0], shape=(each, side, side)) for each in channels for side in SIDES)


def _forms(
    model: Any,
    feed: Feed,
    layers: Sequence[tuple[str, int, int]],
    parameters: tuple[str, ...],
    constants: Mapping[str, Any],
) -> Iterator[Labels]:
    for classes in _counts(model, feed, layers, constants):
        for hot in (True, False):
            yield Labels(parameters=parameters, classes=classes, hot=hot)


def _counts(
    model: Any, feed: Feed, layers: Sequence[tuple[str, int, int]], constants: Mapping[str, Any]
) -> Iterator[int]:
    """How many classes there may be, likeliest first."""
    if isinstance(constants.get(CLASSES), int):
        yield constants[CLASSES]
        return
    held = getattr(model, "__dict__", {}) | getattr(getattr(model, "module", None), "__dict__", {})
    named = [value for name, value in held.items() if COUNTED.search(name) and type(value) is int]
    widths = {prod(feed.shape), feed.shape[0]}
    beyond = [wide - width for _, wide, _ in layers for width in widths if wide > width]
    own = [wide for kind, wide, _ in layers if kind == "linear" and wide not in widths]  # a layer of the labels alone
    yield from dict.fromkeys(n for n in [*named, *beyond[:2], *own[:1], USUAL] if 1 < n <= MOST)
