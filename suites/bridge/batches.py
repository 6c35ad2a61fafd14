"""The rows of one training step, the same for every implementation. NumPy only."""

import numpy as np
from numpy.typing import NDArray

from elbo_compare.suites.contract import Array


def training_rows(x: Array, rows: NDArray[np.integer], step: int, binarise: int | None) -> Array:
    """x[rows], or with a seed in `binarise` one Bernoulli draw per pixel with x as its probability, new at every step.

    Shapes: x (rows, observed), rows (batch,) -> (batch, observed). Dynamic binarisation: Salakhutdinov and Murray 2008.
    """
    batch = np.asarray(x[rows], np.float64)
    if binarise is None:
        return batch
    return (np.random.default_rng([binarise, step]).random(batch.shape) < batch).astype(np.float64)
