"""Whether TraceEnum_ELBO runs the model on the rows of a mini-batch that the guide has drawn, tried on the pair."""

from collections.abc import Callable
from typing import Any

import jax
import jax.core
import numpy as np
from numpyro.handlers import substitute
from numpyro.primitives import Messenger

SEEDS = 3  # two mini-batches may be alike by chance
SAME = 1e-5  # of the size of a loss, in float32 too


class _Rows(Messenger):
    """Keeps the rows of every plate, of the last run in which they are numbers."""

    def __init__(self, fn: Callable) -> None:
        super().__init__(fn)
        self.rows: dict[str, jax.Array] = {}

    def postprocess_message(self, msg: Any) -> None:
        """A plate's value is its rows."""
        if msg["type"] == "plate" and not isinstance(msg["value"], jax.core.Tracer):
            self.rows[msg["name"]] = msg["value"]


def other_rows(pair: Any, elbo: Any, held: Any) -> tuple[str, ...]:
    """Said of subsampled plates for which the model draws rows of its own, where that moves the loss.

    held: what parameters and state are. The trace of a guide that numpyro.contrib.funsor makes has no plates, so that
    replay has nothing to give the model. Rows of which nothing is chosen, as where data are passed as one mini-batch,
    move no loss: it is called with the model's own rows and with the guide's.
    """

    def loss(seed: int, model: Callable, guide: Callable) -> float:
        return float(elbo.loss(jax.random.key(seed), held, model, guide, *pair.args, **pair.kwargs))

    for seed in range(SEEDS):
        model, guide = _Rows(pair.model), _Rows(pair.guide)
        loss(seed, model, guide)
        shared = sorted(model.rows.keys() & guide.rows.keys())
        found = [name for name in shared if not np.array_equal(model.rows[name], guide.rows[name])]
        if found:
            own, alike = (loss(seed, substitute(pair.model, data={name: rows[name] for name in found}), pair.guide)
                          for rows in (model.rows, guide.rows))  # fmt: skip
            if abs(own - alike) <= SAME * (abs(own) + 1):
                return ()
            named = ", ".join(map(repr, found))
            return (
                f"Plate {named}: TraceEnum_ELBO draws other rows for the model than for the guide: data meet latents "
                f"of other rows, and nothing warns. At seed {seed} its loss is {own:.6g} nats, with the guide's rows "
                f"in both it is {alike:.6g}.",
            )
    return ()
