"""Whether TraceEnum_ELBO runs the model on the rows of a mini-batch that the guide has drawn, tried on the pair."""

from collections.abc import Callable
from typing import Any

import jax
import jax.core
import numpy as np
from numpyro.primitives import Messenger

SEEDS = 3  # two mini-batches may be alike by chance


class _Rows(Messenger):
    """Keeps the rows of every plate, of the last run in which they are numbers."""

    def __init__(self, fn: Callable) -> None:
        super().__init__(fn)
        self.rows: dict[str, np.ndarray] = {}

    def postprocess_message(self, msg: Any) -> None:
        """A plate's value is its rows."""
        if msg["type"] == "plate" and not isinstance(msg["value"], jax.core.Tracer):
            self.rows[msg["name"]] = np.asarray(msg["value"])


def other_rows(pair: Any, elbo: Any, held: Any) -> tuple[str, ...]:
    """The subsampled plates for which the model draws rows of its own; held: what parameters and state are.

    The trace of a guide that numpyro.contrib.funsor makes has no plates, so that replay has nothing to give the model.
    """
    for seed in range(SEEDS):
        model, guide = _Rows(pair.model), _Rows(pair.guide)
        elbo.loss(jax.random.key(seed), held, model, guide, *pair.args, **pair.kwargs)
        shared = sorted(model.rows.keys() & guide.rows.keys())
        found = [name for name in shared if not np.array_equal(model.rows[name], guide.rows[name])]
        if found:
            break
    return tuple(
        f"Plate {name!r}: TraceEnum_ELBO draws other rows for the model than for the guide: data meet latents of other "
        "rows, and nothing warns." for name in found
    )  # fmt: skip
