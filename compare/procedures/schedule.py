"""What every training run shares: batch size, learning rate, the order of rows, when weights are looked at."""

import numpy as np
from numpy.typing import NDArray

from elbo_compare.compare.procedures.task import Task

BATCH = 100  # rows; smaller where the training set is
LEARNING_RATE = 5e-4  # of the questioned code
CHECKPOINTS = 5  # the start, the end and what lies between, evenly


def checkpoints(steps: int) -> tuple[int, ...]:
    """Numbers of completed steps: 0, steps and what lies between, evenly."""
    return tuple(sorted({round(steps * i / (CHECKPOINTS - 1)) for i in range(CHECKPOINTS)}))


def steps_per_epoch(rows: int) -> int:
    """Whole batches in `rows` training rows."""
    return rows // min(BATCH, rows)


def minibatches(task: Task, steps: int, rows: int | None = None) -> NDArray[np.integer]:
    """Indices of the first `rows` training rows (all of them by default), shape (steps, batch): epochs in a random
    order that everybody shares."""
    rows = len(task.dataset.train) if rows is None else rows
    size = min(BATCH, rows)
    generator, per_epoch = task.generator("batches"), steps_per_epoch(rows)
    epochs = [
        generator.permutation(rows)[: per_epoch * size].reshape(per_epoch, size) for _ in range(-(-steps // per_epoch))
    ]
    return np.concatenate(epochs)[:steps]
